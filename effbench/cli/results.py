"""Commands that read records: tables, pictures, pages, papers, what to keep, other tools' files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from effbench.cli.options import FILE, FOLDER, baseline_option, format_option, name_unreadable
from effbench.errors import RecordError


@click.command()
@click.argument("results", type=FOLDER)
@click.option("--out", type=FOLDER, metavar="DIR", help="Where to.  [default: RESULTS/plots]")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "pdf", "svg"]),
    default=["png", "pdf"],
    show_default=True,
    help="Format of the files; repeatable.",
)
@baseline_option
@click.option(
    "--bench",
    type=FILE,
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
    from effbench.report.plots import pictures

    unreadable: list[RecordError] = []
    written = pictures.write_plots(
        results, to=out, formats=formats, baseline=baseline, bench=bench, skipped=unreadable
    )
    for path in written:
        click.echo(path)
    if not written:
        click.echo("nothing to draw: no record below this folder has a result", err=True)
    name_unreadable(unreadable)


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--out",
    type=FILE,
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
@baseline_option
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
    from effbench.report.page import page

    made = page.write(results, out, views=views, baseline=baseline, heading=title)
    click.echo(f"{made.path} ({made.size / 1e6:.1f} MB)")
    name_unreadable(made.problems)


@click.command()
@click.argument("run", type=FOLDER)
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Where to.  [default: results/<device>/<suite>-<scene>]",
)
@click.option(
    "--page-mb",
    type=click.FloatRange(0, min_open=True),
    default=3,
    metavar="MB",
    show_default=True,
    help="What the page may take at most; renders are thinned.",
)
def publish(run: Path, out: Path | None, page_mb: float) -> None:
    """Write what of a RUN is worth committing to a folder of a few megabytes.

    Leaderboard, curves, verdict where the suite has a paper, one page, its curves as a picture, a
    baseline for `effbench check`, and the command. Records, renders and models stay where they are.
    A record that cannot be read is named on standard error, and the exit status is 3.

    \b
    Examples:
      effbench publish results/runs/pruning-20260101-120000
      effbench publish results/runs/hsm-20260101-120000 --out results/my-machine/hsm-bonsai
    """
    from effbench.report import publish as publishing

    done = publishing.publish(run, out, round(1e6 * page_mb))
    for path in done.paths:
        click.echo(f"{path} ({path.stat().st_size / 1e3:.0f} kB)")
    name_unreadable(done.problems)


@click.command()
@click.argument("name", required=False)
@click.argument("results", nargs=-1, type=FOLDER)
@format_option
def paper(name: str | None, results: tuple[Path, ...], form: str) -> None:
    """List papers, print the table of paper NAME, or hold RESULTS against it.

    Claims are judged: confirmed where the 95 % interval lies inside a claim's margin (beyond it,
    where only a direction is claimed), contradicted where it lies outside, else open, with the
    seeds that would decide. A row is compared over the repetitions that both finished; what has no
    pair is listed. Of a paper without claims, figures are set beside the run's. Where no records
    were kept, tables are read. A record that cannot be read is named on standard error, and the
    exit status is 3.

    \b
    Examples:
      effbench paper
      effbench paper hsm
      effbench paper hsm results/runs/hsm-20260101-120000 --format csv
      effbench paper pytorch-acceleration results/runs/acceleration-20260101-120000
      effbench paper mobile-nelf results/runs/distill-20260101-120000
      effbench paper neuron-pruning results/intel-xeon-amx-2-cores/pruning-lego
      effbench paper nerfacc results
    """
    from effbench.analysis import paper as papers

    if name is None:
        for each in map(papers.load, papers.names()):
            about = f"{each.authors.removesuffix('.')}. {each.source}"
            click.echo(f"{each.name:<20} {each.title}\n{'':<20} {about}")
        return
    chosen = papers.load(name)
    from effbench.analysis import claims
    from effbench.records import tables
    from effbench.report import papers as pages

    unreadable: list[RecordError] = []
    frame = pages.table(chosen, results, unreadable) if results else claims.table(chosen)
    if form != "md":
        write = {"csv": tables.to_csv, "json": tables.to_json}[form]
        click.echo(write(frame), nl=False)
    elif results:
        problems = [str(error) for error in unreadable]
        click.echo(pages.to_markdown(chosen, frame, problems), nl=False)
    else:
        click.echo(pages.own_table(chosen), nl=False)
    name_unreadable(unreadable)


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option("--out", required=True, type=FOLDER, metavar="DIR", help="New folder to write.")
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
    from effbench.records import merge as merging

    done = merging.merge(results, out, on_conflict)
    machines = f" of {len(done.machines)} machines" if len(done.machines) > 1 else ""
    click.echo(f"{done.cells} cells{machines} → {done.out}")
    if machines:
        click.echo(f"machines in folders of their own: {', '.join(done.machines)}")
    if done.duplicates:
        click.echo(f"{done.duplicates} copies of these left out")
    for folder in done.superseded:
        click.echo(f"left out, run again later: {folder}")


@click.command("export-results")
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["tensorboard", "nerfbaselines"]),
    help="TensorBoard event files, or one results JSON per cell as NerfBaselines writes it.",
)
@click.option("--out", required=True, type=FOLDER, metavar="DIR", help="Folder to write.")
def export_results(results: tuple[Path, ...], form: str, out: Path) -> None:
    """Write the finished cells of RESULTS folders in another tool's format.

    \b
    Examples:
      effbench export-results results/runs/demo --to tensorboard --out logs
      effbench export-results results/runs/demo --to nerfbaselines --out nerfbaselines
    """
    from effbench.records import exporters

    written = exporters.export(results, out, form)
    click.echo(f"{len(written)} cells → {out}")
