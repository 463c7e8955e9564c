"""The report in a browser: everything on it works, from disk, with keyboard, mouse and phone."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from effbench.analysis.pareto import pareto
from effbench.records import record, results, tables
from effbench.report.page import page as report
from tests.browser import chromium
from tests.report.page.test_maps import give_maps
from tests.results_folder import PRUNING, write_results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">'
PHONE = {"width": 390, "height": 844}
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results in which one row has no result and one cell failed."""
    folder = tmp_path_factory.mktemp("run")
    for made in write_results(folder):
        path = folder / "cells" / made.cell_id / "record.json"
        if (made.variant, made.scene["name"]) == (
            "selection=uniform,width=64",
            "procedural/blocks",
        ):
            empty: dict[str, Any] = {"quality": {}, "time": {}, "memory": {}, "size": {}}
            blank = record.to_dict(record.Record(**{**vars(made), **empty}))
            path.write_text(json.dumps(blank | {"status": "oom", "reason": "no memory left"}))
    return folder


@pytest.fixture(scope="module")
def written(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.write([run], path)
    return path


@pytest.fixture
def open_page(browser: Browser, written: Path) -> Iterator[Open]:
    """Open a page of its own; at the end nothing was asked of the network or complained about."""
    pages, complaints = [], []

    def opened(path: Path = written, **settings: Any) -> Page:
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **settings})
        page.set_default_timeout(20_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    requests: list[str] = []
    yield opened
    for page in pages:
        page.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def board(run: Path) -> list[dict[str, str]]:
    found = results.load([run])
    text = tables.to_csv(results.leaderboard(found.folders, found.cells.items()))
    return list(csv.DictReader(io.StringIO(text)))


def column(page: Page, name: str) -> list[str]:
    """Return the texts of a column of the rows that are shown, from the top."""
    found: list[str] = page.evaluate(
        """name => {
            const table = document.getElementById("leaderboard");
            const heads = [...table.tHead.rows[0].cells];
            const place = heads.findIndex(head => head.dataset.column === name);
            return [...table.tBodies[0].rows].filter(row => !row.hidden && !row.matches(".details"))
                .map(row => row.cells[place].textContent);
        }""",
        name,
    )
    return found


def hovered(page: Page, plot: str) -> str:
    """Return what a chart says of its first point when one points at it."""
    point = page.locator(f"#{plot} .scatterlayer .points path").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(f"#{plot} .hoverlayer .hovertext")
    return page.locator(f"#{plot} .hoverlayer").text_content() or ""


class TestLeaderboard:
    def test_it_shows_the_figures_of_the_csv(
        self, open_page: Open, board: list[dict[str, str]]
    ) -> None:
        page = open_page()
        for name, digits in (("psnr", 2), ("ssim", 4), ("model_mb", 3)):
            texts = [text.rstrip(" ▲▼").split(" ± ")[0] for text in column(page, name)]
            assert texts == [f"{float(r[name]):.{digits}f}" if r[name] else "" for r in board]
        deviations = [text.rstrip(" ▲▼").partition(" ± ")[2] for text in column(page, "psnr")]
        assert deviations == [f"{float(r['psnr_std']):.2f}" if r["psnr_std"] else "" for r in board]
        assert column(page, "n") == [row["n"] for row in board]
        assert column(page, "method") == [row["method"] for row in board]

    def test_it_downloads_the_csv(self, open_page: Open, board: list[dict[str, str]]) -> None:
        page = open_page()
        with page.expect_download() as download:
            page.click("#download")
        assert download.value.suggested_filename == "leaderboard.csv"
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert list(csv.DictReader(io.StringIO(text))) == board

    def test_headings_sort_by_the_csvs_figures(
        self, open_page: Open, board: list[dict[str, str]]
    ) -> None:
        page = open_page()
        given = column(page, "psnr")
        head, button = (
            page.locator("th[data-column=psnr]"),
            page.locator("th[data-column=psnr] button"),
        )
        ranked = sorted((float(r["psnr"]) for r in board if r["psnr"]), reverse=True)
        for order, expected in (("descending", ranked), ("ascending", ranked[::-1])):
            button.click()
            assert head.get_attribute("aria-sort") == order
            texts = column(page, "psnr")
            assert texts[-1] == "", "a row without a figure is last, whichever way"
            assert [text.split(" ± ")[0] for text in texts[:-1]] == [f"{v:.2f}" for v in expected]
        button.click()
        assert head.get_attribute("aria-sort") is None
        assert column(page, "psnr") == given

    def test_a_heading_works_by_keyboard_and_explains_itself(self, open_page: Open) -> None:
        page = open_page()
        page.focus("th[data-column=iter_ms] button")
        tip = page.locator("#tip")
        tip.wait_for(state="visible")
        assert "Median of synchronised training iterations" in tip.inner_text()
        page.evaluate("document.querySelector('th[data-column=iter_ms]').scrollIntoView()")
        page.wait_for_timeout(100)  # scrolling is told later
        assert tip.is_visible(), "what is in focus keeps its tip when it is scrolled to"
        page.keyboard.press("Enter")
        times = [float(text) for text in column(page, "iter_ms") if text]
        assert times == sorted(times)
        page.keyboard.press("Escape")
        assert not tip.is_visible()

    def test_words_and_lists_filter(self, open_page: Open, board: list[dict[str, str]]) -> None:
        page = open_page()
        page.fill("#filter", "PRUNED width=64")
        shown = [r["variant"] for r in board if "width=64" in r["variant"]]
        assert column(page, "variant") == [text.replace(",", ", ") for text in shown]
        assert page.inner_text("#count") == f"{len(shown)} of {len(board)} rows"
        page.select_option("#filters select[data-column=scene]", "procedural/spheres")
        assert set(column(page, "scene")) == {"procedural/spheres"}
        page.fill("#filter", "nothing like it")
        assert column(page, "method") == []
        page.fill("#filter", "")
        page.select_option("#filters select[data-column=scene]", "")
        assert page.inner_text("#count") == f"{len(board)} rows"

    def test_a_row_shows_its_cells(self, open_page: Open) -> None:
        page = open_page()
        page.click("#leaderboard tbody tr:first-child .more button")
        details = page.locator("tr.details")
        assert details.locator("tbody tr").count() == 3
        assert "instant-ngp__procedural-blocks_s2" in details.inner_text()
        page.click("#leaderboard tbody tr:first-child .more button")
        assert details.count() == 0

    def test_more_columns_on_demand(self, open_page: Open) -> None:
        page = open_page()
        head = page.locator("th[data-column=params]")
        assert not head.is_visible()
        page.check("#all-columns")
        assert head.is_visible()


class TestCharts:
    @pytest.fixture
    def page(self, open_page: Open) -> Page:
        page = open_page()
        page.locator("#charts").scroll_into_view_if_needed()
        page.wait_for_selector("#trade-plot .main-svg")
        return page

    def traces(self, page: Page, plot: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = page.evaluate(
            """id => document.getElementById(id).data.map(({name, x, y}) => ({name, x, y}))""", plot
        )
        return found

    def test_a_curve_per_row_with_the_mean_over_seeds(self, page: Page, run: Path) -> None:
        curves = {t["name"]: t for t in self.traces(page, "curve-plot") if t.get("name")}
        assert len(curves) == len(PRUNING) - 1  # one row of this scene has no result
        frame = results.curves(results.load([run]))
        own = frame[(frame["method"] == "nerf") & (frame["scene"] == "procedural/blocks")]
        expected = list(own.groupby("fraction")["psnr"].mean())
        assert curves["nerf"]["y"] == pytest.approx(expected, rel=1e-5)

    def test_the_staircase_is_the_pareto_front(self, page: Page, run: Path) -> None:
        frame = tables.leaderboard(record.load([run]))
        blocks = frame[frame["scene"] == "procedural/blocks"]
        for cost in ("model_mb", "iter_ms"):
            page.select_option("#trade-x", cost)
            front = blocks[pareto(blocks, cost)].drop_duplicates([cost, "psnr"])
            staircase = self.traces(page, "trade-plot")[0]
            assert staircase["x"] == pytest.approx(sorted(front[cost]))
            assert staircase["y"] == pytest.approx(sorted(front["psnr"]))

    def test_rows_are_switched_off_and_on(self, page: Page) -> None:
        chip = page.get_by_role("button", name="nerf", exact=True)
        for plot in ("curve-plot", "trade-plot"):
            assert "nerf" in [t.get("name") for t in self.traces(page, plot)]
        chip.press("Enter")
        assert chip.get_attribute("aria-pressed") == "false"
        for plot in ("curve-plot", "trade-plot"):
            assert "nerf" not in [t.get("name") for t in self.traces(page, plot)]
        page.click("#show-none")
        assert self.traces(page, "curve-plot") == []
        page.click("#show-all")
        assert "nerf" in [t.get("name") for t in self.traces(page, "curve-plot")]

    def test_pointing_at_a_curve_names_it(self, page: Page) -> None:
        assert "dB at" in hovered(page, "curve-plot")

    def test_the_same_as_a_table(self, page: Page) -> None:
        page.click("#curve-values summary")
        page.wait_for_selector("#curve-values td")
        assert page.locator("#curve-values tbody tr").count() == (len(PRUNING) - 1) * 5


class TestImages:
    def clip(self, page: Page) -> str:
        found: str = page.evaluate("document.getElementById('layer-right').style.clipPath")
        return found

    def test_the_divider_follows_keyboard_and_mouse(self, open_page: Open) -> None:
        page = open_page()
        assert self.clip(page) == "inset(0px 0px 0px 50%)"
        page.focus("#split")
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert self.clip(page) == "inset(0px 0px 0px 60%)"
        page.locator("#stage").scroll_into_view_if_needed()
        box, handle = (page.locator(i).bounding_box() for i in ("#stage", "#divider"))
        assert box is not None
        assert handle is not None
        page.mouse.move(handle["x"] + 22, handle["y"] + 200)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.25 * box["width"], handle["y"] + 200, steps=4)
        page.mouse.up()
        assert self.clip(page) == "inset(0px 0px 0px 25%)"
        assert page.input_value("#split") == "25"

    def test_any_two_rows_are_compared(self, open_page: Open) -> None:
        page = open_page()
        page.select_option("#image-left", label="nerf")
        page.select_option("#image-right", label="instant-ngp")
        page.select_option("#image-view", label="r_1")
        assert page.inner_text("#tag-left") == "nerf", "another view keeps the rows"
        right = page.locator("#layer-right .render").get_attribute("src")
        page.click("#image-swap")
        assert page.inner_text("#tag-left") == "instant-ngp"
        assert page.locator("#layer-left .render").get_attribute("src") == right
        sizes = page.evaluate(
            "[...document.querySelectorAll('.render')].map(i => [i.complete, i.naturalWidth])"
        )
        assert sizes == [[True, 48], [True, 48]]
        figures = page.locator("#image-figures tbody tr").all_inner_texts()
        assert figures[0].split("\t")[:2] == ["left", "instant-ngp"]

    def test_a_slider_goes_through_the_time_of_a_scene_that_moves(
        self, open_page: Open, tmp_path: Path
    ) -> None:
        assert open_page().locator("#time").count() == 0, "nothing moves"
        for made in write_results(tmp_path / "run", views=3):
            for view, time in zip(made.quality["per_view"], (0.75, 0.25, 0.5), strict=True):
                view["time"] = time
            path = tmp_path / "run" / "cells" / made.cell_id / "record.json"
            path.write_text(json.dumps(record.to_dict(made)))
        report.write([tmp_path / "run"], tmp_path / "report.html")
        page = open_page(tmp_path / "report.html")
        shown = []
        for at in ("0", "1", "2"):
            page.locator("#time").fill(at)
            name = "document.getElementById('image-view').selectedOptions[0].text"
            shown.append((page.evaluate(name), page.get_attribute("#time", "aria-valuetext")))
        assert shown == [("r_1", "0.25"), ("r_2", "0.50"), ("r_0", "0.75")]

    def test_zoom_and_error_overlay(self, open_page: Open) -> None:
        page = open_page()
        error = page.locator("#layer-right .error")
        assert not error.is_visible()
        page.focus("#overlay")
        page.keyboard.press("End")
        assert error.is_visible()
        assert not page.locator("#layer-left .error").is_visible(), "the truth has no error"
        page.focus("#stage")
        for _ in range(2):
            page.keyboard.press("+")
        transform = "document.querySelector('#layer-right .render').style.transform"
        assert "scale(2)" in page.evaluate(transform)
        middle = page.evaluate(transform)
        page.keyboard.press("ArrowRight")
        assert page.evaluate(transform) != middle

    def test_depth_and_opacity_take_the_renders_place(
        self, open_page: Open, run: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(run, tmp_path / "run")
        give_maps(tmp_path / "run", "instant-ngp", 2.0)
        page = open_page(report.write([tmp_path / "run"], tmp_path / "report.html").path)
        right = page.locator("#layer-right .render")
        colour = right.get_attribute("src")
        thumbs = "[...document.querySelectorAll('#thumbs img')].map(i => i.naturalWidth)"
        page.wait_for_function(f"({thumbs}).every(width => width === 48)")
        names = page.locator("#thumbs span").all_inner_texts()
        assert names == ["truth", "render", "FLIP error", "depth", "opacity"]
        ticks = page.locator("#ticks span").all_inner_texts()
        assert float(ticks[0]) < float(ticks[1]) < float(ticks[2])
        for kind in ("depth", "opacity"):
            page.select_option("#image-shown", kind)
            assert right.get_attribute("src") != colour
            assert page.inner_text("#tag-right") == f"instant-ngp: {kind}"
            assert page.inner_text("#tag-left") == "ground truth", "it has no maps"
        page.select_option("#image-right", label="nerf")
        assert page.inner_text("#tag-right") == "nerf"
        assert "nerf has no maps" in page.inner_text("#maps-note")
        assert not page.locator("#ramp").is_visible()
        page.select_option("#image-view", label="r_1")
        assert page.locator("#thumbs img").count() == 3


def test_names_do_no_harm(open_page: Open, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for path in (tmp_path / "run").glob("cells/instant-ngp*/record.json"):
        data = json.loads(path.read_text()) | {"method": HOSTILE, "variant": "a=%{y}<b>"}
        data["provenance"]["commit"] = HOSTILE
        path.write_text(json.dumps(data))
    made = report.write([tmp_path / "run"], tmp_path / "report.html", heading=HOSTILE)
    page = open_page(made.path)
    page.locator("#charts").scroll_into_view_if_needed()
    page.wait_for_selector("#trade-plot .main-svg")
    page.click("#leaderboard tbody tr:first-child .more button")
    assert column(page, "method")[0] == HOSTILE
    assert page.inner_text("h1") == HOSTILE
    page.get_by_role("button", name="Show none").click()
    page.locator("#chips button").first.click()  # the only one that is drawn, then
    assert HOSTILE in hovered(page, "trade-plot")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_downwards_only(open_page: Open, scheme: str) -> None:
    page = open_page(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page.locator("#charts").scroll_into_view_if_needed()
    page.wait_for_selector("#trade-plot .main-svg")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_the_theme_is_chosen_and_kept(open_page: Open) -> None:
    page = open_page(color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    for _ in range(2):  # auto, light, dark
        page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    assert page.evaluate(background) != light
    page.reload()
    assert page.inner_text("#theme") == "Theme: dark"


@pytest.mark.slow
def test_a_thousand_rows_are_usable(open_page: Open, tmp_path: Path) -> None:
    rows = {("m", f"a={i}"): ({"a": i}, 20 + i / 100, 1.0 + i / 50, 10.0) for i in range(500)}
    write_results(tmp_path / "run", rows, seeds=1, views=0)
    made = report.write([tmp_path / "run"], tmp_path / "report.html")
    page = open_page(made.path)
    assert len(column(page, "psnr")) == 1000
    page.locator("th[data-column=model_mb] button").click()
    sizes = [float(text) for text in column(page, "model_mb")]
    assert sizes == sorted(sizes)
    page.fill("#filter", "a=499 spheres")
    assert column(page, "variant") == ["a=499"]
    page.locator("#charts").scroll_into_view_if_needed()
    page.wait_for_selector("#trade-plot .main-svg")
    page.click("#show-all")
    assert page.evaluate("document.getElementById('trade-plot').data.length") == 501
