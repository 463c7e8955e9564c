"""What a report says first: the best rows, rows against the baseline, means, a paper's claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, NamedTuple

import pandas as pd

from effbench.analysis import anchors, paper, side_by_side, switches_text, verdict, verdict_text
from effbench.analysis.comparison import paired
from effbench.analysis.figures import FIGURES, figure
from effbench.analysis.identity import GROUP, spaced
from effbench.analysis.measures import MEASURES, SHOWN
from effbench.analysis.paper import Paper
from effbench.errors import ConfigError
from effbench.records import equal_terms, fronts, results, tables
from effbench.records.results import Results
from effbench.report import papers
from effbench.report.palette import title

_BEST = ("psnr", "iter_ms", "peak_mem_mb", "model_mb", "render_ms")
MOST_ROWS = 40  # of a table against the baseline

Verdict = Literal["better", "worse", "same", "unknown"]
SAID: dict[Verdict, tuple[str, str]] = {  # sign and words
    "better": ("▲", "better than the baseline beyond the 95 % interval"),
    "worse": ("▼", "worse than the baseline beyond the 95 % interval"),
    "same": ("≈", "no difference shown: the 95 % interval holds “equal”"),
    "unknown": ("?", "cannot tell: fewer than two seeds"),
}


class Extra(NamedTuple):
    """A table that is folded at first. rows: each begins with the row's name, which has no
    heading."""

    title: str
    note: str
    headings: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Best:
    """The rows of a group that lead in a figure."""

    name: str
    value: str
    who: str


@dataclass(frozen=True)
class Against:
    """A cell of a table against the baseline: "+0.31", "0.20 to 0.42", verdict."""

    value: str = ""
    interval: str = ""
    verdict: Verdict = "unknown"


@dataclass(frozen=True)
class Table:
    """headings: of the measures; rows: name, test ("paired, n=3"), a cell per heading; more: rows
    left out."""

    title: str
    headings: list[str]
    rows: list[tuple[str, str, list[Against]]]
    more: int = 0


@dataclass(frozen=True)
class Tested:
    """A paper's claims on one group of rows: a table as text, and what is said of each claim."""

    paper: str
    title: str
    headings: list[str]
    rows: list[list[str]]
    claims: list[tuple[str, list[str]]]


def best(board: pd.DataFrame) -> list[tuple[str, list[Best]]]:
    """Return, per group, the row that leads in each of the main figures."""
    found = []
    for _, rows in board[board["role"] == "row"].groupby([*GROUP], sort=False):
        leaders = []
        for name in _BEST:
            known = rows.dropna(subset=[name])
            about = figure(name)
            if len(known) > 1:
                top = known[name].max() if about.better == "higher" else known[name].min()
                leads = known[known[name] == top]
                who = spaced(leads["method"].iloc[0], leads["variant"].iloc[0])
                equal = f" and {len(leads) - 1} more" if len(leads) > 1 else ""
                std = leads["psnr_std"].iloc[0] if name == "psnr" else None
                spread = "" if pd.isna(std) else f" ± {std:.2f}"
                text = f"{about.write(top)}{spread} {about.unit}"
                leaders.append(Best(about.name, text, who + equal))
        if leaders:
            found.append((title(rows, board), leaders))
    return found


def against(found: Results, baseline: str | None) -> list[Table]:
    """Return a table per group of how every row compares with the baseline, by
    `comparison.paired`; the largest gains in PSNR first."""
    if baseline is None:
        return []
    compared = paired(tables.cells(found.records), baseline)
    compared = compared[(compared["n"] > 0) & compared["mean"].notna()]
    measures = [name for name in SHOWN if name in set(compared["measure"])]
    headings = [MEASURES[name].short for name in measures]
    made = []
    for _, group in compared.groupby([*GROUP], sort=False):
        rows = []
        for (method, variant), own in group.groupby(["method", "variant"], sort=False):
            by_measure = {row["measure"]: row for row in own.to_dict("records")}
            shown = [_against(name, by_measure.get(name)) for name in measures]
            gain = by_measure.get("psnr_gain", {}).get("mean", float("-inf"))
            test = verdict_text.tested(own.sort_values("n").iloc[-1].to_dict())
            rows.append((gain, spaced(method, variant), test, shown))
        rows.sort(key=lambda row: -row[0])
        kept = [row[1:] for row in rows[:MOST_ROWS]]
        made.append(Table(title(group, compared), headings, kept, len(rows) - len(kept)))
    return made


def equal(board: pd.DataFrame) -> list[Extra]:
    """Return a table per scene of rows on equal terms, where there are curves."""
    made = []
    for (suite, scene, budget, device), rows in board.groupby([*GROUP], sort=False):
        headings, cells = equal_terms.table(rows)
        if cells:
            title = f"{suite}, {scene}, {budget}, {device}: on equal terms"
            made.append(Extra(title, equal_terms.LEGEND, headings[1:], cells))
    return made


