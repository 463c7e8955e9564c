"""Commands of the regression gate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from effbench.cli.options import ANY_PATH, FILE, FOLDER, NO_BASELINE, OTHER_HARDWARE
from effbench.errors import EffbenchError, RecordError


@click.command()
@click.argument("candidate", type=ANY_PATH)
@click.option(
    "--baseline",
    required=True,
    type=ANY_PATH,
    metavar="PATH",
    help="File written by `effbench baseline`, or a results folder.",
)
@click.option(
    "--tolerance",
    "settings",
    multiple=True,
    metavar="FIGURE=0.2|10%|off",
    help="What a figure may lose; repeatable.  [psnr=0.2 iter_ms=10% peak_mem_mb=10% model_mb=5% "
    "drift=50%]",
)
@click.option(
    "--reference",
    default="",
    metavar="METHOD",
    help="Method that durations are divided by, as tables show it, with its variant.  "
    "[default: the baseline of the suite or its paper]",
)
@click.option(
    "--test",
    type=click.Choice(["moderated", "welch", "permutation"]),
    default="moderated",
    show_default=True,
    help="Test of significance over seeds; see docs/regression.md.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Level of significance of the whole check.",
)
@click.option(
    "--as-measured",
    is_flag=True,
    help="Compare PSNR under time budgets with the machine's speed in it, not at equal iterations.",
)
@click.option("--allow-hardware", is_flag=True, help="Compare although the hardware differs.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json", "junit"]),
    default="text",
    show_default=True,
    help="Form of the report.",
)
def check(
    candidate: Path, baseline: Path, settings: tuple[str, ...], form: str, **choices: Any
) -> None:
    """Tell whether CANDIDATE, a results folder or baseline file, is worse than a baseline.

    A regression is a loss beyond noise over seeds and beyond the tolerance. PSNR under a time
    budget is corrected to the baseline's number of iterations, by the training curves, with an
    error that the test allows for; budgets of iterations (--budget 3000it) need no correction and
    see more. Durations are ratios to a reference of the same run: a machine that is slower today
    is no regression. The last lines say which of these was done, how surely a loss of 0.3 dB would
    have been found, and how many seeds it takes where that is not enough. Exit status: 0 if there
    is none, 1 for a regression, 2 for rows that are missing and for a wrong command, 4 if there is
    no baseline or candidate that can be read, 5 if they were made on other hardware. In GitHub
    Actions, regressions are annotated and the report is added to the step's summary.

    \b
    Examples:
      effbench check results/runs/mine --baseline results/my-machine/pruning-baseline.json
      effbench check new --baseline old --tolerance psnr=0.1 --tolerance iter_ms=20%
      effbench check new --baseline old --format junit > check.xml
    """
    import os

    from effbench.report.gate import check as gate
    from effbench.report.gate import snapshot as baselines
    from effbench.report.gate import text, tolerances
    from effbench.report.gate.options import Options
    from effbench.report.gate.rows import OtherHardware

    options = Options(tolerances.tolerances(settings), **choices)
    try:
        sides = baselines.load(candidate), baselines.load(baseline)
    except RecordError as error:
        _leave(error, NO_BASELINE)
    try:
        report = gate.check(*sides, options)
    except OtherHardware as error:
        _leave(error, OTHER_HARDWARE)
    click.echo(text.WRITERS[form](report), nl=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(text.workflow_commands(report), err=True, nl=False)  # stdout is the report's
        text.add_step_summary(report)
    sys.exit(report.status)


def _leave(error: EffbenchError, status: int) -> NoReturn:
    click.echo(f"error: {error}", err=True)
    sys.exit(status)


@click.command()
@click.argument("results", type=FOLDER)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="File to write.  [default: results/<device>/<suite>-baseline.json]",
)
def baseline(results: Path, out: Path | None) -> None:
    """Write the figures of a RESULTS folder to a small file, for `effbench check` to compare with.

    The file is made to be committed: a line per cell, with what made it.

    \b
    Examples:
      effbench baseline results/runs/pruning-20260101-120000
      effbench baseline results/runs/mine --out results/my-machine/mine.json
    """
    from effbench.report.gate import power, tolerances
    from effbench.report.gate import snapshot as baselines
    from effbench.report.gate.options import Options

    snapshot = baselines.of_folder(results)
    if snapshot.unreadable:
        raise snapshot.unreadable[0]
    path = out or baselines.default_path(snapshot)
    baselines.write(path, snapshot)
    for note in baselines.weaknesses(snapshot):
        click.echo(f"note: {note}", err=True)
    seen = power.of_baseline(snapshot, Options(tolerances.tolerances(())))
    if seen is not None:
        click.echo(f"note: in a check with as many seeds, {seen}", err=True)
    click.echo(f"{len(snapshot.cells)} cells → {path}")
