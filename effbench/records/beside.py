"""Two records of one cell beside each other: figures, and what made them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis.figures import FIGURES
from effbench.analysis.rows_compared import kind
from effbench.records import tables
from effbench.records.record import Record

_LEGEND = """\
{figure}: now − then for qualities, now ÷ then for all else; one cell each, so that this says \
nothing of noise. `=`: equal; `≠`: differs."""


def figures(then: Record, now: Record) -> pd.DataFrame:
    """Return a row per figure that either record has: figure, kind, then, now, change (now − then,
    or now ÷ then for a ratio; NaN where one is missing)."""
    frame = tables.cells([then]), tables.cells([now])
    rows = []
    for name in FIGURES:
        before, after = (float(f[name].iloc[0]) for f in frame)
        if math.isnan(before) and math.isnan(after):
            continue
        ratio = kind(name) == "ratio"
        change = (after / before if before else float("nan")) if ratio else after - before
        row = {"figure": name, "kind": kind(name), "then": before, "now": after}
        rows.append({**row, "change": change})
    return pd.DataFrame(rows, columns=["figure", "kind", "then", "now", "change"])


def made_by(then: Record, now: Record) -> pd.DataFrame:
    """Return a row per fact of what made the records: fact, then, now (text, "" for unknown),
    same."""
    before, after = _facts(then), _facts(now)
    names = dict.fromkeys([*before, *after])
    rows = [(name, before.get(name, ""), after.get(name, "")) for name in names]
    found = pd.DataFrame(rows, columns=["fact", "then", "now"])
    found = found[(found["then"] != "") | (found["now"] != "")]
    return found.assign(same=found["then"] == found["now"]).reset_index(drop=True)


def _facts(cell: Record) -> dict[str, str]:
    made, known = cell.provenance, cell.identity
    facts: dict[str, Any] = {"status": cell.status, "seed": cell.seed, "budget": cell.budget}
    facts |= {"device": cell.device, "backend": cell.backend, "effbench": made.get("effbench")}
    commit = str(made.get("commit") or "")[:10]
    facts["commit"] = f"{commit}, changed" if commit and made.get("dirty") else commit
    hashes = {"package": "code of effbench", "method": "code of the method"}
    hashes |= {"scene_source": "code of the scene", "manifest": "files of the scene"}
    facts |= {name: str(known.get(key) or "")[:12] for key, name in hashes.items()}
    facts |= {"precision": known.get("precision") or cell.facts.get("precision")}
    facts |= {"threads": known.get("threads") or made.get("threads")}
    facts |= {name: made.get(name) for name in ("python", "cuda", "driver", "cpu", "cores", "os")}
    facts |= {f"package {k}": v for k, v in (made.get("packages") or {}).items()}
    return {name: "" if value is None else str(value) for name, value in facts.items()}


def to_markdown(then: Record, now: Record) -> str:
    """Return the page of two records."""
    rows = []
    for row in figures(then, now).to_dict("records"):
        about = FIGURES[str(row["figure"])]
        sides = ["" if pd.isna(row[side]) else about.write(row[side]) for side in ("then", "now")]
        rows.append([about.heading, *sides, _change(row)])
    facts = [
        [row["fact"], row["then"], row["now"], "=" if row["same"] else "≠"]
        for row in made_by(then, now).to_dict("records")
    ]
    parts = [
        f"# {now.cell_id}, again",
        _table(rows, ["figure", "then", "now", "change"], ["left", *["right"] * 3]),
        _LEGEND.format(figure="change"),
        "## What made them",
        _table(facts, ["", "then", "now", ""], ["left"] * 4),
    ]
    return "\n\n".join(parts) + "\n"


def _change(row: dict[Any, Any]) -> str:
    if row["then"] == row["now"]:
        return "="
    if pd.isna(row["change"]):
        return ""
    text = f"{row['change']:.3f}×" if row["kind"] == "ratio" else f"{row['change']:+.4f}"
    return text.replace("-", "−")


def _table(rows: list[list[str]], headings: list[str], align: list[str]) -> str:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(cells, headings, tablefmt="github", colalign=align, disable_numparse=True)
