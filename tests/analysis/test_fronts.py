"""Fronts, hypervolumes and curves of made cells."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from effbench.analysis import fronts
from effbench.analysis.identity import ROW
from effbench.errors import ConfigError


def cells(*rows: tuple[str, str, float, float], seeds: int = 3, parent: str = "") -> pd.DataFrame:
    """Return cells of (method, variant, MB, PSNR), whose seeds differ by a tenth of a dB."""
    made: list[dict[str, Any]] = []
    for method, variant, size, psnr in rows:
        about = dict.fromkeys(ROW, "") | {"method": method, "variant": variant, "settings": variant}
        for seed in range(seeds):
            figures = {"model_mb": size, "psnr": psnr + 0.1 * (seed - (seeds - 1) / 2)}
            made.append({**about, **figures, "status": "ok", "role": "row", "parent": parent})
    return pd.DataFrame(made)


PRUNED = (
    *(("pruned", "by=a,width=2", 2.0, 24.0), ("pruned", "by=a,width=1", 1.0, 20.0)),
    *(("pruned", "by=b,width=2", 2.0, 22.0), ("pruned", "by=b,width=1", 1.0, 18.0)),
)


def test_the_front_and_its_hypervolume() -> None:
    found = fronts.fronts(cells(("big", "", 10.0, 30.0), ("small", "", 1.0, 25.0),
                                ("bad", "", 10.0, 20.0)), ["model_mb"])  # fmt: skip
    assert found.front["method"].tolist() == ["small", "big"]
    assert found.front["n"].tolist() == [3, 3]
    row = found.volume.iloc[0]
    # one decade of 25 − 20 dB; the largest adds none, as the reference has its cost
    assert row["volume"] == pytest.approx(5.0)
    assert (row["rows"], row["seeds"], row["most"], row["least"]) == (3, 3, 10.0, 20.0)
    assert 4.8 < row["low"] < 5.0 < row["high"] < 5.2


def test_a_single_seed_has_no_interval_and_a_single_row_no_front() -> None:
    rows = (("big", "", 10.0, 30.0), ("small", "", 1.0, 25.0))
    found = fronts.fronts(cells(*rows, seeds=1), ["model_mb"])
    assert found.volume["low"].isna().all()
    assert fronts.fronts(cells(rows[0]), ["model_mb"]).front.empty


def test_rows_that_differ_in_a_parameter_of_their_size_are_a_curve() -> None:
    rates = fronts.fronts(cells(*PRUNED), ["model_mb"]).rates
    assert rates[["anchor", "curve"]].to_numpy().tolist() == [["pruned by=a", "pruned by=b"]]
    row = rates.iloc[0]
    # log₂ size: (q − 20) / 4 against (q − 18) / 4: half a doubling more
    assert row["rate"] == pytest.approx(100 * (2**0.5 - 1))
    assert (row["low_db"], row["high_db"]) == (20.0, 22.0)
    assert row["low"] < row["rate"] < row["high"]


def test_compressed_rows_are_held_against_what_they_were_made_of() -> None:
    dense = cells(("a", "", 4.0, 30.0), ("b", "", 2.0, 26.0))
    small = [cells(("quantized", f"of={m}", s, q), parent=m)
             for m, s, q in (("a", 1.0, 30.0), ("b", 0.5, 26.0))]  # fmt: skip
    rates = fronts.fronts(pd.concat([dense, *small], ignore_index=True), ["model_mb"]).rates
    assert rates["anchor"].tolist() == ["what they were made of"]
    assert rates["rate"].iloc[0] == pytest.approx(-75.0)


def test_curves_can_be_named_and_one_that_fits_nothing_is_refused() -> None:
    patterns = ["* by=b*", "pruned by=a*"]
    rates = fronts.fronts(cells(*PRUNED), [], patterns).rates
    assert rates["curve"].tolist() == ["pruned by=a*"]
    assert rates["rate"].iloc[0] == pytest.approx(100 * (2**-0.5 - 1))
    with pytest.raises(ConfigError, match="no row fits the curve 'x'"):
        fronts.fronts(cells(*PRUNED), [], ["pruned*", "x"])
