"""Pictures of depth and opacity: near is bright, one scale, faint where little is."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps

from effbench.records.maps import ViewMaps
from effbench.report.depth_maps import COLOURS, Scale, coloured, grey, on_black, opacity, stops


def view(depths: list[float], opacities: list[float] | None = None) -> ViewMaps:
    depth = np.array([depths], np.float32)
    weights = np.ones_like(depth) if opacities is None else np.array([opacities], np.float32)
    return ViewMaps(depth, weights)


def test_the_scale_spans_what_is_seen_in_all_views() -> None:
    views = [view([2.0, 3.0, 900.0], [1, 1, 0.1]), view([4.0, 6.0, np.inf])]
    scale = Scale.of(views, disparity=False)
    assert scale.near == pytest.approx(2, abs=0.1)
    assert scale.far == pytest.approx(6, abs=0.1)


def test_where_nothing_is_seen_there_is_a_scale_all_the_same() -> None:
    for views in ([], [view([np.inf], [0.0])], [view([3.0])]):
        scale = Scale.of(views, disparity=True)
        assert scale.near < scale.far
        assert np.isfinite(coloured(view([3.0, np.inf]), scale)).all()


def test_colours_are_even_in_distance_or_in_disparity() -> None:
    depth = np.array([1.0, 2.0, 4.0, 8.0, np.inf], np.float32)
    even = Scale(2.0, 8.0).nearness(depth)
    np.testing.assert_allclose(even, [1, 1, 2 / 3, 0, 0], atol=1e-6)
    disparity = Scale(2.0, 8.0, disparity=True)
    np.testing.assert_allclose(disparity.nearness(depth), [1, 1, 1 / 3, 0, 0], atol=1e-6)
    for scale in (Scale(2.0, 8.0), disparity):
        assert scale.nearness(np.array([scale.middle()], np.float32)) == pytest.approx(0.5)


def test_near_is_the_bright_end_and_faint_what_is_not_there() -> None:
    picture = coloured(view([2.0, 8.0, 8.0], [1, 1, 0]), Scale(2.0, 8.0))[0]
    assert picture[0].tolist() == list(colormaps[COLOURS](1.0, bytes=True))
    assert picture[1].tolist() == list(colormaps[COLOURS](0.0, bytes=True))
    assert picture[:, 3].tolist() == [255, 255, 0]
    assert stops()[0] == "#fde725", "viridis ends in yellow"


def test_over_black_they_are_pictures_of_three_channels() -> None:
    maps, scale = view([2.0, 2.0], [1, 0.5]), Scale(2.0, 8.0)
    full, half = on_black(maps, scale)[0].astype(int)
    assert np.abs(full // 2 - half).max() <= 1
    assert opacity(maps).tolist() == [[[255] * 3, [128] * 3]]
    assert grey(maps).tolist() == [[255, 128]]
