"""Views whose cameras and sizes differ, from photographs to a record, by every method."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from effbench.cell.facts import scene_facts
from effbench.cli.app import main
from effbench.errors import SceneError
from effbench.export.to_onnx import check_views
from effbench.method import Context
from effbench.method.config import to_dict
from effbench.nerf.lightfield.distillation import NeLFMethod
from effbench.nerf.lightfield.mixed_pool import MixedViewPool
from effbench.nerf.lightfield.pseudo_views import PseudoViews
from effbench.nerf.lightfield.rays import camera_directions
from effbench.planning import planner
from effbench.planning.plan import Cell
from effbench.records import record
from effbench.scene import SceneRef
from effbench.scene.cameras import check_sight, most_common
from tests.colmap_model import views
from tests.nerf.lightfield import test_distillation as students
from tests.nerf_scene import context, mixed_ball

COUNT = 16


def write_capture(root: Path) -> Path:
    """Write photographs of several focal lengths, every third in portrait."""
    folder = root / "ngp" / "mixed"
    (folder / "images").mkdir(parents=True)
    frames = []
    for index, view in enumerate(views(COUNT)):
        width, height = (24, 36) if index % 3 == 2 else (36, 24)
        pixels = np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)
        name = f"images/{index:02}.png"
        Image.fromarray(pixels).save(folder / name)
        pose = np.eye(4)
        pose[:3, :3] = view.rotation.T @ np.diag([1, -1, -1])
        pose[:3, 3] = -view.rotation.T @ view.translation
        lens = {"w": width, "h": height, "fl_x": 30.0 + index, "k1": 0.01 * (index % 2)}
        frames.append({"file_path": name, "transform_matrix": pose.tolist(), **lens})
    (folder / "transforms.json").write_text(json.dumps({"frames": frames}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> record.Record:
    """The record of a run of `effbench run --method instant-ngp --scene ngp/mixed --budget 3it`."""
    root = tmp_path_factory.mktemp("scenes")
    write_capture(root)
    words = ["run", "--method", "instant-ngp", "--scene", "ngp/mixed", "--budget", "3it"]
    words += ["--device", "cpu", "--scenes-root", str(root), "--out", str(root / "out")]
    finished = CliRunner().invoke(main, words)
    assert finished.exit_code == 0, finished.output
    (path,) = (root / "out").glob("**/cells/*/record.json")
    return record.read(path)


@pytest.mark.slow
def test_a_run_scores_every_view_at_its_own_size(done: record.Record) -> None:
    assert done.status == "ok", done.reason
    assert (done.scene["width"], done.scene["height"]) in {(36, 24), (24, 36)}
    assert done.scene["sizes"] == [[36, 24, 1], [24, 36, 1]]
    assert [view["name"] for view in done.quality["per_view"]] == ["00", "08"]
    assert all(np.isfinite(view["psnr"]) for view in done.quality["per_view"])
    assert done.quality["ssim"] is not None


@pytest.mark.slow
def test_a_record_tells_of_sizes_and_lenses(done: record.Record) -> None:
    assert "images have 2 sizes: 36×24 (11), 24×36 (5)" in done.scene["notes"]
    assert any("8 of 16 lenses are resampled" in note for note in done.scene["notes"])


@pytest.mark.parametrize("name", ["instant-ngp", "error-map", "hsm", "proposal", "nerf"])
@pytest.mark.parametrize("buffers", ["auto", "fixed"])
def test_methods_train_and_render_every_camera(name: str, buffers: str) -> None:
    cls = students.registry().method(name)
    params: dict[str, Any] = {"buffers": "fixed"} if buffers == "fixed" else {}
    if buffers == "fixed" and name in ("proposal", "nerf"):
        pytest.skip("has no buffers of fixed size")
    config, _ = planner.resolve(cls, params, "cpu")
    scene = mixed_ball()
    method = cls.specialised(to_dict(config))(config, Context(scene, torch.device("cpu"), 0))
    for _ in range(2):
        assert torch.isfinite(method.step(0.0))
    assert method.tables()["ray"]
    for view in (0, 1):
        camera = scene.test.cameras[view]
        image = method.render(torch.from_numpy(scene.test.poses[view]), camera)
        assert image.shape == (camera.height, camera.width, 3)


@pytest.mark.parametrize(
    "params",
    [{}, {"views": 3, "sr_widths": ()}, {"patch": 3, "views": 3}, {"sr_widths": (), "rays": 40}],
    ids=["whole views", "several views", "patches", "rays"],
)
def test_a_student_learns_from_views_of_every_camera(
    monkeypatch: pytest.MonkeyPatch, params: dict[str, Any]
) -> None:
    scene = mixed_ball()
    monkeypatch.setattr(students, "context", lambda **more: context(scene=scene, **more))
    method: NeLFMethod = students.student(real_share=0.5, **params)
    assert isinstance(method.pool, MixedViewPool)
    for _ in range(6):
        assert torch.isfinite(method.step(0.0))
    for view in (0, 1):
        camera = scene.test.cameras[view]
        image = method.render(torch.from_numpy(scene.test.poses[view]), camera)
        assert image.shape == (camera.height, camera.width, 3)


def pool() -> MixedViewPool:
    """Real views alone but for one, of black."""
    scene, camera = mixed_ball(), most_common(mixed_ball().train)
    black = torch.zeros(1, camera.height, camera.width, 3, dtype=torch.uint8)
    pseudo = PseudoViews(black, torch.from_numpy(scene.train.poses[:1]), 1.0)
    return MixedViewPool(pseudo, camera, context(scene=scene))


def test_views_that_are_drawn_together_have_one_size_and_none_is_lost() -> None:
    drawn: list[int] = []
    views_of = pool()
    while len(drawn) < 8:
        batch = views_of.draw(3, 1.0)
        _, images = views_of.views(batch)
        assert images.shape[0] == len(batch)
        drawn += batch
    assert sorted(drawn)[:8] == list(range(1, 9))


def test_a_pixel_of_a_mixed_pool_has_its_own_views_ray_and_colour() -> None:
    scene, views_of = mixed_ball(), pool()
    encoder = students.student().encoder
    poses, pixels, colors = views_of.pixels(200, 0.9)
    directions = views_of.directions_at(pixels, encoder)
    starts = np.array([0, *(scene.train.starts + 12 * 20)])
    for place in range(0, 200, 13):
        view = int(np.searchsorted(starts, int(pixels[place]), side="right")) - 1
        camera = views_of.cameras[view]
        y, x = divmod(int(pixels[place]) - int(starts[view]), camera.width)
        expected = camera_directions(camera, 1)[y, x]
        torch.testing.assert_close(directions[place], expected)
        assert torch.equal(poses[place], views_of.poses[view])
        _, images = views_of.views([view])
        assert colors[place].tolist() == images[0, y, x].tolist()


def test_a_model_is_compared_on_views_of_the_camera_that_it_is_made_for() -> None:
    scene = mixed_ball()
    assert check_views(scene) == [0]
    lens = (scene.test.cameras[0], scene.test.cameras[1])
    cameras = tuple(lens[view % 2] for view in range(8))
    alike = replace(scene, test=replace(scene.test, camera=cameras))
    assert check_views(alike, 2) == [2, 6]


def test_only_mixed_scenes_have_sizes_in_their_record() -> None:
    cell = Cell("", "instant-ngp", SceneRef("test/mixed"), "3it")
    assert scene_facts(cell, mixed_ball())["sizes"] == [[20, 12, 4], [12, 20, 4]]
    assert "sizes" not in scene_facts(cell, context().scene)


def test_one_camera_that_meets_the_box_is_enough() -> None:
    check_sight(mixed_ball())
    with pytest.raises(SceneError, match="no ray of its 8 training cameras"):
        check_sight(replace(mixed_ball(), near=90, far=100))
