"""Fronts: what nothing beats in quality and cost at once."""

from __future__ import annotations

from pathlib import Path

import click

from effbench.cli.options import FOLDER, name_unreadable


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--cost",
    "costs",
    multiple=True,
    metavar="F1,F2",
    help="Figures that cost, as columns of the leaderboard are called; repeatable.  "
    "[model_mb,total_train_s,iter_ms,peak_mem_mb,render_ms]",
)
@click.option(
    "--curve",
    "curves",
    multiple=True,
    metavar="PATTERN",
    help="Rows whose sizes are one curve, such as 'nelf-student|iterative-*'; repeatable: BD-rates "
    "are against the first.  [default: rows of a method that differ in a parameter of their size]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "json"]),
    default="md",
    show_default=True,
    help="Form of the page.",
)
def pareto(
    results: tuple[Path, ...], costs: tuple[str, ...], curves: tuple[str, ...], form: str
) -> None:
    """Print the Pareto fronts of RESULTS folders, their hypervolume, and BD-rates of curves.

    A front has the rows that no other beats in PSNR and cost at once. BD-rate: how much smaller
    the models of a curve are than those of another, at equal PSNR. Intervals are bootstrapped over
    seeds. A record that cannot be read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench pareto results/runs/pruning-20260101-120000
      effbench pareto results/runs/* --cost model_mb,latency_ms --format json
      effbench pareto runs/distill-* --curve 'nelf-student|iterative-?0' --curve 'quantized*'
    """
    from effbench.analysis.figures import FIGURES
    from effbench.errors import ConfigError, unknown
    from effbench.records import fronts
    from effbench.records import results as loading

    names = [n.strip() for text in costs for n in text.split(",") if n.strip()] or fronts.COSTS
    for name in names:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
        if FIGURES[name].better != "lower":
            raise ConfigError(f"'{name}' is no cost: name figures of which less is better")
    if len(curves) == 1:
        raise ConfigError("one --curve has nothing to be held against: name an anchor first")
    found = loading.load(results)
    made = fronts.of_records(found.records, names, curves)
    click.echo(fronts.to_json(made) if form == "json" else fronts.to_markdown(made), nl=False)
    name_unreadable(found.problems)
