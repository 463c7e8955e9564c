"""The memory of the largest step in buffers of fixed size: found without a GPU, by tensors without
values."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from effbench.method.config import build
from effbench.nerf.sampling.capacity import Need, choose
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning.registry import discover
from tests.nerf_scene import context
from tests.without_values import as_if_interpreted, launches, to_meta

MOST_RAYS = 1 << 18
MOMENTS = 2  # of Adam, for each weight; gradients are the step's own
CARDS = {1 << 18: 24e9, 1 << 20: 80e9}  # bytes that are to do for B, the default and published


class Made(TorchDispatchMode):
    """Adds up the bytes of all tensors that are made meanwhile, as if none was freed."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        known = {storage(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        made = [x for x in tree_leaves(found) if isinstance(x, Tensor) and storage(x) not in known]
        self.bytes += sum(x.untyped_storage().nbytes() for x in made)
        return found


def storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def bytes_of_a_step(name: str, samples: int) -> tuple[int, int]:
    """Return the bytes that the largest step of a method makes in all, and those that last from
    step to step, of the defaults of a GPU."""
    kind = discover([]).method(name)
    own = {"samples": samples, "buffers": "fixed", "precision": "bf16"}
    with as_if_interpreted():
        method = kind(build(kind.Config, own, name), context(backend="triton"))
    assert isinstance(method, RadianceFieldMethod)
    assert method.fixed
    to_meta(method)
    endless = Need(rays=10**9, marched=10**9, drawn=10**9)
    capacity = choose(samples, endless, MOST_RAYS, method.fixed.sampler.compacts)
    with launches(strict=False):
        method.fixed.work(capacity)
    with launches(), Made() as made:
        method.fixed.work(capacity)
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    return made.bytes, (1 + MOMENTS) * weights


@pytest.mark.parametrize("samples", CARDS)
@pytest.mark.parametrize("name", ["instant-ngp", "hsm", "low-weight"])
def test_the_largest_step_fits_into_a_card(name: str, samples: int) -> None:
    """Steps run as they are have a cache of their own beside the recordings', so twice."""
    made, lasting = bytes_of_a_step(name, samples)
    assert made > samples * 2 * 16 * 4  # B encodings of 16 levels in float32
    assert 2 * made + lasting <= CARDS[samples]
