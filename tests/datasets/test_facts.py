"""What is told of a scene: its own figures, and every part that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from effbench.datasets import facts
from effbench.planning.registry import discover
from effbench.scene import SceneRef
from tests.datasets import made


def told(root: Path | None, name: str, **params: Any) -> facts.Facts:
    ref = SceneRef(name, params)
    return facts.facts(discover().load_scene(ref, str(root)), ref, root)


def test_a_capture_is_told_in_figures(tmp_path: Path) -> None:
    folder = made.colmap(tmp_path / "colmap" / "mine")
    found = told(tmp_path, "colmap/mine", downscale=2)
    assert json.loads(json.dumps(found)) == found
    assert found["folder"] == str(folder)
    size = {"width": 32, "height": 24, "views": 17}
    assert found["splits"]["train"] == {"views": 17, "sizes": [size], "alpha": False}
    assert found["splits"]["test"]["views"] == 3
    assert found["cameras"]["fx"] == {"least": 30.0, "median": 30.0, "most": 30.0}
    # 2 · atan(16 / 30)
    assert found["cameras"]["field_of_view_x"]["median"] == pytest.approx(56.145, abs=1e-3)
    assert found["cameras"]["distance"]["median"] == pytest.approx(1, abs=1e-3)
    assert found["inner"] == [[-1.0] * 3, [1.0] * 3]


def test_the_same_as_text(tmp_path: Path) -> None:
    made.colmap(tmp_path / "colmap" / "mine")
    text = facts.as_text(told(tmp_path, "colmap/mine", downscale=2))
    assert text.startswith("colmap/mine\n")
    for line in (
        "  parameters   downscale=2",
        "  train        17 views, 32×24, RGB",
        "  cameras      1 lens, focal length 30 × 31 px, field of view 56.14° × 42.32°",
        "  box          ±4",
        "  inner cube   ±1",
        "  background   none: every ray ends on something",
    ):
        assert line in text.splitlines()


def test_the_split_that_is_evaluated_has_its_name(tmp_path: Path) -> None:
    made.colmap(tmp_path / "colmap" / "mine")
    assert list(told(tmp_path, "colmap/mine", split="val")["splits"]) == ["train", "val"]


def test_boxes_are_cubes_or_corners() -> None:
    assert facts.box_text([[-1.5] * 3, [1.5] * 3]) == "±1.5"
    assert facts.box_text([[-1, -2, 0], [1, 2, 3]]) == "(-1 -2 0) to (1 2 3)"
