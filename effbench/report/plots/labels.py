"""Text in plots: names of methods, and labels beside points that do not cover each other.

Boxes are pixels [..., 4]: left, bottom, right, top.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from effbench.analysis.identity import spaced

Label = tuple[float, float, str]  # data coordinates x, y of the point, and its text
Pixels = NDArray[np.float64]

_GAP = 7.0  # points from a marker's centre to a label level with it
_FAR_GAP = 14.0  # the same for a label moved up or down, so that its line has a slope
_SHIFTS = np.array([0.0, *(sign * 4.0 * k for k in range(1, 16) for sign in (1, -1))])  # points
_SIDES = (1, -1)  # right of the point, left of it
_MARKER = 4.0  # points, half the side of the square that a marker keeps free


def entry_label(method: str, variant: str, width: int) -> str:
    """Return a method and its variant as text of lines of at most `width` characters."""
    return textwrap.fill(spaced(method, variant), width)


def place_labels(figure: Figure, labels: Sequence[tuple[Axes, Sequence[Label]]]) -> None:
    """Annotate the points of each axes; call it last, when limits and layout are final.

    Greedy, from the top: each label goes right or left of its point, moved up or down as little
    as keeps it off markers, off labels placed before it and inside the axes. A label that had to
    move is joined to its point by a line.
    """
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    for axes, own in labels:
        if own:
            _place_all(axes, own, canvas)


def _place_all(axes: Axes, labels: Sequence[Label], canvas: FigureCanvasAgg) -> None:
    scale = canvas.figure.dpi / 72  # pixels per point
    points: Pixels = axes.transData.transform([(x, y) for x, y, _ in labels])
    taken = np.hstack([points - _MARKER * scale, points + _MARKER * scale])
    inside = np.asarray(axes.bbox.extents)
    for index in np.argsort(-points[:, 1], kind="stable"):
        size = _text_size(axes, labels[index][2], canvas)
        boxes = _places(points[index], size, scale)
        best = int(np.argmin(_costs(boxes, taken, inside)))
        taken = np.vstack([taken, boxes[best]])
        shift_index, side_index = divmod(best, len(_SIDES))
        moved, side = _SHIFTS[shift_index] != 0, _SIDES[side_index]
        _annotate(axes, labels[index], (boxes[best, :2] - points[index]) / scale, side, moved)


def _annotate(axes: Axes, label: Label, offset: Pixels, side: int, line: bool) -> None:
    x, y, text = label
    note = axes.annotate(
        text,
        (x, y),
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        fontsize=7,
        color="#333333",
        va="bottom",
        arrowprops={
            "arrowstyle": "-",
            "color": "#8c8c8c",
            "linewidth": 0.6 if line else 0.0,
            "relpos": (0.0 if side > 0 else 1.0, 0.5),
            "shrinkA": 0,
            "shrinkB": 4,
        },
    )
    note.set_in_layout(False)  # the layout is final


def _text_size(axes: Axes, text: str, canvas: FigureCanvasAgg) -> Pixels:
    probe = axes.text(0, 0, text, fontsize=7)
    extent = probe.get_window_extent(canvas.get_renderer())  # type: ignore[no-untyped-call]
    probe.remove()
    return np.array([extent.width, extent.height])


def _places(point: Pixels, size: Pixels, scale: float) -> Pixels:
    """Return the boxes [shifts · sides, 4] where a label of `size` may go."""
    boxes = []
    for shift in _SHIFTS:
        gap = (_FAR_GAP if shift else _GAP) * scale
        for side in _SIDES:
            left = point[0] + gap if side > 0 else point[0] - gap - size[0]
            bottom = point[1] + shift * scale - size[1] / 2
            boxes.append([left, bottom, left + size[0], bottom + size[1]])
    return np.array(boxes)


def _costs(boxes: Pixels, taken: Pixels, inside: Pixels) -> Pixels:
    """Return per box: what it covers or loses, in parts of its area, then how far it is moved."""
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    covered = overlap(boxes[:, None], taken[None]).sum(axis=1)
    outside = area - overlap(boxes, inside)
    moved = np.repeat(np.abs(_SHIFTS), len(_SIDES))
    to_the_left = np.tile([side < 0 for side in _SIDES], len(_SHIFTS))
    return np.asarray(8 * (covered + outside) / area + 0.008 * moved + 0.01 * to_the_left)


def overlap(one: Pixels, other: Pixels) -> Pixels:
    """Return the common area of boxes [..., 4], broadcast against each other."""
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=-1))
