"""The `effbench` command: arguments only. What a command needs is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import effbench
from effbench.cli import (
    compare,
    gate,
    leaderboard,
    onnx,
    pareto,
    power,
    render,
    rerun,
    results,
    scenes,
)
from effbench.cli.options import (
    FOLDER,
    INTERRUPTED,
    SOME_FAILED,
    USAGE_ERROR,
    ViewCount,
    discover,
    plugins_option,
    scenes_option,
    unlimited,
)
from effbench.errors import EffbenchError
from effbench.runs.executors.names import NAMES, Wanted

if TYPE_CHECKING:
    from rich.console import Console

    from effbench.planning.plan import Plan


class _Group(click.Group):
    """Shows errors that a user can act on as one message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EffbenchError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(USAGE_ERROR)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(effbench.__version__, prog_name="effbench")
def main() -> None:
    """Benchmark what makes NeRFs faster, smaller and cheaper to train.

    \b
    Examples:
      effbench list methods
      effbench run --suite pruning
      effbench run --method instant-ngp --scene procedural/blocks --budget 30s
      effbench leaderboard results/runs/*
      effbench report results/runs/* --out report.html
      effbench paper hsm results/runs/hsm-20260101-120000
      effbench check results/runs/mine --baseline results/my-machine/pruning-baseline.json
    """


