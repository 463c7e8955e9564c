"""Numbers of README and docs from the files under results/: `make results`, or `--check` them.

A page says in comments what its tables and numbers are made of, so that none is typed by hand:

    <!-- table
    file = "results/…/leaderboard.csv"
    columns = [["method", "method", "`{}`"], ["PSNR", "psnr", "{:.2f}"]]
    where = "n >= 3"
    sort = "-psnr"
    -->
    … the table, made anew …
    <!-- end of table -->

    It reached <!-- value results/…/leaderboard.csv; method == 'nerf'; psnr; {:.1f} -->22.1<!-- end
    of value --> dB.

columns: heading, column or expression of columns (`pandas.DataFrame.eval`) or a list of these, and
how one cell is written of them; where one is empty the cell is, and what is infinite is ∞. where,
sort: as pandas' `query`, and a column with - for descending; both may be left out. In place of
`file`, `files` has several in one table, whose column `of` says which:
`files = {Lego = "results/…", bonsai = "results/…"}`.
`names = {psnr_gain = "PSNR at equal time"}` has other words for those of the file. A value is of
the one row that its `where` leaves; a JSON file is one row whose columns are paths, `a/b`.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pandas as pd

from effbench import files
from effbench.errors import EffbenchError

ROOT = Path(__file__).resolve().parents[1]
_TABLE = re.compile(r"<!-- table\n(?P<spec>.*?)-->\n.*?<!-- end of table -->", re.DOTALL)
_VALUE = re.compile(r"<!-- value (?P<spec>[^\n]*?) -->.*?<!-- end of value -->")
_WRONG = (OSError, KeyError, NameError, ValueError, TypeError, SyntaxError, NotImplementedError)


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
        print("all numbers are those of results/")
    sys.exit(bool(stale) and arguments.check)


def pages(root: Path) -> list[Path]:
    """Return the pages that may have tables."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def made(page: Path, root: Path) -> str:
    """Return a page with its tables and values made anew. Raises EffbenchError for one that says
    nothing that can be made."""
    text = page.read_text(encoding="utf-8")

    def table_anew(found: re.Match[str]) -> str:
        body = table(tomllib.loads(found["spec"]), root)
        return f"<!-- table\n{found['spec']}-->\n{body}<!-- end of table -->"

    def value_anew(found: re.Match[str]) -> str:
        return f"<!-- value {found['spec']} -->{value(found['spec'], root)}<!-- end of value -->"

    def named(make: Callable[[re.Match[str]], str], found: re.Match[str]) -> str:
        line = found.string.count("\n", 0, found.start()) + 1
        try:
            return make(found)
        except _WRONG as error:
            raise EffbenchError(
                f"{page}, line {line}: nothing can be made of it: {error}"
            ) from error

    text = _TABLE.sub(functools.partial(named, table_anew), text)
    return _VALUE.sub(functools.partial(named, value_anew), text)


def value(spec: str, root: Path) -> str:
    """Return a number as a page has it. Raises what `table` does."""
    parts = [part.strip() for part in spec.split(";")]
    if len(parts) != 4:
        raise ValueError(f"has {len(parts)} parts: write file; where; expression; format")
    file, where, expression, form = parts
    frame = _read(root / file)
    frame = frame.query(where) if where else frame
    if len(frame) != 1:
        raise ValueError(f"{len(frame)} rows of {file} fit: name one")
    found = _evaluated(frame, expression).iloc[0]
    if pd.isna(found):
        raise ValueError(f"{expression} is empty there")
    return form.format(found)


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".json":
        return pd.json_normalize(json.loads(path.read_text(encoding="utf-8")), sep="/")
    return pd.read_csv(path)


def table(spec: dict[str, Any], root: Path) -> str:
    """Return the Markdown of a table. Raises OSError, KeyError, NameError, ValueError or TypeError
    for a spec that its file does not bear."""
    files = spec["files"] if "files" in spec else {"": spec["file"]}
    frames = [_read(root / file).assign(of=name) for name, file in files.items()]
    frame = pd.concat(frames, ignore_index=True)
    if "where" in spec:
        frame = frame.query(spec["where"])
    if "sort" in spec:
        name = spec["sort"].removeprefix("-")
        frame = frame.sort_values(name, ascending=name == spec["sort"], kind="stable")
    if frame.empty:
        raise ValueError("no row is left")
    columns = [
        (heading, [_evaluated(frame, each) for each in _several(value)], form)
        for heading, value, form in spec["columns"]
    ]
    lines = [[heading for heading, _, _ in columns], [_alignment(found) for _, found, _ in columns]]
    for row in range(len(frame)):
        found = [([v.iloc[row] for v in values], form) for _, values, form in columns]
        lines.append([_written(values, form, spec.get("names", {})) for values, form in found])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _evaluated(frame: pd.DataFrame, expression: str) -> pd.Series[Any]:
    return cast("pd.Series[Any]", frame.eval(expression))


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _alignment(found: list[pd.Series[Any]]) -> str:
    return "---:" if all(map(pd.api.types.is_numeric_dtype, found)) else "---"


def _written(values: list[object], form: str, names: dict[str, str]) -> str:
    if any(pd.isna(value) for value in values):  # type: ignore[call-overload]
        return ""
    return form.format(*(_told(value, names) for value in values))


def _told(value: object, names: dict[str, str]) -> object:
    """Return what a file's word is called; settings have room for a line break, and what is
    infinite is ∞."""
    if isinstance(value, str):
        return names.get(value, re.sub(r",(?=\S)", ", ", value))
    return _Infinite(value) if isinstance(value, float) and math.isinf(value) else value


class _Infinite(float):
    """A number that is written as ∞ in every format."""

    def __format__(self, _spec: str) -> str:
        return "∞" if self > 0 else "-∞"


if __name__ == "__main__":
    main()
