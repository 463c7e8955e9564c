"""Suites: what their files say, and messages for what they must not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from effbench.analysis import paper
from effbench.errors import ConfigError, SceneError
from effbench.planning import registry as plugins
from effbench.planning import suites
from effbench.planning.planner import Request, make_plan
from effbench.planning.suites import Entry

FAKES = Path(__file__).parents[1] / "fakes"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_suite_is_read_as_written() -> None:
    toy = suites.load(FAKES / "suites/toy.toml")
    assert (toy.name, toy.scenes, toy.seeds) == ("toy", ("toy/grey",), 2)
    assert toy.entries == (
        Entry("fake"),
        Entry("fake-child", {"mode": "ok"}, {"width": [1, 2]}),
    )


def test_a_device_without_a_budget_of_its_own_gets_the_cpus() -> None:
    toy = suites.load(FAKES / "suites/toy.toml")
    assert toy.budget_for("cuda") == toy.budget_for("cpu") == "5it"


def test_what_a_suite_leaves_out_has_defaults(tmp_path: Path) -> None:
    suite = suites.load(write(tmp_path, 'name = "a"\n[[entry]]\nmethod = "nerf"\n'))
    assert (suite.scenes, suite.seeds, suite.budget_for("cuda")) == (
        ("procedural/blocks",),
        1,
        "300s",
    )


def test_curves_look_at_more_views_where_claims_are_judged_by_them(tmp_path: Path) -> None:
    entry = '[[entry]]\nmethod = "nerf"\n'
    views = {
        name: suites.load(write(tmp_path, f'name = "a"\npaper = "{name}"\n{entry}')).curve_views
        for name in ("hsm", "mobile-nelf", "")
    }
    assert views == {"hsm": 8, "mobile-nelf": 2, "": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "mine.toml"),
        ("[[entry]]\nmethod = 'nerf'", "'name' is missing: write the suite's name"),
        ("name = 'a'", r"'entry' is missing: write tables \[\[entry\]\]"),
        ("name = 'a'\nscene = []\nentry = []", "unknown key of a suite 'scene': .*scenes"),
        ("name = 'a'\nscenes = 'x/y'\nentry = []", "'scenes' is 'x/y': write a list"),
        ("name = 'a'\nseeds = 0\nentry = []", "'seeds' is 0: write a positive"),
        ("name = 'a'\npaper = 'hms'\nentry = []", "unknown paper 'hms': did you mean hsm"),
        ("name = 'a'\nentry = []\n[budget]\ncuda = '5m'", "names no cpu budget"),
        ("name = 'a'\nentry = []\n[budget]\ncpu = 'soon'", "cannot read budget 'soon'"),
        ("name = 'a'\n[[entry]]\nparams = {}", "'method' is missing"),
        ("name = 'a'\n[[entry]]\nmethod = 'nerf'\ngird = {}", "unknown key of an entry 'gird'"),
        ("name = 'a'\n[[entry]]\nmethod = 'nerf'\ngrid = {w = 3}", "'w' is 3: write a list"),
        ("name = 'a'\n[[entry]]\nmethod = 'nerf'\ncuda = 3", "'cuda' is 3: write a table of par"),
        ("name = 'a'\n[[entry]]\nmethod = 'nerf'\nranks = 0", "'ranks' is 0: write a positive"),
        ("name = 'a'\n[[entry]]\nmethod = 'nerf'\nranks = true", "'ranks' is True: write a pos"),
        (
            "name = 'a'\n[[entry]]\nmethod = 'nerf'\ncuda = {lr = 1}\ngrid = {lr = [1]}",
            "'lr' is in 'cuda' and in 'grid'",
        ),
    ],
)
def test_a_malformed_suite_names_file_fault_and_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        suites.load(write(tmp_path, text))
    assert "mine.toml" in str(error.value)


def test_suites_are_found_by_name() -> None:
    registry = plugins.discover([FAKES])
    assert suites.find("toy", registry).name == "toy"
    with pytest.raises(ConfigError, match="unknown suite 'prunning': did you mean pruning"):
        suites.find("prunning", registry)


def test_two_suites_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    write(tmp_path / "suites", 'name = "pruning"\nentry = []\n')
    with pytest.raises(ConfigError, match=r"two suites are called 'pruning': .*mine\.toml"):
        suites.load_all(plugins.discover([tmp_path]))


def test_the_pruning_suite_compares_neurons_widths_and_inheritance_with_controls() -> None:
    suite = suites.find("pruning", plugins.discover())
    assert suite.seeds == 3
    assert [entry.method for entry in suite.entries] == [
        "nerf",
        "nerf-continued",
        "nerf-pruned",
        "nerf-pruned",
        "instant-ngp",
        "nelf-student",
        "nelf-student",
        "iterative-0",
        "iterative-30",
        "iterative-50",
    ]
    inherit, scratch = suite.entries[2:4]
    assert (inherit.params["init"], scratch.params["init"]) == ("inherit", "scratch")
    assert inherit.grid == {"selection": ["uniform", "w_out", "coreset"], "width": [128, 64]}


def test_every_row_of_the_pruning_suite_that_inherits_has_its_control() -> None:
    cells = make_plan(Request(suite="pruning", device="cpu"), plugins.discover()).cells
    by_id = {cell.cell_id: cell for cell in cells}
    held = {
        (cell.method, by_id[cell.control].method, by_id[cell.control].variant)
        for cell in cells
        if cell.control
    }
    assert held == {
        ("nerf-pruned", "nerf-continued", ""),  # inherits
        ("nerf-pruned", "nerf", ""),  # from scratch
        ("nelf-student", "nelf-student", "real_share=1"),
        ("iterative-30", "iterative-0", ""),
        ("iterative-50", "iterative-0", ""),
    }
    alone = {cell.method for cell in cells if not cell.control}
    assert alone == {"nerf", "nerf-continued", "instant-ngp", "nelf-student", "iterative-0"}


def test_the_ablation_of_pruning_repeats_and_shares_its_parents() -> None:
    plan = make_plan(Request(suite="pruning-ablation", device="cpu"), plugins.discover())
    cells = [cell for cell in plan.cells if cell.repetition == 0]
    assert len(plan.cells) == 3 * len(cells)
    # what is quantised, or taught, is a row of its own where it can be: only the teacher is not
    assert [cell.method for cell in cells if cell.role == "parent"] == ["instant-ngp"]
    by_id = {cell.cell_id: cell for cell in cells}
    widths = {
        by_id[cell.parents["parent"]].params["width"]
        for cell in cells
        if cell.method == "quantized" and cell.params["of"] == "nerf-pruned"
    }
    assert widths == {128, 64}
    held = {by_id[cell.control].method for cell in cells if cell.control}
    assert held == {"nerf-continued", "iterative-0"}


@pytest.mark.parametrize("name", ["distill", "distill-ablation", "pruning"])
def test_one_teacher_and_one_student_are_shared_by_all_rows(name: str) -> None:
    cells = make_plan(Request(suite=name, seeds=1, device="cpu"), plugins.discover()).cells
    taught = [c.method for c in cells if "nelf" in c.method and c.params["real_share"] < 1]
    assert [cell.method for cell in cells].count("instant-ngp") == 1
    assert len(taught) == len(set(taught)), "one of each name"
    by_id = {cell.cell_id: cell for cell in cells}
    for cell in cells:
        if cell.preset_of == "iterative-pruning" or cell.method == "iterative-pruning":
            parents = {role: by_id[parent].method for role, parent in cell.parents.items()}
            assert parents == {"teacher": "instant-ngp", "student": cell.params["of"]}


@pytest.mark.parametrize("name", ["distill", "distill-ablation", "pruning"])
def test_a_light_field_s_rows_are_held_against_what_learnt_as_long(name: str) -> None:
    cells = make_plan(Request(suite=name, seeds=1, device="cpu"), plugins.discover()).cells
    by_id = {cell.cell_id: cell for cell in cells}
    pruned = [c for c in cells if c.params.get("finetuned") and c.params["ratio"] > 0]
    assert pruned
    for cell in pruned:
        control = by_id[cell.control] if cell.control else None
        if cell.params["pruning_steps"] == 5:  # the schedule of the control that was planned
            assert control is not None
            assert control.params == {
                **cell.params,
                **{"ratio": 0.0, "criterion": "l2", "groups": "all"},
            }


def test_the_ablation_of_pruning_has_no_row_twice() -> None:
    suite = suites.find("distill-ablation", plugins.discover())
    cells = make_plan(Request(suite=suite.name, device="cpu"), plugins.discover()).cells
    rows = sum(math.prod(map(len, entry.grid.values())) for entry in suite.entries)
    assert sum(cell.role == "row" for cell in cells) == suite.seeds * rows


def test_the_hsm_suite_has_the_papers_baseline_and_the_originals() -> None:
    suite = suites.find("hsm", plugins.discover())
    assert (suite.paper, suite.seeds, suite.scenes) == ("hsm", 3, ("procedural/blocks",))
    assert suite.entries[0] == Entry("instant-ngp", grid={"compaction": ["none", "transmittance"]})
    methods = {entry.method for entry in suite.entries}
    rivals = {"low-weight", "low-weight-nerfacc", "error-map", "proposal"}
    assert methods == {"instant-ngp", "hsm", *rivals}


@pytest.mark.parametrize("name", ["hsm", "hsm-ablation", "hsm-nerf"])
def test_every_row_of_the_hsm_suites_is_a_cell_of_its_own(name: str) -> None:
    request = Request(suite=name, seeds=1, device="cpu")
    cells = make_plan(request, plugins.discover()).cells
    suite = suites.find(name, plugins.discover())
    rows = sum(math.prod(map(len, entry.grid.values())) for entry in suite.entries)
    assert len(cells) == rows
    assert make_plan(request, plugins.discover()).paper == "hsm"


def test_the_captures_suite_takes_what_is_present(tmp_path: Path) -> None:
    registry = plugins.discover()
    with pytest.raises(SceneError, match=r"no scene is present that fits .*EFFBENCH_SCENES"):
        make_plan(Request(suite="captures", device="cpu"), registry, tmp_path)
    for family, name in [("colmap", "desk"), ("mipnerf360", "bonsai")]:
        (tmp_path / family / name / "sparse/0").mkdir(parents=True)
        (tmp_path / family / name / "images").mkdir()
    cells = make_plan(Request(suite="captures", device="cpu"), registry, tmp_path).cells
    assert list(dict.fromkeys(cell.scene.name for cell in cells)) == [
        "mipnerf360/bonsai",
        "colmap/desk",
    ]
    assert len(cells) == len({cell.cell_id for cell in cells}) == 16
    spaces = {cell.params["space"] for cell in cells if cell.method == "instant-ngp"}
    assert spaces == {"auto", "box", "cascades"}


ACCELERATIONS = {  # what each row changes of the defaults, besides what depends on the device
    "proposal",
    "precision=fp32",
    "sampling=uniform,uniform=192",
    "sampling=hierarchical",
    "early_stop_eps=0",
    "compaction=none",
    "compaction=low-weight,alpha_threshold=0",
    "compaction=low-weight,alpha_threshold=0.01",
    "background=scene",
    "background=none",
    "checkpointing=true",
    "image_schedule=progressive",
    "level_schedule=progressive",
    "loading=async",
    "samples=65536",
    "initial=procedural/temple",
    "compile=true",
    "ranks=2",
}


@pytest.mark.parametrize(
    ("device", "own"),
    [
        ("cpu", {"precision=bf16", "grid_resolution=32"}),
        ("cuda:0", {"precision=fp16", "grid_resolution=64"}),
    ],
)
def test_the_acceleration_suite_switches_one_thing_at_a_time(device: str, own: set[str]) -> None:
    plan = make_plan(Request(suite="acceleration", seeds=1, device=device), plugins.discover())
    assert (plan.paper, plan.baseline) == ("pytorch-acceleration", "instant-ngp")
    rows = [cell for cell in plan.cells if cell.role == "row"]
    assert len(rows) == len({cell.cell_id for cell in rows}) == 24
    assert (rows[0].method, rows[0].variant) == ("instant-ngp", "")
    told = {cell.variant or cell.method for cell in rows[1:]}
    assert told >= ACCELERATIONS | own
    several = told - ACCELERATIONS - own  # one grid, all together, nothing
    assert sorted(len(variant.split(",")) for variant in several) == [3, 3, 6]
    (parent,) = [cell for cell in plan.cells if cell.role == "parent"]
    assert (parent.scene.name, parent.variant) == ("procedural/temple", "")
    (started,) = [cell for cell in rows if cell.parents]
    assert list(started.parents.values()) == [parent.cell_id]


def test_the_acceleration_suites_test_every_switch_that_is_claimed() -> None:
    guide = paper.load("pytorch-acceleration")
    rows = []
    for name in ("acceleration", "acceleration-nerf"):
        cells = make_plan(Request(suite=name, seeds=1, device="cpu"), plugins.discover()).cells
        rows += [cell for cell in cells if cell.role == "row"]
    for switch in guide.switches:
        for side in (switch.on, switch.off):
            asked = [(cell.method, {**cell.params, "ranks": cell.ranks}) for cell in rows]
            assert any(side.matches(*one) for one in asked), f"{switch.name}: {side}"


def test_the_claims_of_switches_are_judged_by_curves_of_more_views() -> None:
    suite = suites.find("acceleration", plugins.discover())
    assert (suite.seeds, suite.curve_views) == (3, 8)
    assert (suite.budget_for("cpu"), suite.budget_for("cuda")) == ("20s", "60s")


def test_the_acceleration_of_the_vanilla_network_places_samples_in_three_ways() -> None:
    request = Request(suite="acceleration-nerf", seeds=1, device="cpu")
    cells = make_plan(request, plugins.discover()).cells
    assert {cell.method for cell in cells} == {"nerf"}
    assert [cell.variant for cell in cells] == [
        "",
        "sampling=uniform,uniform=192",
        "sampling=hierarchical",
        "compile=true",
        "checkpointing=true",
    ]
