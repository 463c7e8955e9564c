"""`.ci/gate` chooses what a checkout is held against; what runs cells and checks is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OTHER_HARDWARE = 5
# In the place of a Python: writes down what it is asked for, and ends a check as the baseline says.
STAND_IN = """#!/usr/bin/env bash
echo "${*:3}" >> "$CALLS"
if [[ "$3" == check ]]; then
    echo "checked"
    [[ "$6" == *gate-base ]] && exit 0
    exit "$(cat "$6")"
fi
"""


@dataclass(frozen=True)
class Gate:
    status: int
    output: str
    ran: list[str]  # the sides that were run
    against: list[str]  # what they were checked against


def gate(folder: Path, *options: str, baseline: int | None, committed: str = "yes") -> Gate:
    """Run the script in a repository of its own. baseline: how a check against the committed one
    ends; None: there is none."""
    checkout, calls = folder / "checkout", folder / "calls"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "gate", checkout / ".ci" / "gate")
    if baseline is not None:
        (checkout / "results" / "machine").mkdir(parents=True)
        (checkout / "results" / "machine" / "gate-baseline.json").write_text(str(baseline))
    python = folder / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], [*name, "commit", "-qm", "All"]):
        subprocess.run(["git", *words], cwd=checkout, check=True)
    environment = {
        **os.environ, "GATE_PYTHON": str(python), "CALLS": str(calls), "GATE_COMMITTED": committed
    }  # fmt: skip
    done = subprocess.run(
        [str(checkout / ".ci" / "gate"), "HEAD", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    asked = [line.split() for line in calls.read_text().splitlines()]
    return Gate(
        done.returncode,
        done.stdout + done.stderr,
        [Path(line[-1]).name for line in asked if line[0] == "run"],
        [Path(line[3]).parts[-2] for line in asked if line[0] == "check"],
    )


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_committed_baseline_of_such_hardware_spares_the_other_run(
    tmp_path: Path, status: int
) -> None:
    found = gate(tmp_path, baseline=status)
    assert (found.status, found.ran, found.against) == (status, ["gate-here"], ["machine"])
    assert "against results/machine/gate-baseline.json\nchecked" in found.output


@pytest.mark.parametrize("baseline", [None, OTHER_HARDWARE])
def test_else_the_other_revision_runs_here(tmp_path: Path, baseline: int | None) -> None:
    found = gate(tmp_path, baseline=baseline)
    assert (found.status, found.ran) == (0, ["gate-here", "gate-base"])
    assert found.against == [*([] if baseline is None else ["machine"]), "runs"]


def test_another_suite_than_the_baselines_runs_both(tmp_path: Path) -> None:
    found = gate(tmp_path, "--budget", "9it", baseline=1)
    assert (found.status, found.ran, found.against) == (0, ["gate-here", "gate-base"], ["runs"])


def test_what_is_committed_can_be_left_aside(tmp_path: Path) -> None:
    found = gate(tmp_path, baseline=1, committed="no")
    assert (found.status, found.ran) == (0, ["gate-here", "gate-base"])
