"""What the regression gate found, for people, for programs and for GitHub Actions."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tabulate import tabulate

from effbench.analysis.identity import spaced
from effbench.records import tables
from effbench.report.gate.check import Report
from effbench.report.gate.equal_iterations import DOUBT, is_timed
from effbench.report.gate.power import LOSS_DB
from effbench.report.gate.tolerances import CHECKS, DRIFT

_HEADINGS = (
    *("verdict", "method", "scene", "figure", "baseline", "candidate", "change"),
    *("may lose", "p", "reason"),
)
_UNITS = {"psnr": " dB"}


def to_text(report: Report) -> str:
    """Return the table for a terminal, its summary last."""
    rows = [_cells(line) for line in report.table.to_dict("records")]
    table = tabulate(rows, _HEADINGS, tablefmt="simple", disable_numparse=True)
    notes = [f"note: {note}" for note in report.notes]
    return "\n".join([table, "", *notes, about(report), summary(report)]) + "\n"


def to_markdown(report: Report) -> str:
    """Return a page for GitHub: the summary, what is not within noise, then everything, folded."""
    rows = [[c.replace("|", "\\|") for c in _cells(x)] for x in report.table.to_dict("records")]
    notable = [row for row in rows if row[0] != "within noise"]
    parts = ["# Regression check", f"**{summary(report)}**"]
    if notable:
        parts.append(tabulate(notable, _HEADINGS, tablefmt="github", disable_numparse=True))
    if report.notes:
        parts.append("\n".join(f"* {note}" for note in report.notes))
    everything = tabulate(rows, _HEADINGS, tablefmt="github", disable_numparse=True)
    parts.append(f"<details><summary>All lines</summary>\n\n{everything}\n\n</details>")
    return "\n\n".join([*parts, about(report)]) + "\n"


def to_json(report: Report) -> str:
    """Return status, counts, options, notes and the lines of the table; no figure is null."""
    options = report.options
    head: dict[str, Any] = {
        "status": report.status,
        "summary": summary(report),
        "candidate": report.sources[0],
        "baseline": report.sources[1],
        "counts": report.counts,
        "reference": options.reference,
        "test": options.test,
        "alpha": options.alpha,
        "tolerances": dict(options.tolerances),
        "as_measured": options.as_measured,
        "power": None if report.power is None else vars(report.power) | {"loss_db": LOSS_DB},
        "notes": report.notes,
        "lines": json.loads(tables.to_json(report.table)),
    }
    return json.dumps(head, indent=1, ensure_ascii=False) + "\n"


def to_junit(report: Report) -> str:
    """Return JUnit XML, a test case per line: regressed is a failure, missing an error, what
    cannot be compared is skipped."""
    counts = report.counts
    cases = report.table.to_dict("records")
    untested = [c for c in cases if _is_untested(c)]
    suite = ElementTree.Element(
        "testsuite",
        name="effbench check",
        tests=str(len(cases)),
        failures=str(counts["regressed"]),
        errors=str(counts["missing"]),
        skipped=str(len(untested)),
    )
    for line in cases:
        name = f"{line['scene']} {line['budget']}: {line['figure'] or 'row'}"
        case = ElementTree.SubElement(suite, "testcase", classname=_method(line), name=name)
        kind = {"regressed": "failure", "missing": "error"}.get(line["verdict"])
        if kind or _is_untested(line):
            ElementTree.SubElement(case, kind or "skipped", message=message(line))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


WRITERS: Mapping[str, Callable[[Report], str]] = {
    "text": to_text,
    "md": to_markdown,
    "json": to_json,
    "junit": to_junit,
}


def summary(report: Report) -> str:
    """Return one sentence, such as "1 regressed, 11 within noise: FAILED"."""
    counts = [f"{count} {name}" for name, count in report.counts.items() if count]
    unknown = sum(_is_untested(x) for x in report.table.to_dict("records") if x["verdict"] != "new")
    told = f" ({unknown} of them cannot be told: too few seeds)" if unknown else ""
    if report.unreadable:
        counts.append(f"{report.unreadable} records unreadable")
    outcome = {0: "passed", 1: "FAILED", 2: "INCOMPLETE"}[report.status]
    return f"{', '.join(counts) or 'nothing to compare'}{told}: {outcome}"


def about(report: Report) -> str:
    """Say how the lines were judged."""
    options = report.options
    reference = (
        f"durations are ratios to {options.reference} in the same run; its own are compared with "
        f"a tolerance of {_tolerance(DRIFT, options.tolerances.get(DRIFT, math.nan)) or 'nothing'}"
        if options.reference
        else "no baseline was run under all conditions on both sides: durations are compared as "
        "they are (--reference names a row to divide them by)"
    )
    judged = f"{options.test} test corrected for rows and figures, p ≤ {options.alpha:g}"
    said = f"{judged}; {reference}; {_quality(report)}."
    return said if report.power is None else f"{said}\nPower: {report.power}."


def _quality(report: Report) -> str:
    """Say how PSNR under a time budget was compared."""
    if report.options.as_measured:
        return "PSNR under time budgets is compared as measured, with the machine's speed in it"
    psnr = report.table[(report.table["figure"] == "psnr") & report.table["change"].notna()]
    timed = psnr[psnr["budget"].map(is_timed)]
    moved, as_is = (
        timed.loc[which, "moved"] for which in (timed["moved"] != 0, timed["moved"] == 0)
    )
    said = []
    if len(moved):
        said.append(
            f"PSNR under time budgets is compared at the baseline's iterations, which moved it by "
            f"{moved.min():+.2f} to {moved.max():+.2f} dB (the test allows for an error of that of "
            f"{100 * DOUBT:.0f} %; budgets of iterations need no correction)"
        )
    if len(as_is):
        said.append(
            f"PSNR of {len(as_is)} rows under time budgets is compared as measured and moves with "
            "the machine, since no curve or no number of iterations tells how it grows (run with "
            "--curve-views, write an old baseline file again, or use budgets of iterations)"
        )
    if said:
        return "; ".join(said)
    return "PSNR is compared after equal iterations"


def message(line: Mapping[Any, Any]) -> str:
    """Return one line in words."""
    who = f"{_method(line)} on {line['scene']}, {line['budget']}"
    if not line["figure"] or math.isnan(line["change"]):
        what = f" {line['figure']}" if line["figure"] else ""
        return f"{who}:{what} {line['verdict']}: {line['reason'] or 'not in the baseline'}"
    verdict, old, new, change, allowed, p = _cells(line)[0], *_cells(line)[4:9]
    found = f"{verdict} {old} → {new} ({change}, tolerance {allowed}"
    reason = f": {line['reason']}" if line["reason"] else ""
    return f"{who}: {line['figure']} {found}{f', p = {p}' if p else ''}){reason}"


def workflow_commands(report: Report) -> str:
    """Return GitHub workflow commands: an error per regression, a warning for what is missing."""
    kinds = {"regressed": "error", "missing": "warning"}
    return "".join(
        f"::{kinds[line['verdict']]} title=effbench check::{_escape(message(line))}\n"
        for line in report.table.to_dict("records")
        if line["verdict"] in kinds
    )


def add_step_summary(report: Report) -> None:
    """Add the page to the step's summary, where GitHub Actions names a file for it."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(to_markdown(report))


