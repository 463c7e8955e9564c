"""What the regression gate compares, and how much of it may be lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from effbench.errors import ConfigError, unknown

DRIFT = "drift"  # the tolerance of the reference method's own durations


@dataclass(frozen=True)
class Figure:
    """How a figure is compared: differences in its own unit, or ratios (tolerances in per cent).

    timed: a duration, which is divided by the reference method's in the same run first.
    """

    kind: Literal["difference", "ratio"]
    better: Literal["higher", "lower"]
    tolerance: float | None = None  # by default not gated
    timed: bool = False


FIGURES: Mapping[str, Figure] = {
    "psnr": Figure("difference", "higher", 0.2),
    "ssim": Figure("difference", "higher"),
    "lpips_vgg": Figure("difference", "lower"),
    "lpips_alex": Figure("difference", "lower"),
    "flip": Figure("difference", "lower"),
    "iter_ms": Figure("ratio", "lower", 0.1, timed=True),
    "iter_ms_p95": Figure("ratio", "lower", timed=True),
    "render_ms": Figure("ratio", "lower", timed=True),
    "peak_mem_mb": Figure("ratio", "lower", 0.1),
    "saved_mb": Figure("ratio", "lower"),
    "params": Figure("ratio", "lower"),
    "nonzero": Figure("ratio", "lower"),
    "model_mb": Figure("ratio", "lower", 0.05),
    "model_zst_mb": Figure("ratio", "lower"),
    "energy_j": Figure("ratio", "lower"),
}
# How much slower the reference method itself may have become: nothing in its own run says
# whether that is its code or the machine, so only what no machine's mood explains counts.
DRIFT_TOLERANCE = 0.5


def tolerances(settings: Sequence[str]) -> dict[str, float]:
    """Return the default tolerances, changed by settings like psnr=0.2, iter_ms=10 % or ssim=off.

    Raises ConfigError for one that cannot be read.
    """
    found = {name: f.tolerance for name, f in FIGURES.items() if f.tolerance is not None}
    found[DRIFT] = DRIFT_TOLERANCE
    for setting in settings:
        name, _, text = (part.strip() for part in setting.partition("="))
        if name not in FIGURES and name != DRIFT:
            raise unknown("figure in --tolerance", name, [*FIGURES, DRIFT])
        if text == "off":
            found.pop(name, None)
        else:
            found[name] = _tolerance(name, text)
    return found


def _tolerance(name: str, text: str) -> float:
    ratio = name == DRIFT or FIGURES[name].kind == "ratio"
    try:
        value = float(text.removesuffix("%")) / (100 if ratio else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or ratio != text.endswith("%"):
        what = f"compared as a ratio: {name}=10%" if ratio else f"a difference: {name}=0.2"
        raise ConfigError(f"cannot read --tolerance {name}={text}: {name} is {what}, or {name}=off")
    return value
