"""The parts of a cell's record that need no measurement."""

from __future__ import annotations

from typing import Any

from effbench.planning.plan import Cell, scene_key
from effbench.scene import Scene


def identity(cell: Cell) -> dict[str, Any]:
    """Return the fields of a record that are known before the cell has run, but the scene."""
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
    }


def scene_facts(cell: Cell, scene: Scene | None = None) -> dict[str, Any]:
    """Return the scene group of a record; of a scene that was never loaded, what is known."""
    facts = {"key": scene_key(cell.scene), "name": cell.scene.name, "params": cell.scene.params}
    if scene is None:
        return facts
    return facts | {
        "manifest": scene.manifest,
        "verified": scene.verified,
        "notes": list(scene.notes),
        "width": scene.test.intrinsics.width,
        "height": scene.test.intrinsics.height,
        "train_views": len(scene.train),
        "test_views": len(scene.test),
        "background": list(scene.background),
    }
