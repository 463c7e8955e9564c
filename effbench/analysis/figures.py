"""What the leaderboard's figures are called, how they are written and how they are measured."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Figure:
    """A figure of the leaderboard.

    name: in words, without its unit; unit: "" for none; heading: of a table's column, unit
    included; write: a number as text; how: one or two sentences on how it is measured; better:
    which way is good, "" where neither is; optional: whether most methods cannot have it.
    """

    heading: str
    name: str
    unit: str
    write: Callable[[Any], str]
    better: Literal["higher", "lower", ""]
    how: str
    optional: bool = False


FIGURES: dict[str, Figure] = {
    "psnr": Figure(
        *("PSNR dB", "PSNR", "dB", _decimals(2), "higher"),
        "10·log₁₀(255²/MSE) of each saved 8-bit image, mean over images, then over seeds. "
        "±: sample standard deviation over seeds.",
    ),
    "ssim": Figure(
        *("SSIM", "SSIM", "", _decimals(4), "higher"),
        "Wang et al. 2004: Gaussian window of 11 px, σ = 1.5, mean over the valid region. "
        "Empty for images smaller than 11 px.",
    ),
    "lpips_vgg": Figure(
        *("LPIPS VGG", "LPIPS (VGG)", "", _decimals(4), "lower"),
        "LPIPS v0.1 with VGG on [−1, 1], images at their own size.",
    ),
    "lpips_alex": Figure(
        *("LPIPS Alex", "LPIPS (Alex)", "", _decimals(4), "lower"),
        "LPIPS v0.1 with AlexNet on [−1, 1], images at their own size.",
    ),
    "flip": Figure(
        *("FLIP", "FLIP", "", _decimals(4), "lower"),
        "Mean LDR-FLIP in [0, 1] at 67 pixels per degree (Andersson et al. 2020).",
    ),
    "train_s": Figure(
        *("train s", "training time", "s", significant, "lower"),
        "Seconds counted by the training clock, which pauses for evaluation and saving and is "
        "synchronised with the device.",
    ),
    "setup_s": Figure(
        *("setup s", "set-up time", "s", significant, "lower"),
        "Scene to device, kernel compilation, and warm-up on a throw-away copy.",
    ),
    "prepare_s": Figure(
        *("prepare s", "preparation time", "s", significant, "lower"),
        "Spent on parents or teachers and their pseudo views before training began.",
    ),
    "iterations": Figure(
        *("iterations", "iterations", "", integer, ""),
        "Training iterations done within the budget.",
    ),
    "iter_ms": Figure(
        *("iter ms", "iteration time", "ms", significant, "lower"),
        "Median of synchronised training iterations after warm-up.",
    ),
    "iter_ms_p95": Figure(
        *("iter p95 ms", "iteration time, 95th percentile", "ms", significant, "lower"),
        "95th percentile of synchronised training iterations after warm-up.",
    ),
    "peak_mem_mb": Figure(
        *("peak MB", "peak memory", "MB", significant, "lower"),
        "Peak while training, 1 MB = 10⁶ bytes. On a CPU the resident set size of the cell's own "
        "process, on CUDA allocated memory.",
    ),
    "saved_mb": Figure(
        *("saved MB", "memory saved for backward", "MB", significant, "lower"),
        "What one iteration keeps for its backward pass, each storage once and whole; parameters "
        "themselves not counted.",
    ),
    "params": Figure(
        *("parameters", "parameters", "", integer, "lower"),
        "Trainable numbers of the model.",
    ),
    "nonzero": Figure(
        *("non-zero", "non-zero parameters", "", integer, "lower"),
        "Trainable numbers that are not 0.",
    ),
    "model_mb": Figure(
        *("model MB", "model size", "MB", _decimals(3), "lower"),
        "Bytes of the file that a user would ship, with whatever rendering needs; 1 MB = 10⁶ "
        "bytes.",
    ),
    "model_zst_mb": Figure(
        *("zst MB", "model size, compressed", "MB", _decimals(3), "lower"),
        "The shipped file after zstandard, level 10.",
    ),
    "render_ms": Figure(
        *("render ms", "rendering time", "ms", significant, "lower"),
        "Per frame at the scene's resolution, compute only.",
    ),
    "fps": Figure(
        *("FPS", "frames per second", "1/s", significant, "higher"),
        "Frames rendered per second at the scene's resolution, compute only.",
    ),
    "energy_j": Figure(
        *("energy J", "energy", "J", significant, "lower"),
        "Joules over training, where the device can measure them.",
    ),
    "export_mb": Figure(
        *("ONNX MB", "exported model size", "MB", _decimals(3), "lower"),
        "Bytes of the exported ONNX file, weights included.",
    ),
    "latency_ms": Figure(
        *("latency ms", "latency of a frame", "ms", significant, "lower"),
        "Median time of one frame of the exported model under onnxruntime, in a fresh process.",
    ),
    "latency_p95_ms": Figure(
        *("latency p95 ms", "95th percentile of the latency", "ms", significant, "lower"),
        "95th percentile of the time of one frame of the exported model under onnxruntime.",
    ),
    "export_fps": Figure(
        *("ONNX FPS", "frames per second, exported", "1/s", significant, "higher"),
        "Frames per second of the exported model: 1 / median latency.",
    ),
    "peak_ram_mb": Figure(
        *("ONNX RAM MB", "peak memory, exported", "MB", significant, "lower"),
        "Peak resident memory of the process that runs the exported model, runtime included.",
    ),
    "macs": Figure(
        *("MACs", "multiply-accumulates per frame", "", integer, "lower"),
        "Multiplications with addition that the exported model needs for one frame, counted from "
        "its layers.",
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
