"""Procedural scenes that move: the shapes within ±1.2 at a time from 0 to 1, by name.

What moves is rigid: a part's texture moves with it. Each scene hides and shows something on the
way, and has parts that stand still, so that a field has to learn which is which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from effbench.scene.raytrace.designs import (
    BARK,
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    PALETTE,
    PURPLE,
    RED,
    SHADE,
    TEAL,
    WHITE,
    WOOD,
    YELLOW,
    checker,
    noise,
    plain,
    polished,
    stripes,
)
from effbench.scene.raytrace.shapes import Shape, Vector, box, rod, sphere


def turned(shapes: Iterable[Shape], degrees: float, axis: int, pivot: Vector) -> list[Shape]:
    """Return shapes turned about a line through `pivot` along world axis 0, 1 or 2, textures with
    them."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    first, second = (axis + 1) % 3, (axis + 2) % 3

    def turn(v: Vector) -> Vector:
        found = list(v)
        found[first] = cos * v[first] - sin * v[second]
        found[second] = sin * v[first] + cos * v[second]
        return (found[0], found[1], found[2])

    def placed(centre: Vector) -> Vector:
        x, y, z = turn((centre[0] - pivot[0], centre[1] - pivot[1], centre[2] - pivot[2]))
        return (x + pivot[0], y + pivot[1], z + pivot[2])

    return [
        replace(
            shape,
            centre=placed(shape.centre),
            axes=(turn(shape.axes[0]), turn(shape.axes[1]), turn(shape.axes[2])),
        )
        for shape in shapes
    ]


def shifted(shapes: Iterable[Shape], by: Vector) -> list[Shape]:
    """Return shapes moved by a vector."""
    return [
        replace(
            shape,
            centre=(shape.centre[0] + by[0], shape.centre[1] + by[1], shape.centre[2] + by[2]),
        )
        for shape in shapes
    ]


def pendulum(time: float) -> list[Shape]:
    """Two pendulums that swing past each other and past a striped post."""
    floor, top = -0.7, 0.85
    shapes = [box((0, 0, floor - 0.05), (1.0, 0.8, 0.05), checker(WHITE, SHADE, 3))]
    for x in (-0.85, 0.85):
        shapes.append(rod((x, 0, floor), (x, 0, top), 0.05, noise(WOOD, BARK, 8)))
    shapes.append(rod((-0.95, 0, top), (0.95, 0, top), 0.06, noise(WOOD, BARK, 8)))
    shapes.append(rod((0.0, 0.45, floor), (0.0, 0.45, floor + 0.5), 0.12, stripes(BLUE, WHITE, 8)))
    shapes.append(box((0.5, -0.5, floor + 0.12), (0.12, 0.12, 0.12), stripes(GREEN, YELLOW, 10)))
    swing = 36 * math.cos(math.pi * time)
    pivot = (0.0, 0.12, top)
    long = [
        rod(pivot, (0.0, 0.12, -0.2), 0.025, plain(DARK, 0.6)),
        sphere((0.0, 0.12, -0.36), 0.2, checker(RED, WHITE, 7, 0.6)),
    ]
    shapes += turned(long, swing, 1, pivot)
    pivot = (0.0, -0.22, top)
    short = [
        rod(pivot, (0.0, -0.22, 0.25), 0.025, plain(DARK, 0.6)),
        box((0.0, -0.22, 0.13), (0.16, 0.12, 0.14), stripes(ORANGE, PURPLE, 10)),
    ]
    return shapes + turned(short, -42 * math.cos(1.2 * math.pi * time), 1, pivot)


def carousel(time: float) -> list[Shape]:
    """A turning platform with toys that ride up and down, around a mast that stands still."""
    floor = -0.6
    shapes = [rod((0, 0, floor - 0.1), (0, 0, floor - 0.04), 1.1, checker(WHITE, SHADE, 4))]
    shapes.append(rod((0, 0, floor), (0, 0, 0.9), 0.09, stripes(RED, WHITE, 7)))
    shapes.append(sphere((0, 0, 0.98), 0.12, polished(YELLOW)))
    ride = [rod((0, 0, floor - 0.04), (0, 0, floor + 0.02), 0.95, noise(WOOD, BARK, 6))]
    ride.append(rod((0, 0, 0.55), (0, 0, 0.62), 0.95, stripes(TEAL, WHITE, 6)))
    for index in range(5):
        angle = 2 * math.pi * index / 5
        x, y = 0.7 * math.cos(angle), 0.7 * math.sin(angle)
        ride.append(rod((x, y, floor), (x, y, 0.55), 0.022, plain(DARK, 0.6)))
        height = -0.1 + 0.18 * math.sin(angle + 2 * math.pi * time)
        colour = PALETTE[index]
        toy = (
            box((x, y, height), (0.17, 0.09, 0.1), stripes(colour, WHITE, 12), math.degrees(angle))
            if index % 2
            else sphere((x, y, height), 0.15, checker(colour, WHITE, 9, 0.5))
        )
        ride.append(toy)
    return shapes + turned(ride, 150 * time, 2, (0.0, 0.0, 0.0))


def doors(time: float) -> list[Shape]:
    """A cabinet whose two doors open before a drawer comes out, and show what is inside."""
    opened = 105 * _eased(time / 0.6)
    out = 0.4 * _eased((time - 0.4) / 0.6)
    body = noise(WOOD, BARK, 6)
    half, deep, thick = 0.7, 0.4, 0.04
    shapes = [
        box((0, 0, -0.85), (1.1, 1.1, 0.05), checker(WHITE, SHADE, 3)),
        box((0, deep, 0), (half, thick, 0.8), body),
        box((-half, 0, 0), (thick, deep, 0.8), body),
        box((half, 0, 0), (thick, deep, 0.8), body),
        box((0, 0, 0.8), (half + thick, deep + thick, thick), body),
        box((0, 0, -0.2), (half, deep, 0.02), body),
        # what is inside
        sphere((-0.3, 0.0, 0.02), 0.2, checker(RED, WHITE, 8, 0.5)),
        box((0.25, 0.05, 0.05), (0.16, 0.16, 0.22), stripes(BLUE, YELLOW, 9), 20),
        rod((0.0, -0.15, -0.18), (0.0, -0.15, 0.3), 0.06, polished(GREEN)),
    ]
    for side in (-1, 1):
        hinge = (side * half, -deep, 0.3)
        door = [
            box((side * half / 2, -deep, 0.3), (half / 2 - 0.01, 0.03, 0.48), plain(TEAL, 0.4)),
            sphere((side * 0.1, -deep - 0.06, 0.3), 0.05, polished(YELLOW)),
        ]
        shapes += turned(door, side * opened, 2, hinge)
    drawer = [
        box((0, -deep, -0.5), (half - 0.02, 0.03, 0.26), plain(PURPLE, 0.4)),
        box((0, -0.05, -0.72), (half - 0.06, deep - 0.06, 0.02), plain(ORANGE)),
        sphere((0, -deep - 0.06, -0.5), 0.05, polished(YELLOW)),
        sphere((0.3, -0.15, -0.56), 0.14, stripes(GREEN, WHITE, 10)),
    ]
    return shapes + shifted(drawer, (0.0, -out, 0.0))


def _eased(x: float) -> float:
    """Return 0 before 0, 1 from 1 on, and what goes smoothly from one to the other between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


MOTIONS: dict[str, Callable[[float], list[Shape]]] = {
    motion.__name__: motion for motion in (pendulum, carousel, doors)
}
