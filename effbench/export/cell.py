"""What a cell ships: its model as ONNX, checked and profiled, for the cell's record."""

from __future__ import annotations

import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from effbench.errors import EffbenchError
from effbench.export.profile import SECONDS, profile
from effbench.export.to_onnx import export
from effbench.method import Method

ON_DEMAND = "not part of a cell of this method: `effbench export` does it where it can be done"


def measure_export(method: Method, path: Path) -> dict[str, Any]:
    """Export a method to `path` and profile the file; return the record's group `export`.

    Whatever cannot be had is left out with its reason: the cell's other figures stand without it.
    """
    found: dict[str, Any] = {}
    try:
        info = export(method, path)
        found |= {"precision": info.precision, "takes": info.takes}
        found |= {key: info.check[key] for key in ("max_error", "mean_error")}
        found["check_views"] = info.check["views"]
        found |= asdict(profile(path, seconds=SECONDS))
    except EffbenchError as error:
        traceback.print_exc()  # into the cell's log
        found["reason"] = str(error)
    return found
