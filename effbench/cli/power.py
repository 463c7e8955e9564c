"""How many seeds an effect needs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from effbench.cli.options import FOLDER, baseline_option, format_option, name_unreadable
from effbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

_LEGEND = """\
Seeds on either side, and hours of both rows together (parents not counted), at which a two-sided \
t-test at 5 % sees {effect} in {figure} with 80 and 95 % power. sd: between seeds; of differences \
within repetitions where the test is paired (row and baseline share their seeds), otherwise pooled \
over both rows{logs}; in brackets its 95 % interval: few seeds know it badly. \
Baseline: {baseline}. One comparison: Holm over many rows needs more."""


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--effect",
    required=True,
    metavar="0.2|5%",
    help="Difference to be seen, in the figure's unit; for times and sizes a part: 5%.",
)
@click.option("--figure", default="psnr", show_default=True, metavar="NAME", help="Of what.")
@baseline_option
@format_option
def power(
    results: tuple[Path, ...], effect: str, figure: str, baseline: str | None, form: str
) -> None:
    """Tell how many seeds, and hours, it takes to see an effect in the rows of RESULTS folders.

    The variance is the one between the results' own seeds. A record that cannot be read is named
    on standard error, and the exit status is 3.

    \b
    Examples:
      effbench power results/runs/hsm-20260101-120000 --effect 0.2
      effbench power results/runs/* --effect 5% --figure iter_ms_mean --baseline instant-ngp
    """
    from effbench.analysis import power as powers
    from effbench.analysis.rows_compared import figures_named, kind
    from effbench.records import results as loading
    from effbench.records import tables

    name = figures_named([figure])[0]
    size = _size(effect, name, kind(name))
    found = loading.load(results)
    if not found.records:
        raise ConfigError(f"no record below {', '.join(map(str, results))}: run something first")
    chosen = loading.baseline(found, baseline)
    cells = tables.cells(found.records)
    labels = (cells["method"] + " " + cells["variant"]).str.strip()
    wall = [record.time.get("total_s") or math.nan for record in found.records]
    table = powers.table(cells.assign(label=labels, wall_s=wall), name, size, chosen)
    if form == "md":
        logs = "; of logarithms" if kind(name) == "ratio" else ""
        legend = _LEGEND.format(effect=effect, figure=name, baseline=f"`{chosen}`", logs=logs)
        click.echo(f"{_markdown(table)}\n\n{legend}")
    else:
        click.echo({"csv": tables.to_csv, "json": tables.to_json}[form](table), nl=False)
    name_unreadable(found.problems)


def _size(text: str, figure: str, kind: str) -> float:
    """Return an effect as the analysis takes it. Raises ConfigError for what is none."""
    part = text.endswith("%")
    if part != (kind == "ratio"):
        write = "a part, such as 5%" if kind == "ratio" else "a difference, such as 0.2"
        raise ConfigError(f"--effect {text} is no effect of {figure}: write {write}")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"--effect {text} is no positive number: write 0.2 or 5%")
    return math.log1p(value / 100) if part else value


def _markdown(table: pd.DataFrame) -> str:
    from tabulate import tabulate

    from effbench.analysis.identity import spaced

    headings = ["scene", "row", "n", "test", "sd", "power now"]
    headings += ["seeds 80 %", "hours", "seeds 95 %", "hours ", ""]
    rows: list[list[str]] = []
    for row in table.to_dict("records"):
        sd = "" if _none(row["sd"]) else f"{row['sd']:.3g} [{row['sd_low']:.3g}, "
        sd += f"{row['sd_high']:.3g}]" if sd else ""
        now = "" if _none(row["power_now"]) else f"{100 * row['power_now']:.0f} %"
        label = spaced(row["method"], row["variant"]).replace("|", "\\|")
        line = [row["scene"], label, str(row["n"]), row["test"], sd, now]
        for target in ("80", "95"):
            seeds, hours = row[f"seeds_{target}"], row[f"hours_{target}"]
            line += ["" if _none(seeds) else f"{seeds:.0f}", "" if _none(hours) else f"{hours:.2g}"]
        rows.append([*line, row["why"]])
    align = ["left", "left", "right", "left", *["right"] * 6, "left"]
    return tabulate(rows, headings, tablefmt="github", colalign=align, disable_numparse=True)


def _none(value: Any) -> bool:
    return value is None or math.isnan(value)
