"""The parameters of a distilled light field and of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.lightfield.network import NeLFShape


@dataclass(frozen=True)
class DistillConfig:
    """A light field and its training; on a CPU with the smaller defaults of `NeLFMethod`."""

    teacher: str = "instant-ngp"  # method that is distilled
    points: int = 8  # samples per ray
    frequencies: int = 6  # of the position encoding
    bounds: Literal["scene", "box", "occupied"] = "scene"  # of a ray's samples
    feature_levels: int = 0  # of a hash table of learned features of the samples; 0 for none
    feature_log2_table: int = 14  # log2 of the entries of a hashed level
    feature_base: int = 24  # lattice resolution of the first level
    feature_finest: int = 128  # and of the last
    width: int = 256  # channels of the residual stream
    depth: int = 60  # layers: first, last, and two per residual block
    sr_widths: tuple[int, ...] = (64, 64, 16)  # channels of the stages that double the image
    sr_blocks: int = 2  # residual blocks in each of them
    pseudo_views: int = 10000  # of the teacher, at most
    pseudo_share: float = 0.5  # rendering them takes at most this part of the budget
    real_share: float = 0.0  # part of the views of a step that are training images
    finetune: float = 0.0  # last part of the budget, spent on training images alone
    views: int = 2  # per step, whole
    rays: int = 0  # per step in the place of views: random ones of all, without stages only
    jitter: float = 1.0  # of the samples inside their strata, 0 for none
    lr: float = 0.0005
    warmup: int = 200  # iterations of linear growth of the learning rate
    decay: Literal["cosine", "none"] = "cosine"  # of the learning rate
    weight_decay: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # in training

    def __post_init__(self) -> None:
        self.shape()  # ValueError for one that cannot be
        if not (0 <= self.real_share <= 1 and 0 <= self.finetune <= 1):
            raise ConfigError("real_share and finetune are parts: write 0 to 1")
        if self.rays and self.sr_widths:
            raise ConfigError("stages of super-resolution need whole views: write rays=0")
        if min(self.views, self.pseudo_views) < 1 or self.pseudo_share <= 0:
            raise ConfigError("views, pseudo_views and pseudo_share must be positive")

    def shape(self) -> NeLFShape:
        """Return the shape of the unpruned network."""
        table = None
        if self.feature_levels:
            levels, log2 = self.feature_levels, self.feature_log2_table
            table = HashLayout(levels, log2, self.feature_base, self.feature_finest)
        return NeLFShape.regular(
            points=self.points,
            frequencies=self.frequencies,
            width=self.width,
            depth=self.depth,
            sr_widths=self.sr_widths,
            sr_blocks=self.sr_blocks,
            table=table,
        )
