"""The ray count follows the samples without the host; the host hears of it late and regularly."""

from __future__ import annotations

import pytest
import torch

from effbench.nerf.training.controller import Echo, RayController

CPU = torch.device("cpu")


def controller(first: int, target: int = 1000, marched: int = 10**6) -> RayController:
    return RayController(first, target, marched, 1 << 18, CPU)


def steer(control: RayController, rays: int, complete: int, marched: int, kept: int) -> float:
    return float(control.steer(*map(torch.tensor, (rays, complete, marched, kept))))


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
    control = controller(100)
    growth = steer(control, 100, complete, kept, kept)
    assert int(control.count) == expected
    assert growth == pytest.approx(expected / 100)


def test_samples_before_compaction_limit_it_too() -> None:
    control = controller(100, target=1000, marched=4000)
    steer(control, 100, 100, 3200, 10)  # 32 marched per ray
    assert int(control.count) == 125


def test_it_converges_whatever_a_ray_needs() -> None:
    for per_ray in (1, 7, 300):
        control = controller(128, target=24_576)
        for _ in range(12):
            rays = int(control.count)
            steer(control, rays, rays, rays * per_ray, rays * per_ray)
        assert int(control.count) * per_ray == pytest.approx(24_576, abs=per_ray)


def test_the_host_hears_two_steps_late_of_every_step() -> None:
    echo = Echo([7], CPU)
    heard = []
    for step in range(5):
        heard.append(echo.read()[0])
        echo.send(torch.tensor([step]))
    assert heard == [7, 7, 0, 1, 2]


def test_a_look_at_the_latest_changes_nothing() -> None:
    echo = Echo([7], CPU)
    assert echo.latest() == [7]
    heard = []
    for step in range(5):
        heard.append(echo.read()[0])
        echo.send(torch.tensor([step]))
        assert echo.latest() == [step]
    assert heard == [7, 7, 0, 1, 2]


def test_what_was_sent_does_not_change_any_more() -> None:
    echo, values = Echo([0], CPU), torch.tensor([1])
    echo.send(values)
    values.fill_(2)
    assert echo.latest() == [1]


@pytest.mark.gpu
def test_on_a_gpu_as_well() -> None:
    device = torch.device("cuda")
    echo, values = Echo([7], device), torch.zeros(1, dtype=torch.int64, device=device)
    heard = []
    for step in range(5):
        heard.append(echo.read()[0])
        values.fill_(step)
        echo.send(values)
    assert heard == [7, 7, 0, 1, 2]
    assert echo.latest() == [4]
