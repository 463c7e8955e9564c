"""Quality of scenes that move by the time of what is shown: a row per test view with a time."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from effbench.analysis.identity import GROUP
from effbench.records import record
from effbench.records.record import Record

COLUMNS = (*GROUP, "method", "variant", "repetition", "time", "psnr")


def moments(records: Iterable[Record]) -> pd.DataFrame:
    """Return COLUMNS of finished cells, PSNR in dB, sorted by time; empty where nothing moves.

    A row that ignores time is shown at the times that the others know of the same views.
    """
    cells = list(records)
    known = {
        (record.scene_label(cell), view["name"]): view["time"]
        for cell in cells
        for view in cell.quality.get("per_view") or ()
        if view.get("time") is not None
    }
    rows = []
    for cell in cells:
        if cell.status != "ok" or cell.role != "row":
            continue
        about = {
            "suite": cell.suite,
            "scene": record.scene_label(cell),
            "budget": cell.budget,
            "device": cell.device,
            "method": cell.method,
            "variant": cell.variant,
            "repetition": cell.repetition,
        }
        for view in cell.quality.get("per_view") or ():
            time = known.get((record.scene_label(cell), view["name"]))
            if time is not None and view.get("psnr") is not None:
                rows.append({**about, "time": time, "psnr": view["psnr"]})
    columns = list(dict.fromkeys(COLUMNS))
    return pd.DataFrame(rows, columns=columns).sort_values("time", kind="stable")
