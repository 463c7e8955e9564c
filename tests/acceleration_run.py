"""A made run of a few switches: cells whose curves, times and memory are known by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from effbench.records import record
from effbench.records.record import Record

DEFAULTS: dict[str, Any] = {
    "precision": "auto",
    "sampling": "occupancy",
    "early_stop_eps": 1e-4,
    "compaction": "transmittance",
    "checkpointing": False,
    "loading": "preloaded",
}
SEEDS = 3
# Per row: what differs from the defaults, the speed at which it goes through the curve (s / s),
# ms per iteration, MB of steady training, MB saved for backward, samples per ray.
ROWS: dict[str, tuple[dict[str, Any], float, float, float, float, float]] = {
    "": ({}, 1.0, 10.0, 100.0, 40.0, 4.0),
    "sampling=uniform": ({"sampling": "uniform"}, 0.25, 40.0, 200.0, 80.0, 192.0),
    "precision=fp32": ({"precision": "fp32"}, 0.8, 12.0, 110.0, 60.0, 4.0),
    "early_stop_eps=0": ({"early_stop_eps": 0.0}, 0.99, 10.1, 100.0, 41.0, 5.0),
    "checkpointing=true": ({"checkpointing": True}, 0.9, 11.0, 60.0, 10.0, 4.0),
    "loading=async": ({"loading": "async"}, 1.25, 8.0, 100.0, 40.0, 4.0),
}
BUDGET_S = 20.0
POINTS = 10


def psnr_at(seconds: float) -> float:
    """The curve of the default: a straight line, 1 dB per second."""
    return 10.0 + seconds


def write_run(out: Path, seeds: int = SEEDS) -> list[Record]:
    """Write the cells of ROWS, paired by seeds, with curves; return the records."""
    made = []
    for place, (variant, about) in enumerate(ROWS.items()):
        for seed in range(seeds):
            cell = _record(variant, about, seed, place)
            folder = out / "cells" / cell.cell_id
            record.write(folder / "record.json", cell)
            (folder / "curve.csv").write_text(_curve(about[1], about[2]), encoding="utf-8")
            made.append(cell)
    return made


def _record(variant: str, about: tuple[Any, ...], seed: int, place: int) -> Record:
    changes, speed, iter_ms, steady, saved, per_ray = about
    skipped = {} if "sampling" in changes else {"samples_skipped": 1 - per_ray / 100}
    jitter = 1 + 0.001 * seed
    return Record(
        cell_id=f"instant-ngp_{place}_s{seed}",
        suite="acceleration",
        method="instant-ngp",
        variant=variant,
        params={**DEFAULTS, **changes},
        scene={"key": "blocks", "name": "procedural/blocks", "manifest": "abc"},
        budget=f"{BUDGET_S:g}s",
        seed=100 + seed,
        repetition=seed,
        quality={"psnr": psnr_at(BUDGET_S * speed) + 0.01 * seed},
        time={"train_s": BUDGET_S, "iter_ms_mean": iter_ms * jitter, "prepare_s": 0.0},
        memory={"peak_mem_mb": 2 * steady, "saved_mb": saved, "phases": {"steady": steady}},
        device="a CPU",
        facts={"precision": "fp32", "samples_per_ray": per_ray, **skipped},
        provenance={"started": f"2026-01-01T12:{place:02d}:{seed:02d}+00:00"},
    )


def _curve(speed: float, iter_ms: float) -> str:
    lines = ["fraction,train_s,iteration,loss,psnr"]
    for i in range(1, POINTS + 1):
        at = BUDGET_S * i / POINTS
        lines.append(f"{i / POINTS},{at},{round(1e3 * at / iter_ms)},0.1,{psnr_at(at * speed)}")
    return "\n".join(lines) + "\n"
