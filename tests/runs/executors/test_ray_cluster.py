"""A cluster of two nodes on this machine: records as the local executor's, a lost node included."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from effbench.analysis.identity import ROW
from effbench.errors import ConfigError, EffbenchError
from effbench.records import record, tables
from effbench.runs.executors import cluster_task, ray_cluster
from effbench.runs.executors.names import Wanted
from effbench.runs.executors.ray_cluster import RayCluster
from effbench.runs.run import Result, run
from tests.in_this_process import InThisProcess
from tests.runs.test_run import planned

ray = pytest.importorskip("ray", reason="needs Ray, of the extra `cluster`")
PATIENCE_S = 120
FAMILY = ("fake", "fake-child")


@pytest.fixture
def cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Two nodes of one processor each; the second has a resource `second`."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(
        "effbench.runs.run.summarise", lambda _, out, done, **_options: Result(out, done, [], [])
    )
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.second = made.add_node(num_cpus=1, resources={"second": 1})
    made.wait_for_nodes(timeout=30)
    yield made
    ray.shutdown()
    made.shutdown()


def rows(out: Path) -> list[tuple[Any, ...]]:
    """Return what does not depend on time: rows, their counts and their quality."""
    board = tables.leaderboard(record.load([out]))
    names = [name for name in ROW if name in board and name not in ("threads", "code")]
    return sorted(board[[*names, "n", "psnr"]].itertuples(index=False, name=None))


def kill_one_that_works(cluster: Any, out: Path) -> threading.Thread:
    """Kill the second node once a cell has ended and others run."""

    def kill() -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not list(out.glob("cells/*/record.json")):
            time.sleep(0.1)
        cluster.remove_node(cluster.second, allow_graceful=False)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_lost_node_costs_no_cell(cluster: Any, tmp_path: Path) -> None:
    settings = ("fake.width=1,2", "fake-child.width=2", "fake-child.lr=0.1,0.2")
    plan = planned(*settings, methods=FAMILY, seeds=2)
    wanted = Wanted("ray", address=cluster.address)
    out, printed = tmp_path / "ray", io.StringIO()
    killer = kill_one_that_works(cluster, out)
    done = run(
        plan, out, Console(file=printed), executor=lambda out: RayCluster.connect(plan, out, wanted)
    )
    killer.join()
    assert [r.cell_id for r in done.records] == [cell.cell_id for cell in plan.cells]
    assert {r.status for r in done.records} == {"ok"}, printed.getvalue()
    for made in done.records:
        told = made.provenance["executor"]
        assert (told["name"], len(told["cores"])) == ("ray", 1)
        assert made.identity["threads"] == 1
    assert not list(out.glob("cells/*/record.*.json")), "each is recorded once"
    here = tmp_path / "local"
    run(plan, here, Console(file=io.StringIO()), executor=InThisProcess)
    assert rows(out) == rows(here)
    again = run(
        plan, out, Console(file=printed), executor=lambda out: RayCluster.connect(plan, out, wanted)
    )
    assert again.records == done.records
    assert printed.getvalue().count("kept from an earlier run") == len(plan.cells)


def test_what_no_node_could_run_is_refused_by_name(cluster: Any, tmp_path: Path) -> None:
    plan = planned()
    for more, asked in (
        ({"threads": 2}, "2 CPU"),
        ({"options": ("fast_disk=1",)}, "1 fast_disk"),
    ):
        wanted = Wanted("ray", address=cluster.address, **more)
        with pytest.raises(ConfigError, match=f"no node .* could ever run a cell.*{asked}.* has "):
            RayCluster.connect(plan, tmp_path, wanted)
    assert not ray.is_initialized()


def test_a_node_with_other_code_is_refused(cluster: Any) -> None:
    import ray.util.scheduling_strategies

    plan = planned()
    here = cluster_task.inventory(plan)
    ray.init(cluster.address, log_to_driver=False)
    ray_cluster._compare_nodes(ray, plan, here)
    with pytest.raises(EffbenchError, match="another code of effbench than this machine"):
        ray_cluster._compare_nodes(ray, plan, {**here, "code of effbench": "another"})
    gone = replace(plan, plugins=("/nowhere",))
    with pytest.raises(EffbenchError, match=r"cannot run effbench .*/nowhere"):
        ray_cluster._compare_nodes(ray, gone, here)


def test_no_cluster_is_told(tmp_path: Path) -> None:
    wanted = Wanted("ray", address="127.0.0.1:9")
    with pytest.raises(EffbenchError, match=r"no Ray cluster answers at 127.0.0.1:9"):
        RayCluster.connect(planned(), tmp_path, wanted)


def test_an_address_is_always_named() -> None:
    with pytest.raises(ConfigError, match="--address HOST:PORT"):
        Wanted("ray")


def test_places_are_counted_over_living_nodes() -> None:
    nodes = [
        {"Alive": True, "NodeManagerHostname": "a", "Resources": {"CPU": 8.0, "GPU": 2.0}},
        {"Alive": True, "NodeManagerHostname": "b", "Resources": {"CPU": 3.0}},
        {"Alive": False, "NodeManagerHostname": "c", "Resources": {"CPU": 64.0}},
    ]
    assert ray_cluster._places(nodes, {"num_cpus": 2}) == 5
    assert ray_cluster._places(nodes, {"num_cpus": 2, "num_gpus": 1}) == 2
    with pytest.raises(ConfigError, match="4 GPU: a has 8 CPU, 2 GPU; b has 3 CPU, 0 GPU"):
        ray_cluster._places(nodes, {"num_cpus": 2, "num_gpus": 4})
