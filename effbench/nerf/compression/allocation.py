"""Layer-wise pruning ratios by sensitivity (Han et al. 2015; Li et al. 2017): layers whose removal
costs little lose much.

Notation: a layer (or a group of layers that share channels) has n neurons; keeping k of them, and
all of the others', raises the error by r(k). r is measured at some k and linear between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

SHARES = (0.125, 0.25, 0.5, 0.75)  # of a layer's neurons, kept while its sensitivity is measured
_HALVINGS = 60


def candidates(neurons: int) -> list[int]:
    """Return the numbers of neurons to measure a layer's sensitivity at, ascending."""
    return sorted({max(1, round(share * neurons)) for share in SHARES} - {neurons})


def allocate(rises: Mapping[str, Mapping[int, float]], total: int) -> dict[str, int]:
    """Return how many neurons each layer keeps, `total` in all: every layer the fewest that do not
    raise the error by more than a tolerance that is the same for all.

    rises: per layer r by k, with r(n) = 0 for all its neurons; total: from one per layer to all.
    Where measured errors fall with fewer neurons, the larger k's counts for both.
    """
    tables = {key: _table(points) for key, points in rises.items()}
    low, high = 0.0, max(float(table.max()) for table in tables.values())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(_fewest(table, middle) for table in tables.values()) > total:
            low = middle
        else:
            high = middle
    kept = {key: _fewest(table, high) for key, table in tables.items()}
    for _ in range(total - sum(kept.values())):  # ties: to where one more neuron is worth most
        open_ = [key for key in kept if kept[key] < len(tables[key])]
        neediest = max(open_, key=lambda key: tables[key][kept[key] - 1])
        kept[neediest] += 1
    return kept


def measured(
    neurons: Mapping[str, int], error: Callable[[str, int], float], whole: float
) -> dict[str, dict[int, float]]:
    """Return the rises of each layer of `neurons` neurons: error(layer, k) above the `whole`
    network's error."""
    return {
        layer: {n: 0.0, **{k: error(layer, k) - whole for k in candidates(n)}}
        for layer, n in neurons.items()
    }


def _table(points: Mapping[int, float]) -> NDArray[np.float64]:
    """Return r(1) … r(n), never rising with k; below the fewest measured it grows like 1 / k, so
    that no layer is emptied for nothing."""
    counts = sorted(points)
    rises = np.maximum.accumulate([max(points[k], 0.0) for k in reversed(counts)])[::-1]
    first = counts[0]
    table = np.interp(np.arange(1, counts[-1] + 1), counts, rises)
    table[: first - 1] = rises[0] * first / np.arange(1, first)
    return table


def _fewest(table: NDArray[np.float64], tolerance: float) -> int:
    """Return the least k whose r is within the tolerance."""
    return int(np.argmax(table <= tolerance)) + 1
