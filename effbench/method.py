"""What a method must offer: the contract of plug-ins in `methods/`.

The harness owns the loop, the clock and the records; a method owns one training step and the
rendering of a camera. See `examples/plugins/methods/` for a complete one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from effbench import config
from effbench.errors import PluginError

if TYPE_CHECKING:
    import torch

    from effbench.scene import Intrinsics, Scene


@dataclass(frozen=True)
class Requirement:
    """Another method's trained result that a method starts from.

    The harness trains it once per scene and seed, with the same kind of budget, and shares the
    checkpoint; `params` are its non-default parameters.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A parent's result: its full parameters and its shipped tensors, on the CPU.

    folder: the parent's cell, where what is made of its result alone may be kept; None in memory.
    cls, parents: what `restore` builds it with.
    """

    method: str
    params: Mapping[str, Any]
    state: Mapping[str, torch.Tensor]
    folder: Path | None = None
    cls: type[Method] | None = None
    parents: Mapping[str, Checkpoint] = field(default_factory=dict)

    def restore(self, context: Context) -> Method:
        """Return the trained parent itself, ready to render in a child's context."""
        if self.cls is None:
            raise PluginError(f"the checkpoint of '{self.method}' does not say its class")
        cls = self.cls.specialised(self.params)
        settings = config.build(cls.Config, self.params, cls.name)
        method = cls(settings, replace(context, parents=self.parents))
        method.load_state(self.state)
        return method


@dataclass(frozen=True)
class Context:
    """Everything a method may depend on besides its own parameters.

    parents: one checkpoint per role that `Method.requires` named. `backend` is the kernels'
    backend ("auto", "reference", "cpu", …; see `effbench.kernels`).
    """

    scene: Scene
    device: torch.device
    seed: int
    backend: str = "auto"
    parents: Mapping[str, Checkpoint] = field(default_factory=dict)


class Method(ABC):
    """One technique. `name` and the fields of `Config` must be literals: they are listed
    without importing the file.

    device_defaults: per device type ("cpu", "cuda") the defaults that replace those of `Config`
    there, such as a smaller batch; explicit settings win over them. Literals, too.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    device_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, config: Any, context: Context) -> None:
        """Build the model on `context.device`, seeded by `context.seed` alone."""
        self.config = config
        self.context = context

    @classmethod
    def specialised(cls, params: Mapping[str, Any]) -> type[Method]:
        """Return the class that runs with `params`: itself, or a subclass whose `Config` and
        `device_defaults` one of the parameters decides. It keeps the name."""
        return cls

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        """Name the parents this method starts from, by role. Default: none."""
        return {}

    @abstractmethod
    def step(self, progress: float) -> torch.Tensor:
        """Do one training iteration; `progress` in [0, 1) is the spent fraction of the budget.

        Returns the detached loss (0-d tensor, still on the device: reading it would synchronise).
        """

    @abstractmethod
    def render(self, pose: torch.Tensor, intrinsics: Intrinsics) -> torch.Tensor:
        """Render a camera ([3, 4] camera to world) as float32 [H, W, 3] in [0, 1], sRGB, over
        the scene's background, on the method's device, without gradients."""

    @abstractmethod
    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors a user would ship: weights and whatever rendering needs."""

    @abstractmethod
    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load what `state` returned, so that `render` gives the same images."""

    @abstractmethod
    def parameters(self) -> Iterable[torch.Tensor]:
        """Yield the trainable tensors (for the parameter and non-zero counts)."""

    def diagnostics(self) -> dict[str, float]:
        """Return figures of the last step worth recording on the curve. Default: none."""
        return {}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return rows to add to this cell's tables, by table name: what `diagnostics` is too small
        for. Called at every point of the curve with the clock paused; it must not change how
        training goes on. Values must be numbers or text. Default: none."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Return what a record should say of how this result was made (kernel backends, batch
        sizes of rendering, …). Values must be JSON. Default: none."""
        return {}
