"""Solid shapes and their materials: what procedural scenes are made of (drawn by `raytrace`).

A shape is a box, an ellipsoid or a cylinder along its own z axis, turned and moved into place.
World units; z is up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]


class Kind(IntEnum):
    BOX = 0
    ELLIPSOID = 1
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
    return Shape(Kind.ELLIPSOID, centre, (radius, radius, radius), material, _turned(yaw))


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


class Shapes(NamedTuple):
    """P shapes as arrays, in the form that compiled code takes.

    centre, size: float64 [P, 3]; axes: [P, 3, 3], row a is the shape's axis a in the world;
    reach: [P], radius of the bounding sphere; colours: [P, 2, 3]; the rest: [P], see Material.
    """

    kind: NDArray[np.int64]
    centre: NDArray[np.float64]
    size: NDArray[np.float64]
    axes: NDArray[np.float64]
    reach: NDArray[np.float64]
    pattern: NDArray[np.int64]
    colours: NDArray[np.float64]
    scale: NDArray[np.float64]
    gloss: NDArray[np.float64]
    sharpness: NDArray[np.int64]


def pack(shapes: Sequence[Shape]) -> Shapes:
    """Return the shapes as arrays."""
    materials = [shape.material for shape in shapes]
    size = np.array([shape.size for shape in shapes])
    radial = np.array([shape.kind == Kind.ELLIPSOID for shape in shapes])
    corner = np.sqrt((size**2).sum(1))
    return Shapes(
        kind=np.array([shape.kind for shape in shapes], np.int64),
        centre=np.array([shape.centre for shape in shapes]),
        size=size,
        axes=np.array([shape.axes for shape in shapes]),
        reach=np.where(radial, size.max(1), corner),
        pattern=np.array([material.pattern for material in materials], np.int64),
        colours=np.array([(material.first, material.second) for material in materials]),
        scale=np.array([material.scale for material in materials]),
        gloss=np.array([material.gloss for material in materials]),
        sharpness=np.array([material.sharpness for material in materials], np.int64),
    )


def _turned(yaw: float) -> tuple[Vector, Vector, Vector]:
    cos, sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    return (cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0)


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = values.tolist()
    return x, y, z
