"""Bjøntegaard's delta rate: how much smaller one family of models is than another at equal PSNR.

Curves are log size over PSNR, by monotone cubic interpolation (PCHIP) through each family's points,
averaged over the PSNR that both have (Bjøntegaard 2001, VCEG-M33; PCHIP as in JCTVC-L1100).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import interpolate

LEAST_POINTS = 2
SIZES = ("width", "ratio", "of")  # settings by which models of one family differ in size


@dataclass(frozen=True)
class Rate:
    """percent: mean change of size at equal PSNR, −30 for 30 % smaller, NaN where `why` says what
    stands in the way; low, high: the PSNR it is of, dB."""

    percent: float
    low: float
    high: float
    why: str = ""


def bd_rate(
    size: npt.ArrayLike, psnr: npt.ArrayLike, other_size: npt.ArrayLike, other_psnr: npt.ArrayLike
) -> Rate:
    """Return the BD-rate of points (size > 0, PSNR in dB) against others."""
    own, other = _curve(size, psnr), _curve(other_size, other_psnr)
    nan = float("nan")
    fewest = min(len(own[0]), len(other[0]))
    if fewest < LEAST_POINTS:
        return Rate(nan, nan, nan, f"a side has {fewest} of the {LEAST_POINTS} points it takes")
    low, high = max(own[0][0], other[0][0]), min(own[0][-1], other[0][-1])
    if not low < high:
        told = f"{own[0][0]:.2f}–{own[0][-1]:.2f} and {other[0][0]:.2f}–{other[0][-1]:.2f} dB"
        return Rate(nan, nan, nan, f"no PSNR in common: {told}")
    means = [
        float(interpolate.PchipInterpolator(*curve).integrate(low, high)) / (high - low)
        for curve in (own, other)
    ]
    return Rate(100 * float(np.expm1(means[0] - means[1])), float(low), float(high))


def _curve(size: npt.ArrayLike, psnr: npt.ArrayLike) -> tuple[Any, Any]:
    """Return PSNR, ascending and each once, and log size: of equal PSNR the smallest, and no point
    that another one beats in both, which would bend the curve back."""
    points = pd.DataFrame({"psnr": np.asarray(psnr, float), "size": np.asarray(size, float)})
    points = points.dropna().sort_values(["psnr", "size"], ascending=[False, True])
    lead = points["size"] < points["size"].cummin().shift(fill_value=np.inf)
    front = points[lead].sort_values("psnr")
    return front["psnr"].to_numpy(), np.log(front["size"].to_numpy())


def families(board: pd.DataFrame) -> pd.DataFrame:
    """Return the BD-rates of one table's pruned and quantised rows.

    board: rows of `tables.leaderboard`. A family are rows that differ in SIZES alone, presets of a
    ratio ("iterative-30") included. A quantised family stands against the models that it
    quantises, any other against each family of the same method. Columns: family, against, points,
    points_against, percent, low, high, why.
    """
    rows = board[(board["role"] == "row") & board["psnr"].notna() & (board["model_mb"] > 0)]
    keys = [_family(m, v) for m, v in zip(rows["method"], rows["variant"], strict=True)]
    rows = rows.assign(family=[key or "" for key in keys])
    groups = {str(n): own for n, own in rows[rows["family"] != ""].groupby("family", sort=False)}
    found = []
    for name, own in groups.items():
        for against, other in _rivals(name, own, groups, rows):
            rate = bd_rate(own["model_mb"], own["psnr"], other["model_mb"], other["psnr"])
            counts = {"points": len(own), "points_against": len(other)}
            found.append({"family": name, "against": against, **counts, **vars(rate)})
    columns = ["family", "against", "points", "points_against", "percent", "low", "high", "why"]
    return pd.DataFrame(found, columns=columns)


def _rivals(
    name: str, own: pd.DataFrame, groups: Mapping[str, pd.DataFrame], rows: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the names and rows of what a family stands against."""
    of = {setting["of"] for v in own["variant"] if "of" in (setting := _settings(v))}
    if of:
        plain = rows[rows["method"].isin(of) & (rows["variant"] == "")]
        yield "the same unquantised", plain
        return
    for other, its in groups.items():
        if other != name and other.partition(" ")[0] == name.partition(" ")[0]:
            yield other, its


def _family(method: str, variant: str) -> str | None:
    """Return the name of a row's family; None for a row that has no setting of SIZES."""
    settings = _settings(variant)
    stem = re.sub(r"-\d+$", "", method)
    kept = [f"{key}={value}" for key, value in settings.items() if key not in SIZES]
    if stem == method and len(kept) == len(settings):
        return None
    return f"{stem} {','.join(kept)}".strip()


def _settings(variant: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in variant.split(",") if "=" in part)
