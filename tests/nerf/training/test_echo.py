"""The host hears of counts late and regularly."""

from __future__ import annotations

import pytest
import torch

from effbench.nerf.training.echo import Echo

CPU = torch.device("cpu")


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
