"""A fresh process that runs one model: `python -m effbench.export.worker MODEL SECONDS THREADS`.

Prints one JSON object: milliseconds per frame, and resident set sizes in bytes. Nothing but numpy
and onnxruntime is imported, as in an application that has only the model.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from effbench.export.model import OnnxModel, require
from effbench.machine import rss

_VIEWS = 8
_LEAST, _MOST = 3, 500  # timed frames


def main(path: Path, seconds: float, threads: int) -> None:
    """Load the model, render frames around the scene for `seconds`, and print what was seen."""
    version = require("onnxruntime").__version__
    rss.reset_peak()
    without_model = rss.peak()
    model = OnnxModel(path, threads)
    poses = model.info.orbit.around(_VIEWS)
    model.render(poses[0])  # the first run allocates
    frames_ms: list[float] = []
    began = time.perf_counter()
    while len(frames_ms) < _MOST:
        before = time.perf_counter()
        if len(frames_ms) >= _LEAST and before - began >= seconds:
            break
        model.render(poses[len(frames_ms) % _VIEWS])
        frames_ms.append((time.perf_counter() - before) * 1e3)
    found = {
        "frames_ms": frames_ms,
        "peak_rss": rss.peak(),
        "rss_without_model": without_model,
        "runtime": version,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
