"""What one or more results folders hold: the records that count, and the files beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from effbench.errors import RecordError
from effbench.records import record, tables
from effbench.records.layout import CURVE, RENDERS
from effbench.records.record import Record

PLAN = "plan.json"


@dataclass(frozen=True)
class Results:
    """cells: the folder of each cell to its record, of a cell that was run more than once only the
    last; problems: what could not be read, and why."""

    folders: tuple[Path, ...]
    cells: dict[Path, Record]
    problems: list[RecordError] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        return list(self.cells.values())


def load(folders: Iterable[str | Path]) -> Results:
    """Return the results below `folders`. Raises RecordError for a folder that does not exist."""
    places = tuple(map(Path, folders))
    problems: list[RecordError] = []
    found = record.locate(places, errors="skip", skipped=problems)
    kept = {id(r) for r in tables.latest(list(found.values()))}
    return Results(places, {p: r for p, r in found.items() if id(r) in kept}, problems)


def curves(results: Results) -> pd.DataFrame:
    """Return the training curves of the finished cells, one row per point, as `tables.curves`."""
    return join(results, CURVE, ["fraction", "train_s", "iteration", "psnr", "loss"])


def join(results: Results, file: str, first: Sequence[str] = ()) -> pd.DataFrame:
    """Return the CSV files called `file` in the folders of the finished cells, with `tables.CELL`
    in front, then `first`, budget, device and whatever else the files have.

    A file that cannot be read is left out, its error appended to `results.problems`; a cell
    without one has no rows.
    """
    fixed = [*tables.CELL, *first, "budget", "device"]
    parts = []
    for folder, cell in results.cells.items():
        if cell.status != "ok" or not (folder / file).exists():
            continue
        try:
            part = tables.read_csv(folder / file)
        except RecordError as error:
            if str(error) not in map(str, results.problems):
                results.problems.append(error)
            continue
        known = {name: getattr(cell, name) for name in (*tables.CELL, "budget", "device")}
        parts.append(part.assign(**{**known, "scene": record.scene_label(cell)}))
    filled = [part for part in parts if len(part)]
    frame = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=fixed)
    for name in fixed:
        if name not in frame:
            frame[name] = float("nan")
    return frame[[*fixed, *(name for name in frame if name not in fixed)]]


@dataclass(frozen=True)
class SceneRenders:
    """A scene's ground truth, and the finished cells that have renders: of several seeds of a row
    the first. views: file names that all of these folders have, sorted."""

    label: str
    truth: Path
    cells: dict[Path, Record]
    views: tuple[str, ...]


def renders(results: Results) -> list[SceneRenders]:
    """Return the renders of each scene, by its key; scenes without a view in common are left out.

    Where results have the same scene in several budgets, suites or devices, these are rows as well.
    """
    scenes: dict[str, dict[tuple[str, ...], Path]] = {}
    for folder, cell in sorted(results.cells.items(), key=lambda item: item[1].repetition):
        if cell.status == "ok" and (folder / RENDERS).is_dir():
            row = (cell.suite, cell.method, cell.variant, cell.budget, cell.device)
            scenes.setdefault(cell.scene["key"], {}).setdefault(row, folder)
    shown = []
    for key, rows in sorted(scenes.items()):
        cells = {folder: results.cells[folder] for folder in rows.values()}
        truth = next((t for f in cells if (t := _truth(f, key)).is_dir()), None)
        if truth is None:
            continue
        views = _common([truth, *(folder / RENDERS for folder in cells)])
        if views:
            label = record.scene_label(next(iter(cells.values())))
            shown.append(SceneRenders(label, truth, cells, views))
    return shown


def view_psnr(cell: Record, view: str) -> float:
    """Return the PSNR of one view in dB; the cell's where that is not recorded; NaN for none."""
    return view_figure(cell, view, "psnr")


def view_figure(cell: Record, view: str, name: str) -> float:
    """Return a quality figure of one view; the cell's mean where it is not recorded; or NaN."""
    for entry in cell.quality.get("per_view", []):
        if Path(entry["name"]).stem == Path(view).stem and entry.get(name) is not None:
            return float(entry[name])
    mean = cell.quality.get(name)
    return float("nan") if mean is None else float(mean)


def papers(results: Results) -> list[str]:
    """Return the names of the papers whose claims the folders' plans test, each once."""
    named: dict[str, None] = {}
    for folder in results.folders:
        for path in sorted(folder.rglob(PLAN)):
            try:
                name = json.loads(path.read_text(encoding="utf-8")).get("paper")
            except (OSError, ValueError, AttributeError):
                continue  # a plan says nothing that a picture or report needs
            if name:
                named[str(name)] = None
    return list(named)


def _truth(cell: Path, key: str) -> Path:
    return cell.parent.parent / "truth" / key


def _common(folders: Sequence[Path]) -> tuple[str, ...]:
    names = [{path.name for path in folder.glob("*.png")} for folder in folders]
    return tuple(sorted(set.intersection(*names)))
