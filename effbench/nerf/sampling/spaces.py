"""Spaces: how the field's unit cube lies in a scene, and how rays go through it.

A box is the cube. A scene that goes on beyond its middle is seen whole where space is contracted
into the cube, or up to the largest of cascades of boxes, through which steps grow with the distance
(Müller et al. 2022, appendix E; torch-ngp). Rays are in the coordinates of `Aabb`, samples in the
field's cube, and the lengths that they stand for as well.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.contracted_marching import march_contracted, step_at
from effbench.kernels.contraction import Norm, contract, expand
from effbench.kernels.marching import march
from effbench.kernels.samples import Samples
from effbench.nerf.sampling.contraction import ContractedChords, Spacing
from effbench.nerf.sampling.histograms import Chords
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.scene import Scene

Kind = Literal["auto", "box", "contracted", "cascades"]


@dataclass(frozen=True)
class SpaceOptions:
    """What a method's Config says of space. kind: "auto" is contracted for scenes that go on
    beyond their middle, and a box for others; norm: of the contraction; spacing: of samples that
    are a fixed number per ray, in contracted space; cone: growth of a step with the distance in
    cascades."""

    kind: Kind = "auto"
    norm: Norm = "linf"
    spacing: Spacing = "disparity"
    cone: float = 0.0

    @classmethod
    def of(cls, config: object) -> SpaceOptions:
        """Return what the parameters `space`, `norm`, `spacing` and `cone` of a method's Config
        say, as far as it has them; a Config without `space` means a box."""
        names = [name for name in ("norm", "spacing", "cone") if hasattr(config, name)]
        return cls(
            getattr(config, "space", "box"), **{name: getattr(config, name) for name in names}
        )


@dataclass(frozen=True)
class Space(ABC):
    """aabb: the coordinates of rays."""

    aabb: Aabb

    @property
    @abstractmethod
    def name(self) -> str:
        """What a record calls it."""

    @property
    def cascades(self) -> int:
        """How many grids of cells it has. Default: 1."""
        return 1

    @abstractmethod
    def march(
        self,
        rays: Rays,
        near: Tensor,
        bits: Tensor,
        resolution: int,
        step: float,
        jitter: Tensor,
        limit: int,
        backend: str,
        capacity: int | None = None,
    ) -> Samples:
        """Place at most `limit` samples per ray in the occupied cells of a grid
        (`effbench.kernels.marching`), positions and lengths in the field's cube."""

    @abstractmethod
    def ahead(self, rays: Rays, t: Tensor, step: float, resolution: int) -> Tensor:
        """Return how far behind a sample at t [R] of each ray the next one would be, [R]."""

    def chords(self, rays: Rays) -> Chords:
        """Return the part of rays on which a fixed number of samples lie. Default: in the cube."""
        return Chords.of(rays, self.aabb)

    def in_field(self, length: float) -> float:
        """Return a length of the innermost cells in the field's cube. Default: as it is."""
        return length

    def locate(self, positions: Tensor) -> Tensor:
        """Return points [N, 3], in the coordinates of rays, of positions in the field's cube."""
        return positions

    def place(self, points: Tensor) -> Tensor:
        """Return positions [N, 3] in the field's cube of points in the coordinates of rays."""
        return points


class Box(Space):
    """The field's cube is the scene's."""

    @property
    def name(self) -> str:
        return "box"

    def march(
        self,
        rays: Rays,
        near: Tensor,
        bits: Tensor,
        resolution: int,
        step: float,
        jitter: Tensor,
        limit: int,
        backend: str,
        capacity: int | None = None,
    ) -> Samples:
        where = (rays.origins, rays.directions, near, bits, resolution)
        return march(*where, step, jitter, limit, self.aabb.far, backend, capacity)

    def ahead(self, rays: Rays, t: Tensor, step: float, resolution: int) -> Tensor:
        return torch.full_like(t, step)


