"""A trained method along a camera path, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from effbench.cell.quality import Image, quantise
from effbench.errors import ConfigError
from effbench.method import Method
from effbench.records.maps import ViewMaps
from effbench.scene import Intrinsics

Painter = Callable[[ViewMaps], Image]


def frames(
    method: Method,
    poses: NDArray[np.float32],
    camera: Intrinsics,
    painters: Sequence[Painter] = (),
    times: Sequence[float] | None = None,
) -> Iterator[Image]:
    """Yield the render of each pose [V, 3, 4] as uint8 [H, W, 3], and to its right one picture of
    its maps per painter. times: of each, in a scene that moves. Raises ConfigError for a method
    without maps where they are asked for."""
    for place, pose in enumerate(poses):
        if times is not None:
            method.at(times[place])
        with torch.no_grad():
            image = method.render(torch.from_numpy(pose).to(method.context.device), camera)
        parts = [quantise(image)]
        if painters:
            view = view_maps(method, pose, camera)
            parts += [paint(view) for paint in painters]
        yield np.concatenate(parts, 1)


def view_maps(method: Method, pose: NDArray[np.float32], camera: Intrinsics) -> ViewMaps:
    """Return the maps of one pose [3, 4]. Raises ConfigError for a method that has none."""
    with torch.no_grad():
        found = method.render_maps(torch.from_numpy(pose).to(method.context.device), camera)
    if found is None:
        raise ConfigError(
            f"method '{method.name}' has no maps of depth and opacity: leave out --maps"
        )
    return ViewMaps(found.depth.cpu().numpy(), found.opacity.cpu().numpy())
