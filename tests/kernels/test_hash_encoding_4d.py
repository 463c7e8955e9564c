"""Hash encoding with a fourth axis: linear between vertices, right gradients, rows in range."""

from __future__ import annotations

import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels.hash_encoding_4d import HashLayout4D, hash_encode_4d, hash_encode_4d_reference

DENSE, HASHED = HashLayout4D(2, 14, 3, 6, 2, 4), HashLayout4D(3, 7, 4, 32, 2, 8)


def table(layout: HashLayout4D) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(layout.rows, 2, generator=generator, dtype=torch.float64)


def points(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("layout", [DENSE, HASHED])
def test_it_is_differentiable_in_both(layout: HashLayout4D) -> None:
    at, entries = points(6).requires_grad_(), table(layout).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, t: hash_encode_4d_reference(p, t, layout), (at, entries)
    )


@pytest.mark.parametrize("layout", [DENSE, HASHED])
def test_a_table_of_one_value_gives_it_everywhere(layout: HashLayout4D) -> None:
    entries = torch.full((layout.rows, 2), 3.0, dtype=torch.float64)
    corners = torch.tensor([[0.0] * 4, [1.0] * 4, [0.0, 1.0, 0.0, 1.0]], dtype=torch.float64)
    found = hash_encode_4d_reference(torch.cat([points(20), corners]), entries, layout)
    torch.testing.assert_close(found, torch.full((23, layout.width), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("layout", [DENSE, HASHED])
def test_the_kernel_does_as_the_definition(layout: HashLayout4D) -> None:
    weights = torch.linspace(-1, 1, layout.width)
    found = []
    for encode in (hash_encode_4d, hash_encode_4d_reference):
        at, entries = points(3000).float().requires_grad_(), table(layout).float().requires_grad_()
        features = encode(at, entries, layout)
        (features * weights).sum().backward()
        found.append((features.detach(), at.grad, entries.grad))
    for kernel, definition in zip(*found, strict=True):
        torch.testing.assert_close(kernel, definition, rtol=1e-4, atol=1e-3)


def test_dense_vertices_are_each_their_own() -> None:
    side, depth = DENSE.strides[0]
    assert DENSE.sizes[0] == side**3 * depth
    entries = torch.zeros(DENSE.rows, 2, dtype=torch.float64)
    entries[: DENSE.sizes[0]] = torch.arange(DENSE.sizes[0], dtype=torch.float64)[:, None]
    scale = torch.tensor([*[DENSE.scales[0][0]] * 3, DENSE.scales[0][1]], dtype=torch.float64)
    vertex = torch.tensor([[1, 2, 1, 1]], dtype=torch.float64)
    found = hash_encode_4d_reference((vertex - 0.5) / scale, entries, DENSE)[0, 0]
    assert float(found) == pytest.approx(1 + side * (2 + side * (1 + side * 1)))


def test_layouts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="from 4 to 8 and 3 to 2"):
        HashLayout4D(2, 8, 4, 8, 3, 2)
