"""The maps of a cell: a few views, a fact of the record, and no harm when they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from effbench.api import run_cell
from effbench.method import Maps
from effbench.records import maps
from effbench.records.record import Record
from effbench.scene import Intrinsics
from tests.exported import RandomLightField

FAKES = Path(__file__).parents[1] / "fakes"


class Walls(RandomLightField):
    """Knows a wall at a distance that is said by the pose, seen through by a quarter."""

    name = "walls"
    exported_with_cell = False

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps | None:
        size = (intrinsics.height, intrinsics.width)
        return Maps(torch.full(size, float(pose[2, 3])), torch.full(size, 0.75))


class TooSmall(Walls):
    name = "too-small"

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps | None:
        return Maps(torch.ones(2, 2), torch.ones(2, 2))


def run(out: Path, method: Any, **options: Any) -> tuple[Record, Path]:
    done = run_cell(method, "toy/grey", "3it", out=out, plugins=[FAKES], device="cpu", **options)
    assert done.status == "ok", done.reason
    return done, out / "cells" / done.cell_id / "maps"


def test_a_few_views_have_maps_and_the_record_says_what_they_leave(tmp_path: Path) -> None:
    done, folder = run(tmp_path, Walls)
    assert done.facts["residual_transmittance"] == pytest.approx(0.25)
    assert done.facts["residual_views"] == 3
    names = sorted(path.name for path in folder.glob("*.depth.png"))
    assert names == [f"r_{view}.depth.png" for view in (0, 2, 3)], "those a report shows, of four"
    found = maps.read(folder, "r_2")
    assert found is not None
    np.testing.assert_allclose(found.depth, 4.0)  # as far as the toy scene's cameras are from 0
    assert {"render", "setup"} <= set(done.memory["phases"])
    assert not [name for name in done.memory["phases"] if "map" in name]


def test_views_that_were_not_evaluated_have_none(tmp_path: Path) -> None:
    done, folder = run(tmp_path, Walls, eval_views=1)
    assert done.facts["residual_views"] == 1
    assert [path.name for path in folder.glob("*.depth.png")] == ["r_2.depth.png"]


def test_a_method_without_distances_leaves_nothing(tmp_path: Path) -> None:
    done, folder = run(tmp_path, "fake")
    assert not folder.exists()
    assert "residual_transmittance" not in done.facts


def test_maps_that_fail_cost_the_cell_nothing_else(tmp_path: Path) -> None:
    done, folder = run(tmp_path, TooSmall)
    assert not folder.exists()
    assert "maps of shapes [[2, 2], [2, 2]], the camera has [16, 16]" in done.facts["maps_missing"]
    assert done.quality["psnr"] > 0
