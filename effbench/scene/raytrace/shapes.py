"""Solid shapes and their materials: what procedural scenes are made of (drawn by `raytrace`).

A shape is a box, a sphere or a cylinder along its own z axis, turned and moved into place.
World units; z is up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from effbench.scene.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

Vector = tuple[float, float, float]


class Kind(IntEnum):
    BOX = 0
    SPHERE = 1
    CYLINDER = 2


class Pattern(IntEnum):
    """How a material mixes its two colours, by position in the shape's own axes."""

    PLAIN = 0
    CHECKER = 1
    STRIPES = 2
    NOISE = 3


@dataclass(frozen=True)
class Material:
    """A solid (3-D) texture of two sRGB colours in [0, 1] and a Blinn-Phong highlight.

    scale: pattern cells per world unit; gloss: strength of the highlight in [0, 1];
    sharpness: log2 of the highlight's exponent.
    """

    first: Vector
    second: Vector = (1.0, 1.0, 1.0)
    pattern: Pattern = Pattern.PLAIN
    scale: float = 4.0
    gloss: float = 0.3
    sharpness: int = 5


@dataclass(frozen=True)
class Shape:
    """One solid. size: half extents along its own axes; axes: their directions in the world."""

    kind: Kind
    centre: Vector
    size: Vector
    material: Material
    axes: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def box(centre: Vector, size: Vector, material: Material, yaw: float = 0.0) -> Shape:
    """Return a box with half extents `size`, turned by `yaw` degrees about z."""
    return Shape(Kind.BOX, centre, size, material, _turned(yaw))


def sphere(centre: Vector, radius: float, material: Material, yaw: float = 0.0) -> Shape:
    """Return a sphere, its texture turned by `yaw` degrees about z."""
    return Shape(Kind.SPHERE, centre, (radius, radius, radius), material, _turned(yaw))


def rod(start: Vector, end: Vector, radius: float, material: Material) -> Shape:
    """Return a cylinder with flat ends between two points."""
    first, last = np.array(start), np.array(end)
    length = float(np.linalg.norm(last - first))
    along = (last - first) / length
    helper = np.eye(3)[int(np.argmin(np.abs(along)))]  # the world axis farthest from the rod
    across = np.cross(helper, along)
    across /= np.linalg.norm(across)
    axes = (_vector(across), _vector(np.cross(along, across)), _vector(along))
    size = (radius, radius, length / 2)
    return Shape(Kind.CYLINDER, _vector((first + last) / 2), size, material, axes)


def resized(shape: Shape, factor: float) -> Shape:
    """Return a shape scaled about the origin, its texture with it."""
    x, y, z = (factor * value for value in shape.centre)
    a, b, c = (factor * value for value in shape.size)
    material = replace(shape.material, scale=shape.material.scale / factor)
    return replace(shape, centre=(x, y, z), size=(a, b, c), material=material)


def _turned(yaw: float) -> tuple[Vector, Vector, Vector]:
    cos, sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    return (cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0)


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = values.tolist()
    return x, y, z
