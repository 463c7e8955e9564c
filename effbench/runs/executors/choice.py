"""The executor that a user asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from effbench.planning.plan import Plan
from effbench.runs.executors.contract import Executor
from effbench.runs.executors.local import Local
from effbench.runs.executors.names import Wanted


def maker(wanted: Wanted, planned: Plan) -> Callable[[Path], Executor]:
    """Return what makes the executor of a plan, given the run's output folder.

    It raises ConfigError or EffbenchError for what cannot be had.
    """

    def make(out: Path) -> Executor:
        if wanted.name == "ray":
            from effbench.runs.executors.ray_cluster import RayCluster

            return RayCluster.connect(planned, out, wanted)
        if wanted.name == "slurm":
            from effbench.runs.executors.slurm import Slurm

            return Slurm.of(planned, out, wanted)
        device = planned.cells[0].device
        ranks = max(cell.ranks for cell in planned.cells)
        return Local(out, wanted.jobs or 1, wanted.threads, device, ranks)

    return make
