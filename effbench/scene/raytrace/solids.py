"""Where a ray runs inside a shape, compiled. Importing this module imports numba.

Notation: points and directions are tuples (x, y, z); a ray is o + t·d with |d| = 1; an interval
of t is a pair (near, far), empty when near > far. All shapes are convex: one interval each.
`shape` is a record of `packing.SHAPE`, `shapes` an array of them.
"""

from __future__ import annotations

import math
from typing import Any

from effbench.scene.raytrace.compiled import compiled
from effbench.scene.raytrace.shapes import Kind, Vector

_BOX, _SPHERE, _CYLINDER = int(Kind.BOX), int(Kind.SPHERE), int(Kind.CYLINDER)
Interval = tuple[float, float]
_FAR = 1e9
_ALL, _EMPTY = (-_FAR, _FAR), (_FAR, -_FAR)


@compiled
def dot(a: Vector, b: Vector) -> float:
    """Return the inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def along(o: Vector, t: float, d: Vector) -> Vector:
    """Return o + t·d."""
    return o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]


@compiled
def vector(values: Any) -> Vector:
    """Return an array of three numbers as a tuple."""
    return values[0], values[1], values[2]


@compiled
def unit(v: Vector) -> Vector:
    """Return v / |v|."""
    norm = math.sqrt(dot(v, v))
    return v[0] / norm, v[1] / norm, v[2] / norm


@compiled
def to_local(axes: Any, v: Vector) -> Vector:
    """Turn a world direction into a shape's axes ([3, 3], rows are the axes)."""
    return (
        axes[0, 0] * v[0] + axes[0, 1] * v[1] + axes[0, 2] * v[2],
        axes[1, 0] * v[0] + axes[1, 1] * v[1] + axes[1, 2] * v[2],
        axes[2, 0] * v[0] + axes[2, 1] * v[1] + axes[2, 2] * v[2],
    )


@compiled
def to_world(axes: Any, v: Vector) -> Vector:
    """Turn a direction in a shape's axes into the world's."""
    return (
        axes[0, 0] * v[0] + axes[1, 0] * v[1] + axes[2, 0] * v[2],
        axes[0, 1] * v[0] + axes[1, 1] * v[1] + axes[2, 1] * v[2],
        axes[0, 2] * v[0] + axes[1, 2] * v[1] + axes[2, 2] * v[2],
    )


@compiled
def passes(shape: Any, o: Vector, d: Vector, spread: float) -> bool:
    """Whether a ray misses the bounding sphere of a shape, and so do all from o within the angle
    `spread` (radians, small) of it."""
    offset = along(vector(shape.centre), -1.0, o)
    closest = dot(offset, d)
    reach: float = shape.reach + spread * math.sqrt(dot(offset, offset))
    return dot(offset, offset) - closest * closest > reach * reach


@compiled
def span(shape: Any, o: Vector, d: Vector) -> Interval:
    """Return the interval of t that a ray spends inside a shape."""
    o = to_local(shape.axes, along(o, -1.0, vector(shape.centre)))
    d = to_local(shape.axes, d)
    size = vector(shape.size)
    if shape.kind == _SPHERE:
        return _quadratic(1.0, dot(o, d), dot(o, o) - size[0] * size[0])
    z = _slab(o[2], d[2], size[2])
    if shape.kind == _CYLINDER:
        a = d[0] * d[0] + d[1] * d[1]
        c = o[0] * o[0] + o[1] * o[1] - size[0] * size[0]
        side = _quadratic(a, o[0] * d[0] + o[1] * d[1], c)
        return max(side[0], z[0]), min(side[1], z[1])
    x = _slab(o[0], d[0], size[0])
    y = _slab(o[1], d[1], size[1])
    return max(x[0], y[0], z[0]), min(x[1], y[1], z[1])


@compiled
def _quadratic(a: float, half_b: float, c: float) -> Interval:
    """Return the interval where a·t² + 2·half_b·t + c ≤ 0, for a ≥ 0."""
    if a < 1e-18:  # along a cylinder's axis: inside or outside for good
        return _ALL if c <= 0.0 else _EMPTY
    discriminant = half_b * half_b - a * c
    if discriminant < 0.0:
        return _EMPTY
    root = math.sqrt(discriminant)
    return (-half_b - root) / a, (-half_b + root) / a


@compiled
def _slab(o: float, d: float, half: float) -> Interval:
    """Return the interval where |o + t·d| ≤ half."""
    if abs(d) < 1e-12:
        return _ALL if abs(o) <= half else _EMPTY
    first, second = (-half - o) / d, (half - o) / d
    return min(first, second), max(first, second)


@compiled
def first_hit(shapes: Any, candidates: Any, count: int, o: Vector, d: Vector) -> tuple[float, int]:
    """Return (t, i) of the nearest of `count` candidates that the ray enters; i = −1 for none."""
    nearest, index = _FAR, -1
    for k in range(count):
        near, far = span(shapes[candidates[k]], o, d)
        if near <= far and 0.0 < near < nearest:
            nearest, index = near, candidates[k]
    return nearest, index


@compiled
def blocked(shapes: Any, o: Vector, d: Vector) -> bool:
    """Whether any shape lies ahead of o; one that holds o counts (shapes may touch)."""
    for i in range(len(shapes)):
        if not passes(shapes[i], o, d, 0.0):
            near, far = span(shapes[i], o, d)
            if near <= far and far > 0.0:
                return True
    return False


@compiled
def local_normal(kind: int, size: Vector, p: Vector) -> Vector:
    """Return the outward normal at a surface point; both in the shape's own axes."""
    x, y, z = p[0] / size[0], p[1] / size[1], p[2] / size[2]
    if kind == _BOX:
        if abs(x) >= abs(y) and abs(x) >= abs(z):
            return math.copysign(1.0, x), 0.0, 0.0
        if abs(y) >= abs(z):
            return 0.0, math.copysign(1.0, y), 0.0
        return 0.0, 0.0, math.copysign(1.0, z)
    if kind == _CYLINDER:
        if abs(z) > 1.0 - 1e-9:
            return 0.0, 0.0, math.copysign(1.0, z)
        return unit((x, y, 0.0))
    return unit(p)
