"""Steering in Triton equals the definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from effbench.kernels.steering import Limits, Step, steer

ROOM = 256


def steered(device: torch.device, backend: str, **about: Any) -> list[Tensor]:
    """Return the rays of the next step, counts and values."""

    def offsets(per_ray: float) -> Tensor:
        return (torch.arange(ROOM + 1, device=device) * per_ray).long()

    def number(value: float | list[float] | None) -> Tensor | None:
        return None if value is None else torch.tensor(value, device=device)

    complete, loss = (torch.tensor(about[name], device=device) for name in ("complete", "loss"))
    more = number(about.get("wanted")), number(about.get("figures"))
    step = Step(complete, offsets(about["marched"]), offsets(about["kept"]), loss, *more)
    rays = torch.tensor(about["rays"], device=device)
    counts = torch.zeros(4, dtype=torch.int64, device=device)
    values = torch.zeros(4 + len(about.get("figures", [])), device=device)
    steer(rays, step, Limits(3000, 20_000, 4096), counts, values, backend)
    return [rays, counts, values]


CASES: list[dict[str, Any]] = [
    {"rays": 200, "complete": 200, "marched": 31.5, "kept": 9.3, "loss": 0.125},
    {"rays": 200, "complete": 0, "marched": 31.5, "kept": 9.3, "loss": math.nan},
    {"rays": 200, "complete": 77, "marched": 120.5, "kept": 0.0, "loss": 0.5},
    {"rays": 9000, "complete": 256, "marched": 3.0, "kept": 3.0, "loss": 0.5},
    {"rays": 65, "complete": 65, "marched": 1000.0, "kept": 900.0, "loss": 0.5},
]
LEARNERS: list[dict[str, Any]] = [
    {},
    {"wanted": 812.5, "figures": [0.5, 0.25, 2.0]},
    {"wanted": math.nan, "figures": [math.nan]},
    {"wanted": math.inf, "figures": [1.0, 2.0, 3.0, 4.0, 5.0]},
]


@pytest.mark.parametrize("learner", LEARNERS, ids=["all", "chooses", "nan", "infinite"])
@pytest.mark.parametrize("case", CASES, ids=["full", "none", "met", "beyond", "least"])
def test_the_count_and_what_is_told(
    device: torch.device, case: dict[str, Any], learner: dict[str, Any]
) -> None:
    found = steered(device, "triton", **case, **learner)
    expected = steered(device, "reference", **case, **learner)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=0, equal_nan=True)
