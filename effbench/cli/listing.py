"""What `effbench list` and --dry-run print. Imports nothing slow: a listing must be quick."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.errors import EffbenchError
from effbench.method.budget import Budget
from effbench.method.config import show
from effbench.planning import suites
from effbench.planning.registry import Registry
from effbench.planning.scan import Plugin

if TYPE_CHECKING:
    from effbench.planning.plan import Plan

Row = dict[str, Any]


def methods(registry: Registry, root: Path | None) -> list[Row]:  # noqa: ARG001
    """Return a row per method: name, description, availability, parameters, file."""
    return [_plugin_row(plugin) for plugin in registry.methods.values()]


def scenes(registry: Registry, root: Path | None) -> list[Row]:
    """Return a row per scene, and one per family that is not available or lists none."""
    rows = []
    for plugin in registry.scenes.values():
        about = _plugin_row(plugin)
        entries = []
        if plugin.available:
            try:
                entries = registry.source(plugin.name).entries(root)
            except EffbenchError as error:
                about |= {"available": False, "reason": str(error)}
        rows += [
            about
            | {
                "name": f"{plugin.name}/{entry.name}",
                "description": entry.description,
                "available": entry.available,
                "reason": entry.reason,
            }
            for entry in entries
        ] or [about]
    return rows


def suite_rows(registry: Registry, root: Path | None) -> list[Row]:  # noqa: ARG001
    """Return a row per suite: name, description, scenes, seeds, budget and rows."""
    return [
        {
            "name": suite.name,
            "description": suite.description,
            "scenes": list(suite.scenes),
            "seeds": suite.seeds,
            "budget": dict(suite.budget),
            "entries": [
                {
                    "method": e.method,
                    "params": dict(e.params),
                    "grid": dict(e.grid),
                    "cpu": dict(e.cpu),
                    "cuda": dict(e.cuda),
                }
                for e in suite.entries
            ],
        }
        for suite in suites.load_all(registry).values()
    ]


ROWS: dict[str, Callable[[Registry, Path | None], list[Row]]] = {
    "methods": methods,
    "scenes": scenes,
    "suites": suite_rows,
}


def as_json(rows: Sequence[Row]) -> str:
    """Return rows as a JSON array."""
    return json.dumps(list(rows), indent=1, ensure_ascii=False)


def as_text(what: str, rows: Sequence[Row]) -> str:
    """Return rows as blocks of text: a line with name and availability, then the details."""
    if what == "suites":
        return "\n\n".join(_suite_text(row) for row in rows)
    if what == "scenes":
        return _scenes_text(rows)
    return "\n\n".join(_plugin_text(row) for row in rows)


def plan_text(planned: Plan, out: Path) -> str:
    """Return a plan's cells, their total duration as estimated, and where they would go."""
    from effbench.planning.plan import ALLOWANCE_S
    from effbench.runs.progress import duration

    lines = [f"{cell.cell_id:<60} {_cell_details(cell)}" for cell in planned.cells]
    total = sum(cell.estimate_s for cell in planned.cells)
    timed = all(Budget.parse(cell.budget).seconds for cell in planned.cells)
    what = "budgets" if timed else "budgets (iterations not counted: their speed is not known)"
    return "\n".join(
        [
            *lines,
            "",
            f"{len(lines)} cells on {planned.cells[0].device} → {out}",
            f"estimated: {duration(total)} ({what} plus {ALLOWANCE_S:g} s per cell for start, "
            "warm-up and evaluation)",
        ]
    )


def _cell_details(cell: Any) -> str:
    parts = [
        cell.variant,
        cell.scene.name,
        *(f"{k}={show(v)}" for k, v in cell.scene.params.items()),
    ]
    role = "(parent)" if cell.role == "parent" else ""
    return "  ".join(part for part in (*parts, cell.budget, role) if part)


def _plugin_row(plugin: Plugin) -> Row:
    return {
        "name": plugin.name,
        "description": plugin.description,
        "available": plugin.available,
        "reason": plugin.reason,
        "parameters": [vars(parameter) for parameter in plugin.parameters],
        "device_defaults": plugin.device_defaults,
        "capture_defaults": plugin.capture_defaults,
        "file": str(plugin.file),
        "preset_of": plugin.preset_of,
        "preset": plugin.preset,
    }


def _plugin_text(row: Row) -> str:
    head = row["name"] if row["available"] else f"{row['name']}  [not available: {row['reason']}]"
    lines = [head, f"  {row['description']}"] if row["description"] else [head]
    if row["preset_of"]:  # its parameters are listed with the method
        return "\n".join(lines)
    return "\n".join([*lines, *_parameter_lines(row)])


def _parameter_lines(row: Row) -> list[str]:
    """Return a line per parameter: "  width = 128   (cpu: 64)  Literal[64, 128]  what it is"."""
    lines = []
    captured = {f"{device}, captures": own for device, own in row["capture_defaults"].items()}
    kinds = row["device_defaults"] | captured
    for parameter in row["parameters"]:
        own = [
            f"{kind}: {show(defaults[parameter['name']])}"
            for kind, defaults in kinds.items()
            if parameter["name"] in defaults
        ]
        value = f"{parameter['name']} = {parameter['default']}"
        value += f" ({', '.join(own)})" if own else ""
        lines.append(f"    {value:<40} {parameter['annotation']:<24} {parameter['doc']}".rstrip())
    return lines


_HOW_TO_GET = (
    "'effbench scenes get NAME' downloads a published scene, 'effbench scenes import PATH' takes "
    "one of your own."
)


def _scenes_text(rows: Sequence[Row]) -> str:
    lines = []
    family = None
    for row in rows:
        if (now := row["name"].partition("/")[0]) != family:
            family = now
            lines += ["", f"{family}: parameters", *_parameter_lines(row)]
        state = "" if row["available"] else f"  [not available: {row['reason']}]"
        lines.append(f"  {row['name']:<32} {row['description']}{state}")
    if not all(row["available"] for row in rows):
        lines += ["", _HOW_TO_GET]
    return "\n".join(lines[1:])


def _suite_text(row: Row) -> str:
    budget = ", ".join(f"{budget} on {device}" for device, budget in row["budget"].items())
    lines = [
        row["name"],
        f"  {row['description']}",
        f"  scenes: {', '.join(row['scenes'])}; seeds: {row['seeds']}; budget: {budget}",
    ]
    for entry in row["entries"]:
        values = {key: [value] for key, value in entry["params"].items()} | entry["grid"]
        text = " ".join(f"{key}={','.join(map(show, vs))}" for key, vs in values.items())
        lines.append(f"    {entry['method']} {text}".rstrip())
    return "\n".join(lines)