def _cells(line: Mapping[Any, Any]) -> list[str]:
    figure = line["figure"]
    return [
        line["verdict"],
        _method(line),
        line["scene"],
        figure,
        _side(line, "baseline"),
        _side(line, "candidate"),
        _change(figure, line["change"]),
        _tolerance(figure, line["tolerance"]),
        "" if math.isnan(line["p"]) else _p(line["p"]),
        line["reason"],
    ]


def _method(line: Mapping[Any, Any]) -> str:
    return spaced(line["method"], line["variant"])


def _side(line: Mapping[Any, Any], side: str) -> str:
    """Return "27.15 ± 0.12 (n=3)"."""
    mean, std, n = (line[f"{side}{tail}"] for tail in ("", "_std", "_n"))
    if not n:
        return ""
    spread = "" if math.isnan(std) else f" ± {_digits(std)}"
    return f"{_digits(mean)}{spread} (n={n})"


def _digits(value: float) -> str:
    size = abs(value)
    return f"{value:.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3}f}"


def _change(figure: str, change: float) -> str:
    if math.isnan(change):
        return ""
    if CHECKS[figure].kind == "ratio":
        return f"{100 * change:+.1f} %"
    return f"{change:+.3f}{_UNITS.get(figure, '')}"


def _tolerance(figure: str, tolerance: float) -> str:
    if math.isnan(tolerance):
        return ""
    if figure == DRIFT or CHECKS[figure].kind == "ratio":
        return f"{100 * tolerance:g} %"
    return f"{tolerance:g}{_UNITS.get(figure, '')}"


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def _is_untested(line: Mapping[Any, Any]) -> bool:
    return line["verdict"] == "new" or (line["verdict"] == "within noise" and math.isnan(line["p"]))


def _escape(text: str) -> str:
    """Escape what GitHub would take as the end of a command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
