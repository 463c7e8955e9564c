"""Profiles as tables: means over the seeds that have them, one line of use per row."""

from __future__ import annotations

from typing import Any

import pytest

from effbench.records import profiles
from effbench.records.record import Record


def cell(method: str, seed: int, profile: dict[str, Any], status: Any = "ok") -> Record:
    return Record(
        cell_id=f"{method}-{seed}",
        suite="s",
        method=method,
        scene={"key": "blocks", "name": "procedural/blocks"},
        budget="5it",
        seed=seed,
        repetition=seed,
        status=status,
        device="CPU",
        profile=profile,
    )


def of_steps(rest: float, **parts: float) -> dict[str, Any]:
    return {"parts": parts, "rest_ms": rest, "steps": 16}


def test_parts_are_means_over_profiled_seeds() -> None:
    records = [
        cell("a", 0, of_steps(1.0, rays=2.0, optimiser=6.0)),
        cell("a", 1, of_steps(3.0, rays=4.0)),
        cell("a", 2, {}),
        cell("a", 3, {"reason": "no parts: nobody knows"}),
        cell("b", 0, of_steps(5.0, rays=1.0)),
        cell("c", 0, of_steps(9.0, rays=9.0), status="failed"),
    ]
    frame = profiles.parts(records)
    found = [(row.method, row.part, row.ms) for row in frame.itertuples()]
    assert found == [
        ("a", "rays", 3.0),
        ("a", "optimiser", 3.0),
        ("a", "rest", 2.0),
        ("b", "rays", 1.0),
        ("b", "rest", 5.0),
    ]
    assert set(frame["scene"]) == {"procedural/blocks"}


def test_the_use_of_the_machine_is_that_of_the_first_profiled_seed() -> None:
    use = {"t_s": [0.25, 0.5], "cores": {"0": [1.0, 0.0], "1": [0.5, 0.5]}, "process": [1.0, 3.0]}
    other = {"t_s": [0.25], "cores": {"0": [0.1]}, "process": [0.1], "device": [0.9]}
    records = [
        cell("a", 2, {"utilisation": other}),
        cell("a", 1, {"utilisation": use}),
        cell("a", 0, {"utilisation": {}}),
        cell("b", 0, {"utilisation": other}),
    ]
    frame = profiles.utilisation(records)
    assert list(frame["method"]) == ["a", "a", "b"]
    assert list(frame["cores"]) == pytest.approx([0.75, 0.25, 0.1])
    assert list(frame["process"]) == pytest.approx([0.5, 1.0, 0.1]), "no more than all of them"
    assert list(frame["gpu"].isna()) == [True, True, False]


def test_without_profiles_tables_are_empty() -> None:
    for records in ([], [cell("a", 0, {})]):
        assert profiles.parts(records).empty
        assert profiles.utilisation(records).empty
