"""Layer-wise ratios by sensitivity: by hand, and against every other allocation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from effbench.nerf.compression.allocation import allocate, candidates, measured


def test_layers_that_matter_alike_keep_alike() -> None:
    rises = {name: {8: 0.0, 4: 1.0, 2: 2.0, 1: 4.0} for name in "abc"}
    assert allocate(rises, 12) == {"a": 4, "b": 4, "c": 4}


def test_a_layer_without_effect_loses_first() -> None:
    rises = {"a": {8: 0.0, 4: 0.0, 1: 0.0}, "b": {8: 0.0, 4: 1.0, 1: 3.0}}
    assert allocate(rises, 9) == {"a": 1, "b": 8}
    assert allocate(rises, 16) == {"a": 8, "b": 8}


@pytest.mark.parametrize("total", [4, 7, 11, 15])
def test_no_other_allocation_has_a_smaller_largest_rise(total: int) -> None:
    generator = np.random.default_rng(total)
    rises = {
        name: {k: (6 - k) * float(weight) for k in range(1, 7)}
        for name, weight in zip("abc", generator.random(3), strict=True)
    }
    kept = allocate(rises, total)
    assert sum(kept.values()) == total
    others = itertools.product(range(1, 7), repeat=3)
    best = min(
        max(rises[name][k] for name, k in zip("abc", widths, strict=True))
        for widths in others
        if sum(widths) == total
    )
    assert max(rises[name][k] for name, k in kept.items()) == pytest.approx(best)


def test_an_error_that_falls_with_fewer_neurons_makes_no_layer_narrower_than_a_worse_one() -> None:
    rises = {"a": {4: 0.0, 2: 2.0, 1: 0.5}, "b": {4: 0.0, 2: 1.0, 1: 2.5}}
    assert allocate(rises, 4) == {"a": 2, "b": 2}


def test_rises_are_above_the_whole_networks_error() -> None:
    found = measured({"a": 8}, lambda _, keep: 10.0 - keep, 1.5)
    assert found == {"a": {8: 0.0, **{k: 8.5 - k for k in candidates(8)}}}
    assert candidates(8) == [1, 2, 4, 6]
    assert candidates(1) == []
