"""`python -m bench [PART …]`: measure on an idle machine; `--out` keeps figures and provenance."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench import restart_with_allocator
from effbench.files import write_json

if TYPE_CHECKING:
    from effbench.nerf.training import RadianceFieldMethod


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--rounds", type=int, default=9, help="encoding: turns per contender")
    parser.add_argument("--iterations", type=int, default=150, help="iteration: timed steps")
    parser.add_argument("--checks", type=int, default=10_000, help="gate: simulated checks")
    parser.add_argument("--suites", type=int, default=1000, help="suites: simulated suites")
    parser.add_argument("--records", type=int, default=100_000, help="records: how many")
    parser.add_argument("--turns", type=int, default=2, help="jobs: of each way")
    parser.add_argument("--suite-cells", type=int, default=40, help="cluster: of the suite")
    parser.add_argument("--cells", type=int, default=10_000, help="growth: of the largest plan")
    arguments = parser.parse_args()
    restart_with_allocator()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))} (there are {', '.join(PARTS)})")
    chosen = arguments.parts or list(PARTS)
    results = {name: PARTS[name](arguments) for name in chosen}
    if arguments.out:
        import torch

        from effbench.machine import provenance

        device, command = torch.device("cpu"), ["python", "-m", "bench", *sys.argv[1:]]
        write_json(arguments.out, results | {"provenance": provenance.provenance(device, command)})
        print(f"\nwritten to {arguments.out}")


def measure_encoding(arguments: argparse.Namespace) -> dict[str, Any]:
    from bench import encodings

    rounds, results = arguments.rounds, {}
    plain = {name: encodings.as_torch_comes(name, rounds=rounds) for name in encodings.LAYOUTS}
    for layout, others in plain.items():
        times = encodings.compare(layout, rounds=rounds)
        times = {direction: times[direction] | others[direction] for direction in times}
        results[layout] = times
        print_encoding(layout, times, encodings.OURS)
    return results


def print_encoding(layout: str, times: dict[str, dict[str, float]], own: str) -> None:
    """Print one table: milliseconds, and how many times longer than effbench each takes.

    "plain": with the memory allocator as torch comes; the others with that of effbench's cells.
    """
    print(f"\nhash encoding, 65,536 points, {layout}, F=2 (median ms)")
    print(f"{'':28}{'forward':>9}{'backward':>10}{'both':>9}{'ratio':>9}")
    ours = sum(direction[own] for direction in times.values())
    for name in times["forward"]:
        forward, backward = times["forward"][name], times["backward"][name]
        both = forward + backward
        print(f"{name:28}{forward:9.1f}{backward:10.1f}{both:9.1f}{both / ours:8.2f}×", flush=True)


def instant_ngp() -> RadianceFieldMethod:
    """Return Instant-NGP with the CPU defaults on the procedural blocks."""
    import torch

    from effbench.method import Context
    from effbench.method.config import build
    from effbench.planning.registry import discover

    registry = discover([])
    source = registry.source("procedural")
    scene = source.load("blocks", None, source.Config())
    method_class = registry.method("instant-ngp")
    config = build(method_class.Config, method_class.device_defaults["cpu"], "instant-ngp")
    method = method_class(config, Context(scene, torch.device("cpu"), seed=0))
    return cast("RadianceFieldMethod", method)


def measure_iteration(arguments: argparse.Namespace) -> dict[str, float]:
    """Break down a step of Instant-NGP."""
    from bench import iteration

    parts = iteration.measure(instant_ngp(), 300, arguments.iterations)
    print("\ninstant-ngp, one iteration on procedural/blocks (ms, % of the iteration)")
    for name, milliseconds in parts.items():
        print(f"{name:22}{milliseconds:9.2f}{100 * milliseconds / parts['total']:9.0f} %")
    return parts


def measure_rendering(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time both ways of rendering and of placing samples after 300 steps."""
    from bench import rendering

    method = instant_ngp()
    for _ in range(300):
        method.step(0.3)
    found = rendering.compare(method, view=0, rounds=arguments.rounds)
    camera = method.context.scene.test.intrinsics
    print(f"\ninstant-ngp, one view of procedural/blocks at {camera.width}×{camera.height}")
    for name, milliseconds in found["ms"].items():
        ratio = milliseconds / found["ms"][rendering.WHOLE]
        print(f"{name:22}{milliseconds:9.1f} ms{ratio:8.2f}×")
    print(f"PSNR of the kernel's view: {found['psnr_difference']:+.4f} dB")
    placed = rendering.placing(method, arguments.rounds)
    print(f"\nthe samples of a step, {method.ray_count:,} rays")
    for name, milliseconds in placed.items():
        print(f"{name:22}{milliseconds:9.1f} ms{milliseconds / placed[rendering.WHOLE]:8.2f}×")
    return found | {"placing_ms": placed}


