"""Depth and opacity on the page: beside the renders, within the limit, and only where they are."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from effbench.records import maps, results
from effbench.records.maps import ViewMaps
from effbench.report.page import images as report_images
from effbench.report.page import maps as report_maps
from effbench.report.page import page as report
from tests.results_folder import write_results

SIZE = 48


def give_maps(run: Path, method: str, near: float, view: str = "r_0") -> None:
    """Give a row's first cells maps of a view: a ramp in depth, opaque on the left half."""
    depth = np.tile(np.linspace(near, near + 2, SIZE, dtype=np.float32), (SIZE, 1))
    opacity = np.tile((np.arange(SIZE) < SIZE // 2).astype(np.float32), (SIZE, 1))
    for folder in run.glob(f"cells/{method}__*_s0"):
        maps.write(folder / "maps", {view: ViewMaps(depth, opacity)})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_results(tmp_path, scenes=["a/b"], seeds=1)
    return tmp_path


def collected(run: Path, limit: int = 10**6) -> report_images.Images:
    images = report_images.collect(results.load([run]), 2, limit)
    report_maps.add(images, limit)
    return images


def items(images: report_images.Images, view: int = 0) -> dict[str, dict[str, Any]]:
    return {item["label"]: item for item in images.scenes[0]["views"][view]["items"]}


def decoded(uri: str) -> np.ndarray[Any, Any]:
    data = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_rows_with_maps_share_a_scale(run: Path) -> None:
    give_maps(run, "instant-ngp", 2.0)
    give_maps(run, "nerf", 5.0)
    images = collected(run)
    found = items(images)
    assert [label for label, item in found.items() if "depth" in item] == ["instant-ngp", "nerf"]
    near, middle, far = images.scenes[0]["views"][0]["scale"]["ticks"]
    assert near == pytest.approx(2, abs=0.05)
    assert far == pytest.approx(6, abs=0.05)
    assert middle == pytest.approx((near + far) / 2, abs=0.02)
    bright, dark = (decoded(found[label]["depth"])[24, 1] for label in ("instant-ngp", "nerf"))
    assert bright[:3].astype(int).sum() > dark[:3].astype(int).sum(), "near is bright"
    assert decoded(found["nerf"]["depth"])[24, [2, -3], 3].tolist() == [255, 0]
    opacity = decoded(found["nerf"]["opacity"])[24].astype(int)
    assert np.abs(opacity[2] - 255).max() < 8
    assert opacity[-3].max() < 8
    assert "scale" not in images.scenes[0]["views"][1], "nobody has maps of it"


def test_a_scene_without_end_is_shown_in_disparity(run: Path) -> None:
    give_maps(run, "nerf", 2.0, view="r_1")  # the middle one of two
    found = results.load([run])
    for cell in found.records:
        cell.scene["inner"] = [[-1, -1, -1], [1, 1, 1]]
    images = report_images.collect(found, 1, 10**6)
    report_maps.add(images, 10**6)
    scale = images.scenes[0]["views"][0]["scale"]
    assert scale["disparity"]
    near, middle, far = scale["ticks"]
    assert middle == pytest.approx(2 / (1 / near + 1 / far), rel=0.01)


def test_renders_come_first_and_what_does_not_fit_is_said(run: Path) -> None:
    give_maps(run, "instant-ngp", 2.0)
    give_maps(run, "nerf", 5.0)
    plain = report_images.collect(results.load([run]), 2, 10**6)
    best = items(collected(run))["instant-ngp"]
    limit = plain.size + len(best["depth"]) + len(best["opacity"])
    cramped = collected(run, limit)
    assert cramped.size == limit
    assert items(cramped).keys() == items(plain).keys(), "no render made room"
    assert "Depth and opacity of 1 renders do not fit into the page." in cramped.notes
    assert [label for label, item in items(cramped).items() if "depth" in item] == ["instant-ngp"]


def test_maps_that_cannot_be_read_are_named(run: Path) -> None:
    give_maps(run, "nerf", 5.0)
    (path,) = run.glob("cells/nerf__*/maps/r_0.depth.png")
    path.write_text("nothing")
    images = collected(run)
    assert not [item for item in items(images).values() if "depth" in item]
    assert any("maps cannot be shown" in note for note in images.notes)


def test_a_page_without_maps_has_no_place_for_them(run: Path) -> None:
    plain = report.render(results.load([run]))
    assert "image-shown" not in plain.split('<script type="application/json"')[0]
    assert 'id="maps"' not in plain
    give_maps(run, "nerf", 5.0)
    assert 'id="maps"' in report.render(results.load([run]))
