"""Depth and opacity as files: what is read is what was written, to the digits they keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from effbench.records import maps
from effbench.records.maps import ViewMaps


def view(seed: int) -> ViewMaps:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(2, 6, (7, 5)).astype(np.float32)
    depth[0] = np.inf
    return ViewMaps(depth, rng.uniform(0, 1, (7, 5)).astype(np.float32))


def test_maps_come_back(tmp_path: Path) -> None:
    written = {"r_0": view(0), "r_1": view(1)}
    maps.write(tmp_path / "maps", written)
    for name, expected in written.items():
        found = maps.read(tmp_path / "maps", name)
        assert found is not None
        np.testing.assert_allclose(found.depth, expected.depth, rtol=1e-4)
        assert np.isinf(found.depth[0]).all()
        np.testing.assert_allclose(found.opacity, expected.opacity, atol=0.5 / 255 + 1e-6)


def test_what_meets_nothing_anywhere_can_be_written(tmp_path: Path) -> None:
    empty = ViewMaps(np.full((2, 2), np.inf, np.float32), np.zeros((2, 2), np.float32))
    maps.write(tmp_path, {"r_0": empty})
    found = maps.read(tmp_path, "r_0")
    assert found is not None
    assert np.isinf(found.depth).all()


def test_a_view_without_maps_has_none(tmp_path: Path) -> None:
    assert maps.read(tmp_path, "r_0") is None
    maps.write(tmp_path, {"r_0": view(0)})
    assert maps.read(tmp_path, "r_1") is None
    (tmp_path / "r_0.depth.png").unlink()
    with pytest.raises(OSError, match=r"r_0\.depth\.png"):
        maps.read(tmp_path, "r_0")
