"""Adam (Kingma and Ba 2015) in one pass over each parameter, with nothing read from the device.

The step count and, if wanted, the learning rate are tensors on the device, so that a step can be
captured in a CUDA graph and replayed. Every entry is updated at every step, those of gradient zero
too: their moments decay and go on moving them, as Adam has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.backends import resolve


class FusedAdam(torch.optim.Optimizer):
    """`torch.optim.Adam` (L2 weight decay, no AMSGrad) with float32 parameters.

    Groups take lr (a float, or a 0-d float32 tensor on the parameters' device), betas, eps and
    weight_decay; the state has the names of torch's, so that either can load the other's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        backend: str = "auto",
    ) -> None:
        if not all(0 <= beta < 1 for beta in betas) or eps < 0 or weight_decay < 0:
            raise ConfigError(
                f"Adam needs betas in [0, 1), eps ≥ 0 and weight_decay ≥ 0, not {betas}, {eps} "
                f"and {weight_decay}"
            )
        # torch moves the step count to the device when a state is loaded if a group is capturable
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults | {"capturable": True})
        self.backend = backend
        self._copies: dict[Tensor, Tensor] = {}

    def copy_of(self, parameter: Tensor, kind: torch.dtype) -> Tensor:
        """Return a copy of `parameter` in float16 or bfloat16 that every step brings up to date.

        It is the same tensor at every call. Call it again after loading a checkpoint.
        """
        copy = self._copies.get(parameter)
        if copy is None or copy.dtype != kind:
            copy = self._copies[parameter] = parameter.detach().to(kind)
        else:
            copy.copy_(parameter.detach())
        return copy

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the parameters that have a gradient; see `torch.optim.Optimizer.step`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            states = [self._state_of(p) for p in parameters]
            if states:
                torch._foreach_add_([state["step"] for state in states], 1)
            for parameter, state in zip(parameters, states, strict=True):
                adam_step(
                    parameter,
                    parameter.grad,
                    state["exp_avg"],
                    state["exp_avg_sq"],
                    state["step"],
                    group["lr"],
                    group["betas"],
                    group["eps"],
                    group["weight_decay"],
                    self._copies.get(parameter),
                    self.backend,
                )
        return loss

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            if parameter.dtype != torch.float32 or not parameter.is_contiguous():
                raise ConfigError("FusedAdam takes contiguous float32 parameters only")
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state


def adam_step(
    parameter: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    step: Tensor,
    lr: float | Tensor,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
    copy: Tensor | None = None,
    backend: str = "auto",
) -> None:
    """Do one step of Adam, in place.

    parameter, grad, mean, square: float32 of one shape, the latter two the moving averages of the
    gradient and of its square; step: float32 0-d, the number of this step, from 1; copy: is set to
    the parameter in its own type.
    """
    if resolve(backend, parameter.device) == "triton":
        from bench import fused_adam_triton as gpu

        slope = grad.contiguous()
        gpu.step(parameter, slope, mean, square, step, lr, betas, eps, weight_decay, copy)
        return
    if weight_decay:
        grad = grad + weight_decay * parameter
    mean.lerp_(grad, 1 - betas[0])
    square.mul_(betas[1]).addcmul_(grad, grad, value=1 - betas[1])
    unbiased, root = (1 - beta ** step.double() for beta in betas)
    spread = square.sqrt().div_(root.sqrt().to(square.dtype)).add_(eps)
    parameter.sub_(mean / spread * (lr / unbiased).to(mean.dtype))
    if copy is not None:
        copy.copy_(parameter)
