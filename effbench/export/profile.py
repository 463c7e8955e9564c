"""What a model costs on its own: latency and memory of a fresh process, bytes, operations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from effbench.errors import EffbenchError
from effbench.export.macs import count_macs
from effbench.export.model import PROVIDER, require

SECONDS = 5.0
_TIMEOUT_S = 600


@dataclass(frozen=True)
class Profile:
    """Figures of one model on this machine, one frame at a time; units are part of the names.

    latency: of a whole frame at the model's resolution, from camera to image; frames: how many
    were timed, after one that was not; peak_ram_mb: peak resident set size of the process, which
    holds Python, numpy, ONNX Runtime and the model; model_ram_mb: what it grew by when it loaded
    the model and ran it; macs: multiply-accumulate operations per frame, None where the number of
    operations depends on the input.
    """

    frames: int
    latency_ms: float
    latency_p95_ms: float
    export_fps: float
    peak_ram_mb: float
    model_ram_mb: float
    onnx_bytes: int
    export_mb: float
    macs: int | None
    provider: str
    threads: int
    runtime: str


def profile(path: Path, *, seconds: float = SECONDS, threads: int | None = None) -> Profile:
    """Measure a model in a process of its own for about `seconds` (at least three frames).

    threads: of one operation; None: the cores this process may use. Raises EffbenchError when the
    model cannot be loaded or run, ConfigError when a package is missing.
    """
    require("onnxruntime")
    count = threads or _cores()
    if not path.is_file():
        raise EffbenchError(f"{path}: no such file: write one with `effbench export CELL`")
    command = [sys.executable, "-m", "effbench.export.worker", str(path), str(seconds), str(count)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EffbenchError(f"{path}: three frames took longer than {_TIMEOUT_S} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EffbenchError(f"{path}: cannot be profiled: {last}")
    found = json.loads(done.stdout.splitlines()[-1])
    frames_ms = np.asarray(found["frames_ms"])
    median = float(np.median(frames_ms))
    size = path.stat().st_size
    return Profile(
        frames=len(frames_ms),
        latency_ms=median,
        latency_p95_ms=float(np.percentile(frames_ms, 95)),
        export_fps=1e3 / median,
        peak_ram_mb=found["peak_rss"] / 1e6,
        model_ram_mb=max(0, found["peak_rss"] - found["rss_without_model"]) / 1e6,
        onnx_bytes=size,
        export_mb=size / 1e6,
        macs=count_macs(path.read_bytes()),
        provider=PROVIDER,
        threads=count,
        runtime=found["runtime"],
    )


def _cores() -> int:
    """Return the cores this process may use, or all where the system does not say."""
    process = psutil.Process()
    allowed = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
    return len(allowed or []) or os.cpu_count() or 1


def as_json(found: Profile) -> str:
    """Return a profile as a JSON object."""
    return json.dumps(asdict(found), indent=1)


def as_text(path: Path, found: Profile) -> str:
    """Return a profile as lines that people read."""
    macs = "depends on the input" if found.macs is None else f"{found.macs:,} per frame"
    lines = {
        "latency": f"{found.latency_ms:.1f} ms median, {found.latency_p95_ms:.1f} ms p95 "
        f"over {found.frames} frames: {found.export_fps:.1f} FPS",
        "peak RAM": f"{found.peak_ram_mb:.1f} MB, of which the model takes "
        f"{found.model_ram_mb:.1f} MB",
        "size": f"{found.export_mb:.3f} MB ({found.onnx_bytes:,} bytes)",
        "MACs": macs,
        "on": f"onnxruntime {found.runtime}, {found.provider}, {found.threads} threads",
    }
    return "\n".join([str(path), *(f"  {name:<9} {text}" for name, text in lines.items())])
