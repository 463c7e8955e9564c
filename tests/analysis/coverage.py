"""How often bootstrapped intervals hold the truth: `python -m tests.analysis.coverage`, minutes.

Made rows with a standard deviation of 0.2 dB over seeds; docs/cli.md states what this printed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from effbench.analysis.bd_rate import bd_rate
from effbench.analysis.bootstrap import drawn_means, interval
from effbench.analysis.hypervolume import hypervolume

ROWS, STD, COST_STD = 8, 0.2, 0.03


def of_volumes(seeds: int, rng: np.random.Generator, times: int = 400) -> float:
    """Return the share of intervals that hold the true hypervolume at the rows' own reference."""
    held = 0
    row = np.repeat(np.arange(ROWS), seeds)
    for _ in range(times):
        cost = np.geomspace(0.2, 12, ROWS) * rng.lognormal(0, 0.2, ROWS)
        quality = 22 + 4 * np.log10(cost / 0.2) / 1.8 + rng.normal(0, 0.8, ROWS)
        noise = rng.lognormal(0, COST_STD, len(row)), rng.normal(0, STD, len(row))
        cells = pd.DataFrame({"cost": cost[row] * noise[0], "psnr": quality[row] + noise[1]})
        means = cells.groupby(row).mean()
        reference = float(means["cost"].max()), float(means["psnr"].min())
        drawn = drawn_means(cells, pd.Series(row), ["cost", "psnr"], ["cost"], draws=800)
        low, high = interval(hypervolume(drawn["cost"], drawn["psnr"], reference))
        held += low <= float(hypervolume(cost, quality, reference)) <= high
    return held / times


def of_rates(seeds: int, rng: np.random.Generator, times: int = 150) -> float:
    """Return the share of intervals that hold the true BD-rate of two curves 0.3 dB apart."""
    held = 0
    size, psnr = np.array([1.0, 2.0, 4.0, 8.0]), np.array([22.0, 24.0, 26.0, 27.5])
    both = np.concatenate([size, size]), np.concatenate([psnr, psnr + 0.3])
    row = np.repeat(np.arange(8), seeds)
    truth = bd_rate(size, psnr, size, psnr + 0.3).percent
    for _ in range(times):
        noisy = both[1][row] + rng.normal(0, STD, len(row))
        cells = pd.DataFrame({"size": both[0][row], "psnr": noisy})
        drawn = drawn_means(cells, pd.Series(row), ["size", "psnr"], ["size"], draws=300)
        pairs = zip(drawn["size"], drawn["psnr"], strict=True)
        rates = [bd_rate(s[:4], q[:4], s[4:], q[4:]).percent for s, q in pairs]
        low, high = interval(np.array(rates))
        held += low <= truth <= high
    return held / times


if __name__ == "__main__":
    for count in (3, 5, 10):
        generator = np.random.default_rng(count)
        volumes, rates = of_volumes(count, generator), of_rates(count, generator)
        print(f"{count} seeds: hypervolume {volumes:.3f}, BD-rate {rates:.3f}", flush=True)