def measure_gate(arguments: argparse.Namespace) -> dict[str, Any]:
    from bench import gate

    print(f"\nregression gate, {arguments.checks:,} checks of each kind per line: shares of")
    print("identical runs that fail, of rows found where one or all lost 0.3 dB of PSNR, and where")
    print("one needs 20 % longer; no: above 1 % of false alarms, or below 80 % and 95 %")
    print(
        f"{'PSNR':20}{'rows':>4}{'seeds':>6}{'drift':>7}{'± dB':>6}{'false alarm':>13}"
        f"{'one row':>9}{'all rows':>10}{'slower':>8}"
    )
    rows = []
    for setting in gate.SETTINGS:
        row = gate.measure(setting, arguments.checks)
        rows.append(row)
        print(
            f"{row['quality']:20}{row['rows']:4}{row['seeds']:6}{row['drift']:7.0%}{row['psnr_std']:6.2f}"
            f"{row['false_alarm']:13.2%}{row['power']:9.0%}{row['power_all']:10.0%}"
            f"{row['slower']:8.0%}{'' if gate.suffices(row) else '  no'}",
            flush=True,
        )
    covered = gate.coverage(min(arguments.checks, 2000))
    print("\n95 % intervals of the mean that hold it (shares of samples)")
    for found in covered:
        print(f"n = {found['n']:<4}Student's t {found['student']:.1%}")
    return {"checks": arguments.checks, "gate": rows, "intervals": covered}


def measure_suites(arguments: argparse.Namespace) -> list[dict[str, float]]:
    from bench import suites

    print(f"\n{arguments.suites:,} synthetic suites per line: one method under two names is called")
    print("different, and 0.5 dB are found (shares of suites)")
    print(
        f"{'seeds':>6}{'marked':>9}{'compared':>10}{'found, marked':>15}{'alone':>8}{'stated':>8}"
    )
    rows = []
    for seeds in (3, 5, 10):
        found = suites.measure(seeds, arguments.suites)
        rows.append(vars(found))
        print(
            f"{seeds:6}{found.twin_marked:9.1%}{found.twin_compared:10.1%}"
            f"{found.better_marked:15.0%}{found.better_alone:8.0%}{found.expected:8.0%}"
        )
    return rows


def measure_records(arguments: argparse.Namespace) -> dict[str, float]:
    from bench import records

    found = records.measure(arguments.records)
    kilobytes = found["bytes"] / arguments.records / 1e3
    print(f"\n{arguments.records:,} records of {kilobytes:.1f} kB, {found['rows']:,} rows (s)")
    for name, seconds in found.items():
        if name not in ("rows", "bytes"):
            print(f"{name:26}{seconds:9.2f}")
    spared = records.tricks(min(arguments.records, 20_000))
    print("\nparts of it: plain code, records.bulk (s)")
    for name, (plain, fast) in spared.items():
        print(f"{name:26}{plain:9.2f}{fast:9.2f}")
    return found


def measure_growth(arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Time the harness itself for plans of more and more cells."""
    from bench import growth

    print("\nthe harness's own time, cells of a method that does nothing (s; ms a cell; MB)")
    print(f"{'cells':>8}{'plan':>9}{'run':>9}{'kept':>9}{'a cell':>9}{'peak':>9}")
    rows = []
    growth.measure(2)  # imports what the others use
    for cells in (10, 1000, arguments.cells):
        found = growth.measure(cells)
        rows.append({"cells": cells, **found})
        print(
            f"{cells:8,}{found['plan']:9.2f}{found['run']:9.2f}{found['kept']:9.2f}"
            f"{found['per_cell_ms']:9.1f}{found['peak_mb']:9.0f}",
            flush=True,
        )
    return rows


def measure_jobs(arguments: argparse.Namespace) -> dict[str, float]:
    """Time a cell alone and beside another."""
    from bench import jobs

    found = jobs.measure(turns=arguments.turns)
    print("\ninstant-ngp on procedural/blocks, one thread (median ms of an iteration)")
    print(
        f"alone{found['alone']:9.2f}   beside another{found['beside']:9.2f}{found['ratio']:8.2f}×"
    )
    print(f"marked as having had a neighbour: {found['marked']:.0f} of {found['cells']:.0f}")
    return found


def measure_cluster(arguments: argparse.Namespace) -> dict[str, Any]:
    """Lose a node in the middle of a suite."""
    from bench import cluster

    found = cluster.measure(arguments.suite_cells)
    print(f"\n{found['cells']} cells on two nodes, one killed after a quarter of them")
    print(f"recorded {found['recorded']}, well {found['ok']}, recorded twice {found['twice']}")
    print(f"rows equal to those of this machine alone: {'yes' if found['equal'] else 'NO'}")
    print(f"{found['ray_s']:.0f} s on the cluster, {found['local_s']:.0f} s here")
    return found


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "encoding": measure_encoding,
    "iteration": measure_iteration,
    "rendering": measure_rendering,
    "gate": measure_gate,
    "suites": measure_suites,
    "records": measure_records,
    "growth": measure_growth,
    "jobs": measure_jobs,
    "cluster": measure_cluster,
}

if __name__ == "__main__":
    main()
