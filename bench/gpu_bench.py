"""`make gpu-bench`: Instant-NGP's iteration taken apart, beside other kernels and the ceilings.

B = 2^18 samples, L = 16 levels, T = 2^19 entries, width 64, on procedural/blocks. Times are medians
on the device's clock; `--out` keeps them with their provenance.
"""

from __future__ import annotations

import argparse
import gc
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from bench import gpu_ceilings, gpu_kernels, gpu_model
from bench.gpu import alternate, demand_gpu
from effbench.files import write_json
from effbench.machine import device_lock, devices, libraries, provenance
from effbench.machine.breakdown import breakdown_on
from effbench.machine.energy import EnergyMeter
from effbench.method import Context, spans
from effbench.method.config import build
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning.registry import discover
from effbench.scene import Scene

FLOOR_MS = 1.0  # of an iteration on an H200: what its memory and tensor cores need at least
OTHER = "other"  # what of a step is in no part
_TAKEN_APART = ("instant-ngp", "hsm")
_WARM_UP = 512  # steps: the grid has cleared, and every size that comes up has been recorded


def main() -> None:
    arguments = _parse()
    if arguments.model:
        _print_model(arguments)
        return
    device = demand_gpu("measured")
    torch.cuda.set_device(device)
    print(f"{provenance.device_name(device)}, torch {torch.__version__}", flush=True)
    with device_lock.held(device, lambda: print("waiting for the device", flush=True)):
        _measure(device, arguments)


def _print_model(arguments: argparse.Namespace) -> None:
    """Print what a step moves and computes; on a GPU beside its ceilings."""
    known = gpu_model.Sizes()
    layout = replace(known.layout, levels=arguments.levels, log2_table=arguments.log2_table)
    sizes = gpu_model.Sizes(
        *(arguments.samples, 2 * arguments.samples, layout, arguments.width),
        compacted=arguments.compaction != "none",
    )
    ceilings = None
    if torch.cuda.is_available():
        device = demand_gpu("measured")
        with device_lock.held(device, lambda: print("waiting for the device", flush=True)):
            ceilings = gpu_ceilings.measure(device)
        print_ceilings(ceilings)
    gpu_model.print_model(sizes, ceilings)


def _measure(device: torch.device, arguments: argparse.Namespace) -> None:
    results: dict[str, Any] = {"ceilings": gpu_ceilings.measure(device)}
    print_ceilings(results["ceilings"])
    results["kernels"] = gpu_kernels.compare(device, arguments.rounds)
    print_kernels(results["kernels"], results["ceilings"])
    registry = discover([])
    source = registry.source("procedural")
    scene = source.load("blocks", None, source.Config())
    results["iteration"] = iterations(scene, device, arguments.rounds)
    print_iterations(results["iteration"])
    results["left_out"] = {name: libraries.missing(name) for name in libraries.NAMES}
    for name, reason in results["left_out"].items():
        if reason:
            print(f"{name} is left out: {reason}")
    if arguments.out:
        meter = EnergyMeter.of(device)
        meter.start()
        meter.pause()  # the clocks under the last load
        command = ["python", "-m", "bench.gpu_bench", *sys.argv[1:]]
        about = provenance.provenance(device, command) | {"gpu_load": meter.load()}
        write_json(arguments.out, results | {"provenance": about})
        print(f"\nwritten to {arguments.out}")


def iterations(scene: Scene, device: torch.device, rounds: int) -> dict[str, dict[str, Any]]:
    """Return, by contender, the time of a step, the memory of training and, for effbench's own,
    what an eager step is made of."""
    found: dict[str, dict[str, Any]] = {}
    contenders: dict[str, tuple[str, str, dict[str, Any]]]
    contenders = {"instant-ngp": ("instant-ngp", "auto", {}), "hsm": ("hsm", "auto", {})}
    contenders["instant-ngp, exact buffers"] = ("instant-ngp", "auto", {"buffers": "exact"})
    for name in libraries.NAMES:
        if not libraries.missing(name):
            contenders[f"instant-ngp on {name}"] = ("instant-ngp", name, {})
    for label, (method, backend, params) in contenders.items():
        found[label] = measure_method(_method(method, backend, params, scene, device), rounds)
        gc.collect()  # a contender's memory is not the next one's
        torch.cuda.empty_cache()
    return found


