"""All of space in a cube: beyond an inner cube it is contracted (Barron et al. 2022, eq. 10).

Notation: u are coordinates in which the inner cube is [−1, 1]³, m = max(1, ‖u‖). Contracted
y = u·(2 − 1/m)/m has ‖y‖ < 2, and the field's unit cube is (y + 2)/4. The norm is the largest
coordinate's, "linf", which leaves no corner of the cube unused, or the Euclidean, "l2", of the
paper. J is the Jacobian of y.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]

_EDGE = 1e-4  # of the cube, which is infinitely far away


def contract(u: Tensor, norm: Norm = "linf") -> Tensor:
    """Return where points [..., 3] lie in the field's unit cube."""
    m = reach(u, norm)
    return (u * ((2 - 1 / m) / m) + 2) / 4


def expand(position: Tensor, norm: Norm = "linf") -> Tensor:
    """Return the points u [..., 3] of positions in the field's unit cube: `contract`'s inverse.

    Positions that no point has (on the cube's faces, or outside of the L2 ball) are taken for the
    outermost ones in their direction.
    """
    y = 4 * position - 2
    n = reach(y, norm)
    inside = n.clamp_max(2 - 4 * _EDGE)
    return y / (n * (2 - inside))


def shrinkage(u: Tensor, norm: Norm = "linf") -> Tensor:
    """Return by how much lengths at points [..., 3] shrink, without the unit cube's quarter, as a
    ball there would: ∛det J = ((2m − 1)² / m⁶)^⅓, 1 in the inner cube."""
    m = reach(u, norm)[..., 0]
    shrunk: Tensor = (2 * m - 1) ** (2 / 3) / m**2
    return shrunk


def speed(u: Tensor, directions: Tensor, norm: Norm = "linf") -> Tensor:
    """Return ‖J d‖ [...] of unit directions [..., 3] at points [..., 3]: how fast y changes along
    a ray.

    Beyond the inner cube J d = a·d + b·ṁ·u, with a = (2m − 1)/m², b = 2(1 − m)/m³ and ṁ how fast
    the norm grows along the ray.
    """
    m = reach(u, norm)
    if norm == "linf":
        axis = u.abs().argmax(-1, keepdim=True)
        growth = u.gather(-1, axis).sign() * directions.gather(-1, axis)
    else:
        growth = (u * directions).sum(-1, keepdim=True) / m
    moved = (2 * m - 1) / m**2 * directions + 2 * (1 - m) / m**3 * growth * u
    length: Tensor = torch.linalg.vector_norm(moved, dim=-1)
    return length


def reach(u: Tensor, norm: Norm) -> Tensor:
    """Return m [..., 1], which is 1 inside of the inner cube."""
    length = u.abs().amax(-1, keepdim=True) if norm == "linf" else u.norm(dim=-1, keepdim=True)
    return length.clamp_min(1)
