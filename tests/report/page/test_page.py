"""The report's page: complete, self-contained, escaped, with the leaderboard's own figures."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from effbench.errors import ConfigError, RecordError
from effbench.records import record, results, tables
from effbench.report import offline
from effbench.report.page import data as report_data
from effbench.report.page import images as report_images
from effbench.report.page import page as report
from tests.results_folder import PRUNING, Rows, save, write_results

HOSTILE = '<script>alert("&")</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """tags: (name, attributes) of every element; texts: what is inside elements, by their id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(dict(attrs).get("id") or tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts["data"])
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_results(folder)
    return folder


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return report.render(results.load([run]))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    addresses = [
        str(value)
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "poster", "srcset")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in page.texts["style"]
    assert "url(" not in page.texts["style"]


def test_only_the_pages_own_scripts_may_run(page: Page) -> None:
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    scripts = policy.split("script-src")[1].split()
    assert scripts[0] == f"'{offline.policy_hash(page.texts['script'])}'"
    assert len(scripts) == 2  # and Plotly's
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]


def test_the_download_is_the_leaderboard(run: Path, page: Page) -> None:
    (link,) = [a["href"] for _, a in page.tags if a.get("id") == "download"]
    assert link is not None
    given = base64.b64decode(link.partition("base64,")[2]).decode()
    found = results.load([run])
    assert given == tables.to_csv(results.leaderboard(found.folders, found.cells.items()))


def test_figures_are_those_of_the_leaderboard(run: Path, page: Page) -> None:
    written = csv.DictReader(io.StringIO(tables.to_csv(tables.leaderboard(record.load([run])))))
    rows = page.data["rows"]
    for own, line in zip(rows, written, strict=True):
        entry = page.data["entries"][own["entry"]]["label"]
        variant = line["variant"].removeprefix(tables.DEFAULT).replace(",", ", ")
        assert entry == f"{line['method']} {variant}".strip()
        for name in (*page.data["columns"], "psnr_std", "n"):
            assert own[name] == pytest.approx(float(line[name]), rel=1e-9)
    assert len(rows) == 2 * len(PRUNING)
    assert "lpips_vgg" not in page.data["columns"], "nobody measured it"


def test_curves_are_means_over_seeds(run: Path, page: Page) -> None:
    frame = results.curves(results.load([run]))
    (curve,) = [
        c for c in page.data["curves"]
        if page.data["entries"][c["entry"]]["label"] == "nerf" and c["group"] == 1
    ]  # fmt: skip
    own = frame[(frame["method"] == "nerf") & (frame["scene"] == "procedural/spheres")]
    assert curve["n"] == 3
    assert curve["psnr"] == pytest.approx(list(own.groupby("fraction")["psnr"].mean()), rel=1e-5)
    assert curve["std"] == pytest.approx(list(own.groupby("fraction")["psnr"].std()), rel=1e-5)


def test_every_cell_says_what_made_it(run: Path, page: Page) -> None:
    cells = page.data["cells"]
    assert {cell["id"] for cell in cells} == {r.cell_id for r in record.load([run])}
    for cell in cells:
        row = page.data["rows"][cell["row"]]
        assert cell["id"].startswith(page.data["entries"][row["entry"]]["label"].split()[0])
    (environment,) = page.data["environments"]  # the same for all
    assert environment["commit"] == "0123abc"
    assert {cell["started"][:10] for cell in cells} == {f"2026-01-0{day}" for day in (1, 2, 3)}


def test_images_are_the_renders(run: Path, page: Page) -> None:
    scenes = page.data["images"]
    assert [scene["label"] for scene in scenes] == ["procedural/blocks", "procedural/spheres"]
    view = scenes[0]["views"][1]
    assert view["name"] == "r_1"
    assert decoded(view["truth"]).tolist() == pixels(run / "truth/procedural-blocks/r_1.png")
    first = view["items"][0]
    assert first["label"] == "instant-ngp"  # the best PSNR first
    path = run / "cells" / "instant-ngp__procedural-blocks_s0" / "renders" / "r_1.png"
    assert decoded(first["render"]).tolist() == pixels(path), "small images are kept exact"
    assert first["psnr"] == record.read(path.parents[1] / "record.json").quality["psnr"]
    assert decoded(first["error"]).shape == decoded(view["truth"]).shape


