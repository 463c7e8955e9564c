"""How much a vanilla NeRF changes where neurons of one layer are gone, and widths chosen by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from effbench.nerf.compression.allocation import allocate, measured
from effbench.nerf.compression.pruning import prune
from effbench.nerf.fields.mlp import MLPField
from effbench.nerf.sampling.occupancy import OccupancyGrid

POINTS = 2048


def sensitive_widths(
    parent: MLPField,
    selection: str,
    width: int,
    layers: tuple[int, ...],
    change: Callable[[MLPField], float],
    seed: int,
) -> dict[int, int]:
    """Return the widths of the hidden `layers`, `width` on average, that change the outputs alike.

    change: how much a pruned network's outputs differ from its parent's; seed: of the selections
    that draw.
    """

    def error(name: str, keep: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        return change(prune(parent, selection, keep, generator, (int(name),)))

    neurons = {str(layer): parent.shape.hidden[layer] for layer in layers}
    rises = measured(neurons, error, 0.0)
    return {int(name): n for name, n in allocate(rises, width * len(layers)).items()}


def output_change(
    parent: MLPField, positions: Tensor, directions: Tensor, step: float
) -> Callable[[MLPField], float]:
    """Return what tells how much a network's outputs differ from the parent's: the mean squared
    difference of alpha over a step and of colours, weighted with the parent's alpha.

    positions, directions: [N, 3], in the field's cube and of unit length.
    """
    alpha, color = _outputs(parent, positions, directions, step)

    def change(child: MLPField) -> float:
        own_alpha, own_color = _outputs(child, positions, directions, step)
        colors = functional.mse_loss(own_color, color, reduction="none").mean(1)
        return float(((own_alpha - alpha).square() + alpha * colors).mean())

    return change


def occupied_points(
    grid: OccupancyGrid | None, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Return random points [POINTS, 3] in the field's cube, where the grid is occupied if there is
    one. generator: on the CPU."""
    inside = torch.rand(POINTS, 3, generator=generator).to(device)
    if grid is None:
        return inside
    cells = grid.occupied().nonzero()[:, 0]
    if not len(cells):
        return inside
    drawn = torch.randint(len(cells), (POINTS,), generator=generator).to(device)
    return grid.points(cells[drawn], inside)


def shape_widths(state: Mapping[str, Tensor], layers: int) -> tuple[int, ...]:
    """Return the widths of a shipped network's hidden layers."""
    return tuple(len(state[f"field.hidden.{layer}.bias"]) for layer in range(layers))


@torch.no_grad()
def _outputs(
    field: MLPField, positions: Tensor, directions: Tensor, step: float
) -> tuple[Tensor, Tensor]:
    density, geometry = field.density(field.encode(positions))
    color = field.color(geometry, field.encode_directions(directions))
    return -torch.expm1(-density * step), color
