"""What training goes on from besides the network: moments of the optimiser, and random draws."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from effbench.nerf.lightfield.view_pool import ViewPool

Tensors = dict[str, Tensor]

PREFIX = "training."


def pack(optimizer: torch.optim.Optimizer, generator: torch.Generator, pool: ViewPool) -> Tensors:
    """Return the state as tensors: another method of the same network goes on from it as if
    nothing had happened."""
    tensors = {f"{PREFIX}generator": generator.get_state()}
    tensors |= {f"{PREFIX}pool.{name}": tensor for name, tensor in pool.state().items()}
    for index, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            tensors[f"{PREFIX}optimizer.{index}.{name}"] = torch.as_tensor(value)
    return tensors


def unpack(
    tensors: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    pool: ViewPool,
) -> None:
    """Set the state that `pack` returned."""
    found = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
    generator.set_state(found.pop("generator").cpu())
    pool.load_state({k.removeprefix("pool."): v for k, v in found.items() if k.startswith("pool.")})
    for index, parameter in enumerate(_parameters(optimizer)):
        own = f"optimizer.{index}."
        named = {k.removeprefix(own): v for k, v in found.items() if k.startswith(own)}
        optimizer.state[parameter] = {
            name: _like(value, parameter) if value.ndim else value.to(parameter.device)
            for name, value in named.items()
        }


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Return a moment in its parameter's memory format, which a fused optimiser goes by."""
    return torch.empty_like(parameter).copy_(value)
