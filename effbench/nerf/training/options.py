"""What a training step of a radiance field is told besides its field, sampler and optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field

from effbench.nerf.training.switches import Switches


@dataclass(frozen=True)
class TrainingOptions:
    """samples: B, the samples per step that the ray count is steered to; loss: "huber" or "mse";
    background: "random" (a colour per ray, where images have alpha or every ray ends on
    something), "scene", "none" (nothing: colours times alpha over black), or "sphere" (a colour
    per direction, learnt and rendered); warmup: iterations of linear learning-rate growth; decay:
    "exponential" (to a tenth over the last 70 % of the budget) or "none"; ema: decay of the weight
    average that is evaluated (0: none); images: whether the pixels of a step are of "all" training
    images or of "one", another in every step; buffers: of a step, "exact" (as large as its
    samples) or "fixed" (never read from the device, so that steps can be recorded as CUDA graphs),
    "auto" for fixed ones on CUDA where the sampler has them; switches: see there.
    """

    samples: int
    loss: str = "huber"
    background: str = "random"
    warmup: int = 20
    decay: str = "exponential"
    ema: float = 0.0
    images: str = "all"
    buffers: str = "auto"
    switches: Switches = field(default_factory=Switches)
