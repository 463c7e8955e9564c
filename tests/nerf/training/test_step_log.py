"""The log of steps: rows in order, nothing read before it is asked for, nothing kept alive."""

from __future__ import annotations

import torch

from effbench.nerf.training.step_log import StepLog


def test_rows_hold_the_step_and_the_learners_figures() -> None:
    log = StepLog()
    log.add(1, 10, 100, torch.tensor(0.5), {})
    log.add(2, 20, 200, torch.tensor(0.25), {"drawn": torch.tensor(0.125), "n": torch.tensor(7)})
    assert log.take() == [
        {"iteration": 1, "loss": 0.5, "rays": 10, "samples": 100},
        {"iteration": 2, "loss": 0.25, "rays": 20, "samples": 200, "drawn": 0.125, "n": 7.0},
    ]


def test_a_step_is_given_once() -> None:
    log = StepLog()
    log.add(1, 10, 100, torch.tensor(0.5), {})
    log.take()
    assert log.take() == []
    log.add(2, 10, 100, torch.tensor(1.0), {})
    assert [row["iteration"] for row in log.take()] == [2]


def test_a_figure_that_changes_or_is_part_of_something_large_is_copied() -> None:
    large = torch.ones(1000)
    log = StepLog()
    log.add(1, 10, 100, large[3], {})
    large.zero_()
    assert log.take()[0]["loss"] == 1.0
