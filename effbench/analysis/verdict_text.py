"""A verdict for people: tables beside the paper's figures, and each claim in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis.claims import Published, published
from effbench.analysis.equivalence import Region
from effbench.analysis.identity import GROUP, spaced
from effbench.analysis.measures import CLAIMED, MEASURES
from effbench.analysis.paper import Claim, Paper

_LEGEND = """\
A figure is the mean ± sample standard deviation. Ratios are the row's figure divided by its \
baseline's; their means are geometric, their intervals of the logarithm. PSNR at equal time is the \
difference after equal budgets. Speed-up: how much sooner the row's curve first reaches the \
baseline's last PSNR than the baseline did; > where it had at its first point. Paired: repetitions \
of both rows have the same seeds and differences are taken within them (Student's t); unpaired: \
they have not (Welch's t). A claim is the paper's mean – of the scene, where its table has it, \
else of all its scenes – within a stated margin. **Confirmed**: the 95 % interval lies inside the \
margin. **Contradicted**: it lies outside. **Open**: neither, which says nothing against the \
claim; the seeds that would decide do so with a power of 80 %, if effect and spread are those \
found. Holm's correction is over the claims on a row. No verdict on fewer than 3 seeds, nor \
against a baseline that the paper did not use. A mean of scenes has one value per scene, so that \
its interval is of scenes. The paper's figures are of other hardware, and of longer training."""


