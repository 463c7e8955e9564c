"""One cell of an earlier run again, beside what it was."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from effbench.cli.options import ANY_PATH, FOLDER, SOME_FAILED


@click.command()
@click.argument("record", type=ANY_PATH)
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="New folder.  [default: results/runs/<suite>-<time>]"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "json"]),
    default="md",
    show_default=True,
    help="Form of the comparison.",
)
def rerun(record: Path, out: Path | None, form: str) -> None:
    """Run the cell of RECORD again, and set figures and versions side by side.

    RECORD is a cell's folder in a run's `cells`, or its record.json. Seeds and settings are those
    of its plan; what it starts from is trained again too. Results go to a folder of their own.
    Exit status: 3 if the cell did not end well.

    \b
    Examples:
      effbench rerun results/runs/demo/cells/instant-ngp_blocks_s0-ac2d80f8bb9afc7c
      effbench rerun results/runs/demo/cells/hsm_lego_s1-0e3b9f/record.json --out again
    """
    import json

    from rich.console import Console

    from effbench.errors import EffbenchError
    from effbench.records import beside
    from effbench.records.tables import to_json
    from effbench.runs import rerun as again
    from effbench.runs.run import choose_folder, run

    then, planned = again.original(record)
    folder = out or choose_folder(planned, fresh=True)
    if folder.exists() and any(folder.iterdir()):
        raise EffbenchError(f"{folder} is not empty: name a new folder with --out")
    click.echo(f"{len(planned.cells)} cells → {folder}", err=True)
    done = run(planned, folder, Console(stderr=True), fresh=True)
    now = next(each for each in done.records if each.cell_id == then.cell_id)
    if form == "md":
        click.echo(beside.to_markdown(then, now), nl=False)
    else:
        tables = {"figures": beside.figures(then, now), "made_by": beside.made_by(then, now)}
        found = {name: json.loads(to_json(table)) for name, table in tables.items()}
        click.echo(json.dumps({"cell_id": now.cell_id, **found}, indent=1, ensure_ascii=False))
    if now.status != "ok":
        click.echo(f"error: the cell ended as {now.status}: {now.reason}", err=True)
        sys.exit(SOME_FAILED)
