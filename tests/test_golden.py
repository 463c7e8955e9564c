"""What is made of a few committed records stays the same, byte for byte.

`golden/records` holds three small runs as `effbench run` left them, records, curves and plans
alone: the suite hsm with three seeds, the suite distill on two scenes with one, and pruned networks
beside their parent with two. `golden/expected` holds what the commands made of them.
After a change that is meant to change a table, look at the
difference and write it anew: `python -m tests.test_golden`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from effbench.cli.app import main

GOLDEN = Path(__file__).parent / "golden"
RECORDS = GOLDEN / "records"
EXPECTED = GOLDEN / "expected"
REFERENCE = "instant-ngp compaction=none"


def command(*words: str) -> str:
    """Return what an effbench command prints. Its exit status may tell of a regression."""
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code in (0, 1, 2), done.output
    return done.stdout


def merged(run: str, file: str, folder: Path) -> str:
    """Return a table that a run's records are summed up in."""
    command("merge", str(RECORDS / run), "--out", str(folder / "merged"))
    return (folder / "merged" / file).read_text(encoding="utf-8")


def worse(folder: Path) -> Path:
    """Return a copy of the run `mining` in which mining lost PSNR and got slower, and one cell of
    another row diverged."""
    copy = folder / "worse"
    shutil.copytree(RECORDS / "mining", copy)
    for path in sorted(copy.glob("cells/*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["method"] == "hsm":
            record["quality"]["psnr"] -= 2.0 + 0.01 * record["repetition"]
            record["time"]["iter_ms"] *= 3.0
        if record["method"] == "proposal" and record["repetition"] == 1:
            record |= {"status": "diverged", "reason": "the loss is nan"}
        path.write_text(json.dumps(record), encoding="utf-8")
    return copy


def verdict(candidate: Path, *options: str) -> str:
    """Return the gate's verdict on a candidate, without the folders' own names."""
    words = ("check", str(candidate), "--baseline", str(RECORDS / "mining"), *options)
    found = json.loads(command(*words, "--format", "json"))
    del found["candidate"], found["baseline"]
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def page(run: str, folder: Path) -> str:
    path = folder / "report.html"
    command("report", str(RECORDS / run), "--out", str(path))
    return path.read_text(encoding="utf-8")


def page_data(run: str, folder: Path) -> str:
    """Return the figures that a report's script draws and lists."""
    found = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page(run, folder), re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def page_summary(run: str, folder: Path) -> str:
    """Return what a report says first: the best rows, rows against the baseline, the paper."""
    found = re.search(r'<section id="summary">.*?</section>', page(run, folder), re.DOTALL)
    assert found
    return found[0] + "\n"


CASES: dict[str, Callable[[Path], str]] = {
    **{
        f"{run}/{name}": lambda folder, run=run, make=make: make(run, folder)  # type: ignore[misc]
        for run in ("mining", "distilling", "pruning")
        for name, make in {
            "leaderboard.csv": lambda run, folder: merged(run, "leaderboard.csv", folder),
            "leaderboard.md": lambda run, folder: merged(run, "leaderboard.md", folder),
            "curves.csv": lambda run, folder: merged(run, "curves.csv", folder),
            "report-data.json": page_data,
            "report-summary.html": page_summary,
        }.items()
    },
    "mining/paper.csv": lambda _: command(
        "paper", "hsm", str(RECORDS / "mining"), "--format", "csv"
    ),
    "mining/paper.md": lambda _: command("paper", "hsm", str(RECORDS / "mining")),
    "distilling/paper.md": lambda _: command("paper", "mobile-nelf", str(RECORDS / "distilling")),
    "mining/check-same.json": lambda _: verdict(RECORDS / "mining", "--reference", REFERENCE),
    "mining/check-worse.json": lambda folder: verdict(worse(folder), "--reference", REFERENCE),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_records_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    assert CASES[name](tmp_path) == (EXPECTED / name).read_text(encoding="utf-8")


def test_the_records_hold_what_makes_tables_difficult() -> None:
    records = [json.loads(p.read_text()) for p in sorted(RECORDS.glob("*/cells/*/record.json"))]
    assert {r["role"] for r in records} == {"row", "parent"} or any(r["parents"] for r in records)
    assert any(r["preset_of"] for r in records)
    assert len({r["scene"]["name"] for r in records}) == 2
    assert max(r["repetition"] for r in records) == 2


def write() -> None:
    """Write `golden/expected` anew."""
    for name, make in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            text = make(Path(folder))
        (EXPECTED / name).parent.mkdir(parents=True, exist_ok=True)
        (EXPECTED / name).write_text(text, encoding="utf-8")
        print(EXPECTED / name, file=sys.stderr)


if __name__ == "__main__":
    write()
