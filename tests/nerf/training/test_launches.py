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
from effbench.nerf.training import RadianceFieldMethod, fixed_step
from effbench.nerf.training.fixed_step import FixedStep
from effbench.planning.registry import discover
from tests.fake_cuda import DEVICE, FakeCuda
from tests.nerf_scene import SMALL, context
from tests.without_values import Launches, as_if_interpreted, launches, to_meta

CAPACITY = Capacity(rays=256, marched=4096, kept=2304, drawn=2304)
MOST = {  # by torch, by Triton
    "instant-ngp": (36, 23),
    "hsm": (70, 22),
    "low-weight": (48, 23),
    "error-map": (85, 23),
}
# In buffers of fixed size as well, before kernels of their own took over what eager torch did in
# many; without the report of the step.
BEFORE = {"instant-ngp": 138, "hsm": 220}


def launched(name: str, **params: Any) -> Counter[str]:
    """Return how often one step of a method launches what, without its optimiser."""
    return step_of(name, **params).counts


def step_of(name: str, **params: Any) -> Launches:
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
    return found


@pytest.mark.parametrize("name", MOST)
def test_a_step_launches_no_more_than_that(name: str) -> None:
    counts = launched(name)
    triton = sum(n for launch, n in counts.items() if launch.startswith("triton "))
    by_name = "\n".join(f"{n:4} {launch}" for launch, n in counts.most_common())
    by_torch, by_triton = MOST[name]
    assert counts.total() - triton <= by_torch, by_name
    assert triton <= by_triton, by_name


@pytest.mark.parametrize("name", BEFORE)
def test_a_step_launches_at_most_half_of_what_it_did(name: str) -> None:
    assert 2 * launched(name).total() <= BEFORE[name]


@pytest.mark.parametrize("compaction", ["transmittance", "low-weight", "none"])
def test_each_network_is_evaluated_once(compaction: str) -> None:
    """Where samples are dropped by their density, the density of those that stay is known."""
    counts = launched("instant-ngp", compaction=compaction)
    forward = sum(n for launch, n in counts.items() if launch.endswith("mlp._forward"))
    assert forward == 2, counts  # density and colour


# the learning rate, the step's figures into the log, and what the host is told
OUTSIDE = {"fill_": 1, "copy_": 1, "clone": 1}


def test_little_is_launched_outside_of_a_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording of nothing is replayed, so that what is launched is not part of it."""
    kind = discover([]).method("instant-ngp")
    own = {**SMALL, "buffers": "fixed", "precision": "fp32"}
    method = kind(build(kind.Config, own, "instant-ngp"), context(backend="reference"))
    assert isinstance(method, RadianceFieldMethod)
    assert method.fixed
    cuda = FakeCuda(monkeypatch)
    recorder = fixed_step._recorder(method.fixed.method, DEVICE)
    method.fixed = FixedStep(method, 128, 1 << 18, recorder)
    fixed_step._keep_rates_on_device(method.optimizer, method.device)
    for _ in range(12):
        method.step(0.5)
    cuda.calls.clear()
    with Launches(strict=False) as found:
        method.step(0.5)
    assert cuda.calls == ["default: replay"]
    assert found.counts == OUTSIDE
