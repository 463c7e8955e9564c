"""Contracted space: the formula, its inverse, its volumes and its speeds, in double precision."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from effbench.kernels.contraction import Norm, contract, expand, shrinkage, speed

pytestmark = pytest.mark.parametrize("norm", get_args(Norm))


def points(count: int = 200, reach: float = 50.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = reach ** torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return (torch.rand(count, 3, generator=generator, dtype=torch.float64) * 2 - 1) * scale


def jacobians(u: Tensor, norm: Norm) -> Tensor:
    found = [torch.autograd.functional.jacobian(lambda x: contract(x, norm), x) for x in u]
    return 4 * torch.stack(found)


def test_the_inner_cube_or_ball_is_the_middle_and_stays_as_it_is(norm: Norm) -> None:
    inside = points(reach=1.0) / 2
    torch.testing.assert_close(contract(inside, norm), inside / 4 + 0.5)
    assert (shrinkage(inside, norm) == 1).all()


def test_all_of_space_fits_into_the_unit_cube_and_comes_back(norm: Norm) -> None:
    far = points(reach=1e3)
    y = contract(far, norm)
    assert ((y > 0) & (y < 1)).all()
    torch.testing.assert_close(expand(y, norm), far, rtol=1e-6, atol=1e-9)


def test_corners_of_the_cube_have_a_place_too(norm: Norm) -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    places = expand(corners, norm)
    assert places.isfinite().all()
    assert (places.abs().amax(1) > 100).all()


def test_lengths_shrink_by_the_cube_root_of_the_determinant(norm: Norm) -> None:
    u = points(60)
    expected = torch.linalg.det(jacobians(u, norm)).abs() ** (1 / 3)
    torch.testing.assert_close(shrinkage(u, norm), expected, rtol=1e-6, atol=0)


def test_speed_is_that_of_the_contracted_point(norm: Norm) -> None:
    u = points(60)
    directions = torch.nn.functional.normalize(points(60, reach=1.0).flip(0), dim=1)
    moved = (jacobians(u, norm) @ directions[:, :, None])[..., 0]
    torch.testing.assert_close(speed(u, directions, norm), moved.norm(dim=1), rtol=1e-6, atol=0)
