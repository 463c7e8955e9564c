"""Which row the others are compared with, when nobody says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from effbench.analysis import reference
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
    assert reference.choose(found) == "nerf"


def test_else_a_row_without_settings_by_name(found: Results) -> None:
    assert reference.choose(without_parents(found)) == "instant-ngp"


def test_a_papers_own_baseline_comes_first(found: Results) -> None:
    (found.folders[0] / "plan.json").write_text('{"paper": "hsm"}')
    changes: dict[str, Any] = {"params": {"compaction": "none"}, "variant": "compaction=none"}
    cells = {
        path: replace(cell, **changes) if cell.method == "instant-ngp" else cell
        for path, cell in found.cells.items()
    }
    assert reference.choose(replace(found, cells=cells)) == "instant-ngp compaction=none"


def test_a_name_is_checked(found: Results) -> None:
    assert reference.choose(found, "instant-ngp") == "instant-ngp"
    with pytest.raises(ConfigError, match="unknown baseline 'nerfs'"):
        reference.choose(found, "nerfs")


def test_nothing_to_choose_from(found: Results) -> None:
    assert reference.choose(replace(found, cells={})) is None
    assert reference.choose(replace(found, cells={}), "nerf") == "nerf"
