"""The process of one cell, of OUT/plan.json: `python -m effbench.runs.worker OUT CELL_ID`.

With --rank it is another process of a cell that several train together, a child of the first one's.
Under `effbench run` (--supervised) standard output carries progress, one JSON array per line,
and standard input is a pipe that closes when the parent is gone, however it went.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from effbench.cell.following import follow
from effbench.cell.reporting import Report, silent
from effbench.cell.run import run_cell
from effbench.planning import plan, sources
from effbench.planning import registry as plugins
from effbench.planning.plan import Cell, Plan
from effbench.planning.registry import Registry
from effbench.records.record import Record
from effbench.runs.supervise import worker_command


def main() -> None:
    """Run the cell that the command line names; its record says how it went."""
    parser = argparse.ArgumentParser(prog="python -m effbench.runs.worker", description=__doc__)
    parser.add_argument("out", type=Path, help="a run's output folder, with its plan.json")
    parser.add_argument("cell_id")
    parser.add_argument("--supervised", action="store_true")
    parser.add_argument("--rank", type=int, default=0, help="which rank of the cell this is")
    parser.add_argument("--rendezvous", type=Path, help="where ranks find each other: a new file")
    arguments = parser.parse_args()
    if arguments.rank:
        sys.exit(_follow(arguments.out, arguments.cell_id, arguments.rank, arguments.rendezvous))
    report: Report = silent
    if arguments.supervised:
        report = _reporter()
        _die_with_parent()
    report("load", 0.0, "")
    planned = plan.read(arguments.out)
    registry = plugins.discover(planned.plugins)
    run_planned(planned, planned.cell(arguments.cell_id), arguments.out, registry, report)


def run_planned(
    planned: Plan, cell: Cell, out: Path, registry: Registry, report: Report = silent
) -> Record:
    """Run a cell of a plan in this process, with the plan's scenes."""
    return run_cell(
        cell,
        out,
        method=lambda: registry.method(cell.method),
        scene=lambda: registry.load_scene(cell.scene, planned.scenes_root),
        command=planned.command,
        report=report,
        classes=registry.method,
        sources=sources.of(cell, registry),
        profile=planned.profile,
        follower=worker_command(out, cell.cell_id),
    )


def _follow(out: Path, cell_id: str, rank: int, rendezvous: Path) -> int:
    """Be another rank of a cell than the first; return the exit status."""
    planned = plan.read(out)
    registry, cell = plugins.discover(planned.plugins), planned.cell(cell_id)
    return follow(
        cell,
        out,
        rank,
        rendezvous,
        method=lambda: registry.method(cell.method),
        scene=lambda: registry.load_scene(cell.scene, planned.scenes_root),
        classes=registry.method,
    )


def _reporter() -> Report:
    """Return what writes progress to the parent; prints of plug-ins go to standard error."""
    channel = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)

    def report(phase: str, fraction: float, note: str) -> None:
        channel.write(json.dumps([phase, fraction, note]) + "\n")

    return report


def _die_with_parent() -> None:
    """End this process when the parent's end of standard input closes."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)  # nobody is left to tell, and the cell's record is not written

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