def decoded(uri: str) -> np.ndarray[Any, Any]:
    data = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def pixels(path: Path) -> list[Any]:
    found: list[Any] = np.asarray(Image.open(path).convert("RGB")).tolist()
    return found


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    rows: Rows = {("nerf", ""): ({}, 20.0, 1.0, 10.0), (HOSTILE, HOSTILE): ({}, 21.0, 2.0, 20.0)}
    for (method, variant), about in rows.items():
        made = write_results(
            tmp_path / "made", {("x", ""): about}, scenes=["a/b"], seeds=1, views=1, size=16
        )[0]
        folder = tmp_path / "run" / "cells" / ("hostile" if method == HOSTILE else "nerf")
        shutil.copytree(tmp_path / "made" / "cells" / made.cell_id, folder)
        data = json.loads((folder / "record.json").read_text())
        data |= {"method": method, "variant": variant, "suite": HOSTILE, "device": HOSTILE}
        data["scene"]["name"] = data["provenance"]["command"] = HOSTILE
        (folder / "record.json").write_text(json.dumps(data))
    shutil.copytree(tmp_path / "made" / "truth", tmp_path / "run" / "truth")
    text = report.render(results.load([tmp_path / "run"]), heading=HOSTILE)
    page = Page(text)
    assert [tag for tag, _ in page.tags if tag == "script"] == ["script"] * 3
    assert HOSTILE not in text
    assert [e["label"] for e in page.data["entries"]] == [f"{HOSTILE} {HOSTILE}", "nerf"]
    assert not [a for tag, a in page.tags if tag == "img" and "src" in a]


