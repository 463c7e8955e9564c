"""Cells whose machine was slower, or had other work, are marked: where the line is."""

from __future__ import annotations

from typing import Any

import pytest

from effbench.analysis import disturbance


def marks(*cells: dict[str, Any]) -> list[list[str]]:
    """Return the marks of cells by what tells them from an undisturbed one."""
    rows = []
    for number, told in enumerate(cells):
        device, alone = told.get("device", "CPU"), told.get("alone", True)
        machine: dict[str, Any] = {"speed": 100.0, "waiting": 0.0, "steal": 0.0, "throttled": None}
        machine |= {k: v for k, v in told.items() if k not in ("device", "alone")}
        rows.append((str(number), device, machine, {"alone": alone}))
    found = disturbance.by_cell(rows)
    return [found.get(str(number), []) for number in range(len(cells))]


def test_undisturbed_cells_have_no_mark() -> None:
    assert marks({}, {"speed": 96.0}, {"waiting": 0.04}, {"steal": 0.05}) == [[]] * 4


@pytest.mark.parametrize(
    ("told", "mark"),
    [
        ({"alone": False}, "another cell ran beside it"),
        ({"waiting": 0.12}, "waited 12% of its time for a processor"),
        ({"steal": 0.3}, "lost 30% of its time to other machines"),
        ({"throttled": 0.06}, "was stopped by a quota for 6% of its time"),
        ({"speed": 90.0}, "the machine ran at 0.90 of its usual speed"),
        ({"neighbours": 1}, "shared the machine's memory with 1 on its other processors"),
        ({"between": [{"waiting": 0.2}]}, "waited 20% of its time for a processor"),
        ({"after": {"waiting": 0.2}}, "waited 20% of its time for a processor"),
    ],
)
def test_each_disturbance_is_told(told: dict[str, Any], mark: str) -> None:
    assert marks({}, told, {}) == [[], [mark], []]


def test_several_are_all_told() -> None:
    (found,) = marks({"alone": False, "waiting": 0.5})
    assert found == ["another cell ran beside it", "waited 50% of its time for a processor"]


def test_speeds_are_compared_on_one_device_only() -> None:
    assert marks({"speed": 100.0}, {"speed": 10.0, "device": "other"}) == [[], []]


def test_a_record_that_does_not_say_is_not_marked() -> None:
    assert disturbance.by_cell([("a", "CPU", {}, {}), ("b", "CPU", {}, {"alone": False})]) == {
        "b": ["another cell ran beside it"]
    }


def test_neighbours_that_were_planned_are_no_mark() -> None:
    rows = [("a", "CPU", {"speed": 1.0, "neighbours": 3}, {"alone": True})]
    assert disturbance.by_cell(rows)
    assert disturbance.by_cell(rows, planned=True) == {}
