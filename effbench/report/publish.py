"""What of a run is worth committing: its tables, verdict, page, curves, and a gate's baseline.

Models and records stay where they are, and most renders: the page has some, thinned to what fits, a
picture one view of every row.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from effbench import files
from effbench.analysis import paper as papers
from effbench.errors import ConfigError, EffbenchError, RecordError
from effbench.planning import plan
from effbench.records import results, write
from effbench.records.record import Record
from effbench.report import papers as verdicts
from effbench.report.gate import snapshot
from effbench.report.page import page
from effbench.report.plots import pictures

RESULTS = Path("results")
PAGE_BYTES = 3_000_000
PICTURE_BYTES = 1_500_000
_SMALLER = 0.85  # of the sides, at each try to fit a picture into its bytes
_PICTURES = ("psnr-over-time", "renders")


@dataclass(frozen=True)
class Published:
    """The files that were written. problems: records and curves that could not be read."""

    paths: list[Path]
    problems: list[RecordError]


def publish(run: Path, to: Path | None = None, page_bytes: int = PAGE_BYTES) -> Published:
    """Write what is worth keeping of the records below `run` to a folder, by default
    `default_folder`: leaderboard.csv, .md, curves.csv; verdict or paper of a run whose suite
    names one; report.html of at most `page_bytes`; psnr-over-time.png and renders.png, where there
    is something to draw, each of at most PICTURE_BYTES; baseline.json for `effbench check`;
    command.txt.

    Raises RecordError for a run without records, ConfigError where `to` is needed, EffbenchError
    when a file cannot be written.
    """
    found = results.load([run])
    if not found.records:
        raise RecordError(f"{run}: has no record: name a folder that `effbench run` wrote")
    folder = to or default_folder(run, found.records)
    paths = write.write_tables(run, folder)
    if name := _paper(run):
        paths += verdicts.write(run, papers.load(name), folder)[1]
    paths.append(page.write([run], folder / "report.html", limit=page_bytes).path)
    drawn = pictures.write_plots(run, to=folder, formats=("png",), only=_PICTURES)
    for picture in drawn:
        fit(picture, PICTURE_BYTES)
    paths += drawn
    snapshot.write(folder / "baseline.json", snapshot.of_folder(run))
    files.write_text(folder / "command.txt", "".join(f"{line}\n" for line in page.commands(found)))
    return Published([*paths, folder / "baseline.json", folder / "command.txt"], found.problems)


def fit(path: Path, limit: int) -> None:
    """Scale a PNG down until its file has at most `limit` bytes: renders of captures have grain,
    which takes megabytes. Raises EffbenchError when the file cannot be written."""
    data = path.read_bytes()
    if len(data) <= limit:
        return
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = 1.0
    while len(data) > limit:
        scale *= _SMALLER
        size = (round(image.width * scale), round(image.height * scale))
        buffer = io.BytesIO()
        image.resize(size, Image.Resampling.LANCZOS).save(buffer, format="png", optimize=True)
        data = buffer.getvalue()
    files.write_bytes(path, data)


def default_folder(run: Path, records: Iterable[Record]) -> Path:
    """Return results/<device>/<suite>-<scene> of the rows among some records. Raises ConfigError if
    there are several of any."""
    rows = [record for record in records if record.role == "row"]
    parts = []
    for what, names in (
        ("device", {row.device for row in rows}),
        ("suite", {row.suite for row in rows}),
        ("scene", {str(row.scene["name"]).rpartition("/")[2] for row in rows}),
    ):
        if len(names) != 1:
            raise ConfigError(
                f"{run}: has cells of {len(names)} {what}s ({', '.join(sorted(names))}): "
                "name the folder to write with --out"
            )
        parts.append(files.slug(names.pop()))
    device, suite, scene = parts
    return RESULTS / device / f"{suite}-{scene}"


def _paper(run: Path) -> str:
    """Return the paper that a run's plan is held against; "" for none, or where there is no
    plan, as in a folder that was merged."""
    try:
        return plan.read(run).paper
    except EffbenchError:
        return ""
