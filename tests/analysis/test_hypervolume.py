"""Hypervolumes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from effbench.analysis.hypervolume import hypervolume


def test_a_staircase_by_hand() -> None:
    # From cost 1 to 10 one decade of 5 dB, from 10 to 1000 two decades of 8 dB.
    assert hypervolume([1.0, 10.0, 100.0], [25.0, 28.0, 26.0], (1000.0, 20.0)) == pytest.approx(21)


def test_what_lies_beyond_the_reference_counts_nothing() -> None:
    assert hypervolume([1e4, 10.0], [40.0, 19.0], (1000.0, 20.0)) == 0.0


def test_order_and_beaten_rows_do_not_matter() -> None:
    reference = (100.0, 20.0)
    plain = hypervolume([1.0, 10.0], [22.0, 25.0], reference)
    assert hypervolume([10.0, 20.0, 1.0], [25.0, 24.0, 22.0], reference) == pytest.approx(plain)


def test_many_draws_at_once_are_each_their_own() -> None:
    rng = np.random.default_rng(0)
    cost, quality = rng.lognormal(0, 1, (7, 4)), rng.normal(25, 2, (7, 4))
    together = hypervolume(cost, quality, (5.0, 20.0))
    apart = [hypervolume(c, q, (5.0, 20.0)) for c, q in zip(cost, quality, strict=True)]
    np.testing.assert_allclose(together, apart)
