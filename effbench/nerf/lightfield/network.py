"""The network of a neural light field: encoded rays of a coarse grid in, a full image out.

MobileR2L (Cao et al. 2023, *Real-Time Neural Light Field on Mobile Devices*): 1×1 convolutions,
which are one small MLP applied to every ray of a grid, then stages of super-resolution that each
double the image's sides. Notation: V views, h×w rays, H×W = s·h × s·w pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.lightfield.features import PointFeatures


@dataclass(frozen=True)
class NeLFStage:
    """One stage of super-resolution: its channels, and those inside each of its blocks."""

    width: int
    inner: tuple[int, ...]


@dataclass(frozen=True)
class NeLFShape:
    """Channels of every layer, so that a pruned network has a shape like any other.

    points: samples per ray; frequencies: of their position encoding (with the identity);
    width: channels of the residual stream; inner: channels inside each residual block;
    stages: of super-resolution, first to last; table: of learned features of the points, or none.
    """

    points: int
    frequencies: int
    width: int
    inner: tuple[int, ...]
    stages: tuple[NeLFStage, ...]
    table: HashLayout | None = None

    @classmethod
    def regular(
        cls,
        *,
        points: int = 8,
        frequencies: int = 6,
        width: int = 256,
        depth: int = 60,
        sr_widths: tuple[int, ...] = (64, 64, 16),
        sr_blocks: int = 2,
        table: HashLayout | None = None,
    ) -> NeLFShape:
        """Return an unpruned shape; the defaults are MobileR2L's D60-SR3 of 4,305,539 parameters.

        depth: layers as the paper counts them: the first and the last, and two in each block.
        sr_widths: channels of the stages of super-resolution; sr_blocks: blocks in each.
        Raises ValueError for a depth that is odd or below 2, or for counts below one.
        """
        if depth < 2 or depth % 2:
            raise ValueError(f"depth={depth}: a first and a last layer and two per block are even")
        if min(points, width, *sr_widths, 1) < 1 or min(frequencies, sr_blocks) < 0:
            raise ValueError("points, width and sr_widths are at least 1, other counts at least 0")
        stages = tuple(NeLFStage(w, (w,) * sr_blocks) for w in sr_widths)
        return cls(points, frequencies, width, (width,) * ((depth - 2) // 2), stages, table)

    @property
    def channels(self) -> int:
        """Channels of an encoded ray: 312 for 8 points and 6 frequencies."""
        return 3 * self.points * (1 + 2 * self.frequencies)

    @property
    def inputs(self) -> int:
        """Channels of the first layer's input: an encoded ray and the features of its points."""
        features = self.table.width if self.table is not None else 0
        return self.channels + self.points * features

    @property
    def scale(self) -> int:
        """Pixels per ray along each side of the image, s."""
        return 1 << len(self.stages)


D60_SR3 = NeLFShape.regular()


class ResidualBlock(nn.Module):
    """x + [1×1 convolution, BN, GELU, 1×1 convolution, BN](x)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width, inner, 1)
        self.enter_norm = nn.BatchNorm2d(inner)
        self.leave = nn.Conv2d(inner, width, 1)
        self.leave_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.enter_norm(self.enter(x)))
        out: Tensor = x + self.leave_norm(self.leave(hidden))
        return out


class NeLFNetwork(nn.Module):
    """Encoded rays [V, C, h, w] to colours [V, 3, s·h, s·w] in [0, 1]; C = `shape.channels`."""

    def __init__(self, shape: NeLFShape) -> None:
        super().__init__()
        self.shape = shape
        self.features: nn.Module = nn.Identity()
        if shape.table is not None:
            self.features = PointFeatures(shape.points, shape.table)
        self.head = nn.Conv2d(shape.inputs, shape.width, 1)
        self.body = nn.Sequential(*(ResidualBlock(shape.width, inner) for inner in shape.inner))
        stages: list[nn.Module] = []
        width = shape.width
        for stage in shape.stages:
            up = nn.ConvTranspose2d(width, stage.width, kernel_size=4, stride=2, padding=1)
            blocks = (ResidualBlock(stage.width, inner) for inner in stage.inner)
            stages.append(nn.Sequential(up, *blocks))
            width = stage.width
        self.stages = nn.Sequential(*stages)
        self.tail = nn.Conv2d(width, 3, 1)

    def forward(self, rays: Tensor) -> Tensor:
        return self.decode(self.features(rays))

    def decode(self, inputs: Tensor) -> Tensor:
        """Return the image of rays whose points' features are known: [V, `shape.inputs`, h, w]."""
        x = nn.functional.gelu(self.head(inputs))
        x = self.stages(x + self.body(x))
        return torch.sigmoid(self.tail(x))


def shape_of(state: Mapping[str, Tensor], full: NeLFShape) -> NeLFShape:
    """Return the shape of the network whose `state_dict` is `state`, pruned or not.

    full: the shape before any pruning, which says how rays are encoded.
    """

    def inner(prefix: str, first: int) -> tuple[int, ...]:
        found: list[int] = []
        while (weight := state.get(f"{prefix}.{first + len(found)}.enter.weight")) is not None:
            found.append(weight.shape[0])
        return tuple(found)

    stages: list[NeLFStage] = []
    while (up := state.get(f"stages.{len(stages)}.0.weight")) is not None:
        prefix = f"stages.{len(stages)}"
        stages.append(NeLFStage(up.shape[1], inner(prefix, 1)))
    width = state["head.weight"].shape[0]
    return replace(full, width=width, inner=inner("body", 0), stages=tuple(stages))


def build(shape: NeLFShape, seed: int) -> NeLFNetwork:
    """Return a network whose weights `seed` alone decides, ready to be trained.

    The last scale of each block starts at zero, so that a block starts as the identity
    (Goyal et al. 2017, section 5.1): deep networks learn from the first step on.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NeLFNetwork(shape)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            nn.init.zeros_(block.leave_norm.weight)
    return network


def network_of(state: Mapping[str, Tensor], unpruned: NeLFShape) -> NeLFNetwork:
    """Return the network, pruned or not, that a method shipped as `state`; unpruned: the shape it
    started with."""
    network = NeLFNetwork(shape_of(state, unpruned))
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    return network
