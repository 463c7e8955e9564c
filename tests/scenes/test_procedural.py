"""Procedural scenes: same pixels each time, right geometry, kept in the cache."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Intrinsics, Scene
from effbench.scene.raytrace.designs import DESIGNS
from effbench.scene.raytrace.shapes import Kind, Material, Pattern, Shape, box, rod, sphere

SOURCE = discover().source("procedural")
MODULE: ModuleType = sys.modules[type(SOURCE).__module__]
TINY = {"size": 32, "train_views": 3, "test_views": 2}
CAMERA = Intrinsics(width=64, height=64, fx=80.0, fy=80.0, cx=32.0, cy=32.0)
LEVEL = np.array([[[1, 0, 0, 0], [0, 0, -1, -4], [0, 1, 0, 0]]], np.float32)  # at −4y, looking +y
MATT = Material((1, 1, 1), gloss=0.0)


def load(name: str = "blocks", **config: Any) -> Scene:
    return SOURCE.load(name, None, SOURCE.Config(**{**TINY, **config}))


def draw(*shapes: Shape, poses: np.ndarray = LEVEL, camera: Intrinsics = CAMERA) -> np.ndarray:
    """Return the first view as float [H, W, 4] in [0, 1]."""
    from effbench.scene.raytrace.render import render

    return render(shapes, poses, camera)[0] / 255


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the scene was drawn, not read from the cache")

    monkeypatch.setattr(MODULE, "_draw", refuse)


# What a scene is


def test_listing_names_every_design() -> None:
    entries = SOURCE.entries(None)
    assert {"blocks", "spheres", "lattice"} <= {entry.name for entry in entries}
    assert all(entry.available and entry.description for entry in entries)


def test_listing_imports_nothing_slow() -> None:
    code = (
        "import sys; from effbench.planning.registry import discover; found = discover()\n"
        "for family in ('procedural', 'nerf_synthetic'): found.source(family).entries(None)\n"
        "print(sorted({'numba', 'numpy', 'PIL', 'torch'} & sys.modules.keys()))"
    )
    listing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (listing.stdout.strip(), listing.stderr) == ("[]", "")


@pytest.mark.parametrize("name", DESIGNS)
def test_scene_has_the_conventions_of_nerf_synthetic(name: str) -> None:
    scene = load(name)
    assert (scene.name, scene.near, scene.far) == (f"procedural/{name}", 2, 6)
    assert scene.box.tolist() == [[-1.5] * 3, [1.5] * 3]
    assert scene.train.images.shape == (3, 32, 32, 4)
    assert scene.test.images.shape == (2, 32, 32, 4)
    assert not set(scene.train.names) & set(scene.test.names)
    covered = (scene.train.images[..., 3] > 0).mean()
    assert 0.1 < covered < 0.7  # neither empty nor filling the view


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_stay_within_their_bounds(name: str) -> None:
    for shape in DESIGNS[name]():
        axes, size = np.abs(np.array(shape.axes)), np.array(shape.size)
        extent = size if shape.kind == Kind.SPHERE else size @ axes
        assert (np.abs(shape.centre) + extent <= 1.2).all(), shape


def test_defaults_are_those_documented() -> None:
    config = SOURCE.Config()
    assert (config.size, config.train_views, config.test_views) == (128, 100, 25)
    assert config.downscale == 1


def test_cameras_look_at_the_origin_from_the_upper_hemisphere() -> None:
    poses = MODULE.camera_poses(50, (0.5, 0.5)).astype(np.float64)
    axes, place = poses[:, :, :3], poses[:, :, 3]
    identity = np.broadcast_to(np.eye(3), axes.shape)
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), identity, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-6)
    np.testing.assert_allclose(place, 4.031 * axes[:, :, 2], atol=1e-5)  # −z points at the origin
    assert (place[:, 2] > 0).all()
    assert (axes[:, 2, 1] > 0).all()  # up is up


def test_train_and_test_cameras_differ() -> None:
    train = MODULE.camera_poses(100, MODULE._TRAIN_START)[:, :, 3]
    test = MODULE.camera_poses(25, MODULE._TEST_START)[:, :, 3]
    nearest = np.linalg.norm(test[:, None] - train[None], axis=-1).min(1)
    assert nearest.min() > 0.05
    assert nearest.max() < 1.0  # yet no test view lies far from all training views


def test_fewer_views_are_the_first_of_more() -> None:
    few, more = load(train_views=1), load(train_views=3)
    np.testing.assert_array_equal(few.train.images, more.train.images[:1])
    np.testing.assert_array_equal(few.train.poses, more.train.poses[:1])


def test_downscale_averages_the_drawn_pixels() -> None:
    full, half = load(), load(downscale=2)
    assert half.train.intrinsics.fx == full.train.intrinsics.fx / 2
    alpha = full.train.images[..., 3].reshape(3, 16, 2, 16, 2).mean((2, 4))
    np.testing.assert_allclose(half.train.images[..., 3], alpha, atol=0.5)


@pytest.mark.parametrize(
    ("name", "config", "wrong"),
    [
        ("blokcs", {}, "choose one of blocks, "),
        ("blocks", {"downscale": 3}, "choose one of 1, 2, 4"),
        ("blocks", {"size": 4}, "too small"),
        ("blocks", {"train_views": 0}, "at least one of each"),
        ("blocks", {"test_views": 0}, "at least one of each"),
    ],
)
def test_bad_parameters_are_refused(name: str, config: dict[str, int], wrong: str) -> None:
    with pytest.raises(SceneError, match=wrong):
        load(name, **config)


# The cache


def test_scene_is_drawn_once(own_cache: Path, request: pytest.FixtureRequest) -> None:
    drawn = load()
    assert len(list(own_cache.glob("scenes/procedural-blocks-*.npz"))) == 1
    request.getfixturevalue("no_drawing")
    again = load()
    assert again.manifest == drawn.manifest
    assert again.notes == ()
    np.testing.assert_array_equal(again.train.images, drawn.train.images)
    load(downscale=2)  # made from the same pixels


@pytest.mark.parametrize("config", [{"size": 40}, {"train_views": 4}, {"test_views": 3}])
def test_other_configurations_have_another_cache_file(config: dict[str, int]) -> None:
    path, other = (MODULE._cache_path("blocks", SOURCE.Config(**c)) for c in (TINY, TINY | config))
    assert path != other


@pytest.mark.parametrize("damage", ["truncate", "flip", "text", "empty"])
def test_damaged_cache_is_made_again_with_a_note(own_cache: Path, damage: str) -> None:
    drawn = load()
    (path,) = own_cache.glob("scenes/*.npz")
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        data = data[: len(data) // 2]
    elif damage == "flip":
        data[len(data) // 3] ^= 0xFF  # a checksum notices
    else:
        data = bytearray(b"no archive" if damage == "text" else b"")
    path.write_bytes(data)
    again = load()
    assert again.manifest == drawn.manifest
    assert len(again.notes) == 1
    assert str(path) in again.notes[0]
    assert "made again" in again.notes[0]
    assert load().notes == ()


def test_unwritable_cache_is_a_note(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_cache / "file").touch()
    monkeypatch.setenv("EFFBENCH_CACHE", str(own_cache / "file"))
    (note,) = load().notes
    assert "drawn anew in each run" in note


def test_drawing_twice_gives_the_same_bytes() -> None:
    config = SOURCE.Config(**TINY)
    once, twice = (MODULE._draw("lattice", config) for _ in range(2))
    for first, second in zip(once, twice, strict=True):
        np.testing.assert_array_equal(first.images, second.images)
        np.testing.assert_array_equal(first.poses, second.poses)


@pytest.mark.slow
def test_default_scene_has_the_shipped_hash() -> None:
    scene = SOURCE.load("spheres", None, SOURCE.Config())
    shipped = json.loads((MODULE._MANIFESTS / "procedural.spheres.128x128.json").read_text())
    assert scene.manifest == shipped["sha256"]
    assert scene.verified
    assert not load("spheres").verified  # of another size, there is none to compare with


# The pictures: what the ray tracer must get right, against geometry worked out by hand


def test_silhouette_of_a_sphere_is_its_analytic_projection() -> None:
    alpha = draw(sphere((0, 0, 0), 1.0, MATT))[..., 3]
    radius = 80 * 1 / np.sqrt(4**2 - 1)  # a tangent ray has tan = r/√(d² − r²): 20.66 pixels
    y, x = np.mgrid[:64, :64] + 0.5
    distance = np.hypot(x - 32, y - 32)
    half = 0.71  # of a pixel's diagonal
    assert (alpha[distance < radius - half] == 1).all()
    assert (alpha[distance > radius + half] == 0).all()
    assert alpha.sum() == pytest.approx(np.pi * radius**2, rel=2e-3)  # edges are antialiased


def test_edges_are_partly_covered_in_sixteenths() -> None:
    levels = np.unique(draw(sphere((0, 0, 0), 1.0, MATT))[..., 3] * 255)
    assert len(levels) > 8
    np.testing.assert_allclose(levels, np.floor(np.round(levels / 255 * 16) * 255 / 16 + 0.5))


def test_colour_of_a_partly_covered_pixel_is_that_of_the_shape() -> None:
    image = draw(box((0, 0, 0), (0.51, 0.51, 0.51), Material((1, 0, 0), gloss=0.0)))
    edge = image[(image[..., 3] > 0) & (image[..., 3] < 1)]
    assert len(edge) > 0
    assert (edge[:, 0] > 0.2).all()  # not darkened by what is behind: alpha is straight
    assert (edge[:, 1:3] == 0).all()


@pytest.mark.parametrize("point", [(0.7, -0.3, 0.5), (-0.9, 0.4, -0.6), (0.0, 0.0, 1.0)])
def test_a_point_appears_where_the_camera_projects_it(point: tuple[float, float, float]) -> None:
    pose = MODULE.camera_poses(7, (0.5, 0.5))[6:]
    alpha = draw(sphere(point, 0.04, MATT), poses=pose)[..., 3]
    x, y, z = pose[0, :, :3].T.astype(float) @ (np.array(point) - pose[0, :, 3])
    expected = 32 + 80 * x / -z, 32 - 80 * y / -z  # OpenGL: −z ahead, y up; pixel rows go down
    rows, columns = np.mgrid[:64, :64] + 0.5
    found = (alpha * columns).sum() / alpha.sum(), (alpha * rows).sum() / alpha.sum()
    assert found == pytest.approx(expected, abs=0.2)


def test_box_and_rod_have_the_right_outline() -> None:
    """Face on at distance 3.5: a square of half side 0.5 · 80 / 3.5 = 11.43 pixels; a rod of
    radius 0.25 and length 1 seen along its axis is a disc, from the side a rectangle."""
    square = draw(box((0, 0, 0), (0.5, 0.5, 0.5), MATT))[..., 3]
    assert square.sum() == pytest.approx((2 * 0.5 * 80 / 3.5) ** 2, rel=0.03)
    disc = draw(rod((0, -0.5, 0), (0, 0.5, 0), 0.25, MATT))[..., 3]
    assert disc.sum() == pytest.approx(np.pi * (0.25 * 80 / 3.5) ** 2, rel=0.03)
    bar = draw(rod((0, 0, -0.5), (0, 0, 0.5), 0.25, MATT))[..., 3]
    width = 2 * 80 * 0.25 / np.sqrt(4**2 - 0.25**2)
    assert bar[32].sum() == pytest.approx(width, abs=0.3)


def test_yaw_turns_a_box() -> None:
    turned = draw(box((0, 0, 0), (0.5, 0.5, 0.1), MATT, yaw=45))[..., 3]
    nearest = 4 - 0.5 * np.sqrt(2)  # an edge points at the camera; the widest place is at y = 0
    assert turned[32].sum() == pytest.approx(2 * 80 * 0.5 * np.sqrt(2) / 4, abs=0.6)
    assert (turned > 0).any(1).sum() == pytest.approx(2 * 80 * 0.1 / nearest, abs=2)


def test_nearer_shapes_hide_farther_ones() -> None:
    red, blue = Material((1, 0, 0), gloss=0.0), Material((0, 0, 1), gloss=0.0)
    pixel = draw(sphere((0, 0.5, 0), 0.4, red), sphere((0, -0.5, 0), 0.2, blue))[32, 32]
    assert pixel[0] == 0
    assert pixel[2] > 0


def surface_colour(material: Material, camera_x: float) -> np.ndarray:
    """Return the colour at the top of a unit sphere's side, seen from (camera_x, −4, 0)."""
    distance = np.hypot(camera_x, 4)
    back = np.array([camera_x, -4, 0]) / distance
    right = np.array([-back[1], back[0], 0])
    pose = np.stack([right, [0, 0, 1], back, back * distance], -1).astype(np.float32)
    point = np.array([0.0, -1.0, 0.0])
    x, y, z = pose[:, :3].T @ (point - pose[:, 3])
    zoom = Intrinsics(64, 64, 2000.0, 2000.0, 32 - 2000 * x / -z, 32 + 2000 * y / -z)
    return draw(sphere((0, 0, 0), 1.0, material), poses=pose[None], camera=zoom)[32, 32, :3]