def test_embedded_json_cannot_end_its_element() -> None:
    text = offline.embed({"a": "</script><!--\u2028 & é"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!--\u2028 & é"}


def test_what_failed_or_cannot_be_read_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    failed = tmp_path / "run" / "cells" / "nerf__procedural-blocks_s1" / "record.json"
    data = json.loads(failed.read_text()) | {"status": "oom", "reason": "2 GB were not enough"}
    failed.write_text(json.dumps(data))
    (tmp_path / "run" / "cells" / "nerf__procedural-blocks_s0" / "curve.csv").write_text("")
    (tmp_path / "run" / "cells" / "nerf__procedural-blocks_s2" / "record.json").write_text("{")
    made = report.write([tmp_path / "run"], tmp_path / "report.html")
    assert len(made.problems) == 2
    text = made.path.read_text(encoding="utf-8")
    assert "2 GB were not enough" in text
    assert "ok 1/2, oom 1/2" in text
    assert "nerf__procedural-blocks_s2/record.json" in text
    assert "nerf__procedural-blocks_s0/curve.csv" in text


def test_a_folder_without_results_has_a_page(tmp_path: Path) -> None:
    text = report.render(results.load([tmp_path]))
    assert "No row has a result." in text
    assert Page(text).data["rows"] == []


def test_a_folder_of_failures_has_a_page(tmp_path: Path) -> None:
    for made in write_results(tmp_path, seeds=1, views=1, size=8):
        path = tmp_path / "cells" / made.cell_id / "record.json"
        data = json.loads(path.read_text()) | {"status": "failed", "reason": "a reason"}
        path.write_text(json.dumps(data | {"quality": record.to_dict(made)["quality"]}))
    page = Page(report.render(results.load([tmp_path])))
    assert {row["status"] for row in page.data["rows"]} == {"failed"}
    assert page.data["images"] == []


def test_folder_and_baseline_are_checked(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such folder"):
        report.write([tmp_path / "nowhere"], tmp_path / "report.html")
    with pytest.raises(ConfigError, match="unknown baseline"):
        report.write([run], tmp_path / "report.html", baseline="nerfs")
    assert not (tmp_path / "report.html").exists()


def test_a_papers_claims_are_in_the_summary(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "plan.json").write_text('{"paper": "hsm"}')
    text = report.render(results.load([tmp_path / "run"]))
    assert "Efficient NeRF Optimization" in text


def test_a_papers_figures_stand_beside_the_results(tmp_path: Path) -> None:
    rows: Rows = {("nelf-student", ""): ({}, 27.0, 4.0, 30.0)}
    write_results(tmp_path, rows, scenes=["a/b"], seeds=1, views=0)
    (tmp_path / "plan.json").write_text('{"paper": "mobile-nelf"}')
    text = report.render(results.load([tmp_path]))
    assert "distilled and pruned" in text
    assert "D60-SR3 has 4,305,539 parameters" in text


class TestImages:
    def test_large_images_are_scaled_and_that_is_said(self, tmp_path: Path) -> None:
        write_results(tmp_path, scenes=["a/b"], seeds=1, views=1, size=500)
        images = report_images.collect(results.load([tmp_path]), 3, 10**7)
        (view,) = images.scenes[0]["views"]
        assert decoded(view["truth"]).shape == (400, 400, 3)
        assert images.notes == ["a/b: images of 500×500 px scaled to 400 px, compressed as WebP."]

    def test_views_are_spread_and_their_number_said(self, tmp_path: Path) -> None:
        write_results(tmp_path, scenes=["a/b"], seeds=1, views=6, size=16)
        images = report_images.collect(results.load([tmp_path]), 2, 10**7)
        assert [view["name"] for view in images.scenes[0]["views"]] == ["r_1", "r_4"]
        assert images.notes == ["a/b: 2 of 6 test views."]

    def test_a_limit_keeps_the_best_rows_of_every_scene(self, run: Path) -> None:
        whole = report_images.collect(results.load([run]), 2, 10**7)
        limit = whole.size // 4  # half of one view of each scene
        images = report_images.collect(results.load([run]), 2, limit)
        assert images.size <= limit
        assert len(images.scenes) == 2
        labels = [item["label"] for item in images.scenes[1]["views"][0]["items"]]
        every = [item["label"] for item in whole.scenes[1]["views"][0]["items"]]
        assert 0 < len(labels) < len(every)
        assert labels == every[: len(labels)]
        assert re.search(r"1 of 2 test views, the \d of 8 rows", images.notes[1])

    def test_no_room_no_images(self, run: Path) -> None:
        images = report_images.collect(results.load([run]), 2, 1000)
        assert images.scenes == []
        assert images.notes[0] == "procedural/blocks: no view fits into the page."

    def test_an_image_of_another_size_is_left_out(self, tmp_path: Path) -> None:
        write_results(tmp_path, scenes=["a/b"], seeds=1, views=1, size=16)
        wrong = tmp_path / "cells" / "nerf__a-b_s0" / "renders" / "r_0.png"
        save(wrong, np.zeros((8, 8, 3), np.uint8))
        images = report_images.collect(results.load([tmp_path]), 1, 10**7)
        labels = [item["label"] for item in images.scenes[0]["views"][0]["items"]]
        assert "nerf" not in labels
        assert len(labels) == len(PRUNING) - 1
        assert "cannot be shown" in images.notes[0]


def test_a_thousand_rows_fit(tmp_path: Path) -> None:
    rows = {("m", f"a={i}"): ({"a": i}, 20 + i / 100, 1.0 + i / 50, 10.0) for i in range(500)}
    write_results(tmp_path, rows, seeds=1, views=0)
    made = report.write([tmp_path], tmp_path / "report.html")
    assert made.size < report.LIMIT_BYTES
    data = Page(made.path.read_text(encoding="utf-8")).data
    assert len(data["rows"]) == 1000
    assert sum(entry["shown"] for entry in data["entries"]) == 16


def test_lines_stand_out_on_the_dark_page() -> None:
    def luminance(colour: tuple[float, float, float]) -> float:
        return sum(w * c**2.2 for w, c in zip((0.2126, 0.7152, 0.0722), colour, strict=True))

    bright = (0.9, 0.6, 0.1)
    assert report_data.on_dark(bright) == bright
    assert luminance(report_data.on_dark((0.0, 0.2, 0.3))) >= 0.16
