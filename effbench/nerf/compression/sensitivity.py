"""How many neurons each layer of the vanilla NeRF should keep, by what pruning it alone changes.

As Li et al. 2017 (*Pruning Filters for Efficient ConvNets*) look at layers: each is pruned on its
own to several widths, and what the network then says differently of space is its sensitivity.
`allocation` makes widths of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.activations import trunc_exp
from effbench.nerf.compression.allocation import allocate, measured
from effbench.nerf.compression.pruning import PRUNED_LAYERS, prune
from effbench.nerf.fields.mlp import MLPField
from effbench.nerf.sampling.occupancy import OccupancyGrid

_POINTS = 1024


@dataclass(frozen=True)
class Seen:
    """Places that a field is asked about, on its device. encoded: [N, E]; directions: [N, D], one
    at random for each; step: length of a sample, in sides of the cube."""

    encoded: Tensor
    directions: Tensor
    step: float

    @classmethod
    def of(cls, field: MLPField, grid: OccupancyGrid | None, step: float, seed: int) -> Seen:
        """Draw places in the grid's occupied cells; without a grid in all of the cube."""
        device = field.density_head.weight.device
        generator = torch.Generator().manual_seed(seed)
        inside = torch.rand(_POINTS, 3, generator=generator)
        if grid is not None:
            cells = grid.occupied().cpu().nonzero()[:, 0]
            if not len(cells):
                wrong = "allocation=sensitivity: the parent's grid is empty"
                raise ConfigError(f"{wrong}: train it longer")
            drawn = cells[torch.randint(len(cells), (_POINTS,), generator=generator)]
            inside = grid.points(drawn, inside)
        directions = torch.randn(_POINTS, 3, generator=generator)
        directions = directions / directions.norm(dim=1, keepdim=True)
        return cls(
            field.encode(inside.to(device)), field.encode_directions(directions.to(device)), step
        )

    @torch.no_grad()
    def shown(self, field: MLPField) -> Tensor:
        """Return what a sample at each place shows: opacity and colour times opacity, [N, 4]."""
        log_density, geometry = field.log_density(self.encoded)
        opacity = -torch.expm1(-trunc_exp(log_density) * self.step)
        color = torch.sigmoid(field.color_logits(geometry, self.directions))
        return torch.cat([opacity[:, None], opacity[:, None] * color], 1)


def change(
    parent: MLPField,
    seen: Seen,
    selection: str,
    layer: int,
    width: int,
    generator: torch.Generator,
) -> float:
    """Return the mean squared change of what is seen when `layer` alone is pruned to `width`."""
    pruned = prune(parent, selection, {layer: width}, generator).to(seen.encoded.device)
    return float((seen.shown(pruned) - seen.shown(parent)).square().mean())


def widths_by_sensitivity(
    parent: MLPField,
    seen: Seen,
    selection: str,
    width: int,
    generator: torch.Generator,
    layers: tuple[int, ...] = PRUNED_LAYERS,
) -> dict[int, int]:
    """Return how many neurons each of `layers` keeps, `width` on average.

    Raises ConfigError for a width below one, or more than a layer has.
    """
    full = {str(layer): parent.shape.hidden[layer] for layer in layers}
    if not 1 <= width <= min(full.values()):
        raise ConfigError(
            f"allocation=sensitivity with width={width}: write 1 to {min(full.values())}"
        )

    def error(layer: str, keep: int) -> float:
        return change(parent, seen, selection, int(layer), keep, generator)

    kept = allocate(measured(full, error, 0.0), width * len(layers))
    return {int(layer): neurons for layer, neurons in kept.items()}