def test_highlights_depend_on_the_view_and_matt_surfaces_do_not() -> None:
    glossy = Material((0.5, 0.1, 0.1), gloss=0.9, sharpness=3)
    matt = Material((0.5, 0.1, 0.1), gloss=0.0)
    change = surface_colour(glossy, -3.0) - surface_colour(glossy, 3.0)
    assert (change > 0.1).all()  # light from +x is mirrored towards −x; a highlight is white
    np.testing.assert_allclose(surface_colour(matt, 3.0), surface_colour(matt, -3.0), atol=0.01)


def test_shadow_falls_away_from_the_light() -> None:
    from effbench.scene.raytrace.render import LIGHT

    above = np.array([[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4]]], np.float32)  # looking down
    floor = box((0, 0, -0.1), (1.4, 1.4, 0.1), MATT)
    ball = sphere((0, 0, 0.6), 0.15, MATT)
    lit, shaded = draw(floor, poses=above), draw(floor, ball, poses=above)
    place = -0.6 * np.array(LIGHT[:2]) / LIGHT[2]  # of the shadow's middle on the floor
    column, row = int(32 + 80 * place[0] / 4), int(32 - 80 * place[1] / 4)
    assert shaded[row, column, 0] < 0.75 * lit[row, column, 0]
    assert shaded[63 - row, 63 - column, 0] == lit[63 - row, 63 - column, 0]


