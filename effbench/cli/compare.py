"""Two rows against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from effbench.cli.options import FOLDER, name_unreadable, scenes_filter_option, table_format_option


@click.command()
@click.argument("a")
@click.argument("b")
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="F1,F2",
    help="Figures to compare, as columns of the leaderboard are called; repeatable.  "
    "[psnr,iter_ms_mean,peak_mem_mb,model_mb,render_ms]",
)
@scenes_filter_option
@table_format_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: as --format json.")
def compare(
    a: str,
    b: str,
    results: tuple[Path, ...],
    figures: tuple[str, ...],
    scenes: tuple[str, ...],
    form: str,
    as_json: bool,
) -> None:
    """Compare rows A and B of RESULTS folders: A − B or A ÷ B, interval, test, p after Holm.

    Rows are named as tables show them, "method" or "method variant"; they may be of several runs
    and suites, and are compared where scene, budget, device, threads and test views are the same.
    A test is paired where both rows have the same repetitions with equal seeds, otherwise Welch's.
    A record that cannot be read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench compare error-map low-weight results/runs/hsm-20260101-120000
      effbench compare error-map "instant-ngp compaction=transmittance" results/runs/hsm-*
      effbench compare nerf-continued nerf results/runs/* --scene 'nerf_synthetic/*' --format latex
    """
    from effbench.analysis import rows_compared
    from effbench.analysis.measures import MEASURES, SHOWN
    from effbench.records import compared, select, tables
    from effbench.records import results as loading

    named = [name.strip() for text in figures for name in text.split(",") if name.strip()]
    names = rows_compared.figures_named(named or [MEASURES[name].figure for name in SHOWN])
    found = loading.load(results)
    cells = select.scenes(tables.cells(found.records), scenes)
    made = rows_compared.compare(cells, a, b, names)
    write: dict[str, Any] = {
        "csv": lambda: tables.to_csv(made.rows),
        "json": lambda: tables.to_json(made.rows),
        "md": lambda: compared.to_markdown(made, a, b),
        "latex": lambda: compared.to_latex(made, a, b),
    }
    form = "json" if as_json else form
    click.echo(write[form](), nl=False)
    if form in ("csv", "json"):
        for text in made.alone:
            click.echo(f"note: not compared: {text}", err=True)
    name_unreadable(found.problems)
