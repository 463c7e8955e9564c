"""What a result is of: the code, the data and the machine that a record says made it.

A cell's id covers what was asked for: parameters, budget, views, backend, device. The rest of what
decides a result is found when it runs, and kept in the record's group `identity`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from effbench.machine import environment
from effbench.planning.plan import Cell
from effbench.records.layout import MODEL, cell_folder
from effbench.records.record import Record

# What changed, in words, by the key of `Record.identity` that tells
_CHANGED = {
    "package": "effbench's own code is another",
    "method": "the method's code is another",
    "scene_source": "the code that reads the scene is another",
    "manifest": "the scene's data are others",
    "threads": "the number of threads is another",
    "device": "the machine is another",
}


def now(cell: Cell, sources: Mapping[str, str], manifest: str | None, out: Path) -> dict[str, Any]:
    """Return the identity that a cell's result would have if it were made now.

    sources: as `planning.sources.of` gives them; manifest: the scene's, None where it is not known;
    out: where its parents are.
    """
    return {
        **sources,
        "manifest": manifest,
        "threads": environment.usable_threads(),
        "eval_views": cell.eval_views,
        "curve_views": cell.curve_views,
        "parents": {role: model_hash(out, cell_id) for role, cell_id in cell.parents.items()},
    }


def changes(found: Record, expected: Mapping[str, Any], device: str) -> list[str]:
    """Return in words how a finished cell differs from what it would be now; [] if it does not.

    expected: as `now` gives it; device: the name of the device it would run on, "" if unknown.
    """
    if not found.identity.get("package"):
        return ["its record does not say which code made it"]
    known = {**found.identity, "device": found.device}
    wanted = {**expected, "device": device or found.device}
    reasons = [text for key, text in _CHANGED.items() if known.get(key) != wanted[key]]
    for role, model in expected["parents"].items():
        if known["parents"].get(role) != model:
            reasons.append(f"its {role} was trained again")
    return reasons


def model_hash(out: Path, cell_id: str) -> str:
    """Return 64 bits of the hash of a cell's model; "" for a cell without one."""
    try:
        data = (cell_folder(out, cell_id) / MODEL).read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(data).hexdigest()[:16]
