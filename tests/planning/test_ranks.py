"""Plans of cells that several ranks train: identities, suites, and methods that cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import ConfigError
from effbench.method.config import Setting
from effbench.planning import plan
from effbench.planning import registry as plugins
from effbench.planning.plan import Cell
from effbench.planning.planner import Request, make_plan
from effbench.planning.registry import Registry

FOLDERS = [Path(__file__).parents[1] / name for name in ("fakes", "fakes_of_ranks")]
TOY = Request(methods=("shared",), scenes=("toy/grey",), budget="5it", device="cpu")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return plugins.discover(FOLDERS)


def cells(registry: Registry, *settings: str, **changes: Any) -> tuple[Cell, ...]:
    request = replace(TOY, settings=tuple(map(Setting.parse, settings)), **changes)
    return make_plan(request, registry).cells


def test_ranks_are_part_of_an_identity_only_where_there_are_several(registry: Registry) -> None:
    (plain,), (one,) = cells(registry), cells(registry, ranks=1)
    (two,) = cells(registry, ranks=2)
    assert plain == one
    assert "ranks" not in plain.key, "ids of before there were ranks"
    assert two.cell_id != plain.cell_id
    assert two.cell_id.startswith("shared_ranks2_grey_s0-")
    assert (plain.variant, two.variant, two.ranks) == ("", "ranks=2", 2)
    assert two.seed == plain.seed
    assert two.label == "shared ranks=2 on toy/grey"


def test_ranks_stand_behind_the_settings(registry: Registry) -> None:
    (cell,) = cells(registry, "mode=kill", ranks=3)
    assert cell.variant == "mode=kill,ranks=3"


def test_ranks_are_written_with_a_plan(registry: Registry, tmp_path: Path) -> None:
    made = make_plan(replace(TOY, ranks=2), registry)
    made.write(tmp_path)
    assert plan.read(tmp_path) == made


def test_an_entry_of_a_suite_says_how_many_ranks_unless_the_user_does(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    text = """
        name = "scaling"
        scenes = ["toy/grey"]
        [[entry]]
        method = "shared"
        [[entry]]
        method = "shared"
        ranks = 2
    """
    (tmp_path / "suites/scaling.toml").write_text(text)
    registry = plugins.discover([*FOLDERS, tmp_path])
    asked = {"suite": "scaling", "methods": (), "scenes": ()}
    assert [cell.ranks for cell in cells(registry, **asked)] == [1, 2]
    assert [cell.ranks for cell in cells(registry, **asked, ranks=4)] == [4], "rows of one key"


def test_a_method_that_cannot_split_its_batch_is_refused(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="'fake' cannot be trained by 2 ranks: it does not split"):
        cells(registry, methods=("fake",), ranks=2)
    with pytest.raises(ConfigError, match="'hsm' cannot be trained by 2 ranks: it chooses"):
        cells(registry, methods=("hsm",), ranks=2)
    with pytest.raises(ConfigError, match="without an occupancy grid"):
        cells(registry, "sampling=hierarchical", methods=("nerf",), ranks=2)
    with pytest.raises(ConfigError, match="--ranks is 0: write a positive number"):
        cells(registry, ranks=0)


@pytest.mark.parametrize("method", ["error-map", "proposal", "nelf-student", "quantized"])
def test_so_are_others(registry: Registry, method: str) -> None:
    with pytest.raises(ConfigError, match=f"'{method}' cannot be trained by 2 ranks"):
        cells(registry, methods=(method,), ranks=2)


@pytest.mark.parametrize("method", ["instant-ngp", "low-weight", "nerf"])
def test_radiance_fields_with_a_grid_are_not(registry: Registry, method: str) -> None:
    assert cells(registry, methods=(method,), ranks=2)[0].ranks == 2


def test_what_starts_from_another_is_trained_by_ranks_and_its_parent_by_one(
    registry: Registry,
) -> None:
    parent, child = cells(registry, methods=("nerf-pruned",), ranks=2)
    assert (parent.ranks, child.ranks) == (1, 2)
