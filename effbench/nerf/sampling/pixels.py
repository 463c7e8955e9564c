"""Which pixel of all views is which of a view: views one after the other, each row by row.

Notation: V views of H×W pixels, P pixels in all, R pixels that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Side = int | Tensor  # of all views, or int64 [R], of the view of each pixel


@dataclass(frozen=True)
class PixelGrid:
    """views: V; pixels: P; sizes: height and width of all views, None where they differ. Then
    starts, ends, heights, widths: int64 [V], on the device of the pixels."""

    views: int
    pixels: int
    sizes: tuple[int, int] | None
    starts: Tensor
    ends: Tensor
    heights: Tensor
    widths: Tensor

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], device: torch.device) -> PixelGrid:
        """sizes: width and height of each view."""
        widths, heights = torch.tensor(sizes, device=device).unbind(1)
        ends = (widths * heights).cumsum(0)
        (width, height), *others = dict.fromkeys(sizes)
        return cls(
            *(len(sizes), int(ends[-1]), None if others else (height, width)),
            *(ends - widths * heights, ends, heights.contiguous(), widths.contiguous()),
        )

    def locate(self, pixel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return view, row and column of pixels, all int64 [R]."""
        if self.sizes:
            height, width = self.sizes
            row = pixel // width
            return row // height, row % height, pixel % width
        view = torch.searchsorted(self.ends, pixel, right=True)
        place, width_of = pixel - self.starts[view], self.widths[view]
        return view, place // width_of, place % width_of

    def index(self, view: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Return the place of pixels among those of all views, int64 [R]."""
        if self.sizes:
            height, width = self.sizes
            return (view * height + y) * width + x
        return self.starts[view] + y * self.widths[view] + x

    def sides(self, view: Tensor) -> tuple[Side, Side]:
        """Return the height and width of the views of R pixels."""
        return self.sizes or (self.heights[view], self.widths[view])
