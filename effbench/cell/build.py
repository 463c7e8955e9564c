"""From a cell to its method: the class, its parameters and what it is built in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from effbench.method import Checkpoint, Context, Method, config
from effbench.method.budget import Budget
from effbench.planning.plan import Cell
from effbench.scene import Scene


def built(
    cell: Cell,
    cls: type[Method],
    scene: Scene,
    parents: Mapping[str, Checkpoint],
    rank: int = 0,
) -> tuple[Callable[[], Method], Callable[[], Mapping[str, float]]]:
    """Return what builds the method of a cell, on a rank of it, and what prepares its training."""
    cls = cls.specialised(cell.params)
    if cell.ignore_time:
        scene = scene.still()
    budget = Budget.parse(cell.budget)
    device = torch.device(cell.device)
    context = Context(scene, device, cell.seed, cell.backend, parents, budget, rank, cell.ranks)
    settings = config.build(cls.Config, cell.params, cls.name)
    return lambda: cls(settings, context), lambda: cls.prepare(settings, context)
