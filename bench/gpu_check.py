"""`make gpu-check`: everything that needs a GPU, checked in one go on whatever machine has one.

Kernel and step tests on the device; every method once; Instant-NGP and hard sample mining on a
procedural scene and, where EFFBENCH_SCENES has it, on Lego; their curves; a comparison with the
committed baseline of this device. Exit status 0 if all of it is well.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bench.gpu import demand_gpu
from effbench.machine import provenance
from effbench.records import record
from effbench.records.layout import CURVE
from effbench.records.record import Record

ROOT = Path(__file__).resolve().parents[1]
LEGO = "nerf_synthetic/lego"
SECONDS = (5, 10, 20, 30, 60)
# What a GPU must reach to be believed to work, far below what is hoped for: dB at the end
FLOORS = {"procedural/blocks": 25.0, LEGO: 30.0}
LEGO_TARGET = 34.0


@dataclass(frozen=True)
class Part:
    """One `effbench run` into a folder of its own."""

    name: str
    methods: tuple[str, ...]
    scene: str
    budget: str
    seeds: int
    options: tuple[str, ...] = ()


def main() -> None:
    arguments = _parse()
    device = demand_gpu("checked")
    name = provenance.device_name(device)
    print(f"GPU checks on {name}, torch {torch.__version__}", flush=True)
    failures = []
    if not arguments.no_tests and _pytest():
        failures.append("tests marked gpu")
    out = _folder(arguments.out)
    for part in parts(arguments.seeds, arguments.lego_seeds, _has_lego()):
        if _run(part, out):
            failures.append(f"run of {part.name}")
    records = record.locate([out])
    failures += [f"{r.method} on {r.scene['name']}: {r.reason}" for r in too_low(records.values())]
    print_curves(records)
    if _compare(out, baseline_path(name)):
        failures.append("comparison with the baseline")
    for failure in failures:
        print(f"FAILED: {failure}")
    print("GPU checks failed" if failures else "GPU checks passed")
    sys.exit(bool(failures))


def _folder(given: Path | None) -> Path:
    """Return a new folder for the results, or end the program: nothing is overwritten."""
    folder = ROOT / (given or Path("results/runs") / f"gpu-check-{datetime.now():%Y%m%d-%H%M%S}")
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: name another --out, or delete it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def parts(seeds: int, lego_seeds: int, lego: bool) -> list[Part]:
    """Return what is run."""
    both = ("instant-ngp", "hsm")
    small = ("--downscale", "2", "--eval-views", "4", "--curve-views", "1")
    found = [
        Part("methods", _methods(), "procedural/blocks", "5s", 1, small),
        Part("blocks", both, "procedural/blocks", "20s", seeds),
    ]
    if lego:
        found.append(Part("lego", both, LEGO, "60s", lego_seeds, ("--curve-views", "10")))
    else:
        print(f"{LEGO} is left out: set EFFBENCH_SCENES to a folder that has it")
    return found


def too_low(records: Iterable[Record]) -> list[Record]:
    """Return the records that are not ok, or below the floor of their scene, with the reason."""
    bad = []
    for one in records:
        floor = FLOORS.get(one.scene["name"], 0.0) if _full(one) else 0.0
        psnr = one.quality.get("psnr")
        if one.status != "ok":
            bad.append(one)
        elif psnr is not None and psnr < floor:
            reason = f"{psnr:.2f} dB, at least {floor:g} were expected"
            bad.append(replace(one, reason=reason))
    return bad


def _full(one: Record) -> bool:
    """Return whether a record is of a run at full size, which the floors are for."""
    return not one.scene["params"] and one.method in ("instant-ngp", "hsm")


def print_curves(records: dict[Path, Record]) -> None:
    """Print PSNR after so many seconds of training, and what a step cost."""
    head = "".join(f"{s:>7} s" for s in SECONDS)
    print(f"\n{'dB after':38}{head}{'final':>9}{'iter ms':>9}{'peak MB':>9}  recorded steps")
    for folder, one in records.items():
        if one.status != "ok" or not _full(one):
            continue
        curve = pd.read_csv(folder / CURVE)
        values = "".join(f"{value:>9.2f}" for value in at_seconds(curve, SECONDS))
        label = f"{one.method} {one.scene['name']} seed {one.repetition}"
        steady = one.memory["phases"].get("steady", float("nan"))
        print(
            f"{label:38}{values}{one.quality['psnr']:9.2f}{one.time['iter_ms']:9.2f}"
            f"{steady:9.0f}  {one.facts.get('cuda_graphs')}"
        )
        if one.scene["name"] == LEGO and one.method == "instant-ngp":
            verdict = "reached" if one.quality["psnr"] >= LEGO_TARGET else "not reached"
            print(f"{'':38}target of {LEGO_TARGET:g} dB in 60 s: {verdict}")


def at_seconds(curve: pd.DataFrame, seconds: Sequence[float]) -> list[float]:
    """Return PSNR interpolated at times of training, NaN beyond the first and last point (a point
    is up to one step late, so a hundredth of a second beyond is allowed)."""
    t, psnr = curve["train_s"].to_numpy(), curve["psnr"].to_numpy()
    values = np.interp(seconds, t, psnr)
    outside = (np.asarray(seconds) < t[0] - 0.01) | (np.asarray(seconds) > t[-1] + 0.01)
    return [float("nan") if out else float(v) for v, out in zip(values, outside, strict=True)]


def baseline_path(device_name: str) -> Path:
    """Return where the committed baseline of a device is."""
    words = "".join(c if c.isalnum() and c.isascii() else " " for c in device_name.lower())
    return Path("results") / "-".join(words.split()) / "gpu-check-baseline.json"


def _compare(out: Path, baseline: Path) -> int:
    """Hold the runs against the baseline, if there is one; return the status of the check."""
    if not (ROOT / baseline).exists():
        print(
            f"\nno baseline for this device. To make this run the one, with a clean checkout:\n"
            f"  effbench baseline {out} --out {baseline}\n  git add {baseline}"
        )
        return 0
    return _effbench("check", str(out), "--baseline", str(baseline))


def _pytest() -> int:
    print("\ntests on the device", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "--timeout=900"]
    return subprocess.run(command, cwd=ROOT).returncode  # 5, a failure, if there are none


def _run(part: Part, out: Path) -> int:
    print(f"\n{part.name}", flush=True)
    methods = [word for method in part.methods for word in ("--method", method)]
    return _effbench(
        "run",
        *methods,
        *("--scene", part.scene, "--budget", part.budget, "--seeds", str(part.seeds)),
        *("--device", "cuda", "--fresh", "--out", str(out / part.name)),
        *part.options,
    )


def _effbench(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "effbench", *arguments], cwd=ROOT).returncode


def _list(what: str) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "effbench", "list", what, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def _methods() -> tuple[str, ...]:
    return tuple(str(row["name"]) for row in _list("methods") if row["available"])


def _has_lego() -> bool:
    if not os.environ.get("EFFBENCH_SCENES"):
        return False
    return any(row["name"] == LEGO and row["available"] for row in _list("scenes"))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_check", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="repetitions on procedural/blocks")
    parser.add_argument("--lego-seeds", type=int, default=3, help="repetitions on Lego")
    parser.add_argument("--no-tests", action="store_true", help="leave pytest out")
    parser.add_argument("--out", type=Path, help="folder [results/runs/gpu-check-<time>]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
