"""How many neurons each layer of the vanilla NeRF should keep, by what pruning it alone changes.

As Li et al. 2017 (*Pruning Filters for Efficient ConvNets*) look at layers: each is pruned on its
own to several widths, and what the network then says differently of space is its sensitivity. A
number of neurons that all layers share is given out greedily: the next ones are taken from where
that changes least.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.nerf.compression.pruning import PRUNED_LAYERS, prune
from effbench.nerf.fields import trunc_exp
from effbench.nerf.fields.mlp import MLPField
from effbench.nerf.sampling.occupancy import OccupancyGrid

_POINTS = 1024
_GRAIN = 16  # neurons that are taken at once


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


def changes(
    parent: MLPField, seen: Seen, selection: str, layer: int, generator: torch.Generator
) -> list[float]:
    """Return the mean squared change of what is seen when `layer` alone keeps n, n − 16, …, 16 of
    its n neurons: 0 first, never falling."""
    whole, found = seen.shown(parent), [0.0]
    for width in range(parent.shape.hidden[layer] - _GRAIN, 0, -_GRAIN):
        pruned = prune(parent, selection, {layer: width}, generator)
        change = float((seen.shown(pruned.to(whole.device)) - whole).square().mean())
        found.append(max(change, found[-1]))
    return found


def widths_by_sensitivity(
    parent: MLPField,
    seen: Seen,
    selection: str,
    width: int,
    generator: torch.Generator,
    layers: tuple[int, ...] = PRUNED_LAYERS,
) -> dict[int, int]:
    """Return how many neurons each of `layers` keeps, `width` on average, at least 16 each.

    Raises ConfigError for a width that is no multiple of 16, or more than a layer has.
    """
    full = {layer: parent.shape.hidden[layer] for layer in layers}
    if width % _GRAIN or not _GRAIN <= width <= min(full.values()):
        raise ConfigError(
            f"allocation=sensitivity with width={width}: write a multiple of {_GRAIN} up to "
            f"{min(full.values())}"
        )
    found = {layer: changes(parent, seen, selection, layer, generator) for layer in layers}
    taken = dict.fromkeys(layers, 0)
    for _ in range((sum(full.values()) - width * len(layers)) // _GRAIN):
        left = [layer for layer in layers if taken[layer] + 1 < len(found[layer])]
        rise = {i: found[i][taken[i] + 1] - found[i][taken[i]] for i in left}
        taken[min(left, key=lambda layer: rise[layer])] += 1
    return {layer: full[layer] - _GRAIN * taken[layer] for layer in layers}
