"""An exponential average of a field's weights: steadier than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from effbench.nerf.fields.field import RadianceField


class WeightAverage:
    """Follows the weights of a field; begins as they are after the first step."""

    def __init__(self, field: RadianceField, decay: float) -> None:
        """decay: in (0, 1), what is left of the average after one step."""
        self.field = copy.deepcopy(field)  # the average, which is rendered and shipped
        self._decay, self._begun = decay, False

    @torch.no_grad()
    def update(self, field: RadianceField) -> None:
        """Take one step's weights in, without reading anything from the device."""
        means: list[Tensor] = list(self.field.parameters())
        weights: list[Tensor] = list(field.parameters())
        if self._begun:
            torch._foreach_lerp_(means, weights, 1 - self._decay)
        else:
            torch._foreach_copy_(means, weights)
        self._begun = True
