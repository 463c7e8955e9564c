"""Quality by the time of what is shown: a row per view and cell, also of cells that ignore time."""

from __future__ import annotations

from typing import Any

from effbench.records.moments import moments
from effbench.records.record import Record


def cell(method: str, *views: dict[str, Any], failed: bool = False, name: str = "s") -> Record:
    return Record(
        cell_id=method,
        suite="dynamic",
        method=method,
        scene={"key": name, "name": name, "background": [1.0] * 3, "notes": [], "width": 4},
        budget="1s",
        seed=0,
        status="failed" if failed else "ok",
        quality={"per_view": list(views)},
    )


def test_views_are_in_the_order_of_their_times() -> None:
    late, early = (
        {"name": "a", "time": 0.9, "psnr": 20.0},
        {"name": "b", "time": 0.1, "psnr": 9.0},
    )
    found = moments([cell("t-nerf", late, early), cell("failed", late, failed=True)])
    assert found[["method", "time", "psnr"]].to_numpy().tolist() == [
        ["t-nerf", 0.1, 9.0],
        ["t-nerf", 0.9, 20.0],
    ]


def test_a_row_that_ignores_time_is_shown_at_those_of_the_others() -> None:
    known, without = {"name": "a", "time": 0.5, "psnr": 20.0}, {"name": "a", "psnr": 9.0}
    found = moments([cell("instant-ngp", without), cell("ngp-time", known)])
    assert dict(zip(found["method"], found["time"], strict=True)) == {
        "instant-ngp": 0.5,
        "ngp-time": 0.5,
    }
    assert (
        moments([cell("instant-ngp", without), cell("ngp-time", known, name="other")]).shape[0] == 1
    )
