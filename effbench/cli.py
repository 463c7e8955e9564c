"""The `effbench` command: arguments only. What a command needs is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

import effbench
from effbench.errors import EffbenchError, RecordError

if TYPE_CHECKING:
    from rich.console import Console

    from effbench.plan import Plan
    from effbench.plugins import Registry

USAGE_ERROR, SOME_FAILED, INTERRUPTED = 2, 3, 130
SCENES_VARIABLE = "EFFBENCH_SCENES"

_FOLDER = click.Path(file_okay=False, path_type=Path)
_plugins_option = click.option(
    "--plugins",
    multiple=True,
    type=_FOLDER,
    metavar="DIR",
    help="Folder with methods/, scenes/ and/or suites/ of your own; repeatable. "
    "Also: EFFBENCH_PLUGINS.",
)
_scenes_option = click.option(
    "--scenes-root",
    type=_FOLDER,
    metavar="DIR",
    envvar=SCENES_VARIABLE,
    help=f"Folder with captured scenes. Also: {SCENES_VARIABLE}.",
)


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
@_plugins_option
@_scenes_option
def list_(what: str, as_json: bool, plugins: tuple[Path, ...], scenes_root: Path | None) -> None:
    """List methods, scenes or suites: parameters, defaults, and why something is unavailable.

    \b
    Examples:
      effbench list methods
      effbench list scenes --scenes-root ~/data --json
    """
    from effbench import listing

    rows = listing.ROWS[what](_discover(plugins), scenes_root)
    click.echo(listing.as_json(rows) if as_json else listing.as_text(what, rows))


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [
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
            help="Scene, in place of the suite's; repeatable.  [default: procedural/blocks]",
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
        click.option("--downscale", type=int, metavar="K", help="Divide the images' sides by K."),
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
            type=click.IntRange(min=1),
            metavar="N",
            help="Evaluate N test views, evenly spaced.  [default: all]",
        ),
        click.option(
            "--curve-views",
            type=click.IntRange(min=0),
            default=2,
            metavar="N",
            show_default=True,
            help="Test views evaluated at each point of the curve.",
        ),
        click.option(
            "--out",
            type=_FOLDER,
            metavar="DIR",
            help="Output folder.  [default: results/runs/<suite>-<time>]",
        ),
        click.option("--fresh", is_flag=True, help="Do finished cells again."),
        click.option("--dry-run", is_flag=True, help="Print the cells and how long they may take."),
        _plugins_option,
        _scenes_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command("run")
@_run_options
def run_(
    settings: tuple[str, ...],
    out: Path | None,
    fresh: bool,
    dry_run: bool,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
    **choices: Any,
) -> None:
    """Run a suite, or methods, on scenes, and make a leaderboard and pictures.

    Each cell (method, variant, scene, repetition) runs in a process of its own. The same command
    again completes a run that was interrupted. Exit status: 0 if every cell succeeded, 3 if some
    failed, 2 if the command is wrong.

    \b
    Examples:
      effbench run --suite pruning --dry-run
      effbench run --method instant-ngp --scene nerf_synthetic/lego --budget 60s --seeds 3
      effbench run --method nerf-pruned --set selection=uniform,w_out,coreset --set width=64,128
      effbench run --method mine --plugins ./my-plugins --set mine.lr=1e-2,3e-2
    """
    from rich.console import Console

    from effbench.config import Setting
    from effbench.planner import Request, make_plan
    from effbench.plugins import user_folders
    from effbench.run import choose_folder

    root = scenes_root.expanduser().resolve() if scenes_root else None
    request = Request(settings=tuple(Setting.parse(text) for text in settings), **choices)
    planned = make_plan(
        request, _discover(plugins), root, user_folders(plugins), ["effbench", *sys.argv[1:]]
    )
    console = Console()
    folder = out or choose_folder(planned, fresh=fresh)
    if dry_run:
        from effbench import listing

        click.echo(listing.plan_text(planned, folder))
    else:
        _run(planned, folder, console, fresh)


def _run(planned: Plan, out: Path, console: Console, fresh: bool) -> None:
    from effbench.run import run
    from effbench.summary import print_result

    console.print(f"{len(planned.cells)} cells → {out}", markup=False, highlight=False)
    try:
        result = run(planned, out, console, fresh=fresh)
    except KeyboardInterrupt:
        click.echo(
            f"\nstopped; finished cells are kept in {out}: run the same command "
            f"{'without --fresh ' if fresh else ''}again to do the rest",
            err=True,
        )
        sys.exit(INTERRUPTED)
    print_result(result, console)
    sys.exit(SOME_FAILED if result.failed else 0)


_format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "md", "json"]),
    default="md",
    show_default=True,
    help="Form of the table.",
)


def _name_unreadable(unreadable: list[RecordError]) -> NoReturn:
    """End the command, naming the records that could not be read."""
    for error in unreadable:
        click.echo(f"error: {error}", err=True)
    sys.exit(SOME_FAILED if unreadable else 0)


@main.command()
@click.argument("results", nargs=-1, required=True, type=_FOLDER)
@_format_option
def leaderboard(results: tuple[Path, ...], form: str) -> None:
    """Print the leaderboard of the records below one or more RESULTS folders.

    A record that cannot be read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench leaderboard results/runs/pruning-20260101-120000
      effbench leaderboard results/runs/* --format csv > all.csv
    """
    from effbench import record, tables

    unreadable: list[RecordError] = []
    found = record.stream(results, errors="skip", skipped=unreadable)
    frame = tables.leaderboard(each for _, each in found)
    write = {"csv": tables.to_csv, "md": tables.to_markdown, "json": tables.to_json}[form]
    click.echo(write(frame), nl=False)
    _name_unreadable(unreadable)


_baseline_option = click.option(
    "--baseline",
    metavar="ROW",
    help='Row that others are compared with: "method" or "method variant".  [default: the paper\'s '
    "baseline, or the row from which most others start]",
)


@main.command()
@click.argument("results", type=_FOLDER)
@click.option("--out", type=_FOLDER, metavar="DIR", help="Where to.  [default: RESULTS/plots]")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "pdf", "svg"]),
    default=["png", "pdf"],
    show_default=True,
    help="Format of the files; repeatable.",
)
@_baseline_option
@click.option(
    "--bench",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A bench.json of `make bench`, to draw the parts of an iteration as well.",
)
def plot(
    results: Path,
    out: Path | None,
    formats: tuple[Literal["png", "pdf", "svg"], ...],
    baseline: str | None,
    bench: Path | None,
) -> None:
    """Draw the pictures of a RESULTS folder again, from its records alone.

    A picture that the records have no figures for is not drawn. A record or curve that cannot be
    read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench plot results/runs/pruning-20260101-120000
      effbench plot results/runs/demo --format svg --out figures --baseline nerf
      effbench plot results/runs/demo --bench bench.json
    """
    from effbench import plots

    unreadable: list[RecordError] = []
    written = plots.write_plots(
        results, to=out, formats=formats, baseline=baseline, bench=bench, skipped=unreadable
    )
    for path in written:
        click.echo(path)
    if not written:
        click.echo("nothing to draw: no record below this folder has a result", err=True)
    _name_unreadable(unreadable)


@main.command()
@click.argument("results", nargs=-1, required=True, type=_FOLDER)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    metavar="FILE",
    show_default=True,
    help="The page.",
)
@click.option(
    "--views",
    type=click.IntRange(min=0),
    default=3,
    metavar="N",
    show_default=True,
    help="Test views to show of each scene, as far as they fit into 10 MB.",
)
@_baseline_option
@click.option("--title", default="", metavar="TEXT", help="Heading.  [default: the suites' names]")
def report(
    results: tuple[Path, ...], out: Path, views: int, baseline: str | None, title: str
) -> None:
    """Write one HTML page of the records below one or more RESULTS folders.

    The page needs no network and no other file: leaderboard, curves, trade-offs, renders beside
    ground truth, provenance. A record or curve that cannot be read is named in the page and on
    standard error, and the exit status is 3.

    \b
    Examples:
      effbench report results/runs/pruning-20260101-120000
      effbench report results/runs/* --out all.html --baseline instant-ngp --views 5
    """
    from effbench import report as page

    made = page.write(results, out, views=views, baseline=baseline, heading=title)
    click.echo(f"{made.path} ({made.size / 1e6:.1f} MB)")
    _name_unreadable(made.problems)


@main.command()
@click.argument("name", required=False)
@click.argument("results", nargs=-1, type=_FOLDER)
@_format_option
def paper(name: str | None, results: tuple[Path, ...], form: str) -> None:
    """List papers, print the table of paper NAME, or hold RESULTS against its claims.

    A row is compared with its baselines over the repetitions that both finished; what has no pair
    is listed. A paper that reports figures of its methods has them set beside the run's. A record
    that cannot be read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench paper
      effbench paper hsm
      effbench paper hsm results/runs/hsm-20260101-120000 --format csv
      effbench paper mobile-nelf results/runs/distill-20260101-120000
    """
    from effbench import paper as papers

    if name is None:
        for each in map(papers.load, papers.names()):
            click.echo(f"{each.name:<12} {each.title}\n{'':<12} {each.authors}. {each.source}")
        return
    chosen = papers.load(name)
    from effbench import record, side_by_side, tables, verdict, verdict_text

    unreadable: list[RecordError] = []
    if chosen.figures and results:
        found = record.load(results, errors="skip", skipped=unreadable)
        frame = side_by_side.beside(chosen, found)
    elif results:
        frame = verdict.verdict(chosen, *verdict.load(results, unreadable))
    else:
        frame = verdict.table(chosen)
    if form != "md":
        write = {"csv": tables.to_csv, "json": tables.to_json}[form]
        click.echo(write(frame), nl=False)
    elif results:
        problems = [str(error) for error in unreadable]
        page = side_by_side if chosen.figures else verdict_text
        click.echo(page.to_markdown(chosen, frame, problems), nl=False)
    else:
        page = side_by_side if chosen.figures else verdict_text
        click.echo(page.own_table(chosen), nl=False)
    _name_unreadable(unreadable)


_ANY_PATH = click.Path(path_type=Path)


@main.command()
@click.argument("candidate", type=_ANY_PATH)
@click.option(
    "--baseline",
    required=True,
    type=_ANY_PATH,
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
    "[default: the first that was run under all conditions]",
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

    A regression is a loss beyond noise over seeds and beyond the tolerance. Exit status: 1 for a
    regression, 2 if rows are missing or nothing can be compared, else 0. In GitHub Actions,
    regressions are annotated and the report is added to the step's summary.

    \b
    Examples:
      effbench check results/runs/mine --baseline results/my-machine/pruning-baseline.json
      effbench check new --baseline old --tolerance psnr=0.1 --tolerance iter_ms=20%
      effbench check new --baseline old --format junit > check.xml
    """
    import os

    from effbench import baseline as baselines
    from effbench import gate, gate_figures, gate_text

    options = gate.Options(gate_figures.tolerances(settings), **choices)
    report = gate.check(baselines.load(candidate), baselines.load(baseline), options)
    click.echo(gate_text.WRITERS[form](report), nl=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(
            gate_text.workflow_commands(report), err=True, nl=False
        )  # stdout is the report's
        gate_text.add_step_summary(report)
    sys.exit(report.status)


@main.command()
@click.argument("results", type=_FOLDER)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
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
    from effbench import baseline as baselines

    snapshot = baselines.of_folder(results)
    if snapshot.unreadable:
        raise snapshot.unreadable[0]
    path = out or baselines.default_path(snapshot)
    baselines.write(path, snapshot)
    for note in baselines.weaknesses(snapshot):
        click.echo(f"note: {note}", err=True)
    click.echo(f"{len(snapshot.cells)} cells → {path}")


@main.command()
@click.argument("results", nargs=-1, required=True, type=_FOLDER)
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="New folder to write.")
@click.option(
    "--on-conflict",
    type=click.Choice(["latest", "error"]),
    default="error",
    show_default=True,
    help="What to do with a cell that was run more than once on a machine.",
)
def merge(results: tuple[Path, ...], out: Path, on_conflict: Literal["latest", "error"]) -> None:
    """Copy the cells of several RESULTS folders, from one machine or many, to a new one.

    Cells of several machines go to a folder each below it. The new folder has tables of all cells.

    \b
    Examples:
      effbench merge results/runs/hsm-* --out results/runs/all
      effbench merge from-laptop from-cluster --out all --on-conflict latest
    """
    from effbench import merge as merging

    done = merging.merge(results, out, on_conflict)
    machines = f" of {len(done.machines)} machines" if len(done.machines) > 1 else ""
    click.echo(f"{done.cells} cells{machines} → {done.out}")
    if machines:
        click.echo(f"machines in folders of their own: {', '.join(done.machines)}")
    if done.duplicates:
        click.echo(f"{done.duplicates} copies of these left out")
    for folder in done.superseded:
        click.echo(f"left out, run again later: {folder}")


@main.command("export-results")
@click.argument("results", nargs=-1, required=True, type=_FOLDER)
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["tensorboard", "nerfbaselines"]),
    help="TensorBoard event files, or one results JSON per cell as NerfBaselines writes it.",
)
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="Folder to write.")
def export_results(results: tuple[Path, ...], form: str, out: Path) -> None:
    """Write the finished cells of RESULTS folders in another tool's format.

    \b
    Examples:
      effbench export-results results/runs/demo --to tensorboard --out logs
      effbench export-results results/runs/demo --to nerfbaselines --out nerfbaselines
    """
    from effbench import exporters

    written = exporters.export(results, out, form)
    click.echo(f"{len(written)} cells → {out}")


@main.command()
@click.argument("cell", type=_FOLDER)
@click.option(
    "--format",
    type=click.Choice(["onnx"]),
    default="onnx",
    show_default=True,
    expose_value=False,
    help="Form of the file.",
)
@click.option("--int8", is_flag=True, help="Quantise the network, calibrated on pseudo views.")
@click.option("--fp16", is_flag=True, help="Store the weights in half floats.")
@click.option(
    "--views",
    type=click.IntRange(min=1),
    default=4,
    metavar="N",
    show_default=True,
    help="Test views on which the file is compared with PyTorch.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write.  [default: CELL/model.onnx, model-int8.onnx or model-fp16.onnx]",
)
@_plugins_option
@_scenes_option
def export(
    cell: Path,
    int8: bool,
    fp16: bool,
    views: int,
    out: Path | None,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
) -> None:
    """Write the trained model of CELL, a folder RUN/cells/ID, as one self-contained ONNX file.

    The file is run by ONNX Runtime on test views and compared with PyTorch; the differences are
    printed and stored in it. Its description says what goes in and what comes out.

    \b
    Examples:
      effbench export results/runs/distill-20260101-120000/cells/nelf-student_lego_s0-1a2b3c
      effbench export results/runs/distill-20260101-120000/cells/nelf-student_lego_s0-1a2b3c --int8
    """
    from effbench.errors import ConfigError
    from effbench.export.to_onnx import as_text
    from effbench.export.to_onnx import export as write
    from effbench.reopen import reopen

    if int8 and fp16:
        raise ConfigError("--int8 and --fp16 exclude each other: choose one")
    precision: Literal["int8", "fp16", "fp32"] = "int8" if int8 else "fp16" if fp16 else "fp32"
    name = "model.onnx" if precision == "fp32" else f"model-{precision}.onnx"
    target = out or cell / name
    method = reopen(cell, plugin_folders=plugins, scenes_root=scenes_root)
    info = write(method, target, precision, views)
    click.echo(as_text(target, info))


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="How long frames are rendered for; at least three are.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads of one operation.  [default: the cores this process may use]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def profile(model: Path, seconds: float, threads: int | None, as_json: bool) -> None:
    """Measure what MODEL, a file of `effbench export`, costs on its own.

    A fresh process that holds only ONNX Runtime and the model renders cameras around the scene,
    one frame at a time: latency, peak memory, bytes, and multiply-accumulate operations.

    \b
    Examples:
      effbench profile model.onnx
      effbench profile model-int8.onnx --threads 1 --json
    """
    from effbench.export import profile as profiles

    found = profiles.profile(model, seconds=seconds, threads=threads)
    click.echo(profiles.as_json(found) if as_json else profiles.as_text(model, found))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_plugins_option
@_scenes_option
def doctor(as_json: bool, plugins: tuple[Path, ...], scenes_root: Path | None) -> None:
    """Tell what works on this machine: devices, kernels, LPIPS, scenes, plug-ins.

    \b
    Example:
      effbench doctor --scenes-root ~/data
    """
    from effbench import doctor as checks
    from effbench import listing

    findings = checks.examine(_discover(plugins), scenes_root)
    rows = [vars(finding) for finding in findings]
    click.echo(listing.as_json(rows) if as_json else checks.as_text(findings))


def _discover(folders: tuple[Path, ...]) -> Registry:
    from effbench import plugins

    return plugins.discover(folders)
