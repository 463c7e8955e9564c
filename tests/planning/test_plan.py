"""Plans: grids, seeds, identities, parents that are shared, and mistakes told beforehand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import ConfigError, PluginError, SceneError
from effbench.method import Requirement
from effbench.method.config import Setting
from effbench.planning import plan
from effbench.planning import registry as plugins
from effbench.planning.plan import Cell, Plan, seed
from effbench.planning.planner import Request, make_plan
from effbench.planning.registry import Registry
from effbench.scene import SceneRef

FAKES = Path(__file__).parents[1] / "fakes"
TOY = Request(methods=("fake",), scenes=("toy/grey",), budget="5it", device="cpu")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return plugins.discover([FAKES])


def planned(registry: Registry, *settings: str, **changes: Any) -> Plan:
    request = replace(TOY, settings=tuple(map(Setting.parse, settings)), **changes)
    return make_plan(request, registry)


def test_a_method_on_a_scene_is_one_cell_with_all_its_parameters(registry: Registry) -> None:
    (cell,) = planned(registry).cells
    assert (cell.suite, cell.method, cell.budget, cell.role) == ("custom", "fake", "5it", "row")
    assert cell.params == {"mode": "ok", "lr": 0.2, "width": 1}, "lr: the default on a CPU"
    assert cell.variant == ""
    assert cell.scene == SceneRef("toy/grey")


def test_settings_make_a_grid_and_name_the_variant(registry: Registry) -> None:
    cells = planned(registry, "width=1,2", "lr=0.2,0.3").cells
    assert [cell.variant for cell in cells] == [
        "lr=0.2,width=1",
        "lr=0.3,width=1",
        "lr=0.2,width=2",
        "lr=0.3,width=2",
    ], "defaults too, where they belong to the grid"


def test_a_setting_may_be_for_one_method_or_for_the_scene(registry: Registry) -> None:
    cells = planned(
        registry, "fake-child.lr=0.5", "toy.side=8,16", methods=("fake", "fake-child")
    ).cells
    assert {(c.method, c.variant, c.scene.params.get("side")) for c in cells} == {
        ("fake", "", 8),
        ("fake", "", None),
        ("fake-child", "lr=0.5", 8),
        ("fake-child", "lr=0.5", None),
    }


def test_a_downscaled_scene_is_another_scene(registry: Registry) -> None:
    (cell,) = planned(registry, downscale=2).cells
    assert cell.scene == SceneRef("toy/grey", {"downscale": 2})
    assert cell.cell_id != planned(registry).cells[0].cell_id


def test_repetitions_differ_in_their_seed_alone(registry: Registry) -> None:
    first, second = planned(registry, seeds=2).cells
    assert (first.repetition, second.repetition) == (0, 1)
    assert first.seed != second.seed
    assert replace(second, repetition=0, seed=first.seed) == first


def test_a_seed_depends_on_names_alone() -> None:
    first = seed("procedural/blocks", 0)
    assert first == 550_567_995
    assert first != seed("procedural/blocks", 1)


def test_rows_of_a_repetition_have_their_seed_in_common(registry: Registry) -> None:
    cells = planned(registry, "width=1,2", methods=("fake", "fake-child"), seeds=2).cells
    by_repetition = {(cell.repetition, cell.seed) for cell in cells}
    assert len(by_repetition) == 2


def test_adding_rows_changes_no_other_row(registry: Registry) -> None:
    alone = planned(registry).cells
    more = planned(registry, "width=1,2", methods=("fake", "fake-child"), seeds=2).cells
    assert {cell.cell_id for cell in alone} <= {cell.cell_id for cell in more}
    assert {cell.seed for cell in alone} <= {cell.seed for cell in more}


def test_a_parent_is_a_cell_of_its_own_before_its_child(registry: Registry) -> None:
    parent, child = planned(registry, methods=("fake-child",)).cells
    assert (parent.method, parent.role) == ("fake", "parent")
    assert (child.role, child.parents) == ("row", {"teacher": parent.cell_id})
    assert (child.scene, child.budget, child.repetition) == (
        parent.scene,
        parent.budget,
        parent.repetition,
    )


def test_a_parent_is_shared_and_is_a_row_where_it_is_asked_for(registry: Registry) -> None:
    cells = planned(registry, "fake-child.lr=0.2,0.3", methods=("fake-child", "fake")).cells
    assert [(c.method, c.role) for c in cells] == [
        ("fake", "row"),
        ("fake-child", "row"),
        ("fake-child", "row"),
    ]
    assert cells[1].parents == cells[2].parents == {"teacher": cells[0].cell_id}


def test_a_preset_is_a_method_with_parameters_of_its_own(registry: Registry) -> None:
    (cell,) = planned(registry, methods=("fake-wide",)).cells
    assert (cell.method, cell.preset_of, cell.variant) == ("fake-wide", "fake", "")
    assert (cell.params["width"], cell.params["lr"]) == (3, 0.3), "also over the device's default"
    assert cell.cell_id.startswith("fake-wide_grey_")


def test_a_preset_takes_settings_of_its_own_and_of_its_method(registry: Registry) -> None:
    methods = ("fake", "fake-wide")
    plain, wide = planned(registry, "fake-wide.lr=0.5", methods=methods).cells
    assert (plain.params["lr"], wide.params["lr"], wide.variant) == (0.2, 0.5, "lr=0.5")
    plain, wide = planned(registry, "fake.mode=nan", methods=methods).cells
    assert (plain.params["mode"], wide.params["mode"]) == ("nan", "nan")


def test_settings_do_not_touch_parents(registry: Registry) -> None:
    parent, _ = planned(registry, "lr=0.7", methods=("fake-child",)).cells
    assert parent.params["lr"] == 0.2


def test_a_suites_rows_take_settings_and_more_methods(registry: Registry) -> None:
    suite = planned(registry, suite="toy", methods=(), scenes=(), budget=None)
    assert len(suite.cells) == 2 * 4, "2 repetitions of: parent, row, parent of width 2, row"
    more = planned(registry, "fake-child.width=1", suite="toy", seeds=1, methods=("instant-ngp",))
    assert [cell.method for cell in more.cells] == ["fake", "fake-child", "instant-ngp"]
    assert {cell.suite for cell in more.cells} == {"toy"}


def test_an_id_is_readable_and_a_file_name(registry: Registry) -> None:
    cell = planned(registry, "width=2", "mode=nan-render", "toy.downscale=2").cells[0]
    assert re.fullmatch(r"fake_nan-render-2_grey-downscale2_s0-[0-9a-f]{16}", cell.cell_id)
    long = replace(cell, changed=",".join(f"key{i}=value/{i}" for i in range(40)))
    assert len(long.cell_id) == 100
    assert re.fullmatch(r"[A-Za-z0-9._-]+", long.cell_id)


def test_a_label_is_what_people_call_a_cell(registry: Registry) -> None:
    cells = planned(registry, "width=2", downscale=2, seeds=2).cells
    assert [cell.label for cell in cells] == [
        "fake width=2 on toy/grey downscale=2",
        "fake width=2 on toy/grey downscale=2, repetition 1",
    ]


def test_an_id_changes_with_whatever_changes_the_result(registry: Registry) -> None:
    (cell,) = planned(registry).cells
    changed = [
        replace(cell, budget="6it"),
        replace(cell, seed=1),
        replace(cell, device="cuda:0"),
        replace(cell, backend="reference"),
        replace(cell, eval_views=1),
        replace(cell, params={**cell.params, "lr": 1.0}),
        replace(cell, suite="other"),
    ]
    assert len({c.cell_id for c in [cell, *changed]}) == len(changed) + 1
    assert replace(cell, role="parent").cell_id == cell.cell_id


def test_a_plan_survives_being_written(registry: Registry, tmp_path: Path) -> None:
    original = planned(registry, "width=1,2", methods=("fake-child",))
    original.write(tmp_path)
    assert plan.read(tmp_path) == original
    assert plan.read(tmp_path).digest == original.digest
    assert original.digest != planned(registry).digest


def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(Exception, match=r"plan\.json is no plan that can be read"):
        plan.read(tmp_path)


def test_an_estimate_is_the_budget_and_an_allowance() -> None:
    cell = Cell("s", "m", SceneRef("a/b"), budget="2m")
    assert cell.estimate_s == 120 + plan.ALLOWANCE_S
    assert replace(cell, budget="99it").estimate_s == plan.ALLOWANCE_S


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ([], {"methods": ()}, "nothing to run: name a --suite or a --method"),
        ([], {"methods": ("fakes",)}, "unknown method 'fakes': did you mean fake"),
        ([], {"suite": "toys"}, "unknown suite 'toys': did you mean toy"),
        ([], {"scenes": ("toy/gray",)}, "unknown scene 'toy/gray': did you mean toy/grey"),
        ([], {"scenes": ("toys/grey",)}, "unknown scene 'toys/grey': did you mean toy/grey"),
        ([], {"seeds": 0}, "--seeds is 0"),
        ([], {"budget": "long"}, "cannot read budget 'long'"),
        (["widht=2"], {}, "unknown parameter 'widht': did you mean width"),
        (["fake.widht=2"], {}, "unknown parameter of fake 'widht': did you mean width"),
        (["fakes.width=2"], {}, "unknown method or scene family in this run 'fakes'"),
        (["width=two"], {}, r"fake\.width: 'two' is not valid: expected an integer"),
        (["width=0"], {}, "width must be at least 1"),
        (["toy.sides=2"], {}, "unknown parameter of scene family toy 'sides'"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(
    registry: Registry, settings: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        planned(registry, *settings, **changes)


def test_a_pattern_stands_for_the_scenes_that_are_present(registry: Registry) -> None:
    found = {cell.scene.name for cell in planned(registry, scenes=("toy/*", "toy/grey")).cells}
    assert "toy/grey" in found
    assert "toy/absent" not in found
    names = [cell.scene.name for cell in planned(registry, scenes=("toy/gre?", "toy/grey")).cells]
    assert names == ["toy/grey"], "once"
    with pytest.raises(SceneError, match=r"no scene is present that fits toy/abs\*"):
        planned(registry, scenes=("toy/abs*",))
    with pytest.raises(SceneError, match=r"no scene is present that fits toy/abs\*"):
        planned(registry, scenes=("toy/grey", "toy/abs*"))


def test_an_unavailable_scene_is_told_before_anything_runs(registry: Registry) -> None:
    with pytest.raises(SceneError, match="'toy/absent' is not available: it was lost"):
        planned(registry, scenes=("toy/absent",))


@pytest.mark.parametrize(
    ("needed", "message"),
    [
        ("needy", "require each other in a circle: needy → needy: break it"),
        ("nobody", "'needy' requires method 'nobody', which is not there"),
    ],
)
def test_requirements_that_cannot_be_met_are_told(needed: str, message: str) -> None:
    registry = plugins.discover([FAKES])
    fake: Any = registry.method("fake")
    requires = classmethod(lambda _cls, _config: {"teacher": Requirement(needed)})
    registry.add_class(type("Needy", (fake,), {"name": "needy", "requires": requires}))
    with pytest.raises(PluginError, match=message):
        planned(registry, methods=("needy",))


def test_twenty_thousand_repetitions_are_as_many_cells(registry: Registry) -> None:
    cells = planned(registry, seeds=20_000).cells
    assert len({cell.cell_id for cell in cells}) == len(cells) == 20_000


def test_two_cells_of_one_id_are_an_error(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cell, "cell_id", property(lambda _: "same"))
    with pytest.raises(ConfigError, match="two different cells have the id same"):
        planned(registry, "lr=0.1,0.2", methods=("fake",), scenes=("toy/grey",))


def test_plans_of_several_runs_stay_beside_each_other(tmp_path: Path) -> None:
    scene = SceneRef("toy/grey")
    first = Plan("a", (Cell("a", "one", scene, "5it"),), scenes_root="first")
    second = Plan("b", (Cell("b", "two", scene, "5it"),), scenes_root="second")
    for written in (first, second, second, first):
        written.write(tmp_path)
        assert plan.read(tmp_path) == written
    assert len(list(tmp_path.glob(plan.FILES))) == 2
    for cell, of in ((first.cells[0], first), (second.cells[0], second)):
        assert plan.find(tmp_path, cell.cell_id) == of
    assert plan.find(tmp_path, "nothing") is None


def test_a_cell_knows_its_control_where_that_is_planned(registry: Registry) -> None:
    cells = planned(registry, "width=1,2", methods=("fake-child",), seeds=2).cells
    rows = [cell for cell in cells if cell.role == "row"]
    by_place = {(cell.repetition, cell.params["width"]): cell for cell in rows}
    for repetition in (0, 1):
        control = by_place[repetition, 1]
        assert by_place[repetition, 2].control == control.cell_id
        assert control.control == "", "it is its own"
    (alone,) = (c for c in planned(registry, "width=2", methods=("fake-child",)).cells if c.parents)
    assert alone.control == ""


def test_what_a_cell_is_held_against_changes_nothing_of_it(registry: Registry) -> None:
    first, *_ = planned(registry).cells
    assert replace(first, control="another").cell_id == first.cell_id


def test_the_control_of_pruning_is_training_on() -> None:
    request = replace(TOY, methods=("nerf-pruned", "nerf-continued"), scenes=("procedural/blocks",))
    settings = (Setting.parse("nerf-pruned.width=64,128"),)
    cells = make_plan(replace(request, settings=settings), plugins.discover([])).cells
    (control,) = (cell for cell in cells if cell.method == "nerf-continued")
    pruned = [cell for cell in cells if cell.method == "nerf-pruned"]
    assert {cell.control for cell in pruned} == {control.cell_id}
    assert control.parents == pruned[0].parents


def test_a_preset_keeps_what_it_is_named_for_unless_it_is_set_by_its_own_name(
    registry: Registry,
) -> None:
    (kept,) = planned(registry, "width=7", "fake.width=8", methods=("fake-wide",)).cells
    assert kept.params["width"] == 3
    (own,) = planned(registry, "fake-wide.width=7", methods=("fake-wide",)).cells
    assert own.params["width"] == 7
