"""Pixels drawn where past errors were large: torch-ngp's error map (Tang 2022), over all views.

Notation: V views of H×W pixels, each cut into C cells (rows × columns) of about the same size; C
is a view's own where sizes differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.nerf.sampling.pixels import PixelGrid, Side
from effbench.nerf.sampling.rays import Aabb, Rays, TrainingPixels
from effbench.scene import Views

_LEAST = 1e-12  # error of a cell at least: a map of zeros would be no distribution


@dataclass(frozen=True)
class ErrorMapOptions:
    """Parameters of the error map; a method's Config may inherit them."""

    map_size: int = 128  # cells per axis of a view's map, at most one per pixel
    map_decay: float = 0.1  # share of a cell's error that outlives a new observation
    map_uniform: float = 0.1  # share of the pixels that is drawn uniformly
    map_every: int = 16  # iterations between refreshes of the probabilities

    def __post_init__(self) -> None:
        if self.map_size < 1 or self.map_every < 1:
            raise ConfigError("map_size and map_every must be at least 1")
        if not (0 <= self.map_decay < 1 and 0 <= self.map_uniform <= 1):
            raise ConfigError("map_decay must lie in [0, 1) and map_uniform in [0, 1]")


class ErrorMapPixels(TrainingPixels):
    """Draws a cell with probability ∝ error × pixels, then one of its pixels uniformly.

    Errors start at 1, far above what training leaves: cells not seen yet come first. As in the
    original the loss is not re-weighted, so hard pixels count for more than their number.
    """

    def __init__(
        self,
        options: ErrorMapOptions,
        views: Views,
        aabb: Aabb,
        device: torch.device,
        backend: str,
    ) -> None:
        super().__init__(views, aabb, device, backend)
        self.options = options
        self._cells = CellGrid(self._grid, options.map_size, device)
        self._area = self._cells.area
        self.error = torch.ones(self._area.shape, device=device)  # [V, C], or of all views [V·C]
        self._sum, self._hits = torch.zeros_like(self.error), torch.zeros_like(self.error)
        self._below = torch.zeros(self.error.numel(), dtype=torch.float64, device=device)
        self._cell = torch.empty(0, dtype=torch.int64, device=device)  # drawn last, of V·C
        self._observed = 0
        self._stale = True  # whether the next draw is to see the errors as they are then

    def probability(self) -> Tensor:
        """Return the probability of drawing one particular pixel of a cell: float64, of the shape
        of `error`."""
        error = self.error.double() + _LEAST
        uniform = 1 / self._area.sum()
        by_error = error / (error * self._area).sum()
        return torch.lerp(by_error, uniform, self.options.map_uniform)

    def refresh(self) -> None:
        """Let the next draws see the errors as they are now, where it is time for that."""
        if self._stale:  # in doubles: 10⁶ cells add up; in place: recorded steps know its address
            torch.cumsum((self.probability() * self._area).flatten(), 0, out=self._below)
            self._stale = False

    def sample(self, count: int, generator: torch.Generator) -> tuple[Rays, Tensor]:
        """Draw `count` pixels, with replacement, by `probability` as it was at the last refresh.

        Returns their rays and colours (float32 [R, 3] or [R, 4] with straight alpha, in [0, 1]).
        """
        self.refresh()
        device = self._below.device
        at, y, x = torch.rand(3, count, generator=generator, device=device, dtype=torch.float64)
        cell = torch.searchsorted(self._below, at * self._below[-1], right=True)
        self._cell = cell.clamp_max(len(self._below) - 1)  # past the end once errors are NaN
        return self._at(*self._cells.within(self._cell, y, x))

    def observe(self, color: Tensor, target: Tensor, complete: Tensor | None = None) -> None:
        """Blend the squared errors of the pixels drawn last into their cells: into each the mean
        of its own, so that the outcome does not depend on their order."""
        cell, error = self._cell, (color - target).square().mean(1)
        one = torch.ones_like(error)
        if complete is not None:
            error, one = error.masked_fill(~complete, 0), complete.float()
        total, hits, known = self._sum.view(-1), self._hits.view(-1), self.error.view(-1)
        total.index_add_(0, cell, error)
        hits.index_add_(0, cell, one)
        mean = total.index_select(0, cell) / hits.index_select(0, cell)
        old = known.index_select(0, cell)
        new = torch.lerp(mean, old, self.options.map_decay)
        if complete is not None:  # a cell that only rays beyond the count have drawn stays
            new = new.where(hits.index_select(0, cell) > 0, old)
        known[cell] = new
        total.index_fill_(0, cell, 0)
        hits.index_fill_(0, cell, 0)

    def observed(self) -> None:
        self._observed += 1  # not in `sample`: a look at a batch must not change when this happens
        self._stale |= self._observed % self.options.map_every == 0


class CellGrid:
    """The cells that views are cut into, `size` per axis at most, which differ by one pixel in
    height and width. Cells are numbered view by view, row by row.

    area: pixels of each cell, float64 [V, C], or [V·C] where views' sizes differ.
    """

    def __init__(self, pixels: PixelGrid, size: int, device: torch.device) -> None:
        self._pixels, self._size = pixels, size
        sides = [pixels.sizes] if pixels.sizes else _pairs(pixels.heights, pixels.widths)
        areas = {side: self._areas(*side).to(device) for side in set(sides)}
        if pixels.sizes:
            self.area = areas[pixels.sizes].expand(pixels.views, -1)
            return
        self.area = torch.cat([areas[side] for side in sides])
        self._ends = torch.tensor([len(areas[side]) for side in sides], device=device).cumsum(0)

    def within(self, cell: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return view, row and column of the pixels at the fractions `y` and `x` in [0, 1) of
        cells, all [R]."""
        if self._pixels.sizes:
            view, place = cell // self.area.shape[1], cell % self.area.shape[1]
        else:
            view = torch.searchsorted(self._ends, cell, right=True)
            place = cell - torch.where(view > 0, self._ends[view - 1], 0)
        height, width = self._pixels.sides(view)
        rows, columns = _at_most(height, self._size), _at_most(width, self._size)
        row, column = place // columns, place % columns
        return view, _within(height, rows, row, y), _within(width, columns, column, x)

    def _areas(self, height: int, width: int) -> Tensor:
        rows, columns = (_edges(side, self._size).diff() for side in (height, width))
        return (rows[:, None] * columns).flatten().double()


def _pairs(heights: Tensor, widths: Tensor) -> list[tuple[int, int]]:
    return list(zip(heights.tolist(), widths.tolist(), strict=True))


def _at_most(side: Side, size: int) -> Side:
    return side.clamp_max(size) if isinstance(side, Tensor) else min(side, size)


def _edges(side: int, size: int) -> Tensor:
    """Cut `side` pixels into at most `size` cells: int64 [cells + 1]."""
    cells = min(side, size)
    return torch.arange(cells + 1) * side // cells


def _within(side: Side, cells: Side, cell: Tensor, at: Tensor) -> Tensor:
    """Return the pixel at the fraction `at` in [0, 1) of one of the cells that a side is cut in."""
    low, high = cell * side // cells, (cell + 1) * side // cells
    return low + (at * (high - low)).long()
