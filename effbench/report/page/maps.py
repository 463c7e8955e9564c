"""Depth and opacity beside the renders of a report, as far as there is room for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from effbench.records import maps
from effbench.records.layout import MAPS
from effbench.records.maps import ViewMaps
from effbench.report.depth_maps import Scale, coloured, grey, stops
from effbench.report.page.images import Images, Shown, encode


def add(images: Images, limit: int) -> None:
    """Give the renders that are shown their maps, where their cells have them, within `limit` bytes
    of all images. All rows of a view share one scale of depth.

    Maps that do not fit, or cannot be read, are left out and named in the notes.
    """
    left_out = sum(_add(images, shown, limit) for shown in images.shown)
    if left_out:
        images.notes.append(f"Depth and opacity of {left_out} renders do not fit into the page.")


def _add(images: Images, shown: Shown, limit: int) -> int:
    """Add the maps of a view's rows, best rows first; return how many did not fit."""
    found = [(item, view) for item, folder in shown.rows if (view := _read(images, shown, folder))]
    if not found:
        return 0
    scale = Scale.of([view for _, view in found], disparity=shown.unbounded)
    added = 0
    for item, view in found:
        depth, opacity = encode(coloured(view, scale), "depth"), encode(grey(view), "opacity")
        if images.size + len(depth) + len(opacity) > limit:
            break
        images.size += len(depth) + len(opacity)
        item |= {"depth": depth, "opacity": opacity}
        added += 1
    if added:
        shown.view["scale"] = _legend(scale)
    return len(found) - added


def _read(images: Images, shown: Shown, folder: Path) -> ViewMaps | None:
    try:
        return maps.read(folder / MAPS, shown.view["name"])
    except (OSError, ValueError, LookupError) as error:
        images.notes.append(f"{folder / MAPS} cannot be shown ({error}): left out.")
        return None


def _legend(scale: Scale) -> dict[str, Any]:
    """Return the scale as the page draws it: colours from near to far, distances at the ends and
    in the middle."""
    ticks = [float(f"{distance:.3g}") for distance in (scale.near, scale.middle(), scale.far)]
    return {"colours": stops(), "ticks": ticks, "disparity": scale.disparity}
