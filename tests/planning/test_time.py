"""Plans of scenes that move: refused for methods that know no time, or marked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from effbench.errors import ConfigError
from effbench.planning import registry as plugins
from effbench.planning.plan import Cell
from effbench.planning.planner import Request, make_plan

REGISTRY = plugins.discover([])
MOVING = Request(methods=("ngp-time",), scenes=("procedural/pendulum",), budget="5it", device="cpu")


def cells(**changes: Any) -> tuple[Cell, ...]:
    return make_plan(replace(MOVING, **changes), REGISTRY).cells


@pytest.mark.parametrize("method", ["ngp-time", "t-nerf"])
def test_methods_that_know_time_run_as_they_are(method: str) -> None:
    plain, asked = cells(methods=(method,)), cells(methods=(method,), ignore_time=True)
    assert plain == asked
    assert not plain[0].ignore_time
    assert "ignore_time" not in plain[0].key


def test_others_are_refused_with_the_reason_and_the_remedy() -> None:
    message = r"'procedural/pendulum' moves, and method 'instant-ngp' knows no time.*--ignore-time"
    with pytest.raises(ConfigError, match=message):
        cells(methods=("ngp-time", "instant-ngp"))
    with pytest.raises(ConfigError, match="'nerf-pruned' knows no time"):
        cells(methods=("nerf-pruned",))


def test_or_run_as_if_the_scene_stood_still_and_marked() -> None:
    (cell,) = cells(methods=("instant-ngp",), ignore_time=True)
    assert cell.ignore_time
    assert cell.variant == "time=ignored"
    assert '"ignore_time": true' in cell.key
    parent, child = cells(methods=("nerf-pruned",), ignore_time=True)
    assert parent.ignore_time
    assert child.ignore_time


def test_a_scene_that_stands_still_is_open_to_all() -> None:
    found = cells(methods=("instant-ngp", "ngp-time"), scenes=("procedural/blocks",))
    still = cells(methods=("instant-ngp",), scenes=("procedural/blocks",), ignore_time=True)
    assert [cell.variant for cell in (*found, *still)] == ["", "", ""]
    assert not any(cell.ignore_time for cell in (*found, *still))
