"""The original Instant-NGP's optimiser: Adam, sparse where a group of parameters asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from effbench.kernels.sparse_adam import corrections, sparse_adam


class SparseAdam(torch.optim.Adam):
    """`torch.optim.Adam` that, in groups with `sparse=True` (without weight decay), leaves values
    without a gradient alone and counts the steps of each value (`effbench.kernels.sparse_adam`)."""

    def __init__(self, groups: Iterable[dict[str, Any]], backend: str = "auto", **how: Any) -> None:
        """groups, how: as `torch.optim.Adam` takes them."""
        super().__init__(groups, **how)
        self.backend = backend

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group({"sparse": False, **param_group})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the parameters that have a gradient. closure: none is called."""
        held = [
            (group, parameter, parameter.grad)
            for group in self.param_groups
            if group["sparse"]
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        for _, parameter, _ in held:
            parameter.grad = None  # torch's own step passes over it
        super().step(closure)
        for group, parameter, grad in held:
            parameter.grad = grad
            self._step_sparsely(group, parameter, grad)

    def _step_sparsely(self, group: dict[str, Any], parameter: Tensor, grad: Tensor) -> None:
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["steps"] = torch.zeros_like(parameter, dtype=torch.int32)
            state["factors"] = corrections(group["betas"]).to(parameter.device)
        moments = (state["exp_avg"], state["exp_avg_sq"], state["steps"], state["factors"])
        how = (group["lr"], group["betas"], group["eps"], self.backend)
        sparse_adam(parameter, grad, *moments, *how)
