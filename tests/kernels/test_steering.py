"""The ray count follows the samples, and the host is told what the next step will need."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from effbench.kernels.steering import Limits, Step, steer

ROOM = 200  # rays


def offsets(complete: int, samples: int) -> torch.Tensor:
    """Return offsets of rays of which the first ones have so many samples."""
    found = torch.full((ROOM + 1,), samples + 7)
    found[: complete + 1] = torch.linspace(0, samples, complete + 1).long() if complete else 0
    return found


def steered(
    rays: int, complete: int, marched: int, kept: int, limits: Limits | None = None, **more: Any
) -> tuple[int, dict[str, float]]:
    """Return the next step's rays, and all that is told."""
    limits = limits or Limits(1000, 10**6, 1 << 18)
    step = Step(
        torch.tensor(complete),
        offsets(complete, marched),
        offsets(complete, kept),
        torch.tensor(0.25),
        *(
            None if x is None else torch.tensor(x)
            for x in (more.get("wanted"), more.get("figures"))
        ),
    )
    figures = [f"figure {i}" for i in range(len(more.get("figures") or []))]
    count = torch.tensor(rays)
    counts, values = torch.zeros(4).long(), torch.zeros(4 + len(figures))
    steer(count, step, limits, counts, values)
    names = ("rays", "marched", "drawn", "kept", "loss", "were", "samples", *figures, "dropped")
    return int(count), dict(zip(names, [*counts.tolist(), *values.tolist()], strict=True))


@pytest.mark.parametrize(
    ("complete", "kept", "expected"),
    [
        (100, 800, 125),  # 8 samples per ray
        (80, 640, 125),  # 20 rays were cut off: what they would have needed does not matter
        (100, 10, 200),  # at most doubled
        (100, 10**5, 64),  # 100 / 2, but 64 at least
        (0, 0, 64),  # not one ray complete: half, 64 at least
        (100, 0, 200),  # nothing is met
    ],
)
def test_a_count_from_the_complete_rays(complete: int, kept: int, expected: int) -> None:
    rays, told = steered(100, complete, kept, kept)
    assert rays == told["rays"] == expected


def test_samples_before_compaction_limit_it_too() -> None:
    assert steered(100, 100, 3200, 10, Limits(1000, 4000, 1 << 18))[0] == 125  # 32 per ray


def test_it_has_an_end() -> None:
    assert steered(100, 100, 10, 10, Limits(1000, 10**6, 130))[0] == 130


@pytest.mark.parametrize("per_ray", [8, 11, 20])
def test_it_converges_whatever_a_ray_needs(per_ray: int) -> None:
    rays = 128
    for _ in range(8):
        rays, _ = steered(rays, rays, rays * per_ray, rays * per_ray, Limits(1500, 10**6, ROOM))
    assert rays * per_ray == pytest.approx(1500, abs=per_ray)


def test_the_host_is_told_what_the_next_step_will_need() -> None:
    rays, told = steered(100, 80, 1600, 640)
    assert (rays, told["marched"]) == (125, 2500)  # 20 per ray that was complete
    assert told["kept"] == 640
    assert told["drawn"] == 2000  # more than any buffer holds: nobody chooses


@pytest.mark.parametrize(
    ("wanted", "drawn"), [(300.0, 375), (math.nan, 0), (math.inf, 0), (-math.inf, 0)]
)
def test_a_learner_that_chooses_is_expected_to_grow_alike(wanted: float, drawn: int) -> None:
    assert steered(100, 80, 1600, 640, wanted=wanted)[1]["drawn"] == drawn


def test_the_step_is_reported() -> None:
    _, told = steered(100, 80, 1600, 640, figures=[0.5, 3.0])
    assert [told[name] for name in ("loss", "were", "samples")] == [0.25, 100, 640]
    assert [told[name] for name in ("figure 0", "figure 1")] == [0.5, 3.0]
    assert told["dropped"] == pytest.approx(0.2)


def test_rays_beyond_the_buffers_were_not_in_the_step() -> None:
    rays, told = steered(250, ROOM, 1600, 1600)
    assert (rays, told["were"], told["dropped"]) == (125, ROOM, 0)
