"""What a run's records say of a paper: its claims judged, or its figures set beside the run's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from effbench import files
from effbench.analysis import side_by_side, verdict_text
from effbench.analysis.paper import Paper
from effbench.analysis.verdict import verdict
from effbench.errors import RecordError
from effbench.records import record, results, tables
from effbench.records.record import Record


def table(
    paper: Paper, folders: Sequence[str | Path], skipped: list[RecordError] | None = None
) -> pd.DataFrame:
    """Return what `verdict` or, for a paper that reports figures of its methods, `beside` makes of
    the records below `folders`; what cannot be read is left out, its error appended to `skipped`.

    Raises RecordError for a folder that does not exist.
    """
    if paper.figures:
        return beside(paper, record.load(folders, errors="skip", skipped=skipped))
    return verdict(paper, *results.comparable(folders, skipped))


def beside(paper: Paper, records: Sequence[Record]) -> pd.DataFrame:
    """Return `side_by_side.beside` of the records that concern a paper."""
    about = [r for r in records if side_by_side.concerns(paper, r.method, r.params)]
    return side_by_side.beside(paper, tables.leaderboard(about))


def to_markdown(paper: Paper, frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `table`; `problems` are listed at its end."""
    write = side_by_side.to_markdown if paper.figures else verdict_text.to_markdown
    return write(paper, frame, problems)


def own_table(paper: Paper) -> str:
    """Return the paper's own table as a page, without any results."""
    return side_by_side.own_table(paper) if paper.figures else verdict_text.own_table(paper)


def write(out: Path, paper: Paper) -> tuple[pd.DataFrame, list[Path]]:
    """Write `table` of the records below `out` as verdict.csv and verdict.md, or paper.csv and
    paper.md; return it and their paths.

    Raises RecordError when `out` does not exist, EffbenchError when it cannot be written.
    """
    unreadable: list[RecordError] = []
    frame = table(paper, [out], unreadable)
    stem = "paper" if paper.figures else "verdict"
    contents = {
        f"{stem}.csv": tables.to_csv(frame),
        f"{stem}.md": to_markdown(paper, frame, [str(error) for error in unreadable]),
    }
    for name, text in contents.items():
        files.write_text(out / name, text)
    return frame, [out / name for name in contents]
