"""What cells side by side cost each other: the same cell alone, and with a neighbour."""

from __future__ import annotations

import io
import statistics
import tempfile
from pathlib import Path

from rich.console import Console

from effbench.errors import EffbenchError
from effbench.machine.placement import place
from effbench.planning.plan import Plan
from effbench.planning.planner import Request, make_plan
from effbench.planning.registry import discover
from effbench.records.record import Record
from effbench.runs.executors.local import Local
from effbench.runs.run import run


def measure(budget: str = "10s", turns: int = 2) -> dict[str, float]:
    """Return the median milliseconds of an Instant-NGP iteration on one thread: `alone`, and
    `beside` another such cell on a processor of its own; `ratio`; how many of
    the latter's `cells` are `marked` as having had a neighbour. Both take turns."""
    found: dict[str, list[float]] = {"alone": [], "beside": []}
    marked = 0
    for _ in range(turns):
        for name, jobs in (("alone", 1), ("beside", 2)):
            with tempfile.TemporaryDirectory() as folder:
                for done in _run(_planned(budget), Path(folder), jobs):
                    found[name].append(done.time["iter_ms"])
                    marked += bool(done.machine["neighbours"])
    alone, beside = (statistics.median(found[name]) for name in ("alone", "beside"))
    return {
        "alone": alone,
        "beside": beside,
        "ratio": beside / alone,
        "marked": marked,
        "cells": len(found["beside"]),
    }


def _planned(budget: str) -> Plan:
    device, backend = place("cpu")
    request = Request(
        methods=("instant-ngp",),
        scenes=("procedural/blocks",),
        budget=budget,
        seeds=2,
        device=device,
        backend=backend,
        eval_views=1,
        curve_views=0,
    )
    return make_plan(request, discover([]))


def _run(planned: Plan, out: Path, jobs: int) -> list[Record]:
    done = run(
        planned,
        out,
        Console(file=io.StringIO()),
        executor=lambda folder: Local(folder, jobs, threads=1),
    )
    if done.failed:
        raise EffbenchError(f"a cell failed: {done.failed[0].reason}")
    return done.records
