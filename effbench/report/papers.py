"""What a run's records say of a paper: its claims judged, or its figures set beside the run's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from effbench import files
from effbench.analysis import anchors, side_by_side, switches, switches_text, verdict_text
from effbench.analysis import skipped as skipped_shares
from effbench.analysis.anchors import Protocol
from effbench.analysis.identity import ENTRY, GROUP
from effbench.analysis.paper import Paper
from effbench.analysis.verdict import verdict
from effbench.errors import RecordError
from effbench.records import committed, record, results, samples, tables
from effbench.records.record import Record
from effbench.records.results import Results

_TABLES = """\
Made of tables, as no records were kept: what a leaderboard or curves do not hold – final PSNR and \
memory of each repetition, sizes of images – is unknown here."""
_BACKGROUNDS: dict[tuple[float, ...], str] = {
    (1.0, 1.0, 1.0): "white",
    (0.0, 0.0, 0.0): "black",
}


def table(
    paper: Paper, folders: Sequence[str | Path], skipped: list[RecordError] | None = None
) -> pd.DataFrame:
    """Return what `verdict`, `switches.beside`, `side_by_side.beside` or `anchors.beside`, by the
    paper's kind, makes of the records below `folders`; what cannot be read is left out, its error
    appended to `skipped`. Where no records were kept it is made of the tables that are there, which
    `attrs["tables"]` says; where the paper reports a share of skipped samples beside anchors,
    `attrs["skipped"]` has `skipped.of_rows`, and where it claims something of what is set side by
    side, `attrs["claims"]` has `switches.beside`.

    Raises RecordError for a folder that does not exist.
    """
    if paper.judged:
        cells, curves = results.comparable(folders, skipped)
        if len(cells):
            return verdict(paper, cells, curves)
        return _of_tables(verdict(paper, *committed.comparable(folders)))
    if paper.switches and not paper.figures:
        return _switched(paper, folders, skipped)
    records = record.load(folders, errors="skip", skipped=skipped)
    if records:
        found = beside(paper, records)
        if paper.skipped:
            found.attrs["skipped"] = skipped_shares.of_rows(_with_samples(results.load(folders)))
    else:
        found = _of_tables(_beside(paper, committed.leaderboard(folders), {}))
    if paper.switches:
        found.attrs["claims"] = _switched(paper, folders, None)
    return found


def _switched(
    paper: Paper, folders: Sequence[str | Path], skipped: list[RecordError] | None
) -> pd.DataFrame:
    """Return `switches.beside` of what is below `folders`."""
    cells, curves = results.comparable(folders, skipped)
    if cells.empty:
        declared = results.declared(Results(tuple(map(Path, folders)), {}))
        return _of_tables(switches.beside(paper, *committed.comparable(folders), declared))
    found = results.load(folders)
    board = results.leaderboard(found.folders, found.cells.items())
    times = board[[*GROUP, *ENTRY, "to_baseline_s", "to_baseline_bound"]]
    known = cells[cells["role"] == "row"].merge(samples.per_cell(found), "left", "cell")
    known = known.merge(times.drop_duplicates([*GROUP, *ENTRY]), "left", [*GROUP, *ENTRY])
    return switches.beside(paper, known, curves, results.baseline(found))


def _with_samples(found: Results) -> pd.DataFrame:
    """Return the finished cells that are rows, with their samples per ray."""
    cells = tables.cells(found.records).assign(cell=list(map(str, found.cells)))
    done = cells[(cells["status"] == "ok") & (cells["role"] == "row")]
    return done.merge(samples.per_cell(found), "left", "cell")


def _of_tables(frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs["tables"] = True
    return frame


def beside(paper: Paper, records: Sequence[Record]) -> pd.DataFrame:
    """Return what is set beside the records that concern a paper without claims."""
    if paper.anchors:
        about = [r for r in records if anchors.concerns(paper, r.scene["name"])]
        seen = {record.scene_label(r): protocol(r) for r in about if r.status == "ok"}
        return _beside(paper, tables.leaderboard(about), seen)
    about = [r for r in records if side_by_side.concerns(paper, r.method, r.params)]
    return side_by_side.beside(paper, tables.leaderboard(about))


def protocol(cell: Record) -> Protocol:
    """Return how a finished cell saw its scene."""
    scene = cell.scene
    background = tuple(map(float, scene.get("background") or ()))
    views = cell.quality.get("eval_views") or scene.get("test_views")
    return Protocol(
        size=f"{scene['width']}×{scene['height']}" if "width" in scene else None,
        views=views,
        all_views=scene.get("test_views"),
        background=_BACKGROUNDS.get(background),
    )


def _beside(paper: Paper, board: pd.DataFrame, seen: dict[str, Protocol]) -> pd.DataFrame:
    """Return what is set beside a leaderboard."""
    if board.empty:
        board = pd.DataFrame(columns=[*GROUP, *ENTRY, "role", "psnr"])
    if paper.anchors:
        own = board[(board["role"] == "row") & board["psnr"].notna()]
        return anchors.beside(paper, own, seen)
    named = [side_by_side.named(paper, entry) for entry in board.to_dict("records")]
    return side_by_side.beside(paper, board[pd.Series(named, board.index, dtype=bool)])


def to_markdown(paper: Paper, frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `table`; `problems` are listed at its end."""
    if paper.judged:
        page = verdict_text.to_markdown(paper, frame, problems)
    elif paper.switches and not paper.figures:
        page = switches_text.to_markdown(paper, frame, problems)
    else:
        write = anchors.to_markdown if paper.anchors else side_by_side.to_markdown
        page = write(paper, frame, problems)
    if paper.skipped and "skipped" in frame.attrs:
        page = "\n".join([page, skipped_shares.section(paper.skipped, frame.attrs["skipped"])])
    if "claims" in frame.attrs:
        page = "\n".join([page, *switches_text.claims(paper, frame.attrs["claims"])])
    return f"{page}\n{_TABLES}\n" if frame.attrs.get("tables") and len(frame) else page


def own_table(paper: Paper) -> str:
    """Return the paper's own table as a page, without any results."""
    if paper.switches and not paper.figures:
        return switches_text.own_table(paper)
    return verdict_text.own_table(paper) if paper.judged else side_by_side.own_table(paper)


def write(out: Path, paper: Paper, to: Path | None = None) -> tuple[pd.DataFrame, list[Path]]:
    """Write `table` of the records below `out` as verdict.csv and verdict.md, or paper.csv and
    paper.md, there or to another folder; what a paper of figures claims besides goes to
    verdict.csv. Return the table and the files' paths, the page last.

    Raises RecordError when `out` does not exist, EffbenchError when it cannot be written.
    """
    unreadable: list[RecordError] = []
    frame = table(paper, [out], unreadable)
    stem = "verdict" if paper.judged else "paper"
    contents = {
        f"{stem}.csv": tables.to_csv(frame),
        **({"verdict.csv": tables.to_csv(_judged(frame))} if "claims" in frame.attrs else {}),
        f"{stem}.md": to_markdown(paper, frame, [str(error) for error in unreadable]),
    }
    paths = {(to or out) / name: text for name, text in contents.items()}
    for path, text in paths.items():
        files.write_text(path, text)
    return frame, list(paths)


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the claims of `table` that rows of a run test."""
    claims: pd.DataFrame = frame.attrs["claims"]
    return claims[claims["switch"] != ""]
