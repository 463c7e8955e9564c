"""Strips of moments: of scenes that move, also where the first row ignores time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from effbench.records import record, results
from effbench.report.plots.moment_plots import strips
from tests.results_folder import write_results


@pytest.mark.parametrize("moves", [True, False])
def test_a_strip_shows_what_moves(tmp_path: Path, moves: bool) -> None:
    first = True
    for made in write_results(tmp_path, views=3):
        for view, time in zip(made.quality["per_view"], (0.75, 0.25, 0.5), strict=True):
            if moves and not first:
                view["time"] = time
        first = False
        path = tmp_path / "cells" / made.cell_id / "record.json"
        path.write_text(json.dumps(record.to_dict(made)))
    figure = strips(results.renders(results.load([tmp_path])))
    if not moves:
        assert figure is None
        return
    assert figure is not None
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[:3] == ["t = 0.25", "t = 0.50", "t = 0.75"]
