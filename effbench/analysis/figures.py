"""Every figure that is measured: its names, its place in a record, how it is written and compared.

The only list of figures: tables, pictures, pages, the regression check and exporters take theirs
from here. A figure is added by an entry here and by whoever writes it into the record.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


def _decimals(count: int) -> Callable[[Any], str]:
    return lambda value: f"{value:.{count}f}"


def significant(value: Any) -> str:
    """Return a duration, size or rate with about three significant digits, never in exponents."""
    size = abs(float(value))
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or size == 0 else 4
    return f"{value:.{places}f}"


def integer(value: Any) -> str:
    """Return a count with thousands separated."""
    return f"{int(value):,}"


Group = Literal["quality", "time", "memory", "size", "energy", "export"]


@dataclass(frozen=True)
class Check:
    """How the regression check compares a figure: differences in its own unit, or ratios.

    tolerance: what it may lose, in its unit or as a part (0.1: 10 %), None for a figure that is
    not checked unless asked for; timed: a duration, which is divided by the reference method's in
    the same run first.
    """

    kind: Literal["difference", "ratio"]
    tolerance: float | None = None
    timed: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure of the leaderboard.

    heading: of a table's column, unit included; name: in words, without its unit; unit: "" for
    none; write: a number as text; better: which way is good, "" where neither is; how: one or two
    sentences on how it is measured; group: of the record that holds it; count: whether it is a
    whole number; minor: not shown in a page's table before someone asks for all columns; check:
    how the regression check compares it, if it can.
    """

    heading: str
    name: str
    unit: str
    write: Callable[[Any], str]
    better: Literal["higher", "lower", ""]
    how: str
    group: Group = "quality"
    count: bool = False
    minor: bool = False
    check: Check | None = None

    def shown(self, value: float) -> float:
        """Return a value as precise as it is written; NaN stays NaN."""
        return value if math.isnan(value) else float(self.write(value).replace(",", ""))