@dataclass(frozen=True)
class Contracted(Space):
    """All of space, contracted beyond an inner cube (`effbench.kernels.contraction`)."""

    norm: Norm = "linf"
    spacing: Spacing = "disparity"

    @property
    def name(self) -> str:
        return f"contracted, {self.norm}"

    def march(
        self,
        rays: Rays,
        near: Tensor,
        bits: Tensor,
        resolution: int,
        step: float,
        jitter: Tensor,
        limit: int,
        backend: str,
        capacity: int | None = None,
    ) -> Samples:
        where = (rays.origins, rays.directions, near, bits, resolution)
        return march_contracted(
            *where, step, jitter, limit, self.aabb.far, self.norm, backend, capacity
        )

    def ahead(self, rays: Rays, t: Tensor, step: float, resolution: int) -> Tensor:
        u = 2 * (rays.origins + t[:, None] * rays.directions) - 1
        return step_at(u, rays.directions, step, self.norm)

    def chords(self, rays: Rays) -> Chords:
        return ContractedChords.through(rays, self.aabb, self.norm, self.spacing)

    def locate(self, positions: Tensor) -> Tensor:
        return (expand(positions, self.norm) + 1) / 2

    def place(self, points: Tensor) -> Tensor:
        return contract(2 * points - 1, self.norm)


@dataclass(frozen=True)
class Cascades(Space):
    """Boxes of twice the side each around the inner one; the field's cube is the outermost."""

    count: int = 1
    cone: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.count} cascades, cone {self.cone:g}"

    @property
    def cascades(self) -> int:
        return self.count

    def march(
        self,
        rays: Rays,
        near: Tensor,
        bits: Tensor,
        resolution: int,
        step: float,
        jitter: Tensor,
        limit: int,
        backend: str,
        capacity: int | None = None,
    ) -> Samples:
        found = march(
            *(rays.origins, rays.directions, near, bits, resolution, step, jitter, limit),
            *(self.aabb.far, backend, capacity, self.count, self.cone),
            self.longest(step, resolution),
        )
        positions = (found.positions - 0.5) / self._extent + 0.5
        return replace(found, positions=positions, deltas=found.deltas / self._extent)

    def ahead(self, rays: Rays, t: Tensor, step: float, resolution: int) -> Tensor:
        return (t * self.cone).clamp(step, self.longest(step, resolution))

    def chords(self, rays: Rays) -> Chords:
        raise ConfigError(
            "samples that are a fixed number per ray do not go through cascades: use "
            "space=contracted or space=box"
        )

    def in_field(self, length: float) -> float:
        return length / self._extent

    def locate(self, positions: Tensor) -> Tensor:
        return (positions - 0.5) * self._extent + 0.5

    def place(self, points: Tensor) -> Tensor:
        return (points - 0.5) / self._extent + 0.5

    @property
    def _extent(self) -> int:
        return 1 << (self.count - 1)

    def longest(self, step: float, resolution: int) -> float:
        """Return the longest step: the diagonal of a cell of the outermost cascade (torch-ngp)."""
        return max(step, math.sqrt(3) * self._extent / resolution)


def build_space(scene: Scene, device: torch.device, options: SpaceOptions) -> Space:
    """Return the space of a scene. Raises ConfigError where the scene has no middle to go beyond,
    and something else than a box is asked for."""
    kind = options.kind
    if kind == "auto":
        kind = "box" if scene.inner is None else "contracted"
    if kind == "box":
        return Box(Aabb.of(scene.box, scene, device))
    if scene.inner is None:
        raise ConfigError(
            f"space={kind} is for scenes that go on beyond their middle; '{scene.name}' is all in "
            "its box: use space=auto or space=box"
        )
    aabb = Aabb.of(scene.inner, scene, device)
    if kind == "contracted":
        return Contracted(aabb, options.norm, options.spacing)
    half = float((scene.box[1] - scene.box[0]).max()) / aabb.side
    return Cascades(aabb, 1 + max(0, math.ceil(math.log2(half) - 1e-6)), options.cone)
