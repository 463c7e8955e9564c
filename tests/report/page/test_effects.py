"""Tornado charts on a page: shapes where the picture has bars, and their figures as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.records import results
from effbench.records.results import Results
from effbench.report.page import effects, page
from tests.acceleration_run import write_run
from tests.results_folder import write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = tmp_path_factory.mktemp("run")
    write_run(folder)
    return results.load([folder])


def test_bars_begin_or_end_at_no_difference(found: Results) -> None:
    times, memory = effects.charts(found, "instant-ngp")
    assert times.title == "Time to the baseline’s PSNR: procedural/blocks"
    assert times.headings == ["speed-up (×)", "iteration time (×)"]
    name, (speedup, steps) = times.rows[0]
    assert (name, speedup.text) == ("instant-ngp loading=async", "1.25× [1.25, 1.25]")
    assert (speedup.kind, steps.kind) == ("better", "better")
    assert speedup.left == pytest.approx(times.ones[0], abs=0.11)
    assert steps.left + steps.width == pytest.approx(times.ones[1], abs=0.11)
    assert speedup.left + speedup.width <= effects.WIDTH
    slow = dict(times.rows)["instant-ngp sampling=uniform"]
    assert (slow[0].text, slow[0].kind, slow[0].width) == ("not reached", "", 0.0)
    assert slow[1].kind == "worse"
    assert (times.unreached, memory.unreached) == (True, False)
    assert memory.rows[0][0] == "instant-ngp sampling=uniform"


def test_they_are_on_the_page(found: Results) -> None:
    text = page.render(found)
    assert "<h3>Memory of training: procedural/blocks</h3>" in text
    assert text.count('<table class="plain effects">') == 2
    assert text.count("not reached</td>") == 4


def test_results_without_single_factors_have_none(tmp_path: Path) -> None:
    write_results(tmp_path, scenes=["procedural/blocks"], views=0)
    others = results.load([tmp_path])
    assert effects.charts(others, "nerf") == []
    assert effects.charts(others, None) == []
    assert 'class="plain effects"' not in page.render(others)
