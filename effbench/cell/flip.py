"""LDR-ꟻLIP (Andersson et al. 2020, "FLIP: A Difference Evaluator for Alternating Images").

What flip-evaluator, by its authors, computes, six times as fast: 200 views of a scene are scored in
seconds instead of a minute. The tests hold it to their figures. Numbers in comments are those of
the paper's equations.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from effbench.cell.filters import along_x, along_y
from effbench.kernels.cpu import SERIAL

# A screen 0.7 m wide with 3840 pixels, seen from 0.7 m
PIXELS_PER_DEGREE = 0.7 * (3840 / 0.7) * (math.pi / 180)

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]
_f32 = np.float32

# Linear sRGB to XYZ, divided by the white D65
_WHITE = (0.950428545, 1.0, 1.088900371)
_XYZ = np.array(
    [
        [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
        [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
        [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
    ]
) / np.array(_WHITE).reshape(3, 1)
_TO_XYZ = _XYZ.astype(np.float32)
_TO_RGB = np.linalg.inv(_XYZ).astype(np.float32)

_QC, _PC, _PT, _QF = 0.7, 0.4, 0.95, 0.5  # eq. 5, 6, 9
_WIDTH = 0.082  # of a feature, degrees


def flip(prediction: Image, truth: Image) -> float:
    """Return the mean error in [0, 1] of two uint8 [H, W, 3] images."""
    smooth, features = _filters()
    seen = [_perceived(image, smooth) for image in (prediction, truth)]
    edges = [_features(_lightness(image), features) for image in (prediction, truth)]
    return float(_mean_error(*seen, *edges, _largest_distance()))


@functools.cache
def _linear() -> Plane:
    """Return linear sRGB in [0, 1] of the 256 levels."""
    level = np.arange(256) / 255
    dark, light = level / 12.92, ((level + 0.055) / 1.055) ** 2.4
    return np.where(level > 0.04045, light, dark).astype(np.float32)


@functools.cache
def _filters() -> tuple[tuple[Plane, ...], tuple[Plane, ...]]:
    """Return the taps of the contrast sensitivity functions along one axis, [2r + 1] each: of
    achromatic, red-green, and the two parts of blue-yellow, which carry their weights; and of
    features: a Gaussian, its first and its second derivative."""
    parts = ((1.0, 0.0047), (1.0, 0.0053), (34.1, 0.04), (13.5, 0.025))  # a, b of table 1
    radius = math.ceil(3 * math.sqrt(0.04 / (2 * math.pi**2)) * PIXELS_PER_DEGREE)
    x = np.arange(-radius, radius + 1) / PIXELS_PER_DEGREE
    bells = [np.exp(-(math.pi**2) * x**2 / b) for _, b in parts]
    # in two dimensions a part weighs a·√(π/b)·(Σ bell)²; each axis gets the root of its share
    weights = [
        a * math.sqrt(math.pi / b) * bell.sum() ** 2
        for (a, b), bell in zip(parts, bells, strict=True)
    ]
    shares = [1.0, 1.0, *(w / (weights[2] + weights[3]) for w in weights[2:])]
    smooth = [b / b.sum() * math.sqrt(share) for b, share in zip(bells, shares, strict=True)]
    deviation = 0.5 * _WIDTH * PIXELS_PER_DEGREE
    radius = math.ceil(3 * deviation)
    at = np.arange(-radius, radius + 1)
    bell = np.exp(-(at**2) / (2 * deviation**2))
    edge, point = -at * bell, (at**2 / deviation**2 - 1) * bell
    features = [bell / bell.sum(), edge / edge[edge > 0].sum(), _balanced(point)]
    return _single(smooth), _single(features)


def _single(taps: list[NDArray[np.float64]]) -> tuple[Plane, ...]:
    return tuple(each.astype(np.float32) for each in taps)


def _balanced(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return taps whose positive and whose negative ones sum to 1 and to −1."""
    positive, negative = taps[taps > 0].sum(), -taps[taps < 0].sum()
    balanced: NDArray[np.float64] = np.where(taps > 0, taps / positive, taps / negative)
    return balanced


def _perceived(image: Image, smooth: tuple[Plane, ...]) -> Plane:
    """Return the Hunt-adjusted L*a*b* of what an eye makes of an image, float32 [3, H, W]."""
    opponent = _opponent(image, _linear(), _TO_XYZ)
    filtered = np.empty_like(opponent)
    for channel, taps in enumerate((smooth[:1], smooth[1:2], smooth[2:])):
        filtered[channel] = sum(_smoothed(opponent[channel], each, each) for each in taps)
    adjusted: Plane = _lab(filtered, _TO_RGB, _TO_XYZ)
    return adjusted


def _lightness(image: Image) -> Plane:
    """Return the luminance in [0, 1] in which features are looked for, float32 [H, W]."""
    luminance: Plane = _linear()[image] @ _TO_XYZ[1]
    return luminance


def _features(plane: Plane, features: tuple[Plane, ...]) -> Plane:
    """Return the strength of edges and of points, float32 [2, H, W]."""
    bell, *kinds = features
    found = []
    for taps in kinds:
        across, along = _smoothed(plane, taps, bell), _smoothed(plane, bell, taps)
        found.append(np.hypot(across, along))
    return np.stack(found)


