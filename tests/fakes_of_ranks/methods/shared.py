"""A method whose steps several ranks take together, or whose second rank fails on purpose."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from effbench.method import Context, Method
from effbench.scene import Intrinsics


@dataclass(frozen=True)
class SharedConfig:
    mode: Literal["ok", "raise", "kill", "slow"] = "ok"  # how rank 1's sixth step goes


class Shared(Method):
    """One grey value, which is one for every rank there is, divided by the steps."""

    name = "shared"
    Config = SharedConfig

    @classmethod
    def why_one_rank(cls, config: Any) -> str:
        return ""

    def __init__(self, config: SharedConfig, context: Context) -> None:
        super().__init__(config, context)
        self.value, self.steps = torch.zeros(1), 0

    def step(self, progress: float) -> Tensor:
        import torch.distributed as dist

        self.steps += 1
        if self.steps == 6:
            misbehave(self.config.mode, self.context.rank)
        total = torch.ones(1)
        if self.context.ranks > 1:
            dist.all_reduce(total)
        self.value = total / 4
        return self.value.mean()

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        return torch.full((intrinsics.height, intrinsics.width, 3), float(self.value))

    def state(self) -> dict[str, Tensor]:
        return {"value": self.value}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.value = state["value"]

    def parameters(self) -> Iterable[Tensor]:
        return [self.value]


def misbehave(mode: str, rank: int) -> None:
    """Fail as rank 1; with "slow" rank 0 notices nothing for a while."""
    if mode == "slow":
        time.sleep(0.2 if rank == 1 else 1.5)
    if mode in ("kill", "slow") and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "raise" and rank == 1:
        raise ValueError("broken on purpose")
