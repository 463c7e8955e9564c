"""Profiles on the page: bars to one scale, lines, a table; nothing where nothing was profiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.records import results
from effbench.records.results import Results
from effbench.report.page import page, profiles
from tests.results_folder import add_profiles, write_results

HOSTILE = '<script>alert("part")</script>'


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_results(folder, scenes=["procedural/blocks"], seeds=1, views=1, size=16)
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("run")
    write_results(folder, scenes=["procedural/blocks"], seeds=1, views=1, size=16)
    add_profiles(folder, {"nerf": {"rays": 1.5, HOSTILE: 2.0}, "instant-ngp": {"rays": 1.5}})
    return results.load([folder])


def test_bars_of_a_scene_have_one_scale(found: Results) -> None:
    (group,) = profiles.profiled(found)
    assert [name for name, _ in group.legend] == ["rays", HOSTILE, "rest"]
    ngp, nerf = group.bars
    assert (ngp.name, ngp.total) == ("instant-ngp", 2.0)
    assert [(p.left, p.width) for p in ngp.pieces] == [(0.0, 37.5), (37.5, 12.5)]
    assert (nerf.total, nerf.pieces[-1].left + nerf.pieces[-1].width) == (4.0, 100.0)
    assert ngp.cells == ["1.50", "", "0.50"]


def test_lines_begin_with_their_first_figure(found: Results) -> None:
    (group,) = profiles.profiled(found)
    use = group.uses[0]
    assert use.seconds == 0.5
    assert [line.points for line in use.lines] == [
        "0,25.00 50.00,25.00 100.00,75.00",
        "0,50.00 50.00,50.00 100.00,50.00",
    ]
    assert use.lines[0].said == "processors, by anybody 50%"


def test_the_page_shows_them_as_text_and_bars(found: Results) -> None:
    shown = page.render(found)
    assert 'id="profiles"' in shown
    assert shown.count('<rect x="') == 5
    assert "<title>rays 1.50 ms</title>" in shown
    assert HOSTILE not in shown


def test_pages_without_profiles_have_none_of_it(plain: Path) -> None:
    found = results.load([plain])
    assert profiles.profiled(found) == []
    assert 'id="profiles"' not in page.render(found)