def measure_method(method: RadianceFieldMethod, rounds: int) -> dict[str, Any]:
    """Train `method` until its grid has cleared, then measure its steps."""
    for _ in range(_WARM_UP):
        method.step(0.5)
    times = {"step_ms": alternate({"": lambda: method.step(0.5)}, rounds)[""]}
    with devices.eager_steps():
        times["eager_ms"] = alternate({"": lambda: method.step(0.5)}, rounds)[""]
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        method.step(0.5)
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() / 1e6
        parts = break_down(method, rounds) if not method.library else {}
    counts = method.diagnostics()
    return {
        **times,
        "peak_mb": peak,
        "rays": counts["rays"],
        "samples": counts["samples"],
        "facts": method.facts(),
        "eager_parts_ms": parts,
    }


def break_down(method: RadianceFieldMethod, rounds: int) -> dict[str, float]:
    """Return the milliseconds of an eager step's parts (`effbench.method.spans`), "other" among
    them, updates of the grid spread over the steps between them."""
    parts = breakdown_on(method.device)
    with spans.watched(parts.part):
        for _ in range(rounds):
            with parts.part(OTHER):
                method.step(0.5)
    sums = parts.milliseconds()
    return {name: total / rounds for name, total in sorted(sums.items(), key=lambda x: -x[1])}


def _method(
    name: str, backend: str, params: dict[str, Any], scene: Scene, device: torch.device
) -> RadianceFieldMethod:
    method_class = discover([]).method(name)
    config = build(method_class.Config, params, name)
    context = Context(scene, device, seed=0, backend=backend)
    return cast(RadianceFieldMethod, method_class(config, context))


def print_ceilings(ceilings: dict[str, float]) -> None:
    print("\nceilings, measured")
    for name, value in ceilings.items():
        print(f"  {name:24}{value:10.0f}")


def print_kernels(kernels: gpu_kernels.Times, ceilings: dict[str, float]) -> None:
    """Print the time of the kernels, how many times effbench's that is, the time with their
    launches, and the share of a ceiling."""
    print("\nkernels, B=2^18, L=16, T=2^19, width 64")
    print(f"  {'':50}{'ms':>9}{'to first':>10}{'with launch':>13}")
    for operation, times in kernels.items():
        first = next(iter(times.values()))["ms"]
        for name, timing in times.items():
            value, launched = timing["ms"], timing["with_launch_ms"]
            share = _share(operation, value, ceilings)
            print(
                f"  {operation:28}{name:22}{value:9.3f}{value / first:9.2f}×{launched:13.3f}{share}"
            )


def _share(operation: str, milliseconds: float, ceilings: dict[str, float]) -> str:
    if operation.startswith("networks"):
        passes = 1 if operation.endswith("forward") else 2
        rate = passes * gpu_kernels.network_operations() / 1e9 / milliseconds
        return f"{rate / ceilings['matmul_bf16_tflop_s']:8.0%} of matmul"
    if operation.startswith("Adam"):
        rate = gpu_kernels.adam_bytes() / 1e6 / milliseconds
        return f"{rate / ceilings['copy_gb_s']:8.0%} of copy"
    return ""


def print_iterations(found: dict[str, dict[str, Any]]) -> None:
    print("\none iteration on procedural/blocks")
    print(f"  {'':30}{'step ms':>9}{'eager ms':>10}{'peak MB':>9}{'samples':>10}  recorded")
    for name, one in found.items():
        print(
            f"  {name:30}{one['step_ms']:9.3f}{one['eager_ms']:10.3f}{one['peak_mb']:9.0f}"
            f"{one['samples']:10.0f}  {one['facts'].get('cuda_graphs', 'no')}"
        )
    print(f"  estimated floor, for an H200: {FLOOR_MS:g} ms")
    for name, one in found.items():
        if name in _TAKEN_APART:
            print_parts(name, one["eager_parts_ms"])


def print_parts(name: str, parts: dict[str, float]) -> None:
    print(f"\n  parts of an eager step of {name} (ms, launch gaps included)")
    total = sum(parts.values())
    for part, value in parts.items():
        print(f"    {part:28}{value:9.3f}{100 * value / total:6.0f} %")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_bench", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--rounds", type=int, default=100, help="timed turns per contender")
    sizes = gpu_model.Sizes()
    model = parser.add_argument_group("model")
    model.add_argument(
        "--model", action="store_true", help="count what a step moves and computes; needs no GPU"
    )
    model.add_argument("--samples", type=int, default=sizes.samples, help="B [%(default)s]")
    model.add_argument("--levels", type=int, default=sizes.layout.levels, help="L [%(default)s]")
    log2 = sizes.layout.log2_table
    model.add_argument("--log2-table", type=int, default=log2, help="log2 of T [%(default)s]")
    model.add_argument("--width", type=int, default=sizes.width, help="of layers [%(default)s]")
    model.add_argument(
        "--compaction",
        choices=("transmittance", "none"),
        default="transmittance",
        help="what is dropped of twice as many marched [%(default)s]",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
