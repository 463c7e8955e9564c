"""A row is held against the row it starts from and against its control, within repetitions."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from effbench.analysis import controls


def cells(*rows: tuple[str, str, str, str, float]) -> pd.DataFrame:
    """Rows of cell_id, method, parent, control, psnr; one device, all finished."""
    names = ["cell_id", "method", "parent", "control", "psnr"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(device="cpu", variant="", status="ok")


DENSE = [("d0", "nerf", "", "", 20.0), ("d1", "nerf", "", "", 21.0)]
ON = [("c0", "nerf-continued", "d0", "", 22.0), ("c1", "nerf-continued", "d1", "", 22.5)]
PRUNED = [("p0", "nerf-pruned", "d0", "c0", 21.5), ("p1", "nerf-pruned", "d1", "c1", 22.5)]


def test_differences_are_taken_within_repetitions() -> None:
    table = cells(*DENSE, *ON, *PRUNED)
    found = controls.gains(table, pd.Series([0, 0, 1, 1, 2, 2]))
    pruned = found.loc[2]
    assert (pruned["parent"], pruned["control"]) == ("nerf", "nerf-continued")
    assert pruned["over_parent"] == pytest.approx(1.5)  # of 1.5 and 1.5
    assert pruned["over_control"] == pytest.approx(-0.25)  # of -0.5 and 0.0
    # t(0.975, 1) = 12.7062; the deviation of two values is their distance over the root of 2
    half = 12.7062 * (0.5 / math.sqrt(2)) / math.sqrt(2)
    assert pruned["over_control_high"] == pytest.approx(-0.25 + half, rel=1e-5)
    assert pruned["over_parent_low"] == pytest.approx(1.5)
    assert found.loc[0, "parent"] == ""
    assert found["over_parent"].isna()[0]


def test_one_repetition_has_no_interval() -> None:
    found = controls.gains(cells(DENSE[0], ON[0]), pd.Series([0, 1]))
    assert found.loc[1, "over_parent"] == pytest.approx(2.0)
    assert found["over_parent_low"].isna()[1]
    assert found.loc[1, "over_parent_n"] == 1


def test_a_control_that_failed_or_was_not_run_is_none() -> None:
    table = cells(*DENSE, *ON, *PRUNED)
    table.loc[[2, 3], "status"] = "diverged"
    found = controls.gains(table, pd.Series([0, 0, 1, 1, 2, 2]))
    assert found.loc[2, "control"] == ""
    assert found["over_control"].isna()[2]
    assert found.loc[2, "over_parent_n"] == 2


def test_a_cell_of_another_machine_is_no_parent() -> None:
    table = cells(DENSE[0], PRUNED[0])
    table.loc[0, "device"] = "another"
    assert controls.gains(table, pd.Series([0, 1]))["over_parent"].isna()[1]


def test_of_several_parents_the_one_behind_none_of_the_others_is_meant() -> None:
    ids = ["teacher", "student", "pruned"]
    parents: list[tuple[str, ...]] = [(), ("teacher",), ("teacher", "student")]
    assert controls.nearest_parents(parents, ids) == ["", "teacher", "student"]
    turned: list[tuple[str, ...]] = [(), ("teacher",), ("student", "teacher")]
    assert controls.nearest_parents(turned, ids)[2] == "student"
