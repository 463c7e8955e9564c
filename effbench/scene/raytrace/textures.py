"""Solid (3-D) textures, compiled. Importing this module imports numba."""

from __future__ import annotations

import math

from effbench.scene.raytrace.compiled import compiled
from effbench.scene.raytrace.shapes import Pattern

_CHECKER, _STRIPES, _NOISE = int(Pattern.CHECKER), int(Pattern.STRIPES), int(Pattern.NOISE)


@compiled
def blend(pattern: int, x: float, y: float, z: float) -> float:
    """Return how much of a material's second colour shows at a point, in [0, 1].

    x, y, z: position in pattern cells, in the shape's own axes.
    """
    if pattern == _CHECKER:
        return float((math.floor(x) + math.floor(y) + math.floor(z)) % 2)
    if pattern == _STRIPES:
        return float(math.floor(x + y + z) % 2)
    if pattern == _NOISE:
        noise = 0.65 * value_noise(x, y, z) + 0.35 * value_noise(2.0 * x, 2.0 * y, 2.0 * z)
        return _smoothstep(min(max(2.0 * noise - 0.5, 0.0), 1.0))
    return 0.0


@compiled
def value_noise(x: float, y: float, z: float) -> float:
    """Return smooth noise in [0, 1): random values at whole coordinates, smoothstep between."""
    ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = _smoothstep(x - ix), _smoothstep(y - iy), _smoothstep(z - iz)
    total = 0.0
    for corner in range(8):
        cx, cy, cz = corner & 1, corner >> 1 & 1, corner >> 2
        weight = (fx if cx else 1.0 - fx) * (fy if cy else 1.0 - fy) * (fz if cz else 1.0 - fz)
        total += weight * _random(ix + cx, iy + cy, iz + cz)
    return total


@compiled
def _smoothstep(t: float) -> float:
    return t * t * (3.0 - 2.0 * t)


@compiled
def _random(x: int, y: int, z: int) -> float:
    """Return a number in [0, 1) that is a hash of three whole numbers."""
    h = (x * 374761393 + y * 668265263 + z * 1013904223) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 2246822519) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0
