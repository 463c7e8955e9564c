"""A made results folder for tests of pictures and reports: cells, curves, renders, ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from effbench.records import record
from effbench.records.record import Record

# Method and variant to parameters, mean PSNR (dB), size (MB) and time of an iteration (ms).
Rows = Mapping[tuple[str, str], tuple[dict[str, Any], float, float, float]]

PRUNING: Rows = {
    ("instant-ngp", ""): ({}, 27.1, 6.23, 44.0),
    ("nerf", ""): ({}, 20.4, 2.39, 105.0),
    **{
        ("nerf-pruned", f"selection={selection},width={width}"): (
            {"selection": selection, "width": width},
            20.0 - 0.4 * place - (0.8 if width == 64 else 0.0),
            1.14 if width == 128 else 0.71,
            50.0 if width == 128 else 36.0,
        )
        for place, selection in enumerate(("coreset", "uniform", "w_out"))
        for width in (128, 64)
    },
}
FRACTIONS = (0.05, 0.1, 0.2, 0.5, 1.0)


def write_results(
    out: Path,
    rows: Rows = PRUNING,
    *,
    scenes: Sequence[str] = ("procedural/blocks", "procedural/spheres"),
    seeds: int = 3,
    views: int = 2,
    size: int = 48,
    budget: str = "10s",
) -> list[Record]:
    """Write `rows` × `scenes` × `seeds` cells with all files that a run leaves; return the records.

    `nerf` is the parent of every `nerf-pruned`. size: the images' sides in pixels.
    """
    made = []
    for index, scene in enumerate(scenes):
        key = scene.replace("/", "-")
        truths = {f"r_{view}": picture(size, index + view) for view in range(views)}
        for name, pixels in truths.items():
            save(out / "truth" / key / f"{name}.png", pixels)
        for place, ((method, variant), about) in enumerate(rows.items()):
            for seed in range(seeds):
                rng = np.random.default_rng([index, place, seed])
                cell = _record(method, variant, about, (scene, key, size), seed, rng, budget, views)
                folder = out / "cells" / cell.cell_id
                record.write(folder / "record.json", cell)
                (folder / "curve.csv").write_text(_curve(cell, rng))
                for name, pixels in truths.items():
                    save(folder / "renders" / f"{name}.png", noisy(pixels, about[1], rng))
                made.append(cell)
    return made


def picture(size: int, phase: int) -> NDArray[np.uint8]:
    """Return a picture with edges and gradients."""
    y, x = np.mgrid[:size, :size] / size
    rings = 0.5 + 0.5 * np.sin(20 * np.hypot(x - 0.5, y - 0.4) + phase)
    return np.asarray(255 * np.stack([rings, x * y, (x > 0.5) * 0.7], -1), np.uint8)


def noisy(image: NDArray[np.uint8], psnr: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image with noise of about this PSNR."""
    noise = rng.standard_normal(image.shape) * 255 * 10 ** (-psnr / 20)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def save(path: Path, image: NDArray[np.uint8]) -> None:
    """Save an image; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _record(
    method: str,
    variant: str,
    about: tuple[dict[str, Any], float, float, float],
    scene: tuple[str, str, int],
    seed: int,
    rng: np.random.Generator,
    budget: str,
    views: int,
) -> Record:
    params, mean_psnr, model_mb, iter_ms = about
    name, key, size = scene
    psnr = mean_psnr + float(rng.normal(0, 0.15))
    short = variant.replace("=", "").replace(",", "-")
    parent = f"nerf__{key}_s{seed}"
    quality = {"psnr": psnr, "ssim": psnr / 32, "flip": 2.0 / psnr}
    per_view = [{"name": f"r_{view}", **quality} for view in range(views)]
    return Record(
        cell_id=f"{method}_{short}_{key}_s{seed}",
        suite="pruning",
        method=method,
        variant=variant,
        params=params,
        scene={"key": key, "name": name, "width": size, "height": size, "manifest": key},
        budget=budget,
        seed=1000 + seed,
        repetition=seed,
        quality={**quality, "eval_views": views, "per_view": per_view},
        time={
            **{"train_s": 10.0, "setup_s": 1.5, "prepare_s": 12.0 if "pruned" in method else 0.0},
            **{"eval_s": 2.0, "total_s": 15.0, "iterations": int(1e4 / iter_ms)},
            **{"iter_ms": iter_ms,
            "iter_ms_mean": iter_ms, "iter_ms_p95": 1.3 * iter_ms, "render_ms": 3 * iter_ms},
            **{"fps": 1000 / (3 * iter_ms)},
        },
        memory={"peak_mem_mb": 300 + 10 * model_mb, "saved_mb": 4 * model_mb,
                "phases": {"warmup": 310.0, "steady": 300 + 10 * model_mb, "render": 330.0}},
        size={"params": int(model_mb * 2.5e5), "nonzero": int(model_mb * 2.5e5),
              "model_mb": model_mb, "model_zst_mb": 0.9 * model_mb},
        device="a CPU",
        backend="cpu",
        provenance={"effbench": "0.1.0", "commit": "0123abc", "dirty": False, "python": "3.11.7",
                    "started": f"2026-01-0{1 + seed}T12:00:00+00:00",
                    "command": ["effbench", "run", "--suite", "pruning"]},
        parents={"dense": parent} if method == "nerf-pruned" else {},
    )  # fmt: skip


def _curve(cell: Record, rng: np.random.Generator) -> str:
    last = float(cell.quality["psnr"])
    lines = ["fraction,train_s,iteration,loss,psnr"]
    for fraction in FRACTIONS:
        psnr = last - 6 * (1 - fraction) ** 2 + float(rng.normal(0, 0.05))
        iteration = round(fraction * int(cell.time["iterations"]))
        lines.append(f"{fraction},{10 * fraction + 0.01},{iteration},{0.1 / fraction},{psnr}")
    return "\n".join(lines) + "\n"


def add_profiles(out: Path, parts: Mapping[str, Mapping[str, float]]) -> None:
    """Give the cells of some methods a profile: parts of a step in ms, and half one that is none;
    the machine's use in two moments."""
    use = {"t_s": [0.25, 0.5], "cores": {"0": [1.0, 0.5], "1": [0.5, 0.0]}, "process": [1.0, 1.0]}
    for path in out.glob("cells/*/record.json"):
        cell = record.read(path)
        if cell.method in parts:
            known = dict(parts[cell.method])
            steps = {"parts": known, "rest_ms": 0.5, "step_ms": 0.5 + sum(known.values())}
            profile = {**steps, "steps": 16, "utilisation": use}
            record.write(path, replace(cell, profile=profile))