@pytest.mark.parametrize("pattern", [Pattern.CHECKER, Pattern.STRIPES, Pattern.NOISE])
def test_patterns_mix_both_colours(pattern: Pattern) -> None:
    material = Material((1, 0, 0), (0, 0, 1), pattern, scale=8.0, gloss=0.0)
    image = draw(box((0, 0, 0), (0.5, 0.5, 0.5), material))[24:40, 24:40]
    share = image[..., 2].mean() / (image[..., 0] + image[..., 2]).mean()
    assert 0.25 < share < 0.75
    assert image[..., 0].std() > 0.1


def test_checker_has_cells_of_the_given_size() -> None:
    """Four cells per unit on a face at distance 3.5: cells of 80 / 3.5 / 4 = 5.7 pixels."""
    material = Material((0, 0, 0), (1, 1, 1), Pattern.CHECKER, scale=4.0, gloss=0.0)
    image = draw(box((0, 0, 0), (0.5, 0.5, 0.5), material))
    bright = image[32 - 3, :, 0] > 0.1
    x = (np.arange(64) + 0.5 - 32) * 3.5 / 80 * 4
    inside = (np.abs(x) < 2) & (np.abs(x - np.round(x)) > 0.2)  # clear of borders
    cell = np.floor(x).astype(int)
    flips = bright[inside] ^ (cell[inside] % 2 == 1)
    assert flips.all() or not flips.any()
