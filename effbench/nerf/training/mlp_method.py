"""What the vanilla NeRF and its pruned children share: configuration, sampler and optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.nerf.sampling import Sampler
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.training.method import RadianceFieldMethod
from effbench.nerf.training.options import TrainingOptions
from effbench.nerf.training.switches import Switches

_WAVE_SLOTS = 1 << 20  # samples rendered at once on a GPU: the network's activations take kilobytes


@dataclass(frozen=True)
class MLPConfig:
    """Training of a frequency-encoded MLP; on a CPU with the smaller `device_defaults`."""

    former_names = {"early_stop": "early_stop_eps"}  # noqa: RUF012

    space: Literal["auto", "box", "contracted", "cascades"] = "auto"  # auto: contracted captures
    norm: Literal["linf", "l2"] = "linf"  # of the contraction
    cone: float = 0.0078125  # growth of a step with the distance in cascades, 1/128 of torch-ngp
    sampling: Literal["occupancy", "uniform", "hierarchical"] = "occupancy"  # where on a ray
    samples: int = 262144  # samples per step, which sets the number of rays
    uniform: int = 192  # stratified samples per ray (uniform)
    coarse: int = 64  # stratified samples per ray (hierarchical)
    fine: int = 128  # importance samples per ray (hierarchical)
    march_steps: int = 1024  # steps along the cube's diagonal in training (occupancy)
    render_steps: int = 1024  # and in rendering
    grid_resolution: int = 128  # cells per axis (occupancy)
    grid_threshold: float = 0.01  # optical depth of a step from which a cell is occupied
    grid_every: int = 16  # iterations between updates of the grid
    grid_everywhere_until: int = 256  # iterations during which updates visit all cells
    grid_schedule: Literal["constant", "ramp"] = "constant"  # ramp: updates are frequent at first
    grid_unseen: Literal["auto", "culled", "kept"] = "auto"  # cells no camera sees; see docs
    compaction: Literal["transmittance", "low-weight", "none"] = "none"  # before training
    early_stop_eps: float = 1e-4  # transmittance at which a ray ends
    alpha_threshold: float = 1e-2  # alpha below which low-weight drops a sample
    lr: float = 5e-4
    decay: Literal["exponential", "none"] = "exponential"
    loss: Literal["huber", "mse"] = "mse"
    background: Literal["random", "scene", "none", "sphere"] = "random"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    buffers: Literal["auto", "fixed", "exact"] = "auto"  # of a step; auto: fixed on CUDA


class MLPMethod(RadianceFieldMethod):
    """Trains an `MLPField` behind an occupancy grid or with hierarchical sampling."""

    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        # 596k weights per sample are 150 times Instant-NGP's: small batches, a coarse grid
        "cpu": {
            "samples": 2048,
            "march_steps": 128,
            "render_steps": 128,
            "grid_resolution": 24,
            "grid_every": 8,
            "grid_everywhere_until": 64,
            "lr": 1e-3,
        }
    }
    config: MLPConfig

    @classmethod
    def why_one_rank(cls, config: Any) -> str:
        if config.sampling != "occupancy":
            return "it samples without an occupancy grid"
        return super().why_one_rank(config)

    def build_options(self) -> TrainingOptions:
        c = self.config
        return TrainingOptions(
            samples=c.samples,
            loss=c.loss,
            background=c.background,
            decay=c.decay,
            buffers=c.buffers,
            switches=Switches.of(c),
        )

    def build_sampler(self) -> Sampler:
        c = self.config
        if c.sampling == "occupancy":
            sampler = self.occupancy_sampler()
            sampler.wave_slots = _WAVE_SLOTS
            return sampler
        each = (c.uniform, 0) if c.sampling == "uniform" else (c.coarse, c.fine)
        return HierarchicalSampler(*each, self.space, self.backend)

    def build_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.field.parameters(), lr=self.config.lr, fused=True)
