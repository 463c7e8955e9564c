"""Pictures of pages are those of the files that were published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import browser, pictures
from effbench.errors import EffbenchError
from effbench.report.publish import PAGE_BYTES

FOLDER = pictures.ROOT / "results/intel-xeon-amx-2-cores/dynamic-pendulum"


def test_curves_are_drawn_as_they_were_published(tmp_path: Path) -> None:
    drawn = np.asarray(Image.open(pictures.draw_curves(FOLDER, tmp_path / "curves.png")))
    committed = np.asarray(Image.open(FOLDER / pictures.CURVES))
    assert drawn.shape == committed.shape
    # Another release of matplotlib may set a pixel's grey otherwise; another line is seen in many.
    differing = (np.abs(drawn.astype(int) - committed).max(-1) > 64).mean()
    assert differing < 0.002


def test_every_published_run_has_its_curves_drawn() -> None:
    assert FOLDER in pictures.published(pictures.ROOT)


def test_a_folder_without_points_is_named(tmp_path: Path) -> None:
    (tmp_path / "leaderboard.csv").write_text("method,variant,scene,role\nnerf,default,a/b,row\n")
    (tmp_path / "curves.csv").write_text(
        "method,variant,scene,iteration,psnr\nnerf,default,a/b,0,\n"
    )
    with pytest.raises(EffbenchError, match=r"curves.csv: has no point"):
        pictures.draw_curves(tmp_path, tmp_path / "curves.png")


def test_a_machine_without_a_browser_keeps_the_photograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "_NAMES", ())
    monkeypatch.delenv("EFFBENCH_CHROMIUM", raising=False)
    with pytest.raises(EffbenchError, match="needs Chromium"):
        pictures.photograph(FOLDER / "report.html", tmp_path / "report.png")
    assert not (tmp_path / "report.png").exists()


def test_every_published_page_keeps_its_limit() -> None:
    sizes = {path: path.stat().st_size for path in pictures.ROOT.glob("results/*/*/report.html")}
    assert sizes
    assert max(sizes.values()) <= PAGE_BYTES