def _smoothed(plane: Plane, across: Plane, along: Plane) -> Plane:
    """Return a plane filtered along x, then along y; beyond its border are the border's values."""
    filtered: Plane = along_y(along_x(plane, across), along)
    return filtered


@functools.cache
def _largest_distance() -> float:
    """Return the distance of green and blue to the power of eq. 5: no colours differ by more."""
    corners = np.zeros((3, 1, 2), np.float32)
    corners[1, 0, 0] = corners[2, 0, 1] = 1
    lab = _to_lab(corners, _TO_XYZ)
    green, blue = lab[:, 0, 0].astype(np.float64), lab[:, 0, 1].astype(np.float64)
    hyab = abs(green[0] - blue[0]) + math.hypot(green[1] - blue[1], green[2] - blue[2])
    return float(hyab**_QC)


@njit(**SERIAL)
def _opponent(image, linear, to_xyz):  # type: ignore[no-untyped-def]
    """Return YCxCz, float32 [3, H, W], of an 8-bit image."""
    height, width, _ = image.shape
    out = np.empty((3, height, width), np.float32)
    for i in range(height):
        for j in range(width):
            r, g, b = linear[image[i, j, 0]], linear[image[i, j, 1]], linear[image[i, j, 2]]
            x = to_xyz[0, 0] * r + to_xyz[0, 1] * g + to_xyz[0, 2] * b
            y = to_xyz[1, 0] * r + to_xyz[1, 1] * g + to_xyz[1, 2] * b
            z = to_xyz[2, 0] * r + to_xyz[2, 1] * g + to_xyz[2, 2] * b
            out[0, i, j] = _f32(116) * y - _f32(16)
            out[1, i, j] = _f32(500) * (x - y)
            out[2, i, j] = _f32(200) * (y - z)
    return out


@njit(**SERIAL)
def _lab(opponent, to_rgb, to_xyz):  # type: ignore[no-untyped-def]
    """Return the Hunt-adjusted L*a*b* of YCxCz after clamping to what a screen shows."""
    _, height, width = opponent.shape
    rgb = np.empty_like(opponent)
    for i in range(height):
        for j in range(width):
            y = (opponent[0, i, j] + _f32(16)) / _f32(116)
            x = y + opponent[1, i, j] / _f32(500)
            z = y - opponent[2, i, j] / _f32(200)
            for c in range(3):
                value = to_rgb[c, 0] * x + to_rgb[c, 1] * y + to_rgb[c, 2] * z
                rgb[c, i, j] = min(max(value, _f32(0)), _f32(1))
    return _to_lab(rgb, to_xyz)


@njit(**SERIAL)
def _root(t):  # type: ignore[no-untyped-def]
    """The cube root of CIE L*a*b*, with its straight part near 0."""
    if t > _f32(0.00885645167):
        return _f32(np.cbrt(t))
    return t * _f32(7.787037037) + _f32(4 / 29)


@njit(**SERIAL)
def _to_lab(rgb, to_xyz):  # type: ignore[no-untyped-def]
    """Return the Hunt-adjusted L*a*b* of linear sRGB, both float32 [3, H, W]."""
    _, height, width = rgb.shape
    out = np.empty_like(rgb)
    for i in range(height):
        for j in range(width):
            r, g, b = rgb[0, i, j], rgb[1, i, j], rgb[2, i, j]
            x = _root(to_xyz[0, 0] * r + to_xyz[0, 1] * g + to_xyz[0, 2] * b)
            y = _root(to_xyz[1, 0] * r + to_xyz[1, 1] * g + to_xyz[1, 2] * b)
            z = _root(to_xyz[2, 0] * r + to_xyz[2, 1] * g + to_xyz[2, 2] * b)
            lightness = _f32(116) * y - _f32(16)
            hunt = _f32(0.01) * lightness
            out[0, i, j] = lightness
            out[1, i, j] = hunt * _f32(500) * (x - y)
            out[2, i, j] = hunt * _f32(200) * (y - z)
    return out


@njit(**SERIAL)
def _mean_error(one, other, features, other_features, largest):  # type: ignore[no-untyped-def]
    """Return the mean over pixels of colour differences, amplified where features differ."""
    _, height, width = one.shape
    knee = _PC * largest
    total = 0.0
    for i in range(height):
        for j in range(width):
            da, db = one[1, i, j] - other[1, i, j], one[2, i, j] - other[2, i, j]
            distance = abs(one[0, i, j] - other[0, i, j]) + math.sqrt(da * da + db * db)
            color = distance**_QC
            if color < knee:
                color *= _PT / knee
            else:
                color = _PT + (color - knee) / (largest - knee) * (1 - _PT)
            edge = abs(features[0, i, j] - other_features[0, i, j])
            point = abs(features[1, i, j] - other_features[1, i, j])
            feature = min((max(edge, point) / math.sqrt(2.0)) ** _QF, 1.0)
            total += color ** (1 - feature) if color > 0 else 0.0
    return total / (height * width)
