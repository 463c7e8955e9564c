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


def test_thousands_of_steps_need_a_few_blocks_of_memory_and_come_back_in_order() -> None:
    log = StepLog()
    for taken in range(2):  # what was taken leaves its memory to what comes next
        for step in range(5000):
            names = {"figure": torch.tensor(2.0 * step)} if step >= 3000 else {}
            log.add(step, step + 1, step + 2, torch.tensor(float(step)), names)
        assert len(log._blocks) == 5 + bool(taken)  # one of other figures is left from before
        rows = log.take()
        assert [row["loss"] for row in rows] == list(range(5000))
        assert rows[2999] == {"iteration": 2999, "loss": 2999.0, "rays": 3000, "samples": 3001}
        assert rows[-1]["figure"] == 9998.0
        assert len(log._blocks) == 1
    assert log.take() == []
