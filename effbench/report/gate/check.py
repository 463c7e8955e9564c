"""The regression gate: is a run worse than a baseline, beyond noise and beyond a tolerance?

Rows (suite, method, variant, scene, budget, device) are compared figure by figure over their
seeds. docs/regression.md explains the tests and what they can see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from effbench.analysis.identity import CHECKED
from effbench.report.gate import lines, power, rows
from effbench.report.gate.lines import Line
from effbench.report.gate.options import VERDICTS, Options
from effbench.report.gate.power import Power
from effbench.report.gate.snapshot import Snapshot
from effbench.report.gate.verdict import judge

COLUMNS = (
    *(*CHECKED, "figure", "verdict", "baseline", "baseline_std", "baseline_n"),
    *(
        "candidate",
        "candidate_std",
        "candidate_n",
        "change",
        "tolerance",
        "p",
        "reason",
        "moved",
        "doubt",
    ),
)


@dataclass(frozen=True)
class Report:
    """table: COLUMNS, what matters most first. notes: what a reader should know besides."""

    table: pd.DataFrame
    notes: list[str]
    options: Options
    sources: tuple[str, str]  # candidate, baseline
    unreadable: int = 0  # records of the candidate that were left out
    power: Power | None = None  # None where no PSNR varies

    @property
    def counts(self) -> dict[str, int]:
        """Verdict to its number of lines, in the order of VERDICTS."""
        return {name: int((self.table["verdict"] == name).sum()) for name in VERDICTS}

    @property
    def status(self) -> int:
        """The exit status: 1 for a regression, else 2 for something missing, else 0."""
        if self.counts["regressed"]:
            return 1
        return 2 if self.counts["missing"] or self.unreadable else 0


def check(candidate: Snapshot, baseline: Snapshot, options: Options) -> Report:
    """Compare a candidate's rows with a baseline's.

    Raises ConfigError where a comparison would mean nothing: other hardware (unless allowed), a
    row with several parameters on one side, an unknown reference. Raises RecordError for a
    baseline with records that cannot be read.
    """
    if baseline.unreadable:
        raise baseline.unreadable[0]
    candidate = rows.with_device(candidate, baseline)
    notes = rows.check_hardware(candidate, baseline, options.allow_hardware)
    notes += rows.other_software(candidate, baseline)
    row = [name for name in CHECKED if name != "device" or not options.allow_hardware]
    new, old = (rows.split(s, row) for s in (candidate, baseline))
    reference = options.reference or rows.choose_reference(
        new, old, [candidate.reference, baseline.reference]
    )
    options = replace(options, reference=reference)
    rows.divide(new, reference)
    rows.divide(old, reference)
    found: list[Line] = []
    for key in dict.fromkeys([*old, *new]):
        found += lines.compare(key, old.get(key), new.get(key), options)
        notes += lines.changed_params(old.get(key), new.get(key))
    lines.allow_for_doubt(found)
    judge(found, options)
    frame = pd.DataFrame([line.cells(row) for line in found], columns=list(COLUMNS))
    rank = frame["verdict"].map(VERDICTS.index)
    frame = frame.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
    notes += [f"left out: {error}" for error in candidate.unreadable]
    sources = (candidate.source, baseline.source)
    seen = power.foresee(found, options)
    return Report(frame, notes, options, sources, len(candidate.unreadable), seen)
