"""The occupancy grid (Müller et al. 2022, appendix E.2): where a field is worth sampling."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from effbench.kernels.marching import occupied_cells
from effbench.kernels.occupancy import pack_bits, raise_to

_DECAY = 0.95
_INSET = 1e-3  # of a cell
_CACHED_BATCH = 1 << 17  # cells evaluated at once on a CPU, which bounds memory
_BATCH = 1 << 20  # on a GPU: 134 MB of encodings, and few launches


class OccupancyGrid:
    """G³ cells, in each of C cascades, with a decaying maximum of the optical depth of one step.

    Cell (x, y, z) of cascade c has index ((c·G + z)·G + y)·G + x; the last cascade fills the
    field's unit cube, and each one before is the middle of the next. `bits`: uint8 [C·G³ / 8],
    lowest bit first, 1 where a cell is to be sampled: optical_depth > min(threshold, mean
    optical_depth). All cells start occupied; those that are culled never are.
    """

    def __init__(
        self,
        resolution: int,
        step: float,
        device: torch.device,
        backend: str = "auto",
        cascades: int = 1,
        threshold: float = 0.01,
    ) -> None:
        self.resolution, self.step, self.backend = resolution, step, backend
        self.waits_often = device.type == "cpu"  # nothing is to be gained by not waiting there
        self.cascades, self.threshold = cascades, threshold
        cells = cascades * resolution**3
        self.optical_depth = torch.zeros(cells, device=device)
        self.bits = torch.full((cells // 8,), 255, dtype=torch.uint8, device=device)
        self._kept: Tensor | None = None  # int64, the cells that were not culled; None: all
        self._distances: tuple[tuple[int, int], Tensor] | None = None

    def cull(self, seen: Tensor) -> None:
        """Keep only the cells that are `seen` (bool [C·G³])."""
        self._kept = seen.nonzero()[:, 0]
        threshold = torch.tensor(0.5, device=seen.device)
        self.bits.copy_(pack_bits(seen.float(), threshold, self.backend))

    @property
    def culled(self) -> float:
        """The share of the cells that were culled."""
        return 0.0 if self._kept is None else 1 - len(self._kept) / len(self.optical_depth)

    def mean(self) -> Tensor:
        """Return the mean optical depth (0-d) of the cells that were not culled."""
        values = self.optical_depth
        return values.mean() if self._kept is None else values.index_select(0, self._kept).mean()

    def update(
        self,
        density: Callable[[Tensor], Tensor],
        generator: torch.Generator,
        everywhere: bool,
    ) -> None:
        """Evaluate `density` ([N, 3] → [N]) at a random point of each cell visited.

        Visits all cells, or a quarter of them at random plus as many among the occupied ones, both
        drawn in order, since neighbours share entries of a hash table; never those that were
        culled.
        """
        visited = self._all() if everywhere else self._visit(generator)
        self.optical_depth *= _DECAY
        for part in torch.split(visited, _CACHED_BATCH if self.waits_often else _BATCH):
            jitter = torch.rand(len(part), 3, generator=generator, device=part.device)
            optical_depth = density(self.points(part, jitter)) * self.step
            raise_to(self.optical_depth, part, optical_depth, self.backend)
        self._refresh()

    def distances(self) -> Tensor:
        """Return uint8 [C·G³], on the CPU: how far each cell is from an occupied one of its cascade
        (`kernels.cpu.cell_distances`), found anew when the bits have changed."""
        from effbench.kernels.cpu.cell_distances import cell_distances

        state = (self.bits.data_ptr(), self.bits._version)
        if self._distances is None or self._distances[0] != state:
            each = self.bits.numpy().reshape(self.cascades, -1)
            found = [torch.from_numpy(cell_distances(bits, self.resolution)) for bits in each]
            self._distances = (state, torch.cat(found))
        return self._distances[1]

    def occupied(self) -> Tensor:
        """Return bool [C·G³]: which cells are sampled."""
        return unpack(self.bits)

    def occupied_at(self, positions: Tensor) -> Tensor:
        """Return bool [N]: whether positions [N, 3] in the field's cube are in an occupied cell, of
        the innermost cascade that holds them."""
        outward = (positions - 0.5).abs().amax(-1) * 2  # 1 on the faces of the field's cube
        halvings = torch.arange(1, self.cascades, device=positions.device)
        cascade = self.cascades - 1 - (outward[:, None] <= 0.5**halvings).sum(-1)
        extent = 2.0 ** (cascade - (self.cascades - 1))
        local = (positions - 0.5) / extent[:, None] + 0.5
        return occupied_cells(local, self.bits, self.resolution, cascade)

    def points(self, cells: Tensor, inside: Tensor) -> Tensor:
        """Return positions [N, 3] in the field's cube, `inside` [N, 3] in [0, 1] of cells [N]."""
        size = self.resolution
        corner = torch.stack([cells % size, cells // size % size, cells // size**2 % size], -1)
        position = (corner + inside) / size
        if self.cascades == 1:
            return position
        extent = 2.0 ** (cells // size**3 - (self.cascades - 1))
        return (position - 0.5) * extent[:, None] + 0.5

    def points_in(self, cells: Tensor) -> Tensor:
        """Return the middle and the corners, these a little inside, of cells [N]: [N, 9, 3]."""
        corners = itertools.product((_INSET, 1 - _INSET), repeat=3)
        places = torch.tensor([[0.5] * 3, *corners], device=cells.device)
        return torch.stack([self.points(cells, at.expand(len(cells), 3)) for at in places], 1)

    def _all(self) -> Tensor:
        if self._kept is not None:
            return self._kept
        return torch.arange(len(self.optical_depth), device=self.optical_depth.device)

    def _visit(self, generator: torch.Generator) -> Tensor:
        device = self.optical_depth.device
        kept = len(self.optical_depth) if self._kept is None else len(self._kept)
        count = kept // 4
        anywhere = _spread(count, kept, generator, device)
        if self._kept is not None:
            anywhere = self._kept[anywhere]
        if not self.waits_often:
            return torch.cat([anywhere, self._draw_occupied(anywhere, generator)])
        occupied = self.occupied().nonzero()[:, 0]
        if not len(occupied):
            return anywhere
        drawn = _spread(count, len(occupied), generator, device)
        return torch.cat([anywhere, occupied[drawn]])

    def _draw_occupied(self, instead: Tensor, generator: torch.Generator) -> Tensor:
        """Return as many occupied cells at random as there are cells `instead`, or those where none
        is occupied. Their number stays on the device: the k-th is found where the bits' running
        count reaches k."""
        below = self.occupied().cumsum(0)
        total = below[-1]
        drawn = torch.searchsorted(below, _spread(len(instead), total, generator, total.device) + 1)
        return torch.where(total > 0, drawn, instead)

    def _refresh(self) -> None:
        threshold = self.mean().clamp_max(self.threshold)
        self.bits.copy_(
            pack_bits(self.optical_depth, threshold, self.backend)
        )  # kept by CUDA graphs

    def state(self) -> dict[str, Tensor]:
        """Return what rendering needs: the bits."""
        return {"occupancy.bits": self.bits}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.bits = state["occupancy.bits"].to(self.bits.device)


def _spread(
    count: int, among: int | Tensor, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Draw `count` of the numbers 0 … among − 1 in order, one in each of as many equal parts."""
    # float64: float32 does not tell 2²⁴ cells apart
    inside = torch.rand(count, dtype=torch.float64, generator=generator, device=device)
    places = (torch.arange(count, device=device) + inside) * among / max(count, 1)
    return places.long().clamp_max(among - 1)


def unpack(bits: Tensor) -> Tensor:
    """Return bool [8·N] of bits uint8 [N], the lowest bit first."""
    shifts = torch.arange(8, device=bits.device)
    return ((bits[:, None] >> shifts) & 1).bool().flatten()
