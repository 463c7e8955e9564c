"""A results folder as one HTML page that works from disk: nothing is loaded from elsewhere.

The page is `template/page.html` filled in by Jinja2, which escapes every text. Its own
script and Plotly's are the only ones that it lets run: a policy in its head has their hashes.
"""

from __future__ import annotations

import base64
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

import effbench
from effbench import files
from effbench.errors import RecordError
from effbench.records import results, tables
from effbench.records.results import Results
from effbench.report import offline
from effbench.report.page import data as report_data
from effbench.report.page import effects, profiles, summary, table
from effbench.report.page import images as report_images
from effbench.report.page import maps as report_maps

FOLDER = Path(__file__).with_name("template")
SCRIPTS = ("page.js", "table.js", "charts.js", "images.js", "start.js")
LIMIT_BYTES = 10_000_000  # of the whole page, if its tables leave room for images at all
_IMAGE_BYTES = 5_000_000
_ROW_BYTES = 700  # of HTML, about
_TRIES = 4  # to fit a page into its limit
_MOST_ENVIRONMENTS = 20  # that are listed
VIEWS = 3


@dataclass(frozen=True)
class Report:
    """The page that was written. problems: records and curves that could not be read."""

    path: Path
    size: int
    problems: list[RecordError]


def write(
    folders: Iterable[str | Path],
    path: Path,
    *,
    views: int = VIEWS,
    baseline: str | None = None,
    heading: str = "",
    limit: int = LIMIT_BYTES,
) -> Report:
    """Write the report of the records below `folders` to `path`, atomically.

    views: how many test views of each scene to show, if they fit; baseline: "method" or "method
    variant" that rows are compared with, by default what `results.baseline` says; heading: the
    page's, by default the suites' names. Raises RecordError for a folder that does not exist,
    ConfigError for a baseline that is not there, EffbenchError when the page cannot be written.
    """
    found = results.load(folders)
    how: dict[str, Any] = {"views": views, "baseline": baseline, "heading": heading}
    allowed = limit
    for _ in range(_TRIES):
        page = render(found, **how, limit=allowed).encode()
        if len(page) <= limit:
            break
        allowed -= len(page) - limit  # its tables took more than they usually do
    files.write_bytes(path, page)
    return Report(path, len(page), found.problems)


def render(
    found: Results,
    *,
    views: int = VIEWS,
    baseline: str | None = None,
    heading: str = "",
    limit: int = LIMIT_BYTES,
) -> str:
    """Return the page of some results. Raises ConfigError for a baseline that is not there."""
    board = results.leaderboard(
        found.folders, found.cells.items(), baseline, problems=found.problems
    )
    choices = table.choices(board)
    data = report_data.payload(found, board, results.curves(found))
    data["choices"] = board[list(choices)].astype(str).to_dict("records")
    plotly, source = offline.plotly()
    room = limit - len(offline.embed(data)) - len(plotly) - _ROW_BYTES * len(board)
    image_bytes = max(0, min(_IMAGE_BYTES, room))
    images = report_images.collect(results.of_rows(found), views, image_bytes)
    report_maps.add(images, image_bytes)
    data["images"] = images.scenes
    script = offline.script(FOLDER, SCRIPTS)
    return _template().render(
        heading=heading or ", ".join(sorted(set(board["suite"]))) or "no records",
        version=effbench.__version__,
        about=_about(found, board),
        counts=summary.counts(found),
        **_summary(found, board, baseline),
        table=table.table(board),
        choices=choices,
        csv=base64.b64encode(tables.to_csv(board).encode()).decode("ascii"),
        curves=bool(data["curves"]),
        profiled=profiles.profiled(found),
        images=images,
        maps=any("scale" in shown.view for shown in images.shown),
        moving=any("time" in shown.view for shown in images.shown),
        **_provenance(found, data),
        failures=[cell for cell in found.records if cell.status != "ok"],
        problems=[str(problem) for problem in found.problems],
        data=offline.embed(data),
        style=offline.STYLE.read_text(encoding="utf-8"),
        script=script,
        plotly=plotly,
        hashes=[offline.policy_hash(script), offline.policy_hash(source)],
    )


def _about(found: Results, board: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the facts in the page's head."""
    started = sorted(str(c.provenance["started"]) for c in found.records
                     if c.provenance.get("started"))  # fmt: skip
    days = [started[0][:10], *([started[-1][:10]] if started else [])] if started else []
    facts = {
        "scenes": _few(board["scene"]),
        "budget": _few(board["budget"]),
        "device": _few(board["device"]),
        "measured": " to ".join(dict.fromkeys(days)),
    }
    return [(name, text) for name, text in facts.items() if text]


def _few(values: Iterable[Any], most: int = 4) -> str:
    names = sorted({str(value) for value in values if value})
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _summary(found: Results, board: pd.DataFrame, baseline: str | None) -> dict[str, Any]:
    chosen = results.baseline(found, baseline)
    return {
        "best": summary.best(board),
        "baseline": chosen,
        "against": summary.against(found, chosen),
        "said": summary.SAID,
        "means": [*summary.equal(board), *summary.fronts_of(found), *summary.means(board)],
        "effects": effects.charts(found, chosen),
        "effects_width": effects.WIDTH,
        "tested": summary.tested(found),
    }


def _provenance(found: Results, data: dict[str, Any]) -> dict[str, Any]:
    environments = data["environments"]
    return {
        "environments": environments[:_MOST_ENVIRONMENTS],
        "more_environments": max(0, len(environments) - _MOST_ENVIRONMENTS),
        "environment_cells": Counter(cell["environment"] for cell in data["cells"]),
        "commands": commands(found),
    }


def commands(found: Results) -> list[str]:
    """Return the commands that made the records, as one types them."""
    given = (cell.provenance.get("command") for cell in found.records)
    lines = [shlex.join(map(str, words)) if isinstance(words, list) else words for words in given]
    return list(dict.fromkeys(str(line) for line in lines if line))


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