def to_markdown(paper: Paper, found: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `effbench.analysis.verdict.verdict`; `problems` are listed at its end."""
    parts = [f"# {paper.title}", _about(paper)]
    if found.empty:
        parts.append("No row of these records is compared with a baseline.")
    for values, rows in found.groupby([*GROUP], sort=False):
        suite, scene, budget, device = values
        conditions = f"Budget {budget}" + (f" on {device}." if device else ".")
        headings, cells = table(paper, rows)
        page = tabulate(cells, headings, tablefmt="github", disable_numparse=True)
        parts += [f"## {suite} · {scene}", conditions, page]
        parts += _missing(rows)
        parts += [f"{head}\n\n" + "\n".join(f"* {x}" for x in xs) for head, xs in said(paper, rows)]
    if not found.empty:
        parts.append(_LEGEND)
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def table(paper: Paper, rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of one scene's rows, the paper's own figures last."""
    headings = ["method", "variant", "against", "test", *(MEASURES[m].title for m in CLAIMED)]
    cells = []
    for (method, variant, baseline), own in _entries(rows):
        by_measure = {row["measure"]: row for row in own.to_dict("records")}
        figures = [figure(by_measure[m]) if m in by_measure else "" for m in CLAIMED]
        most = max(by_measure.values(), key=lambda row: int(row["n"]))
        cells.append([method, _spaced(variant), _spaced(baseline), tested(most), *figures])
    for scene in dict.fromkeys((scene_of(paper, rows), "")):
        own = {claim.measure: published(paper, claim, scene) for claim in paper.claims}
        figures = [averaged(m, own[m]) if m in own else "" for m in CLAIMED]
        cells.append(["the paper", f"on {scene}" if scene else "", "its baseline", "", *figures])
    return headings, cells


def scene_of(paper: Paper, rows: pd.DataFrame) -> str:
    """Return what the paper's table calls the scene of rows of a verdict; empty if it is not
    there."""
    return paper.scene(str(rows["scene"].iloc[0]))


def said(paper: Paper, rows: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return, per claim, what the paper says and a line for each row that it is about."""
    sayings = []
    for claim in paper.claims:
        own = rows[(rows["measure"] == claim.measure) & ((rows["verdict"] + rows["reason"]) != "")]
        lines = [line(row) for row in own.to_dict("records")]
        if lines:
            sayings.append((claim_text(paper, claim, scene_of(paper, own)), lines))
    return sayings


def claim_text(paper: Paper, claim: Claim, scene: str = "") -> str:
    """Return a claim as a sentence with the paper's figures, those of one of its scenes first."""
    title = MEASURES[claim.measure].title
    figures = reported(claim.measure, published(paper, claim))
    if scene and claim.columns:
        own = reported(claim.measure, published(paper, claim, scene))
        figures = f"on {scene}: {own}; {figures}"
    held = published(paper, claim, scene if claim.columns else "").region
    assert held is not None
    where = ", on a GPU" if claim.gpu else ""
    says = f"The paper: {claim.says}" + (f" ({figures})" if claim.has_figure else "")
    span = region(claim.measure, held)
    return f"**{title[0].upper()}{title[1:]}{where}.** {says}. Claimed: {span}."


def region(measure: str, held: Region) -> str:
    """Return the effects that count as the claimed one: "0.46 to 0.66×", "more than 1.05×"."""
    if not held.one_sided:
        return f"{_number(measure, held.low)} to {_value(measure, held.high)}"
    if math.isinf(held.high):
        return f"more than {_value(measure, held.low)}"
    return f"less than {_value(measure, held.high)}"


def reported(measure: str, found: Published) -> str:
    """Return a paper's own figures: mean, after each of its times, and range over its scenes."""
    minutes = " / ".join(f"{time:g}" for time, _ in found.by_minutes)
    when = f" after {minutes} min" if minutes else ""
    if found.scenes <= 1 or math.isclose(found.low, found.high):
        return averaged(measure, found) + when
    span = f"{_number(measure, found.low)} to {_value(measure, found.high)}"
    return f"mean {averaged(measure, found)}{when}, {found.scenes} scenes: {span}"


def averaged(measure: str, found: Published) -> str:
    """Return a paper's mean, or its means after each of its times."""
    means = [mean for _, mean in found.by_minutes] or [found.mean]
    return " / ".join(_number(measure, mean) for mean in means) + MEASURES[measure].unit


def figure(row: dict[Any, Any]) -> str:
    """Return a measured mean ± deviation with its unit and bound; "" where there is none."""
    if row["bound"] == "not reached":
        return "not reached"
    if pd.isna(row["mean"]):
        return ""
    measure = str(row["measure"])
    bound = "> " if row["bound"] == ">" else ""
    deviation = "" if pd.isna(row["std"]) else f" ± {row['std']:.2f}"
    return f"{bound}{_number(measure, row['mean'])}{deviation}{MEASURES[measure].unit}"


def tested(row: dict[Any, Any]) -> str:
    """Return by which test a row was compared, and on how many: "paired, n=3"."""
    return f"{row['test']}, n={row['n']}" if row["n"] else "n=0"


def line(row: dict[Any, Any]) -> str:
    """Return what is said of a claim on a row: figure, interval and test, verdict and reason."""
    entry = spaced(row["method"], row["variant"])
    against = f"{entry} against {_spaced(row['baseline'])}"
    found = figure(row) or "nothing measured"
    measure = str(row["measure"])
    if row["n"] > 1 and not pd.isna(row["low"]):
        high = _value(measure, row["high"]) if math.isfinite(row["high"]) else "∞"
        found += f" (95 %: {_number(measure, row['low'])} to {high}; {tested(row)})"
    said = f"**{row['verdict']}**" if row["verdict"] else ""
    told = ": ".join(part for part in (said, row["reason"]) if part)
    return f"{against}: {found} – {told}."


def _missing(rows: pd.DataFrame) -> list[str]:
    """Return a paragraph that lists pairs that are not there."""
    lines = [
        f"* {spaced(method, variant)} against {_spaced(baseline)}: {missing}"
        for (method, variant, baseline), own in _entries(rows)
        if (missing := own["missing"].iloc[0])
    ]
    return ["Missing pairs:\n\n" + "\n".join(lines)] if lines else []


def _entries(rows: pd.DataFrame) -> Any:
    return rows.groupby(["method", "variant", "baseline"], sort=False)


def _about(paper: Paper) -> str:
    return f"{paper.authors}. {paper.source}. Its figures are of {paper.setting}."


def _number(measure: str, value: float) -> str:
    return f"{value:+.2f}" if MEASURES[measure].neutral == 0 else f"{value:.2f}"


def _value(measure: str, value: float) -> str:
    return _number(measure, value) + MEASURES[measure].unit


def _spaced(variant: str) -> str:
    return variant.replace(",", ", ")


def own_table(paper: Paper) -> str:
    """Return the paper's claims and its table as Markdown, without any results."""
    cells = [["" if v is None else v for v in row.values()] for row in paper.rows]
    page = tabulate(cells, list(paper.rows[0]), tablefmt="github", floatfmt="g")
    claims = "\n".join(f"* {claim_text(paper, claim)}" for claim in paper.claims)
    return "\n\n".join([f"# {paper.title}", _about(paper), claims, page]) + "\n"
