"""What one or more results folders hold: the records that count, and the files beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from effbench.analysis import (
    against_baseline,
    comparison,
    equal_terms,
    identity,
    reference,
    tornado,
)
from effbench.analysis.equal_terms import Curve
from effbench.errors import RecordError
from effbench.records import curves as curve_files
from effbench.records import record, tables
from effbench.records.layout import CURVE, RENDERS
from effbench.records.record import Record

PLANS = "plan*.json"


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


def of_rows(found: Results) -> Results:
    """Return the results without those of scenes on which nothing but parents were trained; all of
    them where there is no row."""
    scenes = {record.scene_label(each) for each in found.records if each.role == "row"}
    kept = {p: r for p, r in found.cells.items() if record.scene_label(r) in scenes}
    return replace(found, cells=kept or found.cells)


def comparable(
    folders: Iterable[str | Path], skipped: list[RecordError] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cells and curves below `folders` as `effbench.analysis.comparison` takes them:
    those of `tables.cells`, with `cell` (the folder) and `steady_mem_mb` beside.

    A record or curve that cannot be read is left out, its error appended to `skipped`. Raises
    RecordError for a missing folder.
    """
    found = load(folders)
    columns = ["cell", "train_s", "psnr"]
    parts = [part.assign(cell=str(folder)) for folder, _, part in _files(found, CURVE)]
    drawn = [part[columns] for part in parts if len(part)]
    curves = pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame(columns=columns)
    if skipped is not None:
        skipped += found.problems
    if not found.cells:
        return pd.DataFrame(), curves
    names, steady = list(map(str, found.cells)), list(map(_steady, found.records))
    return tables.cells(found.records).assign(cell=names, steady_mem_mb=steady), curves


def effects(found: Results, baseline: str) -> pd.DataFrame | None:
    """Return `comparison.claimed` of the rows against a baseline, of results from which a tornado
    chart is made (`analysis.tornado`); None of others."""
    if not tornado.wanted(tables.cells(found.records), baseline):
        return None
    return comparison.claimed(*comparable(found.folders), baseline)


def _steady(cell: Record) -> float:
    """Return the peak memory of steady training in MB, NaN where it was not measured."""
    return float((cell.memory.get("phases") or {}).get("steady") or "nan")


def leaderboard(
    folders: Sequence[Path],
    cells: Iterable[tuple[Path, Record]],
    name: str | None = None,
    problems: list[RecordError] | None = None,
) -> pd.DataFrame:
    """Return `tables.leaderboard` of cells and their folders, with what their curves tell, and
    what differs from the baseline beyond noise.

    folders: those of the results, whose plans may declare a baseline; name: a baseline in its
    place; a curve that cannot be read is appended to `problems`. Cells may come one at a time.
    """
    drawn: dict[int, Curve] = {}
    done: list[Record] = []

    def noted() -> Iterator[Record]:
        for index, (folder, cell) in enumerate(cells):
            try:
                curve = curve_files.read(folder, cell)
            except RecordError as error:
                curve = None
                if problems is not None:
                    _note(problems, error)
            if curve is not None:
                drawn[index] = curve
            if cell.status == "ok":
                done.append(_outline(cell))
            yield cell

    def terms(table: pd.DataFrame, row: pd.Series[int]) -> pd.DataFrame:
        known = Results(tuple(folders), {})
        chosen = name or reference.choose(_finished(done), declared(known), papers(known))
        labels = (table["method"] + " " + table["variant"]).str.strip()
        labelled = table.assign(label=labels)
        equal = equal_terms.compare(labelled, drawn, row, chosen)
        return pd.concat([equal, against_baseline.against(labelled, row, chosen)], axis=1)

    return tables.leaderboard(noted(), terms)


def _outline(cell: Record) -> Record:
    """Return what of a record the choice of a baseline needs: 100,000 whole ones fill gigabytes."""
    started = {"started": cell.provenance.get("started")}
    return replace(cell, quality={}, time={}, memory={}, facts={}, provenance=started)


def baseline(results: Results, name: str | None = None) -> str | None:
    """Return the label of the row that others are compared with: `name`, if given, else what
    `reference.choose` says. Raises ConfigError for a name that is no row of these results."""
    if name is not None:
        if results.records:
            reference.is_baseline(tables.cells(results.records), name)
        return name
    return reference.choose(_finished(results.records), declared(results), papers(results))


def _finished(cells: Iterable[Record]) -> list[reference.Finished]:
    """Return the finished cells in the order in which they were run."""
    done = [cell for cell in cells if cell.status == "ok"]
    done.sort(key=lambda cell: str(cell.provenance.get("started") or ""))
    labels = {cell.cell_id: identity.label(cell.method, cell.variant) for cell in done}
    return [
        reference.Finished(
            cell.method,
            cell.variant,
            cell.params,
            tuple(labels[parent] for parent in cell.parents.values() if parent in labels),
        )
        for cell in done
    ]


def curves(results: Results) -> pd.DataFrame:
    """Return the training curves of the finished cells, one row per point.

    Columns: suite, method, variant, scene, repetition, seed, fraction, train_s (seconds),
    iteration, psnr (dB), loss, budget, device, then what the methods' diagnostics add, and total_s:
    train_s with what was prepared before it.
    """
    return join(results, CURVE, ["fraction", "train_s", "iteration", "psnr", "loss"])


def join(results: Results, file: str, first: Sequence[str] = ()) -> pd.DataFrame:
    """Return the CSV files called `file` in the folders of the finished cells, with `identity.CELL`
    in front, then `first`, budget, device and whatever else the files have.

    A file that cannot be read is left out, its error appended to `results.problems`; a cell
    without one has no rows.
    """
    fixed = [*identity.CELL, *first, "budget", "device"]
    last = ["total_s"] if file == CURVE else []
    parts = []
    for _, cell, part in _files(results, file):
        known = {name: getattr(cell, name) for name in (*identity.CELL, "budget", "device")}
        if file == CURVE:
            part["total_s"] = part["train_s"] + (cell.time.get("prepare_s") or 0.0)
        parts.append(part.assign(**{**known, "scene": record.scene_label(cell)}))
    filled = [part for part in parts if len(part)]
    frame = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=fixed)
    for name in (*fixed, *last):
        if name not in frame:
            frame[name] = float("nan")
    others = [name for name in frame if name not in (*fixed, *last)]
    return frame[[*fixed, *others, *last]]


def _files(results: Results, file: str) -> Iterator[tuple[Path, Record, pd.DataFrame]]:
    """Yield the finished cells that have a CSV file, with their folders and what is in it."""
    for folder, cell in results.cells.items():
        if cell.status != "ok" or not (folder / file).exists():
            continue
        try:
            yield folder, cell, tables.read_csv(folder / file)
        except RecordError as error:
            _note(results.problems, error)


def _note(problems: list[RecordError], error: RecordError) -> None:
    """Add an error, unless its file is among them already."""
    file = str(error).partition(": ")[0]
    if file not in (str(known).partition(": ")[0] for known in problems):
        problems.append(error)


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
    return _planned(results, "paper")


def declared(results: Results) -> str:
    """Return the baseline that the folders' plans declare; "" for none, or for several."""
    named = _planned(results, "baseline")
    return named[0] if len(named) == 1 else ""


def _planned(results: Results, key: str) -> list[str]:
    """Return what the folders' plans have under `key`, each once, empty ones left out."""
    named: dict[str, None] = {}
    for folder in results.folders:
        for path in sorted(folder.rglob(PLANS)):
            try:
                name = json.loads(path.read_text(encoding="utf-8")).get(key)
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
