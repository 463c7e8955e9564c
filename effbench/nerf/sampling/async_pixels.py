"""Training pixels that stay in the host's memory and are sent ahead of the step they are for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from effbench.kernels.rays import generate_rays
from effbench.nerf.sampling.rays import Aabb, Rays, TrainingPixels
from effbench.scene import Views


class _Drawn(NamedTuple):
    """Pixels of a step: view, row and column (int64 [R]) and colours (uint8 [R, C]), on the device;
    state: of the host's generator behind the draw."""

    view: Tensor
    y: Tensor
    x: Tensor
    colors: Tensor
    state: Tensor


class AsyncPixels(TrainingPixels):
    """Draws as `TrainingPixels` does, a step ahead: a thread gathers the next step's pixels in the
    host's memory and sends them to the device while the step before is computed.

    How many those are is asked one step early. Rays are made on the device, from what was sent.
    With the same numbers of pixels a CPU draws those, and leaves its generator as, the images in
    its own memory do.
    """

    recordable: ClassVar[bool] = False

    def __init__(
        self,
        views: Views,
        aabb: Aabb,
        device: torch.device,
        backend: str,
        seed: Callable[[int], int],
    ) -> None:
        """seed: of what a step draws, by its number."""
        super().__init__(views, aabb, torch.device("cpu"), backend)
        self._device, self._seed = device, seed
        self._poses = self._poses.to(device)
        self._times = None if self._times is None else self._times.to(device)
        self._thread = ThreadPoolExecutor(1, "pixels")
        self._ahead: tuple[int, Future[_Drawn]] | None = None  # a step and its pixels

    def sample(self, count: int, generator: torch.Generator) -> tuple[Rays, Tensor]:
        places = torch.randint(
            self._grid.pixels, (count,), generator=generator, device=generator.device
        )
        return self._with_rays(self._gather(places.cpu(), torch.empty(0)))

    def of_step(self, count: int, generator: torch.Generator, step: int) -> tuple[Rays, Tensor]:
        drawn = self._take(step) or self._draw(count, step)
        self._ahead = (step + 1, self._thread.submit(self._draw, count, step + 1))
        if self._device.type == "cpu":
            generator.set_state(drawn.state)  # the next numbers are not those of this draw
        return self._with_rays(drawn)

    def _take(self, step: int) -> _Drawn | None:
        """Return what was drawn for a step, if it was."""
        ahead, self._ahead = self._ahead, None
        return ahead[1].result() if ahead and ahead[0] == step else None

    def _draw(self, count: int, step: int) -> _Drawn:
        generator = torch.Generator().manual_seed(self._seed(step))
        places = torch.randint(self._grid.pixels, (count,), generator=generator)
        return self._gather(places, generator.get_state())

    def _gather(self, places: Tensor, state: Tensor) -> _Drawn:
        """Return pixels by their places among those of all views, on the device."""
        view, y, x = map(self._sent, self._grid.locate(places))
        colors = self._sent(self._colors.index_select(0, places))
        return _Drawn(view, y, x, colors, state)

    def _sent(self, tensor: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _with_rays(self, drawn: _Drawn) -> tuple[Rays, Tensor]:
        world = generate_rays(
            self._poses, self._intrinsics, drawn.view, drawn.x, drawn.y, self._backend
        )
        times = None if self._times is None else self._times.index_select(0, drawn.view)
        return self._aabb.rays(*world, times), drawn.colors.float() / 255
