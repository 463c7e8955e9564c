"""Tables of README and docs from the files under results/: `make results`, or `--check` them.

A page says in a comment what its table is made of, and no number of it is typed by hand:

    <!-- table
    file = "results/…/leaderboard.csv"
    columns = [["method", "method", "`{}`"], ["PSNR", "psnr", "{:.2f}"]]
    where = "n >= 3"
    sort = "-psnr"
    -->
    … the table, made anew …
    <!-- end of table -->

columns: heading, column or expression of columns (`pandas.DataFrame.eval`), and how one cell is
written; an empty cell stays empty. where, sort: as pandas' `query`, and a column with - for
descending; both may be left out.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pandas as pd

from effbench import files
from effbench.errors import EffbenchError

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"<!-- table\n(?P<spec>.*?)-->\n.*?<!-- end of table -->", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    arguments = parser.parse_args()
    stale = [page for page in pages(ROOT) if made(page, ROOT) != page.read_text(encoding="utf-8")]
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'stale' if arguments.check else 'made anew'}")
        if not arguments.check:
            files.write_text(page, made(page, ROOT))
    if not stale:
        print("all tables are those of results/")
    sys.exit(bool(stale) and arguments.check)


def pages(root: Path) -> list[Path]:
    """Return the pages that may have tables."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def made(page: Path, root: Path) -> str:
    """Return a page with its tables made anew. Raises EffbenchError for a table that says nothing
    that can be made."""
    text = page.read_text(encoding="utf-8")

    def anew(found: re.Match[str]) -> str:
        line = text.count("\n", 0, found.start()) + 1
        try:
            body = table(tomllib.loads(found["spec"]), root)
        except (OSError, KeyError, NameError, ValueError, TypeError) as error:
            raise EffbenchError(
                f"{page}, line {line}: no table can be made of it: {error}"
            ) from error
        return f"<!-- table\n{found['spec']}-->\n{body}<!-- end of table -->"

    return _BLOCK.sub(anew, text)


def table(spec: dict[str, Any], root: Path) -> str:
    """Return the Markdown of a table. Raises OSError, KeyError, NameError, ValueError or TypeError
    for a spec that its file does not bear."""
    frame = pd.read_csv(root / spec["file"])
    if "where" in spec:
        frame = frame.query(spec["where"])
    if "sort" in spec:
        name = spec["sort"].removeprefix("-")
        frame = frame.sort_values(name, ascending=name == spec["sort"], kind="stable")
    if frame.empty:
        raise ValueError("no row is left")
    columns = [
        (heading, cast("pd.Series[Any]", frame.eval(value)), form)
        for heading, value, form in spec["columns"]
    ]
    numbers = [pd.api.types.is_numeric_dtype(values) for _, values, _ in columns]
    lines = [[heading for heading, _, _ in columns], ["---:" if n else "---" for n in numbers]]
    for row in range(len(frame)):
        lines.append([_written(values.iloc[row], form) for _, values, form in columns])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _written(value: object, form: str) -> str:
    if isinstance(value, str):
        value = value.replace(",", ", ")  # settings, with room for a line break
    return "" if pd.isna(value) else form.format(value)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
