"""The tables that stand beside a folder's records: leaderboard and curves."""

from __future__ import annotations

from pathlib import Path

from effbench import files
from effbench.records import results, tables


def write_tables(out_dir: str | Path, to: Path | None = None) -> list[Path]:
    """Write leaderboard.csv, leaderboard.md and curves.csv of the records below `out_dir`, there or
    to another folder.

    A record or curve that cannot be read is named at the end of leaderboard.md. Raises RecordError
    when `out_dir` does not exist, EffbenchError when it cannot be written.
    """
    out = Path(out_dir)
    found = results.load([out])
    board = results.leaderboard(found.folders, found.cells.items(), problems=found.problems)
    curves = results.curves(found)
    contents = {
        "leaderboard.csv": tables.to_csv(board),
        "leaderboard.md": tables.to_markdown(board, [str(error) for error in found.problems]),
        "curves.csv": tables.to_csv(curves),
    }
    paths = {(to or out) / name: text for name, text in contents.items()}
    for path, text in paths.items():
        files.write_text(path, text)
    return list(paths)
