"""Which row the others are compared with, when nobody says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import ConfigError
from effbench.records import results
from effbench.records.results import Results
from tests.results_folder import write_results


@pytest.fixture
def found(tmp_path: Path) -> Results:
    write_results(tmp_path, scenes=["procedural/blocks"], seeds=1, size=8)
    return results.load([tmp_path])


def without_parents(found: Results) -> Results:
    return replace(found, cells={p: replace(r, parents={}) for p, r in found.cells.items()})


def test_the_row_from_which_most_others_start(found: Results) -> None:
    assert results.baseline(found) == "nerf"


def test_else_the_row_without_settings_that_was_run_first(found: Results) -> None:
    alone = without_parents(found)
    assert results.baseline(alone) == "instant-ngp"
    started = {"nerf": "2025-01-01", "instant-ngp": "2025-01-02"}
    earlier = {
        path: replace(r, provenance={**r.provenance, "started": started.get(r.method, "2026")})
        for path, r in alone.cells.items()
    }
    assert results.baseline(replace(alone, cells=earlier)) == "nerf", "whatever the alphabet says"


def test_what_the_suite_declares_comes_first(found: Results) -> None:
    plan = found.folders[0] / "plan.json"
    plan.write_text('{"paper": "hsm", "baseline": "instant-ngp"}')
    assert results.baseline(found) == "instant-ngp"
    plan.write_text('{"baseline": "mip-nerf"}')
    assert results.baseline(found) == "nerf", "a row that is not there is none to compare with"


def test_a_papers_own_baseline_comes_first(found: Results) -> None:
    (found.folders[0] / "plan.json").write_text('{"paper": "hsm"}')
    changes: dict[str, Any] = {"params": {"compaction": "none"}, "variant": "compaction=none"}
    cells = {
        path: replace(cell, **changes) if cell.method == "instant-ngp" else cell
        for path, cell in found.cells.items()
    }
    assert results.baseline(replace(found, cells=cells)) == "instant-ngp compaction=none"


def test_a_name_is_checked(found: Results) -> None:
    assert results.baseline(found, "instant-ngp") == "instant-ngp"
    with pytest.raises(ConfigError, match="unknown baseline 'nerfs'"):
        results.baseline(found, "nerfs")


def test_nothing_to_choose_from(found: Results) -> None:
    assert results.baseline(replace(found, cells={})) is None
    assert results.baseline(replace(found, cells={}), "nerf") == "nerf"
