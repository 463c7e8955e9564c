"""`python -m bench`: measure on an idle machine; `--out` keeps figures and provenance."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, cast

import torch

from bench import encodings, iteration, restart_with_allocator
from effbench import machine
from effbench.config import build
from effbench.files import write_json
from effbench.method import Context
from effbench.nerf.training import RadianceFieldMethod
from effbench.plugins import discover


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--rounds", type=int, default=9, help="timed turns per contender")
    parser.add_argument("--iterations", type=int, default=150, help="timed training steps")
    arguments = parser.parse_args()
    restart_with_allocator()
    results: dict[str, Any] = {"encoding": {}, "iteration": {}}
    plain = {
        layout: encodings.as_torch_comes(layout, rounds=arguments.rounds)
        for layout in encodings.LAYOUTS
    }
    for layout, others in plain.items():
        times = encodings.compare(layout, rounds=arguments.rounds)
        times = {direction: times[direction] | others[direction] for direction in times}
        results["encoding"][layout] = times
        print_encoding(layout, times)
    results["iteration"] = measure_iteration(arguments.iterations)
    print_iteration(results["iteration"])
    if arguments.out:
        device, command = torch.device("cpu"), ["python", "-m", "bench", *sys.argv[1:]]
        write_json(arguments.out, results | {"provenance": machine.provenance(device, command)})
        print(f"\nwritten to {arguments.out}")


def print_encoding(layout: str, times: encodings.Times) -> None:
    """Print one table: milliseconds, and how many times longer than effbench each takes.

    "plain": with the memory allocator as torch comes; the others with that of effbench's cells.
    """
    print(f"\nhash encoding, 65,536 points, {layout}, F=2 (median ms)")
    print(f"{'':28}{'forward':>9}{'backward':>10}{'both':>9}{'ratio':>9}")
    ours = sum(direction[encodings.OURS] for direction in times.values())
    for name in times["forward"]:
        forward, backward = times["forward"][name], times["backward"][name]
        both = forward + backward
        print(f"{name:28}{forward:9.1f}{backward:10.1f}{both:9.1f}{both / ours:8.2f}×", flush=True)


def measure_iteration(iterations: int) -> dict[str, float]:
    """Break down Instant-NGP's step with the CPU defaults on the procedural blocks."""
    registry = discover([])
    source = registry.source("procedural")
    scene = source.load("blocks", None, source.Config())
    method_class = registry.method("instant-ngp")
    config = build(method_class.Config, method_class.device_defaults["cpu"], "instant-ngp")
    method = method_class(config, Context(scene, torch.device("cpu"), seed=0))
    return iteration.measure(cast(RadianceFieldMethod, method), 300, iterations)


def print_iteration(parts: dict[str, float]) -> None:
    print("\ninstant-ngp, one iteration on procedural/blocks (ms, % of the iteration)")
    for name, milliseconds in parts.items():
        print(f"{name:22}{milliseconds:9.2f}{100 * milliseconds / parts['total']:9.0f} %")


if __name__ == "__main__":
    main()