def fronts_of(found: Results) -> list[Extra]:
    """Return a table per scene of its fronts' hypervolumes, and one of BD-rates where curves of
    compressed rows have any."""
    if not found.records:
        return []
    made = []
    known = fronts.of_records(found.records)
    for key, volumes in known.volume.groupby([*GROUP], sort=False):
        place = ", ".join(map(str, key))
        headings, cells = fronts.volume_table(volumes)
        note = fronts.VOLUME_NOTE
        made.append(Extra(f"{place}: hypervolume of the fronts", note, headings[1:], cells))
        of_scene = (known.rates[[*GROUP]] == list(key)).all(axis=1)
        headings, cells = fronts.rate_table(known.rates[of_scene])
        if cells:
            made.append(Extra(f"{place}: BD-rate", fronts.RATE_NOTE, headings[1:], cells))
    return made


def means(board: pd.DataFrame) -> list[Extra]:
    """Return tables of the means over scenes, of the rows that have them all."""
    frame = tables.suite_means(board)
    made = []
    for (suite, budget, device), rows in frame.groupby(["suite", "budget", "device"], sort=False):
        names = [name for name in FIGURES if name in rows and rows[name].notna().any()]
        heading = f"{suite}, {budget}, {device}: mean of {rows['scenes'].iloc[0]} scenes"
        cells = [
            [spaced(row["method"], row["variant"]), *(_written(name, row[name]) for name in names)]
            for row in rows.to_dict("records")
        ]
        note = "Unweighted, of rows that have a result on every scene."
        made.append(Extra(heading, note, [FIGURES[name].heading for name in names], cells))
    return made


def tested(found: Results) -> list[Tested]:
    """Return what the results say of the papers that their plans name: of their claims, or beside
    the figures that they report."""
    made = []
    for name in results.papers(found):
        try:
            chosen = paper.load(name)
        except ConfigError:  # a paper that this version does not know
            continue
        if chosen.judged:
            frame = verdict.verdict(chosen, *results.comparable(found.folders))
            made += _judged(chosen, frame, verdict_text)
        elif chosen.switches and not chosen.figures:
            made += _judged(chosen, papers.table(chosen, found.folders), switches_text)
        else:
            made += _beside(chosen, found)
    return made


def _judged(chosen: Paper, frame: pd.DataFrame, text: ModuleType) -> list[Tested]:
    """Return a table per group, and what is said of each claim, as a module of text writes them."""
    made = []
    for _, rows in frame.groupby([*GROUP], sort=False):
        headings, cells = text.table(chosen, rows)
        said = text.said(chosen, rows)
        claims = [(_plain(claim), list(map(_plain, lines))) for claim, lines in said]
        made.append(Tested(chosen.title, title(rows, frame), headings, cells, claims))
    return made


def _beside(chosen: Paper, found: Results) -> list[Tested]:
    frame = papers.table(chosen, found.folders)
    claims = dict(tuple(frame.attrs["claims"].groupby([*GROUP]))) if chosen.switches else {}
    notes = [("Of the paper’s figures:", [_plain(note.text) for note in chosen.notes])]
    made = []
    for group, rows in frame.groupby([*GROUP], sort=False):
        shown = anchors.table(rows) if chosen.anchors else side_by_side.table(chosen, rows)
        said = switches_text.said(chosen, claims[group]) if group in claims else []
        told = [(_plain(claim), list(map(_plain, lines))) for claim, lines in said]
        made.append(Tested(chosen.title, title(rows, frame), *shown, [*told, *notes]))
    return made


def judge(measure: str, low: float, high: float) -> Verdict:
    """Return what the 95 % interval of a measure of `measures.PAIRED` says."""
    if math.isnan(low) or math.isnan(high):
        return "unknown"
    about = MEASURES[measure]
    if low <= about.neutral <= high:
        return "same"
    return "better" if (low > about.neutral) == (about.better == "higher") else "worse"


def _against(measure: str, row: dict[Any, Any] | None) -> Against:
    if row is None:
        return Against()
    form = "{:.2f}×" if MEASURES[measure].kind == "ratio" else "{:+.2f} dB"
    low, high = row["low"], row["high"]
    interval = "" if pd.isna(low) else _minus(f"{low:.2f} to {high:.2f}")
    return Against(_minus(form.format(row["mean"])), interval, judge(measure, low, high))


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _written(name: str, value: Any) -> str:
    return "" if pd.isna(value) else FIGURES[name].write(value)


def _plain(text: str) -> str:
    """Return Markdown without its marks of bold and code."""
    return text.replace("**", "").replace("`", "")


def counts(found: Results) -> dict[str, int]:
    """Return how many cells ended with each status, ok first."""
    statuses: Sequence[str] = [cell.status for cell in found.records]
    return {
        name: statuses.count(name) for name in sorted(set(statuses), key=lambda s: (s != "ok", s))
    }
