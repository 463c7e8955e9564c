"""Every command that README, docs and `--help` show is one that the program takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from effbench.cli.app import main
from effbench.method.config import Setting
from effbench.planning import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^ {4}(?:\.venv/bin/)?(effbench (?:.*\\\n)*.*)", re.MULTILINE)
INLINE = re.compile(r"`(effbench run [^`…|]*)`")
PLACEHOLDER = re.compile(r"\b(N|METHOD|SCENE|FOLDER)\b")
EXAMPLE = re.compile(r"^ +(effbench .*)$", re.MULTILINE)


def commands_of(page: Path) -> list[str]:
    """Return the commands in a page's blocks and the runs in its text, as they stand there."""
    text = page.read_text(encoding="utf-8")
    inline = [found for found in INLINE.findall(text) if not PLACEHOLDER.search(found)]
    return [*BLOCK.findall(text), *inline]


def taken(command: str) -> None:
    """Parse a command, without doing it. Raises click.UsageError for what the program refuses."""
    words = shlex.split(command.replace("\\\n", " "), comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    parser: click.Command = main
    while isinstance(parser, click.Group) and words and not words[0].startswith("-"):
        name, found, words = parser.resolve_command(click.Context(parser), words)
        assert name is not None
        assert found is not None
        parser = found
    context = parser.make_context("effbench", words)
    if parser.name == "run" and not context.params["plugins"]:
        names_are_known(context.params)


def names_are_known(params: dict[str, Any]) -> None:
    known = registry.discover()
    suites = {path.stem for path in known.suites()}
    assert params["suite"] is None or params["suite"] in suites
    assert set(params["methods"]) <= set(known.methods)
    assert {scene.partition("/")[0] for scene in params["scenes"]} <= set(known.scenes)
    for text in params["settings"]:
        Setting.parse(text)


@pytest.mark.parametrize("page", [p for p in PAGES if commands_of(p)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_taken(page: Path) -> None:
    for command in commands_of(page):
        try:
            taken(command)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: {command}: {error.format_message()}")


def helps(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from helps(command)


@pytest.mark.parametrize("command", [main, *helps(main)], ids=lambda command: command.name)
def test_the_examples_of_a_help_are_taken(command: click.Command) -> None:
    examples = EXAMPLE.findall(command.help or "")
    assert examples
    for example in examples:
        taken(example)


def test_a_mistyped_command_would_be_found() -> None:
    with pytest.raises(click.UsageError, match="No such option"):
        taken("effbench run --suit pruning")
    with pytest.raises(click.UsageError, match="No such command"):
        taken("effbench raport results/runs/demo")
    with pytest.raises(AssertionError):
        taken("effbench run --suite prunning")
