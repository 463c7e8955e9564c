"""What the regression gate compares, and how much of it may be lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from effbench.analysis.figures import FIGURES, Check
from effbench.errors import ConfigError, unknown

DRIFT = "drift"  # the tolerance of the reference method's own durations


CHECKS: Mapping[str, Check] = {n: about.check for n, about in FIGURES.items() if about.check}
# How much slower the reference method itself may have become: nothing in its own run says
# whether that is its code or the machine, so only what no machine's mood explains counts.
DRIFT_TOLERANCE = 0.5


def tolerances(settings: Sequence[str]) -> dict[str, float]:
    """Return the default tolerances, changed by settings like psnr=0.2, iter_ms=10 % or ssim=off.

    Raises ConfigError for one that cannot be read.
    """
    found = {name: f.tolerance for name, f in CHECKS.items() if f.tolerance is not None}
    found[DRIFT] = DRIFT_TOLERANCE
    for setting in settings:
        name, _, text = (part.strip() for part in setting.partition("="))
        if name not in CHECKS and name != DRIFT:
            raise unknown("figure in --tolerance", name, [*CHECKS, DRIFT])
        if text == "off":
            found.pop(name, None)
        else:
            found[name] = _tolerance(name, text)
    return found


def _tolerance(name: str, text: str) -> float:
    ratio = name == DRIFT or CHECKS[name].kind == "ratio"
    try:
        value = float(text.removesuffix("%")) / (100 if ratio else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or ratio != text.endswith("%"):
        what = f"compared as a ratio: {name}=10%" if ratio else f"a difference: {name}=0.2"
        raise ConfigError(f"cannot read --tolerance {name}={text}: {name} is {what}, or {name}=off")
    return value
