"""A lens' images on a pinhole: points come to lie where the pinhole sees them."""

from __future__ import annotations

import numpy as np
import pytest

from effbench.scene import Intrinsics, undistortion
from effbench.scene.undistortion import distorted, resampling

PINHOLE = Intrinsics(120, 90, 100.0, 102.0, 61.0, 44.0)
LENSES = [(0.06, -0.08, -0.001, 0.0002), (-0.2, 0.05, 0.0, 0.0), (0.1, 0.0, 0.004, -0.003)]


def test_a_pinhole_needs_no_resampling() -> None:
    assert resampling(PINHOLE, (0, 0, 0, 0)) is None


def test_distortion_is_opencvs() -> None:
    u, v = np.array([0.3]), np.array([-0.2])
    x, y = distorted(u, v, (0.1, 0.02, 0.01, -0.02))
    r2 = 0.13
    radial = 1 + 0.1 * r2 + 0.02 * r2**2
    assert x[0] == pytest.approx(0.3 * radial + 2 * 0.01 * -0.06 - 0.02 * (r2 + 2 * 0.09))
    assert y[0] == pytest.approx(-0.2 * radial + 2 * -0.02 * -0.06 + 0.01 * (r2 + 2 * 0.04))


@pytest.mark.parametrize("lens", LENSES)
def test_a_spot_lies_where_the_pinhole_sees_it(lens: tuple[float, float, float, float]) -> None:
    for u, v in [(0.0, 0.0), (0.35, -0.25), (-0.4, 0.3), (0.2, 0.35)]:
        x, y = distorted(np.array(u), np.array(v), lens)
        rows, columns = np.mgrid[: PINHOLE.height, : PINHOLE.width] + 0.5
        at = PINHOLE.fx * x + PINHOLE.cx, PINHOLE.fy * y + PINHOLE.cy
        spot = 250 * np.exp(-((columns - at[0]) ** 2 + (rows - at[1]) ** 2) / 8)
        warp = resampling(PINHOLE, lens)
        assert warp is not None
        seen = warp(spot[..., None].astype(np.uint8)).astype(float)[..., 0]
        total = seen.sum()
        found = (seen * columns).sum() / total, (seen * rows).sum() / total
        expected = PINHOLE.fx * u + PINHOLE.cx, PINHOLE.fy * v + PINHOLE.cy
        assert found == pytest.approx(expected, abs=0.25)


def test_a_note_can_say_how_far_pixels_move_and_how_many_are_outside() -> None:
    warp = resampling(PINHOLE, (0.1, 0.0, 0.0, 0.0))
    assert warp is not None
    u, v = -0.605, 0.4461  # the middle of the lower left pixel, the farthest from the axis
    move = np.hypot(PINHOLE.fx * u, PINHOLE.fy * v) * 0.1 * (u * u + v * v)
    most, outside = warp.moves()
    assert most == pytest.approx(move, rel=1e-3)
    rows, columns = np.mgrid[: PINHOLE.height, : PINHOLE.width] + 0.5
    u, v = (columns - PINHOLE.cx) / PINHOLE.fx, (rows - PINHOLE.cy) / PINHOLE.fy
    x, y = distorted(u, v, warp.distortion)
    x, y = x * PINHOLE.fx + PINHOLE.cx, y * PINHOLE.fy + PINHOLE.cy
    inside = (x >= 0) & (x <= 120) & (y >= 0) & (y <= 90)
    assert outside == pytest.approx(1 - inside.mean())
    assert outside > 0


def test_an_image_of_several_bands_is_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    warp = resampling(PINHOLE, LENSES[0])
    assert warp is not None
    whole, moves = warp(image), warp.moves()
    monkeypatch.setattr(undistortion, "_BAND", 120 * 7)
    assert np.array_equal(warp(image), whole)
    assert warp.moves() == pytest.approx(moves)
