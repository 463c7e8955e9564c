"""Neurons shared out among layers: by hand, and against every tolerance tried in turn."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from effbench.nerf.compression.allocation import allocate, candidates, measured

SIZE = 8
RISES = st.lists(st.floats(0, 10), min_size=2, max_size=2)


def test_what_costs_nothing_goes_first() -> None:
    rises = {"a": {2: 0.0, 4: 0.0, 8: 0.0}, "b": {2: 6.0, 4: 4.0, 8: 0.0}}
    # b's r(7) … r(3) are 1, 2, 3, 4, 5; a's r(1) is 0, for below the fewest measured it is 0 · 2
    assert allocate(rises, 9) == {"a": 1, "b": 8}
    assert allocate(rises, 5) == {"a": 1, "b": 4}
    assert allocate(rises, 16) == {"a": 8, "b": 8}
    assert allocate(rises, 2) == {"a": 1, "b": 1}


def test_measurements_are_rises_above_the_whole_network() -> None:
    assert candidates(8) == [1, 2, 4, 6]
    assert measured({"a": 8}, lambda _, k: 10.0 - k, 2.0) == {
        "a": {8: 0.0, 1: 7.0, 2: 6.0, 4: 4.0, 6: 2.0}
    }


@given(found=st.lists(RISES, min_size=2, max_size=3), data=st.data())
def test_the_worst_rise_is_the_least_that_any_way_of_sharing_out_has(
    found: list[list[float]], data: st.DataObject
) -> None:
    """Every way of keeping `total` of 8 neurons per layer is tried; r is falling by construction
    and measured at 1, 4 and 8 neurons."""
    tables = []
    for low, high in (sorted(pair) for pair in found):
        tables.append(np.interp(range(1, SIZE + 1), [1, 4, SIZE], [high, low, 0.0]))
    total = data.draw(st.integers(len(tables), SIZE * len(tables)))
    rises = {
        str(i): {1: float(table[0]), 4: float(table[3]), SIZE: 0.0}
        for i, table in enumerate(tables)
    }

    def worst(kept: tuple[int, ...]) -> float:
        return max(float(table[k - 1]) for table, k in zip(tables, kept, strict=True))

    ways = itertools.product(range(1, SIZE + 1), repeat=len(tables))
    best = min(worst(way) for way in ways if sum(way) == total)
    kept = tuple(allocate(rises, total).values())
    assert sum(kept) == total
    assert worst(kept) <= best + 1e-9 * (1 + best)
