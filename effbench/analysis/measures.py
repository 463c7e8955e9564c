"""How a row is compared with its baseline: differences and ratios of figures, and the speed-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from effbench.analysis.figures import FIGURES


@dataclass(frozen=True)
class Measure:
    """A way to compare. title, short: in words, for tables and for axes; unit: of the value; kind:
    what is taken within a pair; figure: of what, of the leaderboard or of `results.comparable`,
    "" for what only curves tell; better: which way is good."""

    title: str
    short: str
    kind: Literal["difference", "ratio"]
    better: Literal["lower", "higher"]
    figure: str = ""

    @property
    def neutral(self) -> float:
        """The value that stands for no difference."""
        return 1.0 if self.kind == "ratio" else 0.0

    @property
    def unit(self) -> str:
        return "×" if self.kind == "ratio" else " dB"


MEASURES: Mapping[str, Measure] = {
    "psnr_gain": Measure("PSNR at equal time", "ΔPSNR (dB)", "difference", "higher", "psnr"),
    "iter_ratio": Measure("iteration time", "iteration time (×)", "ratio", "lower", "iter_ms_mean"),
    "memory_ratio": Measure("peak memory", "peak memory (×)", "ratio", "lower", "peak_mem_mb"),
    "saved_ratio": Measure(
        "memory saved for backward", "saved memory (×)", "ratio", "lower", "saved_mb"
    ),
    "steady_ratio": Measure(
        "memory of steady training", "steady memory (×)", "ratio", "lower", "steady_mem_mb"
    ),
    "size_ratio": Measure("model size", "model size (×)", "ratio", "lower", "model_mb"),
    "render_ratio": Measure("rendering time", "rendering time (×)", "ratio", "lower", "render_ms"),
    "export_size_ratio": Measure(
        "exported size", "exported size (×)", "ratio", "lower", "export_mb"
    ),
    "export_rate_ratio": Measure(
        "images per second of the exported model",
        "exported FPS (×)",
        "ratio",
        "higher",
        "export_fps",
    ),
    "export_ram_ratio": Measure(
        "memory of the exported model", "exported memory (×)", "ratio", "lower", "peak_ram_mb"
    ),
    "speedup": Measure("speed-up to the baseline's PSNR", "speed-up (×)", "ratio", "higher"),
}
# What papers claim, as shown, with what a device other than theirs can tell of it.
CLAIMED = ("iter_ratio", "steady_ratio", "saved_ratio", "psnr_gain", "speedup")
SHOWN = ("psnr_gain", "iter_ratio", "memory_ratio", "size_ratio", "render_ratio")
PAIRED = tuple(name for name, measure in MEASURES.items() if measure.figure in FIGURES)
