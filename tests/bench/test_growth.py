"""The benchmark of the harness's own time runs every cell that it plans."""

from __future__ import annotations

from bench import growth


def test_it_plans_runs_and_keeps_its_cells() -> None:
    found = growth.measure(20)
    assert found.keys() == {"plan", "run", "kept", "per_cell_ms", "peak_mb"}
    own = found["plan"] + found["run"]
    assert found["per_cell_ms"] == 1e3 * own / 20
    assert min(found.values()) > 0
