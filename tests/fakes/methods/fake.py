"""Methods that train in no time, or fail on purpose: what the tests of the harness run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.method import Context, Method, Requirement
from effbench.scene import Intrinsics

Mode = Literal[
    "ok",
    "raise",
    "nan",
    "nan-render",
    "nan-weights",
    "perfect",
    "blind",
    "kill",
    "memory",
    "exit",
    "switch",
]


@dataclass(frozen=True)
class FakeConfig:
    mode: Mode = "ok"  # how the second training step goes
    lr: float = 0.1  # learning rate
    width: int = 1

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError("width must be at least 1")


class Fake(Method):
    """One grey value for the whole image.

    The second paragraph is not for listings.
    """

    name = "fake"
    Config = FakeConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {"cpu": {"lr": 0.2}}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"fake-wide": {"width": 3, "lr": 0.3}}

    def __init__(self, config: FakeConfig, context: Context) -> None:
        super().__init__(config, context)
        generator = torch.Generator().manual_seed(context.seed)
        self.value = torch.rand(config.width, generator=generator).requires_grad_()
        self.steps = 0

    def step(self, progress: float) -> Tensor:
        self.steps += 1
        if self.steps == 2 and self.config.mode != "ok":
            misbehave(self.config.mode)
        if self.steps == 3 and self.config.mode == "nan-weights":
            self.value.data[-1] = torch.nan
            return torch.tensor(0.5)  # neither its losses nor its renders tell
        loss = (self.value**2).mean() + 0 * progress
        (gradient,) = torch.autograd.grad(loss, self.value)
        self.value.data -= self.config.lr * gradient
        return loss.detach() if self.config.mode != "nan" else torch.tensor(torch.nan)

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        value = self.value.nanmean() if self.config.mode != "nan-render" else torch.nan
        if self.config.mode == "perfect":
            value = 30 / 255  # the first of the toy scene's views
        return torch.full((intrinsics.height, intrinsics.width, 3), float(value))

    def state(self) -> dict[str, Tensor]:
        return {"value": self.value}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.value.data.copy_(state["value"])

    def parameters(self) -> Iterable[Tensor]:
        return [self.value]

    def diagnostics(self) -> dict[str, float]:
        placed = {"samples": 0.0} if self.config.mode == "blind" else {}
        return {"value": float(self.value.detach().mean()), **placed}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {"values": [{"step": self.steps, "channel": channel} for channel in "ab"]}

    def facts(self) -> dict[str, Any]:
        print("a plug-in may print")
        return {"steps": self.steps}


class FakeChild(Fake):
    """Starts from a trained `fake`."""

    name = "fake-child"

    @classmethod
    def requires(cls, config: FakeConfig) -> dict[str, Requirement]:
        return {"teacher": Requirement("fake", {"mode": config.mode, "width": config.width})}

    @classmethod
    def control(cls, config: FakeConfig) -> Requirement | None:
        return Requirement("fake-child", {"mode": config.mode, "width": 1, "lr": config.lr})

    def __init__(self, config: FakeConfig, context: Context) -> None:
        super().__init__(config, context)
        self.value.data.copy_(context.parents["teacher"].state["value"])

    def step(self, progress: float) -> Tensor:
        return self.value.mean().detach()


class FakeGrandchild(Fake):
    """Starts from a `fake-child` and from its teacher, and prepares something of that."""

    name = "fake-grandchild"

    @classmethod
    def requires(cls, config: FakeConfig) -> dict[str, Requirement]:
        params = {"mode": config.mode, "width": config.width}
        return {role: Requirement(f"fake{role}", params) for role in ("", "-child")}

    @classmethod
    def prepare(cls, config: FakeConfig, context: Context) -> dict[str, float]:
        assert context.parents[""].folder is not None
        (context.parents[""].folder / "prepared.txt").write_text(str(context.budget))
        return {"views": 5.0}


class FakeResumable(Fake):
    """Can go on from every tenth step; killed at step 25 if the switch "kill" is there, and slow
    beyond patience if "hang" is."""

    name = "fake-resumable"
    first = 0

    def step(self, progress: float) -> Tensor:
        if self.steps == 25 and (Path(os.environ["FAKE_SWITCHES"]) / "kill").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if self.steps == 25:
            hang()
        return super().step(progress)

    def snapshot(self) -> dict[str, Tensor] | None:
        if self.steps % 10:
            return None
        return {"value": self.value, "steps": torch.tensor(self.steps)}

    def resume(self, snapshot: Mapping[str, Tensor]) -> None:
        self.load_state(snapshot)
        self.first = self.steps = int(snapshot["steps"])

    def facts(self) -> dict[str, Any]:
        return {"first": self.first, "steps": self.steps}


def hang() -> None:
    """Wait where the switch "hang" is there, having said so in the file `pid` beside it."""
    switches = Path(os.environ["FAKE_SWITCHES"])
    if (switches / "hang").exists():
        (switches / "pid").write_text(str(os.getpid()))
        time.sleep(600)


def misbehave(mode: Mode) -> None:
    """Fail as `mode` says; "switch" does what the files in the folder FAKE_SWITCHES ask for."""
    if mode == "raise":
        raise RuntimeError("broken on purpose")
    if mode == "memory":
        raise MemoryError("no room")
    if mode == "exit":
        raise SystemExit(7)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "switch":
        switches = Path(os.environ["FAKE_SWITCHES"])
        if (switches / "fail").exists():
            raise RuntimeError("switched to fail")
        hang()
