"""Shapes as compiled code takes them: records of an array."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effbench.scene.raytrace.shapes import Kind, Shape

# One shape as compiled code takes it. axes: row a is the shape's axis a in the world; reach:
# radius of the bounding sphere, world units; the rest as in Shape and Material.
SHAPE = np.dtype(
    [
        ("kind", np.int64),
        ("centre", np.float64, 3),
        ("size", np.float64, 3),
        ("axes", np.float64, (3, 3)),
        ("reach", np.float64),
        ("pattern", np.int64),
        ("first", np.float64, 3),
        ("second", np.float64, 3),
        ("scale", np.float64),
        ("gloss", np.float64),
        ("sharpness", np.int64),
    ]
)


def pack(shapes: Sequence[Shape]) -> NDArray[np.void]:
    """Return the shapes as an array [P] of SHAPE."""
    packed = np.zeros(len(shapes), SHAPE)
    for record, shape in zip(packed, shapes, strict=True):
        for name in ("kind", "centre", "size", "axes"):
            record[name] = getattr(shape, name)
        for name in ("pattern", "first", "second", "scale", "gloss", "sharpness"):
            record[name] = getattr(shape.material, name)
        record["reach"] = shape.size[0] if shape.kind == Kind.SPHERE else math.hypot(*shape.size)
    return packed
