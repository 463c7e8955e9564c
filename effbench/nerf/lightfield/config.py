"""The parameters of a distilled light field and of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.lightfield.network import NeLFShape


@dataclass(frozen=True)
class DistillConfig:
    """A light field of MobileR2L's shape and its training; on a CPU with the smaller defaults of
    `NeLFMethod`."""

    teacher: str = "instant-ngp"  # method that is distilled
    points: int = 8  # samples per ray
    frequencies: int = 6  # of the position encoding
    bounds: Literal["scene", "box", "occupied"] = "scene"  # of a ray's samples
    width: int = 256  # channels of the residual stream
    depth: int = 60  # layers: first, last, and two per residual block
    sr_widths: tuple[int, ...] = (64, 64, 16)  # channels of the stages that double the image
    sr_blocks: int = 2  # residual blocks in each of them
    pseudo_views: int = 10000  # of the teacher, at most
    pseudo_share: float = 0.5  # rendering them takes at most this part of the budget
    real_share: float = 0.0  # part of the views of a step that are training images
    finetune: float = 0.0  # last part of the budget, spent on training images alone
    views: int = 2  # per step, whole, or as many patches
    patch: int = 0  # rays per side of random patches of views, 0 for whole views
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
        if self.rays and self.patch:
            raise ConfigError("a step has rays or patches: write rays=0 or patch=0")
        if self.patch == 1 and self.sr_widths:
            raise ConfigError("a patch of one ray has no neighbours: write at least patch=2")
        if min(self.rays, self.patch) < 0:
            raise ConfigError("rays and patch are counts: write 0 for none")
        if min(self.views, self.pseudo_views) < 1 or self.pseudo_share <= 0:
            raise ConfigError("views, pseudo_views and pseudo_share must be positive")

    @property
    def taught(self) -> bool:
        """Whether any step learns from a teacher's views."""
        return self.real_share < 1 and self.finetune < 1

    def shape(self) -> NeLFShape:
        """Return the shape of the unpruned network."""
        return NeLFShape.regular(
            points=self.points,
            frequencies=self.frequencies,
            width=self.width,
            depth=self.depth,
            sr_widths=self.sr_widths,
            sr_blocks=self.sr_blocks,
            table=self.table(),
        )

    def table(self) -> HashLayout | None:
        """Return the layout of the table of features that the network reads. Default: none."""
        return None


@dataclass(frozen=True)
class FeaturesConfig(DistillConfig):
    """A small light field with a table of learned features: what learns most in a minute, by many
    steps of few rays that begin near what they see. Defaults of a GPU; on a CPU with the smaller
    ones of `FeaturesMethod`."""

    points: int = 16  # samples per ray
    frequencies: int = 0  # of the position encoding
    bounds: Literal["scene", "box", "occupied"] = "occupied"  # of a ray's samples
    width: int = 64  # channels of the residual stream
    depth: int = 6  # layers: first, last, and two per residual block
    sr_widths: tuple[int, ...] = ()  # channels of the stages that double the image
    real_share: float = 0.5  # part of the rays of a step that are of training images
    views: int = 1  # per step, whole, if rays=0
    rays: int = 16384  # per step in the place of views: random ones of all, without stages only
    jitter: float = 0.0  # of the samples inside their strata, 0 for none
    lr: float = 0.01
    warmup: int = 50  # iterations of linear growth of the learning rate
    feature_levels: int = 3  # of the table
    feature_log2_table: int = 14  # log2 of the entries of a hashed level
    feature_base: int = 24  # lattice resolution of the first level
    feature_finest: int = 128  # and of the last

    def __post_init__(self) -> None:
        if self.feature_levels < 1:
            raise ConfigError("feature_levels is at least 1: without a table use nelf-student")
        super().__post_init__()

    def table(self) -> HashLayout:
        levels, log2 = self.feature_levels, self.feature_log2_table
        return HashLayout(levels, log2, self.feature_base, self.feature_finest)
