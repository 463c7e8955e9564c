"""The parts of a cell's record that need no measurement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from effbench.planning.plan import Cell, scene_key
from effbench.scene import Scene, manifest


def asked(cell: Cell) -> dict[str, Any]:
    """Return the fields of a record that say what was asked for, but the scene."""
    return {
        "cell_id": cell.cell_id,
        "suite": cell.suite,
        "method": cell.method,
        "preset_of": cell.preset_of,
        "variant": cell.variant,
        "params": dict(cell.params),
        "role": cell.role,
        "repetition": cell.repetition,
        "seed": cell.seed,
        "budget": cell.budget,
        "backend": cell.backend,
        "parents": dict(cell.parents),
        "control": cell.control,
    }


def scene_facts(cell: Cell, scene: Scene | None = None) -> dict[str, Any]:
    """Return the scene group of a record; of a scene that was never loaded, what is known."""
    facts = {"key": scene_key(cell.scene), "name": cell.scene.name, "params": cell.scene.params}
    return facts if scene is None else facts | _loaded(scene)


def scene_changes(recorded: Mapping[str, Any], scene: Scene) -> list[str]:
    """Return which facts tell a scene from the one that a record is of; [] for the same.

    Records of earlier versions know fewer; those that know `opaque` know `inner`, which may be
    None.
    """
    found = _loaded(scene)
    told = ["manifest", "splits", "box", "near", "far", "opaque"]
    known = [name for name in told if recorded.get(name) not in (None, {})]
    if "opaque" in known:
        known.append("inner")
    return [name for name in known if recorded.get(name) != found[name]]


def _loaded(scene: Scene) -> dict[str, Any]:
    splits = {"train": scene.train, "test": scene.test}
    sizes = Counter(scene.test.sizes)
    width, height = max(sizes, key=math.prod)
    return {
        "manifest": scene.manifest,
        "verified": scene.verified,
        "notes": list(scene.notes),
        "width": width,
        "height": height,
        **({"sizes": [[*size, n] for size, n in sizes.items()]} if len(sizes) > 1 else {}),
        "train_views": len(scene.train),
        "test_views": len(scene.test),
        "background": list(scene.background),
        "box": scene.box.tolist(),
        "near": scene.near,
        "far": scene.far,
        "inner": None if scene.inner is None else scene.inner.tolist(),
        "opaque": scene.opaque,
        "splits": {name: manifest.views_digest(views) for name, views in splits.items()},
    }
