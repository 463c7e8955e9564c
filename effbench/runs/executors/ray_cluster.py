"""Cells as tasks of a Ray cluster: each on processors or GPUs of its own, on whichever node.

Nothing is shared between machines. A task makes a folder on its node, with its parents' files in
it; what its cell leaves comes back as bytes, and this process writes it below the run's folder, the
record last. A task that Ray runs twice (a node that was taken for dead) therefore counts once: the
first that arrives.

Every node needs the same effbench, plug-ins and scenes; that is compared before the first cell.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effbench.cell.reporting import Report
from effbench.errors import ConfigError, EffbenchError
from effbench.planning.plan import Cell, Plan, scene_key
from effbench.records.layout import MAPS, RENDERS, cell_folder, truth_folder
from effbench.runs.executors import cluster_task
from effbench.runs.executors.cluster_task import Left, Order
from effbench.runs.executors.contract import Ended
from effbench.runs.executors.names import Wanted

_TICK_S = 0.25
_KNOCK_S = 10.0
_NODES_S = 120.0  # for all nodes to say what they have
_GRACE_S = 12.0  # for tasks to stop their cells
_TRIES = 4  # of a cell whose node or worker is lost each time
_PARENTS = 16  # whose files are kept in the cluster's memory
_AHEAD = 2  # tasks given to the cluster per place, so that no place waits for this process


@dataclass
class _Flight:
    """A cell that the cluster has: its task and how often it was given."""

    cell: Cell
    report: Report
    task: Any
    tries: int = 1


class RayCluster:
    """Runs cells of an output folder as tasks of a cluster."""

    here = False

    def __init__(self, ray: Any, planned: Plan, out: Path, wanted: Wanted) -> None:
        """ray: the module, connected; see `connect`."""
        self._ray, self._planned, self._out = ray, planned, out
        self.threads = wanted.threads or 1
        self._asks = _resources(planned, self.threads, wanted)
        self._remote = ray.remote(cluster_task.run)
        places = _places(ray.nodes(), self._asks)
        self.at_once = min(wanted.jobs or places, places)
        self._limit = wanted.jobs or _AHEAD * places
        self._flying: dict[str, _Flight] = {}
        self._files: dict[str, Any] = {}  # references to what parents left, by cell
        # On this process's own node: it lives as long as this process, whatever node is lost.
        near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        board = ray.remote(cluster_task.Board)
        self._board = board.options(num_cpus=0, scheduling_strategy=near).remote()

    @classmethod
    def connect(cls, planned: Plan, out: Path, wanted: Wanted) -> RayCluster:
        """Return the executor of a cluster whose nodes have what the plan needs.

        Raises ConfigError where no node could ever run a cell, and EffbenchError where Ray is not
        installed, no cluster answers, or a node has other code or data.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            import ray.util.scheduling_strategies
        except ImportError as error:
            raise EffbenchError(
                f"--executor ray needs Ray ({error}): pip install 'effbench[cluster]'"
            ) from error
        quiet: dict[str, Any] = {
            "log_to_driver": False,
            "configure_logging": False,
            "logging_level": "error",
        }
        try:
            _knock(wanted.address or "")
            ray.init(address=wanted.address, **quiet)
        except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise EffbenchError(
                f"no Ray cluster answers at {wanted.address} ({str(error).splitlines()[0]}): start "
                "one by `ray start --head`, of this Python's and this Ray's versions"
            ) from error
        try:
            made = cls(ray, planned, out, wanted)
            _compare_nodes(ray, planned, cluster_task.inventory(planned))
        except BaseException:
            ray.shutdown()
            raise
        return made

    def room(self) -> int:
        """Return how many more tasks may be given to the cluster."""
        return max(0, self._limit - len(self._flying))

    def takes_children(self) -> bool:
        """It does: a task waits for those whose results it is given."""
        return True

    def start(self, cell: Cell, report: Report) -> None:
        """Give the cluster a cell."""
        flight = _Flight(cell, report, None)
        flight.task = self._submit(cell)
        self._flying[cell.cell_id] = flight
        report("wait", 0.0, "for a node")

    def ended(self) -> list[Ended]:
        """Return the cells whose tasks have ended for good; shows how the others go."""
        if not self._flying:
            time.sleep(_TICK_S)
            return []
        by_task = {flight.task: flight for flight in self._flying.values()}
        done, _ = self._ray.wait(list(by_task), num_returns=1, timeout=_TICK_S)
        more, _ = self._ray.wait(list(by_task), num_returns=len(by_task), timeout=0)
        self._show()
        found = []
        for task in dict.fromkeys([*done, *more]):
            ended = self._collect(by_task[task])
            if ended is not None:
                del self._flying[ended.cell_id]
                found.append(ended)
        return found

    def stop(self) -> None:
        """Cancel all tasks: first so that they can stop their cells, then at once."""
        for force in (False, True):
            tasks = [flight.task for flight in self._flying.values()]
            for task in tasks:
                with suppress(Exception):  # of one that has ended, or a cluster that is gone
                    self._ray.cancel(task, force=force, recursive=True)
            if tasks:
                with suppress(Exception):
                    done, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=_GRACE_S)
                    if len(done) == len(tasks):
                        break
        self._flying.clear()

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()

    def _submit(self, cell: Cell) -> Any:
        """Return the task of a cell, after those of its parents."""
        *parents, _ = self._planned.needed(cell.cell_id)
        there = truth_folder(self._out, scene_key(cell.scene)).exists()
        told = {"name": "ray", "jobs": self.at_once}
        order = Order.of(self._planned, cell, self.threads, truth=not there, told=told)
        options = self._remote.options(
            name=cell.label, max_retries=0, scheduling_strategy="SPREAD", **self._asks
        )
        return options.remote(order, self._board, *map(self._left_by, parents))

    def _left_by(self, cell: Cell) -> Any:
        """Return a reference to what a parent left: its task's result, or its files here."""
        cell_id = cell.cell_id
        if cell_id in self._flying:
            return self._flying[cell_id].task
        if cell_id not in self._files:
            if len(self._files) == _PARENTS:
                del self._files[next(iter(self._files))]
            folder = cell_folder(self._out, cell_id)
            found = cluster_task.contents(folder, self._out, but=(RENDERS, MAPS))
            self._files[cell_id] = self._ray.put(Left(0, "", found))
        return self._files[cell_id]

    def _collect(self, flight: _Flight) -> Ended | None:
        """Write what a task left; return how it ended, None if it was given to the cluster again
        because its worker, its node or what it was to start from is lost."""
        cell_id = flight.cell.cell_id
        try:
            left: Left = self._ray.get(flight.task)
        except self._ray.exceptions.RayError as error:
            if self._flying.keys() & set(flight.cell.parents.values()):
                flight.task = self._submit(flight.cell)  # a parent's task failed, or is lost
                return None
            if isinstance(error, self._ray.exceptions.RayTaskError):
                return Ended(cell_id, 1, f"its task failed: {_cause(error)}")
            why = f"{type(error).__name__}: {_cause(error)}"
            if flight.tries == _TRIES:
                return Ended(cell_id, 1, f"lost {_TRIES} times by the cluster: {why}")
            flight.tries += 1
            flight.task = self._submit(flight.cell)
            flight.report("wait", 0.0, f"again, after {why}")
            return None
        cluster_task.write(left.files, self._out, cell_id)
        return Ended(cell_id, left.code)

    def _show(self) -> None:
        """Pass on what tasks have told of their progress."""
        try:
            told = self._ray.get(self._board.read.remote(), timeout=_TICK_S)
        except self._ray.exceptions.RayError:  # slow, or on its way out: next time
            return
        for cell_id, (node, phase, fraction, note) in told.items():
            if cell_id in self._flying:
                text = " ".join(part for part in (note, f"on {node}") if part)
                self._flying[cell_id].report(phase, fraction, text)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT: Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _resources(planned: Plan, threads: int, wanted: Wanted) -> dict[str, Any]:
    """Return what each task asks of a node, as options of Ray's tasks."""
    ranks = max(cell.ranks for cell in planned.cells)
    asks: dict[str, Any] = {"num_cpus": threads}
    if planned.cells[0].device != "cpu":
        asks["num_gpus"] = ranks
    try:
        custom = {key: float(value) for key, value in wanted.parsed().items()}
    except ValueError as error:
        raise ConfigError(f"--cluster-option: a resource's amount is a number ({error})") from error
    return asks | ({"resources": custom} if custom else {})


