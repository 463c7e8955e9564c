"""`python -m tests.fuzz`: damaged inputs for every reader of scenes (`make fuzz`).

Each input must end in a valid scene or in a SceneError, within its time and memory. Input N of a
seed is always the same; those that end otherwise are laid out in a folder, with what happened.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz import mutations, worker
from tests.fuzz.pool import Pool
from tests.fuzz.scenes import READERS
from tests.fuzz.worker import REFUSED, SCENE, Outcome

_PROGRESS = 5.0  # seconds between lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=12_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds an input may take")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("results/runs/fuzz"), help="for findings")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.inputs)
    ends: Counter[tuple[str, str]] = Counter()
    shown = time.monotonic()
    found = 0
    with Pool(arguments.processes, arguments.seed, arguments.limit) as pool:
        for index, outcome in pool.outcomes(numbers):
            kind = worker.reader(index)
            ends[kind, outcome[0]] += 1
            if outcome[0] not in (SCENE, REFUSED):
                found += 1
                _keep(arguments.out, arguments.seed, index, outcome)
            if time.monotonic() - shown > _PROGRESS:
                shown = time.monotonic()
                print(f"{ends.total():,} of {len(numbers):,} inputs, {found} findings", flush=True)
    print(table(ends))
    if found:
        print(f"{found} findings in {arguments.out}", file=sys.stderr)
        sys.exit(1)


def table(ends: Counter[tuple[str, str]]) -> str:
    """Return how inputs ended: a line per reader, a column for scenes, refusals and what else."""
    others = sorted({end for _, end in ends} - {SCENE, REFUSED})
    columns = [SCENE, REFUSED, *others]
    lines = [f"{'reader':17}{'inputs':>8}" + "".join(f"  {name:>8}" for name in columns)]
    for kind in READERS:
        counts = [ends[kind, end] for end in columns]
        cells = (
            f"  {count:{max(8, len(name))},}" for name, count in zip(columns, counts, strict=True)
        )
        lines.append(f"{kind:17}{sum(counts):8,}" + "".join(cells))
    return "\n".join(lines)


def _keep(out: Path, seed: int, index: int, outcome: Outcome) -> None:
    """Lay a finding out below `out`, with what happened beside it."""
    kind = worker.reader(index)
    folder = out / f"{seed}-{index}"
    shutil.rmtree(os.fsencode(folder), ignore_errors=True)
    mutations.lay(mutations.made(kind, seed, index), folder)
    text = f"{kind}: {outcome[0]}\n\n{outcome[1]}\n"
    (out / f"{seed}-{index}.txt").write_text(text, encoding="utf-8")
    last = outcome[1].strip().splitlines()[-1:] or [""]
    print(f"input {index} ({kind}): {outcome[0]}: {last[0][:160]}", flush=True)


if __name__ == "__main__":
    main()
