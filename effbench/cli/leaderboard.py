"""The leaderboard: which rows and columns, in which order and form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from effbench.cli.options import (
    FOLDER,
    baseline_option,
    name_unreadable,
    scenes_filter_option,
    table_format_option,
)
from effbench.errors import ConfigError, RecordError

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@table_format_option
@scenes_filter_option
@click.option(
    "--where",
    "condition",
    metavar="CONDITION",
    help="Only rows for which this holds, of columns of the CSV: 'psnr > 25 and n >= 3'.",
)
@click.option("--columns", metavar="A,B,…", help="Columns to show, as the CSV calls them.")
@click.option("--sort", metavar="A,-B", help="Sort by A upwards, then by B downwards.")
@click.option("--mean", is_flag=True, help="Only means over scenes, of rows that have them all.")
@click.option("--matrix", metavar="FIGURE", help="One figure, rows × scenes, with mean ranks.")
@baseline_option
def leaderboard(results: tuple[Path, ...], form: str, **asked: Any) -> None:
    """Print the leaderboard of the records below one or more RESULTS folders.

    Marks are of tests against the baseline, over all its rivals, whichever rows are shown. A
    record that cannot be read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench leaderboard results/runs/pruning-20260101-120000
      effbench leaderboard results/runs/* --format csv > all.csv
      effbench leaderboard results/runs/* --scene 'nerf_synthetic/*' --matrix psnr --format latex
      effbench leaderboard results/runs/* --where 'psnr > 25 and method in ["hsm", "nerf"]'
      effbench leaderboard results/runs/* --columns method,psnr,model_mb --sort model_mb,-psnr
    """
    from effbench.records import record
    from effbench.records import results as loading

    unreadable: list[RecordError] = []
    found = record.stream(results, errors="skip", skipped=unreadable)
    frame = loading.leaderboard(results, found, asked["baseline"], problems=unreadable)
    click.echo(_page(_chosen(frame, asked), form, asked), nl=False)
    name_unreadable(unreadable)


def _chosen(frame: pd.DataFrame, asked: dict[str, Any]) -> pd.DataFrame:
    """Return the rows that are asked for, in order."""
    from effbench.records import condition, select

    frame = select.scenes(frame, asked["scenes"])
    if asked["condition"]:
        known, frame = frame, condition.where(frame, asked["condition"])
        if len(known) and frame.empty:
            raise ConfigError(f"no row fits --where '{asked['condition']}': ask for less")
    return select.ordered(frame, asked["sort"]) if asked["sort"] else frame


def _page(frame: pd.DataFrame, form: str, asked: dict[str, Any]) -> str:
    from effbench.analysis.matrix import matrix
    from effbench.analysis.rows_compared import figures_named
    from effbench.records import pages, select, tables

    if asked["matrix"]:
        figure = figures_named([asked["matrix"]])[0]
        table = matrix(frame, figure)
        if form in ("md", "latex"):
            shaped = {"md": pages.matrix_markdown, "latex": pages.matrix_latex}[form]
            return shaped(table, figure)
        return {"csv": tables.to_csv, "json": tables.to_json}[form](table)
    means = tables.suite_means(frame)
    if asked["mean"] and asked["sort"]:
        means = select.ordered(means, asked["sort"])
    shown = means if asked["mean"] else frame
    names = select.columns(asked["columns"] or "", list(map(str, shown.columns)))
    if form == "latex":
        return pages.leaderboard_latex(frame, means, names, only_means=asked["mean"])
    if form == "md":
        return tables.to_markdown(frame, (), names, only_means=asked["mean"])
    write = {"csv": tables.to_csv, "json": tables.to_json}[form]
    return write(shown[names] if names else shown)
