"""Tables without their records: leaderboards under any name, and cells made of curves."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.analysis import paper
from effbench.records import committed
from effbench.report import papers

BOARD = """\
suite,method,variant,scene,n,budget,status,psnr,params,train_s,iterations,role,device,param.width
pruning,nerf,,toy/a,3,60s,ok,25.0,,60,2000,row,CPU,
pruning,nerf-pruned,"selection=coreset,width=128",toy/a,3,60s,ok,24.5,,60,2400,row,CPU,128.0
"""
CURVES = """\
suite,method,variant,scene,repetition,seed,fraction,train_s,iteration,psnr,loss,budget,device
"""


def curves(row: str, seed: int, milliseconds: float) -> str:
    points = [(i, part) for i in range(3) for part in (0.5, 1)]
    lines = [
        f"hsm,{row},toy/a,{i},{seed + i},{part},{60 * part},{60e3 * part / milliseconds},"
        f"{20 + part},0,60s,CPU"
        for i, part in points
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "any-name.csv").write_text(BOARD, encoding="utf-8")
    rows = {'hsm,"compaction=none,reweight=true"': 5.0, "instant-ngp,compaction=none": 10.0}
    text = "".join(curves(row, 7 * i, ms) for i, (row, ms) in enumerate(rows.items()))
    (tmp_path / "curves.csv").write_text(CURVES + text, encoding="utf-8")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return tmp_path


def test_leaderboards_are_known_by_their_first_line(tables: Path) -> None:
    board = committed.leaderboard([tables])
    assert list(board["method"]) == ["nerf", "nerf-pruned"]
    assert list(board["iter_ms_mean"]) == [30.0, 25.0], "60 s over 2,000 and 2,400 iterations"


def test_a_paper_s_methods_are_found_in_them(tables: Path) -> None:
    pruning = paper.load("neuron-pruning")
    frame = papers.table(pruning, [tables]).set_index("row")
    assert frame.loc["coreset", "minutes_100k_ratio"] == pytest.approx(25 / 30)
    assert "Made of tables, as no records were kept" in papers.to_markdown(
        pruning, papers.table(pruning, [tables])
    )


def test_cells_follow_from_curves(tables: Path) -> None:
    cells, points = committed.comparable([tables])
    assert len(cells) == 6
    assert set(cells["settings"]) == {
        '{"compaction": "none", "reweight": true}',
        '{"compaction": "none"}',
    }
    assert cells.groupby("method")["iter_ms_mean"].first().to_dict() == {
        "hsm": pytest.approx(5.0),
        "instant-ngp": pytest.approx(10.0),
    }
    assert set(points["cell"]) == set(cells["cell"])


def test_claims_are_judged_by_what_curves_tell(tables: Path) -> None:
    frame = papers.table(paper.load("hsm"), [tables])
    own = frame["baseline"] == "instant-ngp compaction=none"
    frame = frame[own & (frame["method"] == "hsm")].set_index("measure")
    time = frame.loc["iter_ratio"]
    assert (time["mean"], time["test"], time["verdict"]) == (
        pytest.approx(0.5),
        "unpaired",
        "confirmed",
    )
    assert frame.loc["psnr_gain", "reason"] == "no verdict: n = 0, 3 seeds are needed"


def test_without_any_table_there_is_nothing(tmp_path: Path) -> None:
    assert committed.leaderboard([tmp_path]).empty
    assert committed.comparable([tmp_path])[0].empty
    text = papers.to_markdown(
        paper.load("nerfacc"), papers.table(paper.load("nerfacc"), [tmp_path])
    )
    assert "These records have no scene of" in text
