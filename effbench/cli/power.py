"""How many seeds an effect takes."""

from __future__ import annotations

from pathlib import Path

import click

from effbench.cli.options import FOLDER, baseline_option, format_option, name_unreadable


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--effect",
    required=True,
    metavar="0.2|5%",
    help="What is to be seen: a difference of a quality in its unit, or a part of anything else.",
)
@click.option(
    "--figure",
    default="psnr",
    metavar="NAME",
    show_default=True,
    help="Figure, as the leaderboard's columns are called.",
)
@baseline_option
@format_option
def power(
    results: tuple[Path, ...], effect: str, figure: str, baseline: str | None, form: str
) -> None:
    """Tell how many seeds, and hours, it takes to see an effect against the baseline.

    By the variance between the seeds of RESULTS folders, for a power of 80 % and 95 %. The test is
    paired where both rows have the same repetitions with equal seeds, otherwise Welch's. Rows with
    fewer than two seeds have no variance, and say so. A record that cannot be read is named on
    standard error, and the exit status is 3.

    \b
    Examples:
      effbench power results/runs/hsm-20260101-120000 --effect 0.2
      effbench power results/runs/hsm-* --effect 5% --figure iter_ms --baseline instant-ngp
    """
    from effbench.analysis import seeds_needed as analysis
    from effbench.analysis.figures import FIGURES
    from effbench.errors import ConfigError, unknown
    from effbench.records import results as loading
    from effbench.records import seeds_needed, tables

    if figure not in FIGURES:
        raise unknown("figure", figure, FIGURES)
    size = _size(effect, analysis.kind(figure))
    found = loading.load(results)
    chosen = loading.baseline(found, baseline)
    if chosen is None:
        raise ConfigError("there is no finished row to compare with: name --baseline")
    frame = seeds_needed.of_records(found.records, chosen, size, figure)
    if form == "md":
        click.echo(seeds_needed.to_markdown(frame, chosen, _said(effect, figure)), nl=False)
    else:
        write = {"csv": tables.to_csv, "json": tables.to_json}[form]
        click.echo(write(frame), nl=False)
    name_unreadable(found.problems)


def _size(text: str, kind: str) -> float:
    """Return the effect of "0.2", or of "5%" for a ratio. Raises ConfigError."""
    from effbench.errors import ConfigError

    part = text.strip().endswith("%")
    try:
        size = float(text.strip().removesuffix("%")) / (100 if part else 1)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf") or part != (kind == "ratio"):
        wanted = "a part of the figure, such as 5%" if kind == "ratio" else "a number, such as 0.2"
        raise ConfigError(f"--effect is '{text}': write {wanted}")
    return size


def _said(effect: str, figure: str) -> str:
    from effbench.analysis.figures import FIGURES

    about = FIGURES[figure]
    return f"{effect} {about.unit}".strip() if about.group == "quality" else effect
