"""Pictures of README and docs from the files under results/: the second half of `make results`.

Curves are drawn anew from the curves.csv of every published folder; the beginning of a report is
photographed by the machine's Chromium, where there is one. Renders cannot be made anew from tables:
they are as `effbench publish` wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd

from bench import browser
from effbench import files
from effbench.errors import EffbenchError
from effbench.records.tables import DEFAULT
from effbench.report.palette import Palette
from effbench.report.plots.pictures import psnr_over_time
from effbench.report.plots.style import STYLE, save

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

ROOT = Path(__file__).resolve().parents[1]
CURVES = "psnr-over-time.png"
REPORT = Path("results/intel-xeon-amx-2-cores/pruning-lego/report.html")
PHOTOGRAPH = Path("docs/images/report.png")
_WINDOW: ViewportSize = {"width": 1280, "height": 1180}


def main() -> None:
    for folder in published(ROOT):
        print(draw_curves(folder, folder / CURVES).relative_to(ROOT))
    try:
        print(photograph(ROOT / REPORT, ROOT / PHOTOGRAPH).relative_to(ROOT))
    except EffbenchError as error:
        print(f"{PHOTOGRAPH} stays as it is: {error}")


def published(root: Path) -> Iterable[Path]:
    """Return the folders of runs that were published with a picture of their curves."""
    return sorted(path.parent for path in root.glob(f"results/*/*/{CURVES}"))


def draw_curves(folder: Path, to: Path) -> Path:
    """Draw a published folder's curves, in the colours that its other pictures have."""
    board, curves = (
        pd.read_csv(folder / f"{name}.csv").replace({"variant": {DEFAULT: ""}})
        for name in ("leaderboard", "curves")
    )
    board = board[board["scene"].isin(board["scene"][board["role"] == "row"])]
    palette = Palette(zip(board["method"], board["variant"], strict=True))
    with mpl.rc_context(STYLE):
        figure = psnr_over_time(curves[curves["scene"].isin(board["scene"])], palette)
        if figure is None:
            raise EffbenchError(f"{folder / 'curves.csv'}: has no point after the first step")
        return save(to, figure)


def photograph(page: Path, to: Path) -> Path:
    """Write a picture of a page's beginning. Raises EffbenchError where there is no browser."""
    with browser.chromium() as chromium:
        view = chromium.new_page(viewport=_WINDOW, color_scheme="light")
        view.goto(page.as_uri())
        files.write_bytes(to, view.screenshot())
    return to


if __name__ == "__main__":
    main()