def _places(nodes: Sequence[Mapping[str, Any]], asks: Mapping[str, Any]) -> int:
    """Return how many tasks the cluster's nodes can run at once.

    Raises ConfigError if none could ever run one: Ray would wait for such a node without end.
    """
    wanted = {"CPU": asks["num_cpus"], "GPU": asks.get("num_gpus", 0), **asks.get("resources", {})}
    wanted = {name: amount for name, amount in wanted.items() if amount}
    alive = [node for node in nodes if node["Alive"]]
    places = sum(
        min(int(node["Resources"].get(name, 0) // amount) for name, amount in wanted.items())
        for node in alive
    )
    if places:
        return places
    asked = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
    have = "; ".join(
        f"{node['NodeManagerHostname']} has "
        + ", ".join(f"{node['Resources'].get(name, 0):g} {name}" for name in wanted)
        for node in alive
    )
    raise ConfigError(
        f"no node of the cluster could ever run a cell, which asks for {asked}: {have}. Ask for "
        "fewer --threads or --ranks, another --device, or add a node"
    )


def _compare_nodes(ray: Any, planned: Plan, here: Mapping[str, str]) -> None:
    """Raise EffbenchError unless every node's code and data are those of `here`."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    ask = ray.remote(cluster_task.inventory)
    strategies = ray.util.scheduling_strategies
    asked = {
        ask.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(
                node["NodeID"], soft=False
            ),
        ).remote(planned): node["NodeManagerHostname"]
        for node in nodes
    }
    end = time.monotonic() + _NODES_S
    for task, name in asked.items():
        try:
            there = ray.get(task, timeout=max(0.1, end - time.monotonic()))
        except ray.exceptions.GetTimeoutError as error:
            raise EffbenchError(
                f"node {name} did not say what it has: is it overloaded?"
            ) from error
        except ray.exceptions.RayError as error:
            raise EffbenchError(
                f"node {name} cannot run effbench ({_cause(error)}): install this version there, "
                "with its plug-ins and scenes"
            ) from error
        wrong = [what for what, value in here.items() if there.get(what) != value]
        if wrong:
            raise EffbenchError(
                f"node {name} has another {wrong[0]} than this machine ({there.get(wrong[0])}, "
                f"here {here[wrong[0]]}): all nodes need the same, or rows would mix them"
            )


def _cause(error: Exception) -> str:
    """Return the last line of what an error of Ray, or what it stands for, says."""
    text = str(getattr(error, "cause", None) or error).strip()
    return text.splitlines()[-1] if text else "no message"