FIGURES: dict[str, Figure] = {
    "psnr": Figure(
        *("PSNR dB", "PSNR", "dB", _decimals(2), "higher"),
        "10·log₁₀(255²/MSE) of each saved 8-bit image, mean over images, then over seeds. "
        "±: sample standard deviation over seeds.",
        check=Check("difference", 0.2),
    ),
    "psnr_worst": Figure(
        *("worst view dB", "PSNR of the worst view", "dB", _decimals(2), "higher"),
        "PSNR of the test view that has the lowest, mean over seeds.",
        minor=True,
    ),
    "psnr_p5": Figure(
        *("5 % of views dB", "PSNR, 5th percentile of views", "dB", _decimals(2), "higher"),
        "What 95 % of the test views reach: 5th percentile of the PSNR over views, linear between "
        "two, mean over seeds.",
        minor=True,
    ),
    "ssim": Figure(
        *("SSIM", "SSIM", "", _decimals(4), "higher"),
        "Wang et al. 2004: Gaussian window of 11 px, σ = 1.5, mean over the valid region. "
        "Empty for images smaller than 11 px.",
        check=Check("difference"),
    ),
    "lpips_vgg": Figure(
        *("LPIPS VGG", "LPIPS (VGG)", "", _decimals(4), "lower"),
        "LPIPS v0.1 with VGG on [−1, 1], images at their own size.",
        check=Check("difference"),
    ),
    "lpips_alex": Figure(
        *("LPIPS Alex", "LPIPS (Alex)", "", _decimals(4), "lower"),
        "LPIPS v0.1 with AlexNet on [−1, 1], images at their own size.",
        minor=True,
        check=Check("difference"),
    ),
    "flip": Figure(
        *("FLIP", "FLIP", "", _decimals(4), "lower"),
        "Mean LDR-FLIP in [0, 1] at 67 pixels per degree (Andersson et al. 2020).",
        check=Check("difference"),
    ),
    "train_s": Figure(
        *("train s", "training time", "s", significant, "lower"),
        "Seconds counted by the training clock, which pauses for evaluation and saving and is "
        "synchronised with the device.",
        group="time",
    ),
    "setup_s": Figure(
        *("setup s", "set-up time", "s", significant, "lower"),
        "Scene to device, kernel compilation, and warm-up on a throw-away copy.",
        group="time",
        minor=True,
    ),
    "prepare_s": Figure(
        *("prepare s", "preparation time", "s", significant, "lower"),
        "Spent on parents or teachers and their pseudo views before training began.",
        group="time",
    ),
    "total_train_s": Figure(
        *("total s", "total training time", "s", significant, "lower"),
        "Preparation time and training time: what the model took from nothing.",
        group="time",
        minor=True,
    ),
    "iterations": Figure(
        *("iterations", "iterations", "", integer, ""),
        "Training iterations done within the budget.",
        group="time",
        count=True,
    ),
    "iter_ms": Figure(
        *("iter ms", "iteration time", "ms", significant, "lower"),
        "Median of synchronised training iterations after warm-up.",
        group="time",
        check=Check("ratio", 0.1, timed=True),
    ),
    "iter_ms_mean": Figure(
        *("iter mean ms", "iteration time, mean", "ms", significant, "lower"),
        "Training time over iterations: what equal-time comparisons and papers go by. Updates of "
        "grids and other rare steps count in it, in the median they do not.",
        group="time",
        minor=True,
        check=Check("ratio", timed=True),
    ),
    "iter_ms_p95": Figure(
        *("iter p95 ms", "iteration time, 95th percentile", "ms", significant, "lower"),
        "95th percentile of synchronised training iterations after warm-up.",
        group="time",
        minor=True,
        check=Check("ratio", timed=True),
    ),
    "peak_mem_mb": Figure(
        *("peak MB", "peak memory", "MB", significant, "lower"),
        "Peak while training, 1 MB = 10⁶ bytes. On a CPU the resident set size of the cell's own "
        "process, on CUDA allocated memory.",
        group="memory",
        check=Check("ratio", 0.1),
    ),
    "saved_mb": Figure(
        *("saved MB", "memory saved for backward", "MB", significant, "lower"),
        "What one iteration keeps for its backward pass, each storage once and whole, mean over at "
        "least 16; parameters themselves not counted.",
        group="memory",
        check=Check("ratio"),
    ),
    "params": Figure(
        *("parameters", "parameters", "", integer, "lower"),
        "Trainable numbers of the model.",
        group="size",
        count=True,
        minor=True,
        check=Check("ratio"),
    ),
    "nonzero": Figure(
        *("non-zero", "non-zero parameters", "", integer, "lower"),
        "Trainable numbers that are not 0.",
        group="size",
        count=True,
        minor=True,
        check=Check("ratio"),
    ),
    "model_mb": Figure(
        *("model MB", "model size", "MB", _decimals(3), "lower"),
        "Bytes of the file that a user would ship, with whatever rendering needs; 1 MB = 10⁶ "
        "bytes.",
        group="size",
        check=Check("ratio", 0.05),
    ),
    "model_zst_mb": Figure(
        *("zst MB", "model size, compressed", "MB", _decimals(3), "lower"),
        "The shipped file after zstandard, level 10.",
        group="size",
        minor=True,
        check=Check("ratio"),
    ),
    "render_ms": Figure(
        *("render ms", "rendering time", "ms", significant, "lower"),
        "Per frame at the scene's resolution, compute only.",
        group="time",
        check=Check("ratio", timed=True),
    ),
    "fps": Figure(
        *("FPS", "frames per second", "1/s", significant, "higher"),
        "Frames rendered per second at the scene's resolution, compute only.",
        group="time",
        minor=True,
    ),
    "energy_j": Figure(
        *("energy J", "energy", "J", significant, "lower"),
        "Joules over training, where the device can measure them.",
        group="energy",
        check=Check("ratio"),
    ),
    "export_mb": Figure(
        *("ONNX MB", "exported model size", "MB", _decimals(3), "lower"),
        "Bytes of the exported ONNX file, weights included.",
        group="export",
    ),
    "latency_ms": Figure(
        *("latency ms", "latency of a frame", "ms", significant, "lower"),
        "Median time of one frame of the exported model under onnxruntime, in a fresh process.",
        group="export",
    ),
    "latency_p95_ms": Figure(
        *("latency p95 ms", "95th percentile of the latency", "ms", significant, "lower"),
        "95th percentile of the time of one frame of the exported model under onnxruntime.",
        group="export",
        minor=True,
    ),
    "export_fps": Figure(
        *("ONNX FPS", "frames per second, exported", "1/s", significant, "higher"),
        "Frames per second of the exported model: 1 / median latency.",
        group="export",
        minor=True,
    ),
    "peak_ram_mb": Figure(
        *("ONNX RAM MB", "peak memory, exported", "MB", significant, "lower"),
        "Peak resident memory of the process that runs the exported model, runtime included.",
        group="export",
    ),
    "macs": Figure(
        *("MACs", "multiply-accumulates per frame", "", integer, "lower"),
        "Multiplications with addition that the exported model needs for one frame, counted from "
        "its layers.",
        group="export",
        count=True,
        minor=True,
    ),
}


def figure(column: str) -> Figure:
    """Return what is known of a column; of an unknown one its own name, figures in short."""
    known = FIGURES.get(column)
    return known or Figure(column.replace("_", " "), column, "", significant, "", "")


def axis_label(column: str) -> str:
    """Return a figure's name with its unit: "model size (MB)"."""
    about = figure(column)
    return f"{about.name} ({about.unit})" if about.unit else about.name
