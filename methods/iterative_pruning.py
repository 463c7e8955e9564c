"""Iterative channel pruning of a neural light field with fine-tuning between the steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import torch
import torch_pruning
from torch import Tensor

from effbench.errors import ConfigError
from effbench.method import Context, Method, Requirement
from effbench.nerf.compression.allocation import allocate, measured
from effbench.nerf.compression.channel_pruning import Cost, prunable, prune
from effbench.nerf.compression.norm_statistics import reestimate
from effbench.nerf.compression.sparse_learning import regularise
from effbench.nerf.lightfield import training_state
from effbench.nerf.lightfield.config import DistillConfig, FeaturesConfig
from effbench.nerf.lightfield.distillation import FeaturesMethod, NeLFMethod
from effbench.nerf.lightfield.latency import latency_ms
from effbench.nerf.lightfield.network import NeLFNetwork, network_of

_STEP = "pruning.step"  # in a snapshot, beside the network's tensors
_ITERATION = "pruning.iteration"
_HOW = (  # what says how channels go: a control, of which none goes, has the defaults
    *("criterion", "groups", "sparse", "sparse_until", "sparse_weight"),
    *("allocation", "tuned", "statistics"),
)
_STATISTICS_BATCHES = 32  # that statistics of batch normalisation are re-estimated on
_SENSITIVITY_BATCHES = 4  # that the loss is measured on while one group is pruned


@dataclass(frozen=True)
class PruningOptions:
    of: Literal["nelf-student", "nelf-features"] = "nelf-student"  # the trained method to prune
    ratio: float = 0.3  # of the channels of every group that are removed, 0 for a control
    pruning_steps: int = 5  # 1 for one-shot
    prune_until: float = 0.5  # part of the budget by which the last step is done
    criterion: Literal["l1", "l2", "bn", "taylor"] = "l2"  # what makes a channel important
    groups: Literal["inner", "all"] = "all"  # inside residual blocks only, or the streams, too
    finetuned: bool = True  # trained between the steps and after them
    sparse: Literal["none", "group-norm", "bn-scale"] = "none"  # regulariser before the first step
    sparse_until: float = 0.25  # part of the budget that is trained with it
    sparse_weight: float = 1e-4  # of its gradient
    allocation: Literal["equal", "sensitivity"] = "equal"  # the ratio of each group, or on average
    tuned: Literal["all", "top"] = "all"  # top: stages and tail, or the last block where none is
    statistics: Literal["kept", "re-estimated"] = "kept"  # of batch normalisation, after a step

    def check(self) -> None:
        """Raise ConfigError for what cannot be."""
        if self.sparse != "none" and not (
            self.finetuned and 0 < self.sparse_until < self.prune_until
        ):
            raise ConfigError(
                "sparse trains before the first pruning step: write finetuned=true and "
                f"sparse_until between 0 and prune_until={self.prune_until:g}"
            )
        if self.criterion == "taylor" and (self.tuned == "top" or self.allocation != "equal"):
            raise ConfigError(
                "criterion=taylor needs the gradients of all layers of the network that is pruned: "
                "use tuned=all and allocation=equal, or another criterion"
            )
        if not (0 <= self.ratio < 1 and 0 < self.prune_until <= 1 and self.pruning_steps >= 1):
            raise ConfigError(
                "ratio is in [0, 1), prune_until in (0, 1] and pruning_steps at least 1"
            )


@dataclass(frozen=True)
class PruningConfig(PruningOptions, DistillConfig):
    real_share: float = 0.25  # part of the views of a step that are training images

    def __post_init__(self) -> None:
        DistillConfig.__post_init__(self)
        self.check()


class IterativePruning(NeLFMethod):
    """The trained student with channels removed step by step, trained on after each; with ratio=0
    none is removed: what training on in the same way does alone."""

    name = "iterative-pruning"
    Config: ClassVar[type[Any]] = PruningConfig
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "iterative-0": {"ratio": 0.0},
        "iterative-30": {"ratio": 0.3},
        "iterative-50": {"ratio": 0.5},
        "features-0": {"of": "nelf-features", "ratio": 0.0},
        "features-30": {"of": "nelf-features", "ratio": 0.3},
        "features-50": {"of": "nelf-features", "ratio": 0.5},
    }
    config: PruningConfig

    @classmethod
    def specialised(cls, params: Mapping[str, Any]) -> type[Method]:
        finetuned = params.get("finetuned", True) in (True, "true")
        if params.get("of") == "nelf-features":
            return FeaturesPruning if finetuned else FeaturesPrunedOnly
        return cls if finetuned else PrunedOnly

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        shape = FeaturesConfig if isinstance(config, FeaturesConfig) else DistillConfig
        shared = {field.name for field in fields(shape)} - {"real_share"}
        params = {name: value for name, value in asdict(config).items() if name in shared}
        return {**super().requires(config), "student": Requirement(config.of, params)}

    @classmethod
    def control(cls, config: Any) -> Requirement | None:
        if not config.finetuned:  # nothing is trained on: the student itself is what it is held to
            return None
        alike = {"ratio": 0.0, **{name: getattr(PruningConfig, name) for name in _HOW}}
        name = "features-0" if config.of == "nelf-features" else "iterative-0"
        return Requirement(name, {**asdict(config), **alike})

    def __init__(self, config: PruningConfig, context: Context) -> None:
        budget = context.budget.iterations if context.budget else None
        if config.finetuned and budget is not None and budget < config.pruning_steps:
            raise ConfigError(
                f"a budget of {budget} iterations is too short for pruning_steps="
                f"{config.pruning_steps}: give it more, or write pruning_steps={budget}"
            )
        self.pruned_steps = 0
        self.history: list[dict[str, Any]] = []
        self.just_pruned = False
        super().__init__(config, context)
        height, width = self.encoder.directions.shape[:2]
        self.size = (height, width)  # of the grid of rays
        self.dense = Cost.of(self.network.shape, self.size)
        regularise(self.network, self.optimizer, config.sparse, config.sparse_weight)

    def start(self) -> NeLFNetwork:
        return network_of(self.context.parents["student"].state, self.config.shape())

    def step(self, progress: float) -> Tensor:
        while self.pruned_steps < self._due(progress):
            self.prune_step()
        return super().step(progress)

    def prune_step(self) -> None:
        """Remove the next share of channels; the optimiser starts anew on what is left."""
        c = self.config
        self.pruned_steps += 1
        ratio = c.ratio * self.pruned_steps / c.pruning_steps
        if c.criterion == "taylor":
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.draw(0.0)).backward()  # type: ignore[no-untyped-call]
        keep = self._keep(self.pruned_steps / c.pruning_steps) if self._by_sensitivity else None
        self._adopt(prune(self.network, c.shape(), ratio, c.criterion, c.groups, keep).network)
        if c.tuned == "top":
            self._freeze_bottom()
        if c.statistics == "re-estimated":
            batches = (self.draw(0.0).rays.contiguous() for _ in range(_STATISTICS_BATCHES))
            reestimate(self.network, batches)
        row = {"pruning_step": self.pruned_steps, "ratio": ratio, "iteration": self.iteration}
        self.history.append({**row, **vars(Cost.of(self.network.shape, self.size))})
        self.just_pruned = True

    @property
    def _by_sensitivity(self) -> bool:
        return self.config.allocation == "sensitivity" and self.config.ratio > 0

    def _keep(self, share: float) -> dict[str, int]:
        """Return how many channels each group keeps when a share of the way is done."""
        full, final = self._sensitivity
        return {name: round(full[name] + share * (final[name] - full[name])) for name in full}

    @functools.cached_property
    def _sensitivity(self) -> tuple[dict[str, int], dict[str, int]]:
        """The channels of each group of the student, and those that it keeps in the end: by what
        the loss of a few batches rises when the group alone loses some."""
        c = self.config
        dense, batches = self._dense_field(), [self.draw(0.0) for _ in range(_SENSITIVITY_BATCHES)]
        full = prunable(dense, c.groups)

        @torch.no_grad()
        def loss(network: NeLFNetwork) -> float:
            trained, self.network = self.network, network.eval()
            try:
                return sum(float(self.loss(batch)) for batch in batches) / len(batches)
            finally:
                self.network = trained

        def error(name: str, keep: int) -> float:
            return loss(prune(dense, c.shape(), 0.0, c.criterion, c.groups, {name: keep}).network)

        rises = measured(full, error, loss(dense))
        total = sum(max(1, round((1 - c.ratio) * channels)) for channels in full.values())
        return full, allocate(rises, total)

    def _freeze_bottom(self) -> None:
        """Train from here on only what lies behind the body: stages and tail; where there are no
        stages, the last block and the tail."""
        network = self.network
        top = [network.tail, network.stages if len(network.stages) else network.body[-1]]
        network.requires_grad_(False)
        for part in top:
            part.requires_grad_(True)

    def snapshot(self) -> dict[str, Tensor] | None:
        """Return the network once after each pruning step, and how training stands: from these it
        goes on."""
        if not self.just_pruned:
            return None
        self.just_pruned = False
        done = {_STEP: torch.tensor(self.pruned_steps), _ITERATION: torch.tensor(self.iteration)}
        training = training_state.pack(self.optimizer, self.random, self.pool)
        return {**self.state(), **done, **training}

    def resume(self, snapshot: Mapping[str, Tensor]) -> None:
        tensors = {k: v for k, v in snapshot.items() if not k.startswith(training_state.PREFIX)}
        self.pruned_steps = int(tensors.pop(_STEP))
        self.iteration = int(tensors.pop(_ITERATION))
        self.load_state(tensors)
        if self.config.tuned == "top":
            self._freeze_bottom()
        training_state.unpack(snapshot, self.optimizer, self.random, self.pool)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return `pruning`: a row per pruning step since the last call, with what is left."""
        rows, self.history = self.history, []
        return {"pruning": rows}

    def facts(self) -> dict[str, Any]:
        cost = Cost.of(self.network.shape, self.size)
        dense_ms, own_ms = latency_ms([self._dense_field(), self.network], self)
        return {
            **super().facts(),
            "torch_pruning": torch_pruning.__version__,
            "pruning_steps": self.pruned_steps,
            "cost": vars(cost),
            "left_of_student": {**cost.ratios(self.dense), "latency": own_ms / dense_ms},
            "latency_ms": {"student": dense_ms, "pruned": own_ms},
        }

    def _due(self, progress: float) -> int:
        """Return how many steps are due: the first at once, or when sparse training has ended, the
        last at `prune_until`."""
        c = self.config
        first = c.sparse_until if c.sparse != "none" else 0.0
        if progress < first:
            return 0
        if c.pruning_steps == 1:
            return 1
        spacing = (c.prune_until - first) / (c.pruning_steps - 1)
        return min(c.pruning_steps, 1 + math.floor((progress - first) / spacing + 1e-9))

    def _dense_field(self) -> NeLFNetwork:
        dense = self.start().to(self.device)
        dense.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return dense


# The variants below have names that are no literals, so that they are not listed on their own, and
# leave the default of `of` alone, so that records show what was chosen.


class PrunedOnly(IterativePruning):
    """Without fine-tuning nothing is trained: the steps are taken at once."""

    name = IterativePruning.name
    trains = False

    def __init__(self, config: PruningConfig, context: Context) -> None:
        super().__init__(config, context)
        while self.pruned_steps < config.pruning_steps:
            self.prune_step()


@dataclass(frozen=True)
class FeaturesPruningConfig(PruningOptions, FeaturesConfig):
    def __post_init__(self) -> None:
        FeaturesConfig.__post_init__(self)
        self.check()


class FeaturesPruning(IterativePruning):
    """The network behind a table of features, which stays as it is."""

    name = IterativePruning.name
    Config = FeaturesPruningConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = FeaturesMethod.device_defaults
    capture_defaults: ClassVar[dict[str, dict[str, Any]]] = FeaturesMethod.capture_defaults


class FeaturesPrunedOnly(FeaturesPruning, PrunedOnly):
    """The same without fine-tuning."""

    name = IterativePruning.name
