"""Fewer threads for a while."""

from __future__ import annotations

import numba
import torch

from effbench.machine import threads


def counts() -> tuple[int, int]:
    return torch.get_num_threads(), numba.get_num_threads()


def test_threads_are_limited_while_the_context_lasts() -> None:
    before = counts()
    with threads.at_most(1):
        assert counts() == (1, 1)
        with threads.at_most(64):
            assert counts() == (1, 1), "a limit is not a wish"
    assert counts() == before