@main.command("list")
@click.argument("what", type=click.Choice(["methods", "scenes", "suites"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_option
@scenes_option
def list_(what: str, as_json: bool, plugins: tuple[Path, ...], scenes_root: Path | None) -> None:
    """List methods, scenes or suites: parameters, defaults, and why something is unavailable.

    \b
    Examples:
      effbench list methods
      effbench list scenes --scenes-root ~/data --json
    """
    from effbench.cli import listing

    rows = listing.ROWS[what](discover(plugins), scenes_root)
    click.echo(listing.as_json(rows) if as_json else listing.as_text(what, rows))


_RUN_OPTIONS = [
    click.option("--suite", metavar="NAME", help="Suite to run; see `effbench list suites`."),
    click.option(
        "--method",
        "methods",
        multiple=True,
        metavar="NAME",
        help="Method to run; repeatable; with --suite its rows are added to the suite's.",
    ),
    click.option(
        "--scene",
        "scenes",
        multiple=True,
        metavar="FAMILY/NAME",
        help="Scene, in place of the suite's; repeatable. 'mipnerf360/*' is all that are present."
        "  [default: procedural/blocks]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="[OWNER.]KEY=V1,V2",
        help="Parameter of the methods, or of OWNER (a method or a scene's family); several "
        "values make a grid; a tuple is written 1:2:3. Repeatable.",
    ),
    click.option(
        "--budget", metavar="30s|5m|500it", help="Training budget of each cell.  [60s; GPU 5m]"
    ),
    click.option("--seeds", type=int, metavar="N", help="Repetitions of each cell."),
    click.option(
        "--ranks",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processes that train each cell together, each with its share of every batch."
        "  [default: 1, or the suite's]",
    ),
    click.option(
        "--ignore-time",
        is_flag=True,
        help="Train methods that know no time on scenes that move, as if these stood still; rows "
        "are marked time=ignored.",
    ),
    click.option("--downscale", type=int, metavar="K", help="Divide the images' sides by K."),
    click.option(
        "--split",
        type=click.Choice(["test", "val"]),
        default="test",
        show_default=True,
        help="Views to evaluate; tune on val, where a scene has it, and report test.",
    ),
    click.option("--device", default="auto", metavar="auto|cpu|cuda[:i]", show_default=True),
    click.option(
        "--backend",
        default="auto",
        metavar="NAME",
        show_default=True,
        help="Kernels: auto, reference, cpu, triton, or a library's: tcnn, nerfacc; see "
        "`effbench doctor`.",
    ),
    click.option(
        "--eval-views",
        type=ViewCount(min=1),
        callback=unlimited,
        metavar="N|all",
        help="Evaluate N test views, evenly spaced.  [default: all]",
    ),
    click.option(
        "--curve-views",
        type=ViewCount(min=0),
        metavar="N|all",
        help="Test views evaluated at each point of the curve.  [default: 2; 8 in suites that end "
        "with a verdict]",
    ),
    click.option(
        "--out",
        type=FOLDER,
        metavar="DIR",
        help="Output folder.  [default: results/runs/<suite>-<time>]",
    ),
    click.option("--fresh", is_flag=True, help="Do all finished cells again."),
    click.option(
        "--keep-stale",
        is_flag=True,
        help="Keep finished cells of other code, data or machines, marked in every table.",
    ),
    click.option(
        "--retry-disturbed",
        is_flag=True,
        help="Do cells once more for which the machine was slower than for others, or shared.",
    ),
    click.option(
        "--profile",
        is_flag=True,
        help="Profile each cell that is run, once its figures are final: parts of a training step, "
        "a trace, use of the machine over time. Meant for few cells; docs/records.md.",
    ),
    click.option(
        "--no-pictures",
        "pictures",
        flag_value=False,
        default=True,
        help="Make tables alone; `effbench plot` draws pictures later. For plans of many rows.",
    ),
    click.option(
        "--executor",
        type=click.Choice(NAMES),
        default="local",
        show_default=True,
        help="What runs the cells: processes of this machine, a Ray cluster, or Slurm jobs; "
        "docs/cluster.md.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Cells at once, each on processors, or a GPU, of its own.  [default: 1; on a cluster "
        "as many as there is room for]",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processors of each cell.  [default: an equal share; on a cluster 1]",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        help="Of the Ray cluster, always named; with --executor slurm `local` tries a run without "
        "Slurm.",
    ),
    click.option(
        "--cluster-option",
        "cluster_options",
        multiple=True,
        metavar="KEY=VALUE",
        help="For Slurm what sbatch takes (partition=gpu, account=mine, mem=32G), for Ray a "
        "resource that a node must have (fast_disk=1). Repeatable.",
    ),
    click.option(
        "--allowance",
        metavar="30m",
        default="30m",
        show_default=True,
        help="Time that a Slurm job may take beyond a cell's budget.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the cells and how long they may take."),
    plugins_option,
    scenes_option,
]


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


@main.command("run")
@_run_options
def run_(
    settings: tuple[str, ...],
    out: Path | None,
    fresh: bool,
    keep_stale: bool,
    retry_disturbed: bool,
    pictures: bool,
    executor: str,
    jobs: int | None,
    threads: int | None,
    address: str | None,
    cluster_options: tuple[str, ...],
    allowance: str,
    dry_run: bool,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
    **choices: Any,
) -> None:
    """Run a suite, or methods, on scenes, and make a leaderboard and pictures.

    Each cell (method, variant, scene, repetition) runs in a process of its own. The same command
    again completes a run that was interrupted; a finished cell is kept if it is of the same code,
    data and machine. Exit status: 0 if every cell succeeded, 3 if some
    failed, 2 if the command is wrong.

    \b
    Examples:
      effbench run --suite pruning --dry-run
      effbench run --method instant-ngp --scene nerf_synthetic/lego --budget 60s --seeds 3
      effbench run --method nerf-pruned --set selection=uniform,w_out,coreset --set width=64,128
      effbench run --method mine --plugins ./my-plugins --set mine.lr=1e-2,3e-2
      effbench run --method instant-ngp --budget 10s --profile
      effbench run --suite pruning --jobs 2
      effbench run --suite hsm --executor ray --address head:6379 --threads 4
    """
    from rich.console import Console

    from effbench.machine.placement import place, room_for_ranks
    from effbench.method.config import Setting
    from effbench.planning.planner import Request, make_plan
    from effbench.planning.registry import user_folders
    from effbench.runs.run import choose_folder

    wanted = Wanted(executor, jobs, threads, address, cluster_options, allowance)
    root = scenes_root.expanduser().resolve() if scenes_root else None
    choices["device"], choices["backend"] = place(choices["device"], choices["backend"])
    request = Request(settings=tuple(Setting.parse(text) for text in settings), **choices)
    planned = make_plan(
        request, discover(plugins), root, user_folders(plugins), ["effbench", *sys.argv[1:]]
    )
    if warning := room_for_ranks(choices["device"], max(c.ranks for c in planned.cells)):
        click.echo(f"warning: {warning}", err=True)
    console = Console()
    folder = out or choose_folder(planned, fresh=fresh)
    if dry_run:
        from effbench.cli import listing

        click.echo(listing.plan_text(planned, folder))
    else:
        kept = {"fresh": fresh, "keep_stale": keep_stale, "retry_disturbed": retry_disturbed}
        kept["pictures"] = pictures
        _run(planned, folder, console, wanted, **kept)


def _run(planned: Plan, out: Path, console: Console, wanted: Wanted, **kept: bool) -> None:
    from effbench.cli.summary import print_result
    from effbench.runs.executors import choice
    from effbench.runs.run import run

    console.print(f"{len(planned.cells)} cells → {out}", markup=False, highlight=False)
    try:
        result = run(planned, out, console, executor=choice.maker(wanted, planned), **kept)
    except KeyboardInterrupt:
        click.echo(
            f"\nstopped; finished cells are kept in {out}: run the same command "
            f"{'without --fresh ' if kept['fresh'] else ''}again to do the rest",
            err=True,
        )
        sys.exit(INTERRUPTED)
    print_result(result, console)
    sys.exit(SOME_FAILED if result.failed else 0)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_option
@scenes_option
def doctor(as_json: bool, plugins: tuple[Path, ...], scenes_root: Path | None) -> None:
    """Tell what works on this machine: devices, kernels, LPIPS, scenes, plug-ins.

    \b
    Example:
      effbench doctor --scenes-root ~/data
    """
    from effbench.cli import doctor as checks
    from effbench.cli import listing

    findings = checks.examine(discover(plugins), scenes_root)
    rows = [vars(finding) for finding in findings]
    click.echo(listing.as_json(rows) if as_json else checks.as_text(findings))


for command in (
    *(leaderboard.leaderboard, results.plot, results.report, results.publish),
    *(compare.compare, power.power, pareto.pareto, rerun.rerun, gate.check, gate.baseline),
    *(results.paper, results.merge, results.export_results, onnx.export, onnx.profile),
    *(render.render, scenes.scenes),
):
    main.add_command(command)
