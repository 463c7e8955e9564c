"""The procedural scenes themselves: lists of shapes within ±1.2, by name.

Each has what makes a scene hard for a radiance field: textures finer than a voxel of a coarse
grid, highlights that move with the camera, rods a pixel wide, and parts that hide each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from effbench.scene.raytrace.shapes import (
    Material,
    Pattern,
    Shape,
    Vector,
    box,
    resized,
    rod,
    sphere,
)

RED, ORANGE, YELLOW = (0.84, 0.20, 0.18), (0.95, 0.52, 0.14), (0.97, 0.80, 0.26)
GREEN, TEAL, BLUE = (0.28, 0.62, 0.30), (0.12, 0.58, 0.60), (0.18, 0.38, 0.80)
PURPLE, WHITE, DARK = (0.50, 0.28, 0.64), (0.95, 0.93, 0.88), (0.16, 0.18, 0.22)
WOOD, BARK = (0.78, 0.56, 0.34), (0.50, 0.31, 0.17)
STONE, SHADE = (0.82, 0.78, 0.70), (0.60, 0.55, 0.48)
PALETTE = (RED, ORANGE, YELLOW, GREEN, TEAL, BLUE, PURPLE)


def plain(colour: Vector, gloss: float = 0.35) -> Material:
    """Return a lacquered material of one colour."""
    return Material(colour, gloss=gloss, sharpness=5)


def checker(first: Vector, second: Vector, scale: float, gloss: float = 0.2) -> Material:
    """Return a checked material; scale: cells per world unit."""
    return Material(first, second, Pattern.CHECKER, scale, gloss, sharpness=5)


def stripes(first: Vector, second: Vector, scale: float, gloss: float = 0.3) -> Material:
    """Return a diagonally striped material; scale: stripes per world unit along an axis."""
    return Material(first, second, Pattern.STRIPES, scale, gloss, sharpness=5)


def noise(first: Vector, second: Vector, scale: float, gloss: float = 0.15) -> Material:
    """Return a marbled material; scale: blotches per world unit."""
    return Material(first, second, Pattern.NOISE, scale, gloss, sharpness=4)


def polished(colour: Vector) -> Material:
    """Return a material with a strong, narrow highlight: the most view-dependent one."""
    return Material(colour, gloss=0.85, sharpness=6)


def blocks() -> list[Shape]:
    """Toy blocks on a checked board: a gate, towers, a fence and a flag."""
    floor = -0.55
    shapes = [box((0, 0, floor - 0.06), (1.1, 1.1, 0.06), checker(WHITE, SHADE, 30 / 11))]
    # the gate
    for x in (-0.3, 0.5):
        shapes.append(box((x, 0.45, floor + 0.3), (0.13, 0.13, 0.3), noise(WOOD, BARK, 9)))
    shapes.append(box((0.1, 0.45, floor + 0.7), (0.58, 0.15, 0.1), stripes(RED, WHITE, 9)))
    shapes.append(rod((0.1, 0.45, floor + 0.8), (0.1, 0.45, floor + 0.98), 0.2, plain(BLUE)))
    shapes.append(sphere((0.1, 0.45, floor + 1.12), 0.14, polished(YELLOW)))
    # a tower, each block turned against the one below
    height = floor
    for half, yaw, material in (
        (0.24, 12, checker(TEAL, WHITE, 8)),
        (0.19, 38, plain(ORANGE)),
        (0.15, -8, stripes(PURPLE, YELLOW, 14)),
        (0.11, 25, plain(GREEN)),
    ):
        shapes.append(box((-0.6, -0.3, height + half), (half, half, half), material, yaw))
        height += 2 * half
    shapes.append(
        rod((0.62, -0.32, floor), (0.62, -0.32, floor + 0.5), 0.21, noise(GREEN, DARK, 7))
    )
    shapes.append(rod((0.62, -0.32, floor + 0.5), (0.62, -0.32, floor + 0.56), 0.3, plain(WHITE)))
    shapes.append(sphere((0.62, -0.32, floor + 0.76), 0.2, polished(RED)))
    # marbles and a plank in front of them
    shapes.append(sphere((0.0, -0.15, floor + 0.15), 0.15, stripes(BLUE, WHITE, 12, 0.6), 30))
    shapes.append(sphere((0.2, -0.5, floor + 0.1), 0.1, polished(TEAL)))
    shapes.append(box((-0.1, -0.62, floor + 0.05), (0.3, 0.06, 0.05), noise(ORANGE, RED, 10), 20))
    # thin things: a fence and a flag
    for index in range(9):
        x = -0.96 + 0.24 * index
        shapes.append(rod((x, -0.98, floor), (x, -0.98, floor + 0.3), 0.016, plain(DARK)))
    for z in (0.12, 0.24):
        shapes.append(rod((-0.98, -0.98, floor + z), (0.98, -0.98, floor + z), 0.012, plain(DARK)))
    shapes.append(rod((-0.85, 0.8, floor), (-0.85, 0.8, 1.05), 0.018, plain(DARK, 0.6)))
    shapes.append(box((-0.64, 0.8, 0.88), (0.2, 0.008, 0.14), stripes(GREEN, YELLOW, 12, 0.0)))
    return [resized(shape, 0.8) for shape in shapes]


def spheres() -> list[Shape]:
    """A marbled planet with moons on spokes inside a tilted ring of beads."""
    shapes = [sphere((0, 0, 0), 0.5, Material(TEAL, WHITE, Pattern.NOISE, 5.0, 0.6, 6))]
    moons = ((0.75, 0.0, 0.45), (-0.55, 0.6, 0.3), (-0.45, -0.65, 0.5), (0.3, 0.5, -0.7))
    materials = (
        checker(RED, WHITE, 9, 0.5),
        stripes(YELLOW, PURPLE, 12, 0.5),
        polished(ORANGE),
        noise(GREEN, DARK, 8, 0.5),
    )
    for place, radius, material in zip(moons, (0.2, 0.24, 0.17, 0.22), materials, strict=True):
        shapes.append(rod((0, 0, 0), place, 0.02, plain(DARK, 0.6)))
        shapes.append(sphere(place, radius, material, yaw=30))
    beads = 28
    for index in range(beads):
        angle = 2 * math.pi * index / beads
        place = (1.08 * math.cos(angle), 1.08 * math.sin(angle), 0.3 * math.sin(angle))
        radius = 0.045 + 0.03 * (index % 3)
        shapes.append(sphere(place, radius, polished(PALETTE[index % len(PALETTE)])))
    shapes.append(rod((0, 0, -1.1), (0, 0, 1.1), 0.025, stripes(WHITE, RED, 12)))
    return shapes


def lattice() -> list[Shape]:
    """A cage of thin rods with coloured knots around a polished sphere."""
    steps = (-0.72, 0.0, 0.72)
    steel = plain((0.45, 0.48, 0.52), 0.8)
    shapes = [sphere((0, 0, 0), 0.34, checker(ORANGE, WHITE, 7, 0.7), 20)]
    for a, b in itertools.product(steps, steps):
        for ends in (
            ((-0.72, a, b), (0.72, a, b)),
            ((a, -0.72, b), (a, 0.72, b)),
            ((a, b, -0.72), (a, b, 0.72)),
        ):
            shapes.append(rod(*ends, 0.026, steel))
    for x, y, z in itertools.product(range(3), repeat=3):
        place = (steps[x], steps[y], steps[z])
        colour = PALETTE[(2 * x + 3 * y + z) % len(PALETTE)]
        if (x + y + z) % 2:
            shapes.append(box(place, (0.1, 0.1, 0.1), stripes(colour, WHITE, 18), 45 * z))
        else:
            shapes.append(sphere(place, 0.12, polished(colour)))
    return shapes


def temple() -> list[Shape]:
    """A round temple: steps, ten columns and a roof over a polished sphere."""
    marble = noise(WHITE, STONE, 7)
    shapes = []
    for step, radius in enumerate((1.1, 1.0, 0.9)):
        z = -0.75 + 0.09 * step
        shapes.append(rod((0, 0, z), (0, 0, z + 0.09), radius, marble))
    floor, ceiling = -0.48, 0.28
    shapes.append(box((0, 0, floor + 0.005), (0.54, 0.54, 0.005), checker(DARK, WHITE, 8.333)))
    for index in range(10):
        angle = 2 * math.pi * (index + 0.5) / 10
        x, y = 0.76 * math.cos(angle), 0.76 * math.sin(angle)
        shapes.append(rod((x, y, floor), (x, y, ceiling), 0.07, stripes(WHITE, BLUE, 7)))
        shapes.append(box((x, y, ceiling), (0.1, 0.1, 0.035), plain(ORANGE), math.degrees(angle)))
    roof = ((0.9, marble), (0.72, noise(RED, ORANGE, 6)), (0.5, plain(TEAL)), (0.28, plain(RED)))
    for level, (radius, material) in enumerate(roof):
        z = ceiling + 0.035 + 0.12 * level
        shapes.append(rod((0, 0, z), (0, 0, z + 0.12), radius, material))
    shapes.append(rod((0, 0, 0.79), (0, 0, 1.15), 0.02, plain(DARK, 0.6)))
    shapes.append(sphere((0, 0, 1.0), 0.07, polished(YELLOW)))
    shapes.append(box((0, 0, floor + 0.13), (0.14, 0.14, 0.12), noise(PURPLE, DARK, 8), 30))
    shapes.append(sphere((0, 0, floor + 0.47), 0.22, polished(YELLOW)))
    return shapes


DESIGNS: dict[str, Callable[[], list[Shape]]] = {
    design.__name__: design for design in (blocks, spheres, lattice, temple)
}
