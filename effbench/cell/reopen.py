"""A finished cell opened again: its trained method, with its scene and parents, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch

from effbench.cell.facts import scene_changes
from effbench.cell.parents import load_parents
from effbench.errors import EffbenchError, RecordError
from effbench.method import Context, Method, config
from effbench.method.budget import Budget
from effbench.planning import plan
from effbench.planning import registry as plugins
from effbench.planning.plan import Cell
from effbench.records import record
from effbench.records.layout import MODEL, RECORD
from effbench.records.record import Record
from effbench.scene import SceneRef


def reopen(
    folder: Path, *, plugin_folders: Sequence[Path] = (), scenes_root: Path | None = None
) -> Method:
    """Return the method that a cell trained, ready to render.

    folder: the cell's, below a run's `cells`; plugin_folders, scenes_root: replace those of the
    run's plan. Raises EffbenchError naming the file and the remedy if the cell did not end well,
    and for a scene that is not the one it was trained on.
    """
    found = _record(folder)
    out = folder.resolve().parent.parent
    planned = plan.find(out, found.cell_id)
    given = list(plugin_folders) or (planned.plugins if planned else [])
    registry = plugins.discover(given)
    root = str(scenes_root) if scenes_root else planned.scenes_root if planned else None
    scene_ref = SceneRef(found.scene["name"], found.scene["params"])
    cell = Cell(
        found.suite, found.method, scene_ref, found.budget, found.params, parents=found.parents
    )
    scene = registry.load_scene(cell.scene, root)
    if changed := scene_changes(found.scene, scene):
        raise EffbenchError(
            f"{folder}: trained on another version of {scene.name} than the one that is there now "
            f"({', '.join(changed)} differ): run the cell again, or name the scenes it was trained "
            "on with --scenes-root"
        )
    parents, _ = load_parents(cell, out, registry.method)
    cls = registry.method(found.method).specialised(found.params)
    settings = config.build(cls.Config, found.params, cls.name)
    budget = Budget.parse(found.budget)
    context = Context(scene, torch.device("cpu"), found.seed, "auto", parents, budget)
    method = cls(settings, context)
    method.load_state(safetensors.torch.load_file(folder / MODEL))
    return method


def _record(folder: Path) -> Record:
    """Return the record of a cell that left a model. Raises EffbenchError."""
    if (folder / "cells").is_dir():
        names = sorted(path.parent.name for path in folder.glob(f"cells/*/{MODEL}"))
        listed = "".join(f"\n  {folder / 'cells' / name}" for name in names) or " none has a model"
        raise EffbenchError(f"{folder} is a run: name one of its cells:{listed}")
    if not (folder / RECORD).exists():
        raise RecordError(f"{folder}: holds no {RECORD}: name a cell's folder, RUN/cells/ID")
    found = record.read(folder / RECORD)
    if found.status != "ok" or not (folder / MODEL).exists():
        reason = found.reason or f"{MODEL} is missing"
        raise EffbenchError(f"{folder}: {found.status}, {reason}: run the cell again")
    return found
