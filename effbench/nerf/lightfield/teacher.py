"""What a light field takes from its teacher: pseudo views, and which space is empty."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.method import Context
from effbench.nerf.lightfield.config import DistillConfig
from effbench.nerf.lightfield.pseudo_views import PseudoViews, ViewRequest, views_of
from effbench.nerf.sampling.boxed import boxed_bits
from effbench.nerf.sampling.rays import Aabb
from effbench.nerf.sampling.spaces import Box, SpaceOptions, build_space
from effbench.scene.cameras import most_common

CELLS = "occupancy.bits"  # of a teacher's state, and of a student's
_UNPLANNED_VIEWS = 8  # outside of the harness, where no budget says how many are worth it


def occupancy_bits(context: Context) -> Tensor:
    """Return where the scene's box is occupied by the teacher's grid, bits uint8 [G³ / 8], which a
    child shares. The grid of a teacher whose space is no box is looked up (`boxed_bits`).

    Raises ConfigError for a teacher without one.
    """
    teacher = context.parents["teacher"]
    if CELLS not in teacher.state:
        raise ConfigError(
            f"teacher={teacher.method} has no occupancy grid, which bounds=occupied needs: write "
            "bounds=box"
        )
    scene, cpu = context.scene, torch.device("cpu")
    bits = teacher.state[CELLS].cpu()
    space = build_space(scene, cpu, SpaceOptions.of(SimpleNamespace(**teacher.params)))
    if isinstance(space, Box):
        return bits
    return boxed_bits(bits, space, Aabb.of(scene.box, scene, cpu))


def view_request(config: DistillConfig, context: Context) -> ViewRequest:
    """Return how many views the budget is worth: `pseudo_share` of its seconds, or as many as its
    iterations will see pixels of."""
    budget, camera = context.budget, most_common(context.scene.train)
    count, seconds = _UNPLANNED_VIEWS, None
    if budget is not None and budget.seconds is not None:
        count, seconds = config.pseudo_views, config.pseudo_share * budget.seconds
    elif budget is not None and budget.iterations is not None:
        side = config.patch * config.shape().scale
        part = min(1.0, side**2 / (camera.width * camera.height)) if side else 1.0
        seen = math.ceil(config.views * budget.iterations * part)
        count = min(config.pseudo_views, seen)
    return ViewRequest(count, seconds, camera)


def pseudo_views(config: DistillConfig, context: Context) -> PseudoViews:
    """Return the teacher's views, rendered if nobody has done so before; none for a student that
    learns from training images alone."""
    if not config.taught:
        return PseudoViews.none(most_common(context.scene.train))
    teacher = context.parents["teacher"]
    request = view_request(config, context)
    # a seed of its own: the teacher is the same, whichever of its descendants asks
    own = replace(context, seed=0)
    return views_of(teacher, context.scene, request, lambda: teacher.restore(own).render)
