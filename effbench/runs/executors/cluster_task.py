"""What runs on a cluster's nodes: a cell in a folder of its own, whose files are sent back."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import effbench
from effbench import files
from effbench.cell.reporting import Report
from effbench.errors import RecordError
from effbench.machine import cores
from effbench.planning import registry, sources
from effbench.planning.plan import Cell, Plan, scene_key
from effbench.records import record
from effbench.records.layout import LOG, RECORD, cell_folder, truth_folder
from effbench.runs.supervise import Seat, run_worker

Files = Mapping[str, bytes]  # by path below a run's folder
_POST_EVERY_S = 1.0


@dataclass(frozen=True)
class Order:
    """A cell to be run: the plan of it and of what it starts from, and what it may use.

    truth: whether the images that it is compared with are sent back too; told: what its record
    says of who ran it.
    """

    planned: Plan
    cell_id: str
    threads: int
    truth: bool
    told: Mapping[str, Any]

    @classmethod
    def of(
        cls, planned: Plan, cell: Cell, threads: int, *, truth: bool, told: Mapping[str, Any]
    ) -> Order:
        """Return the order of a plan's cell."""
        alone = replace(planned, cells=planned.needed(cell.cell_id))
        return cls(alone, cell.cell_id, threads, truth, told)


@dataclass(frozen=True)
class Left:
    """What a cell left: its process's exit status, where it ran, its files."""

    code: int
    node: str
    files: Files


class Board:
    """Where tasks write how they go, and the scheduler reads it."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, str, float, str]] = {}

    def post(self, cell_id: str, node: str, phase: str, fraction: float, note: str) -> None:
        """Take the latest of a cell."""
        self._told[cell_id] = (node, phase, fraction, note)

    def read(self) -> dict[str, tuple[str, str, float, str]]:
        """Return what came since the last call."""
        told, self._told = self._told, {}
        return told


def run(order: Order, board: Any, *parents: Left) -> Left:
    """Run a cell on this node, with what its parents left; return what it leaves."""
    node = socket.gethostname()
    report = _reporter(board, order.cell_id, node)
    with tempfile.TemporaryDirectory(prefix="effbench-") as temporary:
        out = Path(temporary)
        _on_this_node(order.planned).write(out)
        for left in parents:
            _unpack(left.files, out)
        cell = order.planned.cell(order.cell_id)
        if any(not _well(out, parent) for parent in cell.parents.values()):
            return Left(1, node, {})
        claim = cores.wait_for(order.threads, lambda: report("wait", 0.0, "for processors"))
        try:
            seat = Seat(claim.cores, None, cell.ranks, {**order.told, "host": node})
            log = cell_folder(out, order.cell_id) / LOG
            code = run_worker(out, order.cell_id, log, report, seat)
        finally:
            claim.release()
        truth = contents(truth_folder(out, scene_key(cell.scene)), out) if order.truth else {}
        return Left(code, node, {**truth, **contents(cell_folder(out, order.cell_id), out)})


def contents(folder: Path, out: Path, but: Collection[str] = ()) -> Files:
    """Return the files of a folder below `out`, without those in its folders of the names `but`."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in paths
        if path.relative_to(folder).parts[0] not in but
    }


def write(left: Files, out: Path, cell_id: str) -> None:
    """Write a cell's files below `out`, its record last; does nothing if there is one already."""
    last = cell_folder(out, cell_id) / RECORD
    if last.exists():
        return
    _unpack(left, out, but=last)
    written = left.get(last.relative_to(out).as_posix())
    if written is not None:
        files.write_bytes(last, written)


def inventory(planned: Plan) -> dict[str, str]:
    """Return what this node would run a plan with: versions, and hashes of code and data."""
    there = _on_this_node(planned)
    found = registry.discover(there.plugins)
    made_of = {"version of effbench": effbench.__version__}
    for cell in {cell.method: cell for cell in planned.cells}.values():
        code = sources.of(cell, found)
        made_of["code of effbench"] = code["package"]
        made_of[f"method {cell.method}"] = code["method"]
    for cell in {repr(cell.scene): cell for cell in planned.cells}.values():
        made_of[f"scene {cell.scene.name}"] = found.scene_manifest(cell.scene, there.scenes_root)
    return made_of


def _on_this_node(planned: Plan) -> Plan:
    """Return a plan with this node's scenes: the folder that the plan names where it is here, else
    the one that EFFBENCH_SCENES names."""
    root = planned.scenes_root
    if root and Path(root).is_dir():
        return planned
    return replace(planned, scenes_root=os.environ.get("EFFBENCH_SCENES") or root)


def _well(out: Path, cell_id: str) -> bool:
    try:
        return record.read(cell_folder(out, cell_id) / RECORD).status == "ok"
    except RecordError:
        return False


def _unpack(left: Files, out: Path, but: Path | None = None) -> None:
    """Write files below `out`, those that are not there yet."""
    for name, data in left.items():
        path = (out / name).resolve()
        if path == but or path.exists() or not path.is_relative_to(out.resolve()):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, data)


def _reporter(board: Any, cell_id: str, node: str) -> Report:
    """Return what posts progress on the board, once a second and when a phase begins."""
    last: list[Any] = ["", 0.0]

    def report(phase: str, fraction: float, note: str) -> None:
        now = time.monotonic()
        if phase == last[0] and now - last[1] < _POST_EVERY_S:
            return
        last[:] = [phase, now]
        board.post.remote(cell_id, node, phase, fraction, note)

    return report
