"""The example plug-ins do what the documentation says of them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from effbench.api import run_cell
from effbench.planning import registry

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples/plugins"


def test_the_example_method_is_under_forty_lines_of_code() -> None:
    source = (EXAMPLES / "methods/voxels.py").read_text(encoding="utf-8")
    code = ast.unparse(ast.parse(source)).splitlines()  # without comments and empty lines
    assert len([line for line in code if line.strip()]) < 40


def test_the_example_method_learns_the_example_scene() -> None:
    options = {"plugins": [EXAMPLES], "device": "cpu", "params": {"side": 32}}
    few, many = (run_cell("voxels", "ball/unit", f"{n}it", **options) for n in (1, 40))  # type: ignore[arg-type]
    assert (few.status, many.status) == ("ok", "ok"), (few.reason, many.reason)
    assert many.quality["psnr"] > few.quality["psnr"] + 3


def test_the_example_scene_shows_a_ball() -> None:
    source = registry.discover([EXAMPLES]).source("ball")
    scene = source.load("unit", None, source.Config())
    views = scene.train
    alpha = views.images[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    # A unit ball 4 units away is seen at tan(angle) = 1/√15, 1.5·32 pixels being the focal length.
    radius = 1.5 * 32 / np.sqrt(15)
    assert (alpha[0] > 0).sum() == pytest.approx(np.pi * radius**2, rel=0.03)
    for pose in views.poses:
        np.testing.assert_allclose(pose[:, :3].T @ pose[:, :3], np.eye(3), atol=1e-6)
        np.testing.assert_allclose(pose[:, 3], 4 * pose[:, 2], atol=1e-6)  # looks at the origin
    # The middle of a view shows the point nearest the camera, whose normal points at it.
    normal = views.images[0, 16, 16, :3] / 255 * 2 - 1
    np.testing.assert_allclose(normal, views.poses[0][:, 2], atol=0.1)
