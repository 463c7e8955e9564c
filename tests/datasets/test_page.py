"""A scene's page: complete, self-contained, escaped; in a browser it draws."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.datasets import facts, page, sparse
from effbench.planning.registry import discover
from effbench.scene import SceneRef
from tests.browser import chromium
from tests.datasets import made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    made.colmap(root / "colmap" / "mine")
    return root


@pytest.fixture(scope="module")
def html(root: Path) -> str:
    ref = SceneRef("colmap/mine")
    scene = discover().load_scene(ref, str(root))
    return page.render(scene, facts.facts(scene, ref, root), sparse.points(scene, root))


def data(html: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    found: dict[str, Any] = json.loads(text)
    return found


def test_cameras_points_and_boxes_are_there(html: str) -> None:
    drawn = data(html)
    train, test = drawn["cameras"]["train"], drawn["cameras"]["test"]
    assert test["names"] == ["img_000.png", "img_008.png", "img_016.png"]
    assert len(train["centres"]["x"]) == 17
    assert len(train["lines"]["x"]) == 17 * 12
    assert len(drawn["points"]["x"]) == 40
    assert set(drawn["boxes"]) == {"box", "inner"}
    corners = {value for axis in "xyz" for value in drawn["boxes"]["box"][axis]}
    assert corners == {-4, 4, None}


def test_a_drawn_camera_opens_towards_what_it_sees(html: str) -> None:
    lines = data(html)["cameras"]["train"]["lines"]
    corners, eye = ([np.array([lines[a][i] for a in "xyz"]) for i in at] for at in (range(4), [5]))
    middle = np.mean(corners, 0)
    assert np.linalg.norm(middle) < np.linalg.norm(eye[0])  # the scene's middle is the origin


def test_every_view_of_a_small_scene_has_a_thumbnail(html: str) -> None:
    assert html.count('src="data:image/webp;base64,') == 20
    assert "All 17." in html


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    assert "default-src 'none'" in html
    shown = re.sub(r'<script type="text/plain" id="plotly">.*?</script>', "", html, flags=re.S)
    assert not re.findall(r"(?:src|href)=\"(?!data:)", shown)


def test_names_are_escaped(root: Path) -> None:
    ref = SceneRef("colmap/mine")
    scene = discover().load_scene(ref, str(root))
    told = {**facts.facts(scene, ref, root), "notes": ["<script>alert(1)</script>"]}
    assert "<script>alert" not in page.render(scene, told, np.empty((0, 3)))


def test_a_browser_draws_it_and_marks_a_view(html: str, tmp_path: Path) -> None:
    path = tmp_path / "scene.html"
    path.write_text(html, encoding="utf-8")
    with chromium() as browser:
        opened = browser.new_page()
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(path.as_uri())
        opened.wait_for_selector("#space .main-svg", state="attached")
        traces = "document.getElementById('space').data.map((trace) => trace.name)"
        assert opened.evaluate(traces)[:3] == ["sparse points", "box", "inner cube"]
        opened.click("text=img_003.png")
        assert opened.evaluate(traces)[-1] == "img_003.png"
        assert not errors
