"""What a method must offer: the contract of plug-ins in `methods/`.

The harness owns the loop, the clock and the records; a method owns one training step and the
rendering of a camera. See `examples/plugins/methods/` for a complete one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from effbench.errors import PluginError
from effbench.method import config

if TYPE_CHECKING:
    import torch

    from effbench.method.budget import Budget
    from effbench.scene import Intrinsics, Scene


@dataclass(frozen=True)
class Requirement:
    """Another method's trained result that a method starts from.

    The harness trains it once per scene and seed, with the same kind of budget, and shares the
    checkpoint; `params` are its non-default parameters. scene: another scene that it is trained
    on, "" for the method's own.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    scene: str = ""


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
        method = cls(settings, replace(context, parents=self.parents, rank=0, ranks=1))
        method.load_state(self.state)
        return method


@dataclass(frozen=True)
class Context:
    """Everything a method may depend on besides its own parameters.

    parents: one checkpoint per role that `Method.requires` named. `backend` is the kernels'
    backend ("auto", "reference", "cpu", …; see `effbench.kernels`). budget: what the method will
    be trained for, to size by it what is prepared; None outside of the harness. rank, ranks: which
    of how many processes this is that train one model together (`Method.why_one_rank`).
    """

    scene: Scene
    device: torch.device
    seed: int
    backend: str = "auto"
    parents: Mapping[str, Checkpoint] = field(default_factory=dict)
    budget: Budget | None = None
    rank: int = 0
    ranks: int = 1


@dataclass(frozen=True)
class Maps:
    """What the samples of a camera's rays say of its geometry, without the background.

    With the weights w of volume rendering at distances t from the camera's centre along a ray
    (world units, not the depth along the optical axis):
    depth: float32 [H, W], the expected distance Σ w·t / Σ w, infinite where no sample has weight;
    opacity: float32 [H, W], Σ w in [0, 1].
    """

    depth: torch.Tensor
    opacity: torch.Tensor


@dataclass(frozen=True)
class Exportable:
    """What a method looks like outside of this project: a network of operations that ONNX has.

    takes "camera": forward(pose) with pose float32 [3, 4], camera to world, returns the image,
    float32 [H, W, 3] in [0, 1]; the camera's intrinsics are constants of the module.
    takes "rays": forward(origins, directions), both float32 [R, 3] in world units, directions of
    unit length, returns colours float32 [R, 3] in [0, 1]; R is free.

    precision: of the stored weights, where they are quantised already.
    """

    module: torch.nn.Module
    takes: Literal["camera", "rays"]
    precision: Literal["fp32", "fp16", "int8"] = "fp32"


class Method(ABC):
    """One technique. `name` and the fields of `Config` must be literals: they are listed
    without importing the file.

    device_defaults: per device type ("cpu", "cuda") the defaults that replace those of `Config`
    there, such as a smaller batch; explicit settings win over them. Literals, too.
    capture_defaults: the same for scenes that go on beyond their middle (`SceneSource.captures`),
    over `device_defaults`.
    presets: names for the class with some parameters set, {"name": {"parameter": value}}; each
    can be run like a method, and its name is what tables show. Literals, too; not inherited.
    preset_of, preset: of the class that a preset runs as, the method's name and the parameters.
    trains: False for a method whose result is there once it is built, such as a conversion of its
    parent's: its cell takes no step, and its curve has one point.
    takes_time: whether it may be trained on a scene that moves, whose views have times
    (`Views.times`); others are refused there, or given a scene without times.
    exported_with_cell: whether every cell ends with an export to ONNX and a profile of it, for
    methods that are made to be shipped that way; others are exported on demand.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    device_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    capture_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    preset_of: ClassVar[str] = ""
    preset: ClassVar[Mapping[str, Any]] = {}
    trains: ClassVar[bool] = True
    takes_time: ClassVar[bool] = False
    exported_with_cell: bool = False

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

    @classmethod
    def control(cls, config: Any) -> Requirement | None:
        """Name the row that differs from this one in nothing but what the method is about, and was
        trained for as long: the parent trained on, a student without its teacher. Where it was
        run as well, tables show the difference to it. Default: none.
        """
        return None

    @classmethod
    def why_one_rank(cls, config: Any) -> str:
        """Return why several processes cannot train one model of this method together, each with
        its share of every step's batch (`Context.ranks`); "" where they can. Default: they cannot.
        """
        return "it does not split the batch of a step"

    @classmethod
    def prepare(cls, config: Any, context: Context) -> Mapping[str, float]:
        """Make what training needs besides the parents, such as a teacher's views, and keep it
        beside the parent it is made of (`Checkpoint.folder`).

        Called once, before the method is built, outside of the budget. Returns the seconds that
        making each thing took, now or when it was made, by a name that is the same for everything
        that uses it: `prepare_s` counts it once. Default: nothing.
        """
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

    def at(self, time: float) -> None:  # noqa: B027
        """Render a scene that moves as it is at a time in [0, 1] from now on. Default: nothing, the
        method knows no time."""

    def render_maps(self, pose: torch.Tensor, intrinsics: Intrinsics) -> Maps | None:
        """Return depth and opacity of a camera ([3, 4] camera to world), on the method's device,
        without gradients. Never timed. Default: None, the method knows no distances."""
        return None

    @abstractmethod
    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors a user would ship: weights and whatever rendering needs."""

    @abstractmethod
    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load what `state` returned, so that `render` gives the same images."""

    @abstractmethod
    def parameters(self) -> Iterable[torch.Tensor]:
        """Yield the trainable tensors (for the parameter and non-zero counts)."""

    @property
    def cycle(self) -> int:
        """After how many steps training comes round: what it keeps in memory is measured over
        whole cycles. Default: 1, every step is like the others."""
        return 1

    def begin(self) -> None:  # noqa: B027
        """Make ready what only training needs, such as views to draw from. Called once before the
        first step, outside the clock. Default: nothing."""

    def warm_up(self) -> None:  # noqa: B027
        """Do once what training does only after a while, such as an update of a grid, so that
        nothing is compiled inside the clock. Called on a copy that is thrown away, after its first
        steps. Default: nothing."""

    def snapshot(self) -> dict[str, torch.Tensor] | None:
        """Return, at a moment worth going on from, what `resume` needs, else None (the default).

        Asked after every step; the harness keeps the last one on disk until the cell has ended, so
        that a cell that is interrupted and run again goes on from there.
        """
        return None

    def resume(self, snapshot: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `snapshot` returned. Called before the first step, if at all."""
        raise NotImplementedError

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

    def exportable(self, intrinsics: Intrinsics) -> Exportable | None:
        """Return what renders a camera with `intrinsics` outside of this project, for
        `effbench export`. Default: None, there is no such network."""
        return None

    def onnx(self) -> bytes | None:
        """Return the ONNX model that this method itself renders with. Default: None."""
        return None
