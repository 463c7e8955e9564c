"""Where a capture is put: its cameras say what is its middle, its up and its size.

The middle is the point nearest to all optical axes, up the mean of the cameras' own, and the unit
the median distance of a camera from the middle. Nothing of this depends on the order of views or on
the signs that a library gives eigenvectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effbench.scene.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

_PARALLEL = 1e-6  # least eigenvalue of the mean of I − d·dᵀ: axes that meet nowhere


@dataclass(frozen=True)
class Similarity:
    """x ↦ scale · rotation · (x − centre)."""

    rotation: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float

    def of_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points [P, 3] where they are put."""
        moved: NDArray[np.float64] = self.scale * (points - self.centre) @ self.rotation.T
        return moved

    def of_poses(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return camera to world poses [V, 3, 4] where they are put; rotations stay rotations."""
        turned = self.rotation @ poses[:, :, :3]
        return np.concatenate([turned, self.of_points(poses[:, :, 3])[:, :, None]], 2)


def similarity(poses: NDArray[np.float64]) -> Similarity:
    """Return what puts a capture's middle at the origin, its up along +z, and its median camera at
    distance 1. poses: float64 [V, 3, 4] camera to world, OpenGL axes."""
    eyes = poses[:, :, 3]
    centre = _focus(poses)
    distance = float(np.median(np.linalg.norm(eyes - centre, axis=1)))
    scale = 1 / distance if distance > 1e-9 else 1.0  # a single camera, or all in one place
    return Similarity(_upright(poses[:, :, 1].mean(0)), centre, scale)


def _focus(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the point nearest to all optical axes; where these are parallel, the mean camera."""
    axes, eyes = poses[:, :, 2], poses[:, :, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    total = across.mean(0)
    if np.linalg.eigvalsh(total)[0] < _PARALLEL:
        mean: NDArray[np.float64] = eyes.mean(0)
        return mean
    nearest: NDArray[np.float64] = np.linalg.solve(total, (across @ eyes[..., None]).mean(0)[:, 0])
    return nearest


def _upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shortest rotation that turns a direction to +z; none where there is no up."""
    length = float(np.linalg.norm(up))
    if length < 1e-6:
        return np.eye(3)
    x, y, z = up / length
    if z < -1 + 1e-9:  # straight down: half a turn about x
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0.0]])
    turn: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1 + z)
    return turn
