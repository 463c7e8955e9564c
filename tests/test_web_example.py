"""The web page in headless Chromium: it draws what onnxruntime computes, and turns when dragged."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.export.model import OnnxModel
from effbench.export.to_onnx import export
from tests.exported import camera_method, rays_method

PAGE = Path(__file__).resolve().parent.parent / "examples/web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

if not (PAGE / "node_modules/onnxruntime-web").is_dir():
    pytest.skip("needs `npm install` in examples/web", allow_module_level=True)
if CHROMIUM is None:
    pytest.skip("needs chromium", allow_module_level=True)
for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="needs the extra 'export'")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

_PIXELS = """() => {
    const canvas = document.getElementById("view");
    return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export(camera_method(), folder / "camera.onnx")
    export(rays_method(), folder / "rays.onnx")
    (folder / "broken.onnx").write_bytes(b"\x08\x09 no model")
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[str]:
    """The example's folder, with the models in it, behind a server of its own."""
    root = tmp_path_factory.mktemp("site")
    for path in [*PAGE.iterdir(), *models.iterdir()]:
        (root / path.name).symlink_to(path)
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, url: str) -> Any:
    page = browser.new_page(viewport={"width": 700, "height": 700})
    page.goto(url)
    page.wait_for_function("window.viewer && (viewer.frames || viewer.error)", timeout=60_000)
    return page


def drawn(page: Any) -> np.ndarray:
    """Return the canvas's image, int [H, W, 3]."""
    pixels = np.array(page.evaluate(_PIXELS)).reshape(-1, 4)
    width = page.evaluate("document.getElementById('view').width")
    return pixels[:, :3].reshape(-1, width, 3)


def expected(path: Path, page: Any) -> np.ndarray:
    """Return what onnxruntime renders from the page's camera."""
    model = OnnxModel(path)
    at = page.evaluate("viewer.camera")
    return model.render(model.info.orbit.pose(at["azimuth"], at["elevation"])) * 255


@pytest.mark.parametrize("takes", ["camera", "rays"])
def test_the_page_draws_what_the_model_renders(
    browser: Any, address: str, models: Path, takes: str
) -> None:
    page = opened(browser, f"{address}/?model={takes}.onnx")
    assert page.evaluate("viewer.error") is None
    image = drawn(page)
    assert image.std() > 10, "there is something to see"
    # half a step of rounding, and a little for another build of the same operations
    assert np.abs(image - expected(models / f"{takes}.onnx", page)).max() < 1
    assert "ms per frame" in page.inner_text("#status")
    assert "test/" in page.inner_text("#title")


def test_dragging_turns_the_scene(browser: Any, address: str, models: Path) -> None:
    page = opened(browser, f"{address}/?model=camera.onnx")
    before, start = drawn(page), page.evaluate("viewer.camera.azimuth")
    box = page.locator("#view").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 100, middle[1], steps=4)
    page.mouse.up()
    page.wait_for_function("viewer.frames > 1")
    assert page.evaluate("viewer.camera.azimuth") == pytest.approx(start - 1.0)
    page.keyboard.press("Tab")  # nothing moves any more: the last frame is of the last camera
    page.wait_for_timeout(300)
    assert np.abs(drawn(page) - before).max() > 5
    assert np.abs(drawn(page) - expected(models / "camera.onnx", page)).max() < 1


def test_arrow_keys_turn_the_scene(browser: Any, address: str) -> None:
    page = opened(browser, f"{address}/?model=camera.onnx")
    page.focus("#view")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("viewer.frames > 1")
    assert page.evaluate("viewer.camera.azimuth") == pytest.approx(0.1)


def test_a_turn_around_the_scene_is_timed(browser: Any, address: str) -> None:
    page = opened(browser, f"{address}/?model=camera.onnx&provider=wasm&frames=5")
    page.wait_for_function("viewer.turned || viewer.error", timeout=60_000)
    turned = page.evaluate("viewer.turned")
    assert page.evaluate("viewer.frames") == 6, "one when it was opened"
    assert (turned["frames"], page.evaluate("viewer.provider")) == (5, "wasm")
    assert 0 < turned["fps"] <= 1e3 / turned["median"]
    assert "WebAssembly, 1 thread" in page.inner_text("#status")


def test_another_model_can_be_opened(browser: Any, address: str, models: Path) -> None:
    page = opened(browser, f"{address}/?model=camera.onnx")
    page.set_input_files("#file", models / "rays.onnx")
    page.wait_for_function("viewer.frames > 1", timeout=60_000)
    assert page.evaluate("viewer.error") is None


@pytest.mark.parametrize(
    ("name", "message"), [("none.onnx", "404"), ("broken.onnx", "no ONNX model")]
)
def test_a_model_that_cannot_be_shown_is_named(
    browser: Any, address: str, name: str, message: str
) -> None:
    page = opened(browser, f"{address}/?model={name}")
    text = page.inner_text("#status")
    assert "cannot be shown" in text
    assert message in text
