"""What profiled cells recorded of their steps and of the machine, as tidy tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from effbench.analysis.identity import GROUP
from effbench.records import record, tables
from effbench.records.record import Record

REST = "rest"  # of a step: what is in no part
LINES = ("cores", "process", "gpu")  # of the use of the machine, all in [0, 1]
_ROW = [*GROUP, "method", "variant"]


def parts(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per row of tables and part of its steps: GROUP, method, variant, part, ms.

    Means over the seeds that were profiled; parts in the order of their size over all rows, the
    rest last.
    """
    rows: list[dict[str, Any]] = []
    for cell, about in _profiled(records):
        if cell.profile.get("steps"):
            known = {**cell.profile["parts"], REST: cell.profile.get("rest_ms") or 0.0}
            rows += [{**about, "seed": cell.seed, "part": p, "ms": ms} for p, ms in known.items()]
    frame = pd.DataFrame(rows, columns=[*_ROW, "seed", "part", "ms"]).astype({"ms": float})
    seeds = frame.groupby(_ROW)["seed"].transform("nunique")
    # a part that one seed's steps had not took none of its time
    shares = frame.assign(ms=frame["ms"] / seeds).groupby([*_ROW, "part"], sort=False)["ms"]
    summed = shares.sum().reset_index()
    sizes = summed.groupby("part")["ms"].sum().sort_values(ascending=False, kind="stable")
    order = [name for name in sizes.index if name != REST] + [REST]
    ordered = pd.Categorical(summed["part"], order)
    return summed.assign(part=ordered).sort_values([*_ROW, "part"]).reset_index(drop=True)


def utilisation(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per row of tables, its first profiled seed, and moment: GROUP, method, variant,
    t_s, and LINES: the mean over the processors, those that the process kept busy over their
    number, and the GPU's, NaN where nobody tells."""
    rows: list[dict[str, Any]] = []
    known: set[tuple[Any, ...]] = set()
    for cell, about in sorted(_profiled(records), key=lambda pair: pair[0].repetition):
        use, row = cell.profile.get("utilisation") or {}, tuple(about.values())
        if row in known or not use.get("t_s"):
            continue
        known.add(row)
        cores = list(use["cores"].values())
        columns = {
            "t_s": use["t_s"],
            "cores": [sum(now) / len(now) for now in zip(*cores, strict=True)],
            "process": [min(1.0, busy / len(cores)) for busy in use["process"]],
            "gpu": use.get("device") or [float("nan")] * len(use["t_s"]),
        }
        moments = zip(*columns.values(), strict=False)
        rows += [{**about, **dict(zip(columns, moment, strict=True))} for moment in moments]
    frame = pd.DataFrame(rows, columns=[*_ROW, "t_s", *LINES])
    return frame.sort_values([*_ROW, "t_s"]).reset_index(drop=True)


def _profiled(records: Iterable[Record]) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Yield the finished cells that were profiled, with what makes their rows."""
    for cell in tables.latest(list(records)):
        if cell.status == "ok" and cell.profile:
            about = {name: getattr(cell, name) for name in _ROW if name != "scene"}
            about["scene"] = record.scene_label(cell)
            yield cell, {name: about[name] for name in _ROW}
