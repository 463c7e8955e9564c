"""A process that scores views: `python -m effbench.cell.score_worker`.

Reads jobs from standard input, a JSON object per line (`scoring.Job`), and answers each with a line
of JSON on standard output: the scores, or {"error": …}. Ends with its input.
"""

from __future__ import annotations

import json
import os
import sys

import torch

from effbench.cell.scoring import Job, score


def main() -> None:
    """Answer jobs until there are no more."""
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        answer: dict[str, float] | dict[str, str]
        try:
            answer = score(Job(**json.loads(line)), torch.device("cpu"))
        except Exception as error:  # the process that asked tries it itself and tells
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
