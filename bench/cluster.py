"""A suite on a cluster of two nodes, one of which is killed in the middle, beside the same suite on
this machine: what is recorded, and whether the rows are equal."""

from __future__ import annotations

import io
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from effbench.machine.placement import place
from effbench.method.config import Setting
from effbench.planning.plan import Plan
from effbench.planning.planner import Request, make_plan
from effbench.planning.registry import discover
from effbench.records import record, tables
from effbench.runs.executors.local import Local
from effbench.runs.executors.names import Wanted
from effbench.runs.executors.ray_cluster import RayCluster
from effbench.runs.run import run

SEEDS = 10
# What is equal wherever the same cells are run with as many threads; times are not
COMPARED = ("method", "variant", "scene", "budget", "n", "status", "iterations", "psnr", "params")


def measure(cells: int) -> dict[str, Any]:
    """Return how many `cells` were planned, `recorded`, `ok` and recorded `twice`; whether the
    leaderboard's rows are `equal`; and the seconds of both runs, `ray_s` and `local_s`."""
    planned = _planned(cells)
    quiet = Console(file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder, _two_nodes() as cluster:
        there, here = Path(folder) / "ray", Path(folder) / "local"
        wanted = Wanted("ray", address=cluster.address)
        killer = threading.Thread(target=_kill, args=(cluster, there, len(planned.cells) // 4))
        killer.start()
        began = time.monotonic()
        run(planned, there, quiet, executor=lambda out: RayCluster.connect(planned, out, wanted))
        middle = time.monotonic()
        killer.join()
        jobs = min(2, os.cpu_count() or 1)
        run(planned, here, quiet, executor=lambda out: Local(out, jobs, threads=1))
        end = time.monotonic()
        found = record.load([there])
        return {
            "cells": len(planned.cells),
            "recorded": len({r.cell_id for r in found}),
            "ok": sum(r.status == "ok" for r in found),
            "twice": len(list(there.glob("cells/*/record.*.json"))),
            "equal": _rows(there) == _rows(here),
            "ray_s": middle - began,
            "local_s": end - middle,
        }


def _planned(cells: int) -> Plan:
    device, backend = place("cpu")
    rates = tuple(str(1e-2 * (1 + row)) for row in range(max(1, cells // SEEDS)))
    request = Request(
        methods=("instant-ngp",),
        scenes=("procedural/blocks",),
        settings=(
            Setting(None, "lr", rates),
            Setting(None, "samples", ("4096",)),
            Setting("procedural", "downscale", ("8",)),
        ),
        budget="10it",
        seeds=min(cells, SEEDS),
        device=device,
        backend=backend,
        eval_views=2,
        curve_views=0,
    )
    return make_plan(request, discover([]))


@contextmanager
def _two_nodes() -> Iterator[Any]:
    """Give a cluster of two nodes with a processor each, the second in its attribute `second`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes(timeout=30)
        yield cluster
    finally:
        cluster.shutdown()


def _kill(cluster: Any, out: Path, after: int) -> None:
    """Kill the second node once so many cells have ended."""
    end = time.monotonic() + 600
    while time.monotonic() < end and len(list(out.glob("cells/*/record.json"))) < after:
        time.sleep(0.1)
    cluster.remove_node(cluster.second, allow_graceful=False)


def _rows(out: Path) -> list[tuple[Any, ...]]:
    board = tables.leaderboard(record.load([out]))
    return sorted(board[list(COMPARED)].itertuples(index=False, name=None))
