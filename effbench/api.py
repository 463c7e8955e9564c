"""The Python interface: one cell, run in this process.

from effbench.api import run_cell
result = run_cell("instant-ngp", "procedural/blocks", "30s", params={"lr": 3e-2})
print(result.status, result.quality["psnr"], result.size["model_mb"])
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from effbench.machine.placement import place
from effbench.method import Method
from effbench.method.config import Setting, show
from effbench.planning import registry as plugin_folders
from effbench.planning.planner import Request, make_plan
from effbench.records.record import Record
from effbench.runs.worker import run_planned


def run_cell(
    method: str | type[Method],
    scene: str,
    budget: str,
    *,
    params: Mapping[str, Any] | None = None,
    scene_params: Mapping[str, Any] | None = None,
    repetition: int = 0,
    device: str = "auto",
    backend: str = "auto",
    eval_views: int | None = None,
    curve_views: int | None = None,
    profile: bool = False,
    out: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    scenes_root: str | Path | None = None,
) -> Record:
    """Train and evaluate a method on a scene, its parents first, and return its record.

    method: a name, or a class of one's own; scene: family/name; budget: "30s", "5m", "500it";
    params, scene_params: what differs from the defaults; repetition: which seed, from 0;
    eval_views: how many test views to evaluate, curve_views: at each point of the curve (None:
    all); profile: what the steps are made of, found after all else (`Record.profile`); out: where
    renders, curve, model and records go (None: nowhere). A cell that fails is a record with a
    status and a reason.
    Raises EffbenchError for names and parameters that do not exist.
    """
    registry = plugin_folders.discover(plugins)
    if not isinstance(method, str):
        registry.add_class(method)
    name = method if isinstance(method, str) else method.name
    placed_on, kernels = place(device, backend)
    request = Request(
        methods=(name,),
        scenes=(scene,),
        settings=(
            *_settings(name, params or {}),
            *_settings(scene.partition("/")[0], scene_params or {}),
        ),
        budget=budget,
        seeds=repetition + 1,
        device=placed_on,
        backend=kernels,
        eval_views=eval_views,
        curve_views=curve_views,
        profile=profile,
    )
    root = Path(scenes_root).expanduser().resolve() if scenes_root else None
    planned = make_plan(request, registry, root)
    cells = [cell for cell in planned.cells if cell.repetition == repetition]
    with tempfile.TemporaryDirectory(prefix="effbench-") as temporary:
        folder = Path(out or temporary)
        results = [run_planned(planned, cell, folder, registry) for cell in cells]
    return results[-1]  # parents come before the cell that needs them


def _settings(owner: str, values: Mapping[str, Any]) -> list[Setting]:
    return [Setting(owner, key, (show(value),)) for key, value in values.items()]
