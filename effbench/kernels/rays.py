"""Pixels to rays: the pinhole camera, and spherical harmonics of ray directions."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.scene import Intrinsics

SH_WIDTH = 16


def generate_rays(
    poses: Tensor,
    intrinsics: Intrinsics,
    view: Tensor,
    x: Tensor,
    y: Tensor,
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Return world-space origins and unit directions, both float32 [R, 3], through pixel centres.

    poses: float32 [V, 3, 4] camera to world, OpenGL axes; view, x, y: int64 [R].
    """
    chosen = resolve(backend, poses.device)
    pinhole = (intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy)
    if chosen == "triton":
        from effbench.kernels.gpu import rays as gpu

        origins, directions = poses.new_empty(len(view), 3), poses.new_empty(len(view), 3)
        view, x, y = (i.contiguous() for i in (view, x, y))
        gpu.generate(poses.contiguous(), pinhole, view, x, y, origins, directions)
        return origins, directions
    if chosen == "cpu":
        from effbench.kernels.cpu import rays as cpu

        origins, directions = torch.empty(len(view), 3), torch.empty(len(view), 3)
        arrays = [tensor.numpy() for tensor in (view, x, y, origins, directions)]
        cpu.generate(poses.numpy(), *pinhole, *arrays)
        return origins, directions
    camera = torch.stack(
        [
            (x + 0.5 - intrinsics.cx) / intrinsics.fx,
            -(y + 0.5 - intrinsics.cy) / intrinsics.fy,
            torch.full(x.shape, -1.0, device=x.device),
        ],
        -1,
    ).to(poses.dtype)
    pose = poses[view]
    directions = (pose[:, :, :3] @ camera[:, :, None])[..., 0]
    return pose[:, :, 3], directions / directions.norm(dim=-1, keepdim=True)


def spherical_harmonics(
    directions: Tensor, backend: str = "auto", kind: torch.dtype | None = None
) -> Tensor:
    """Return the real spherical harmonics of degree < 4 of unit `directions`: [R, 3] → [R, 16].

    kind: the type of the result, else that of `directions`. Order and signs as in Müller et al.
    2022 (tiny-cuda-nn's SphericalHarmonics encoding). Only the definition is differentiable, so it
    is taken where `directions` need a gradient; the CPU's kernel computes in float32.
    """
    chosen = "reference" if directions.requires_grad else resolve(backend, directions.device)
    if chosen == "cpu" and directions.dtype == torch.float32:
        from effbench.kernels.cpu import rays as cpu

        harmonics = directions.new_empty(len(directions), SH_WIDTH)
        cpu.all_harmonics(directions.contiguous().numpy(), harmonics.numpy())
        return harmonics.to(kind or directions.dtype)
    if chosen == "triton":
        from effbench.kernels.gpu import rays as gpu

        harmonics = directions.new_empty(len(directions), SH_WIDTH, dtype=kind or directions.dtype)
        gpu.spherical_harmonics(directions.contiguous(), harmonics)
        return harmonics
    x, y, z = directions.unbind(-1)
    xx, yy, zz, xy, yz, xz = x * x, y * y, z * z, x * y, y * z, x * z
    return torch.stack(
        [
            torch.full_like(x, 0.28209479177387814),
            -0.48860251190291987 * y,
            0.48860251190291987 * z,
            -0.48860251190291987 * x,
            1.0925484305920792 * xy,
            -1.0925484305920792 * yz,
            0.94617469575755997 * zz - 0.31539156525251999,
            -1.0925484305920792 * xz,
            0.54627421529603959 * (xx - yy),
            0.59004358992664352 * y * (yy - 3 * xx),
            2.8906114426405538 * xy * z,
            0.45704579946446572 * y * (1 - 5 * zz),
            0.3731763325901154 * z * (5 * zz - 3),
            0.45704579946446572 * x * (1 - 5 * zz),
            1.4453057213202769 * z * (xx - yy),
            0.59004358992664352 * x * (3 * yy - xx),
        ],
        -1,
    ).to(kind or directions.dtype)
