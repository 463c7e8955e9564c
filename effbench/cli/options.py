"""What several commands share: options, exit statuses, endings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from effbench.errors import RecordError

if TYPE_CHECKING:
    from effbench.planning.registry import Registry

USAGE_ERROR, SOME_FAILED, INTERRUPTED = 2, 3, 130
NO_BASELINE, OTHER_HARDWARE = 4, 5  # of `effbench check`
SCENES_VARIABLE = "EFFBENCH_SCENES"


class UserPath(click.Path):
    """A path in which ~ stands for the home folder, where no shell has seen it: after `=`, in a
    variable's value."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(os.path.expanduser(value), param, ctx)  # noqa: PTH111


class ViewCount(click.IntRange):
    """How many views: a number, or "all"."""

    name = "number or all"
    all = -1  # stands for "all" until `unlimited`: an option's None means that it was not given

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.all if value in ("all", self.all) else super().convert(value, param, ctx)


def unlimited(_ctx: click.Context, _param: click.Parameter, value: int | None) -> int | None:
    """Return the number of views that a plan takes: None for all."""
    return None if value == ViewCount.all else value


ANY_PATH = UserPath(path_type=Path)
FILE = UserPath(dir_okay=False, path_type=Path)
FOLDER = UserPath(file_okay=False, path_type=Path)
plugins_option = click.option(
    "--plugins",
    multiple=True,
    type=FOLDER,
    metavar="DIR",
    help="Folder with methods/, scenes/ and/or suites/ of your own; repeatable. "
    "Also: EFFBENCH_PLUGINS.",
)
scenes_option = click.option(
    "--scenes-root",
    type=FOLDER,
    metavar="DIR",
    envvar=SCENES_VARIABLE,
    help=f"Folder with captured scenes. Also: {SCENES_VARIABLE}.",
)

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "md", "json"]),
    default="md",
    show_default=True,
    help="Form of the table.",
)

table_format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["md", "csv", "json", "latex"]),
    default="md",
    show_default=True,
    help="Form of the table; latex: booktabs.",
)

scenes_filter_option = click.option(
    "--scene",
    "scenes",
    multiple=True,
    metavar="PATTERN",
    help="Only these scenes of the results, such as 'nerf_synthetic/*'; repeatable.",
)

baseline_option = click.option(
    "--baseline",
    metavar="ROW",
    help='Row that others are compared with: "method" or "method variant".  [default: the paper\'s '
    "baseline, or the row from which most others start]",
)


def name_unreadable(unreadable: list[RecordError]) -> NoReturn:
    """End the command, naming the records that could not be read."""
    for error in unreadable:
        click.echo(f"error: {error}", err=True)
    sys.exit(SOME_FAILED if unreadable else 0)


def discover(folders: tuple[Path, ...]) -> Registry:
    from effbench.planning import registry

    return registry.discover(folders)
