"""How many launches a recorded step is made of: on a fast GPU that is what its time is made of.

Counted are operations of torch that launch at least one kernel, and Triton's kernels; without the
optimiser's. A change that lowers a number lowers it here; one that raises it has a reason. Versions
of torch differ a little in what an operation is made of.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from effbench.method.config import build
from effbench.nerf.sampling.capacity import Capacity
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning.registry import discover
from tests.nerf_scene import SMALL, context
from tests.without_values import as_if_interpreted, launches, to_meta

CAPACITY = Capacity(rays=256, marched=4096, kept=2304, drawn=2304)
MOST = {  # by torch, by Triton
    "instant-ngp": (36, 23),
    "hsm": (70, 22),
    "low-weight": (48, 23),
    "error-map": (85, 23),
}
# As many it was, counted in the same way, when every part of a step was operations of torch.
UNFUSED = {"instant-ngp": 138, "hsm": 220}


def launched(name: str, **params: Any) -> Counter[str]:
    """Return what one step of a method launches, without its optimiser."""
    kind = discover([]).method(name)
    own = {**SMALL, "buffers": "fixed", "precision": "bf16", **params}
    config = build(kind.Config, own, name)
    with as_if_interpreted():
        method = kind(config, context(backend="triton"))
    assert isinstance(method, RadianceFieldMethod)
    assert method.fixed
    to_meta(method)
    with launches(strict=False):
        method.pixels.refresh()
        method.fixed.work(CAPACITY)
    with launches() as found:
        method.fixed.work(CAPACITY)
    return found.counts


@pytest.mark.parametrize("name", MOST)
def test_a_step_launches_no_more_than_that(name: str) -> None:
    counts = launched(name)
    triton = sum(n for launch, n in counts.items() if launch.startswith("triton "))
    by_name = "\n".join(f"{n:4} {launch}" for launch, n in counts.most_common())
    by_torch, by_triton = MOST[name]
    assert counts.total() - triton <= by_torch, by_name
    assert triton <= by_triton, by_name
    if name in UNFUSED:
        assert 2 * counts.total() <= UNFUSED[name]


@pytest.mark.parametrize("compaction", ["transmittance", "low-weight", "none"])
def test_each_network_is_evaluated_once(compaction: str) -> None:
    """Where samples are dropped by their density, the density of those that stay is known."""
    counts = launched("instant-ngp", compaction=compaction)
    forward = sum(n for launch, n in counts.items() if launch.endswith("mlp._forward"))
    assert forward == 2, counts  # density and colour
