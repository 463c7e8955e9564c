"""Colour and marker of each row, the same on the page and in every picture.

A method has one colour (shades of it for its variants) and a variant one marker; colours are
seaborn's colour-blind-safe palette.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import seaborn as sns

from effbench.analysis.identity import GROUP
from effbench.records.profiles import REST
from effbench.spans import STEP_PARTS

_MARKERS = "os^DvPX<>phd*"
Entry = tuple[str, str]  # method and variant
Colour = tuple[float, float, float]
USE = {  # of the machine: colour and name of what `profiles.LINES` are
    "cores": ("#949494", "processors, by anybody"),
    "process": ("#0173b2", "processors, by the cell"),
    "gpu": ("#de8f05", "GPU"),
}


class Palette:
    """Colour and marker of each (method, variant), the same in every picture of a run."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        entries = sorted(set(entries))
        methods = sorted({method for method, _ in entries})
        variants = sorted({variant for _, variant in entries})
        palette = sns.color_palette("colorblind", max(len(methods), 1))
        self.colour: dict[Entry, Colour] = {}
        for method, base in zip(methods, palette, strict=False):
            own = [entry for entry in entries if entry[0] == method]
            self.colour |= zip(own, _shades(base, len(own)), strict=True)
        self.marker = {e: _MARKERS[variants.index(e[1]) % len(_MARKERS)] for e in entries}

    def series(self, names: Sequence[str]) -> dict[str, tuple[Colour, str]]:
        """Return a colour and marker for each of a few things that are not methods."""
        palette = sns.color_palette("colorblind", max(len(names), 1))
        return {
            name: (colour, _MARKERS[i % len(_MARKERS)])
            for i, (name, colour) in enumerate(zip(names, palette, strict=True))
        }


def _shades(base: Colour, count: int) -> list[Colour]:
    """Return `count` shades of a colour from dark to light; the colour itself for one."""
    if count == 1:
        return [base]
    dark = tuple(0.6 * c for c in base)
    light = tuple(0.45 * c + 0.55 for c in base)
    return list(sns.blend_palette([dark, base, light], count))


def title(group: pd.DataFrame, frame: pd.DataFrame) -> str:
    """Return a group's scene, and those of its other GROUP that differ within the frame."""
    telling = [name for name in GROUP if name == "scene" or frame[name].nunique() > 1]
    return ", ".join(str(group[name].iloc[0]) for name in telling)


def part_colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each part of a step, "#rrggbb": always the same for those that have a
    name in `effbench.spans`, grey for the rest."""
    others = sorted(set(names) - {*STEP_PARTS, REST})
    palette = sns.color_palette("tab20", len(STEP_PARTS) + len(others)).as_hex()
    return {**dict(zip([*STEP_PARTS, *others], palette, strict=True)), REST: "#d9d9d9"}
