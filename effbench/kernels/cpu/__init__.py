"""The numba backend: one module per operation, called only through `effbench.kernels`.

Every `prange` loop runs over chunks and calls a plain compiled function for its body: scalar
accumulators written inside a `prange` body are taken for reductions by numba, which gave silently
wrong gradients. Chunked bodies also keep the working set of a thread in its cache.

What is compiled is kept for the next process, in a folder of this package's sources as they are:
numba notices a change of the file that a kernel is in, but not of those whose functions it calls.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numba

from effbench.files import cache_folder


def cache_of(sources: Path) -> Path:
    """Return where what is compiled of the Python files in a folder is kept."""
    texts = (file.read_bytes() for file in sorted(sources.glob("*.py")))
    digest = hashlib.sha256(b"\0".join(texts)).hexdigest()
    return cache_folder() / "numba" / digest[:16]


if "NUMBA_CACHE_DIR" not in os.environ:
    # Where that cannot be written, numba goes on to the folders that it would have taken.
    _config: Any = numba.config  # filled at run time
    _config.CACHE_DIR = str(cache_of(Path(__file__).parent))

SERIAL: dict[str, Any] = {
    "fastmath": True,
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "boundscheck": False,
}
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True}
# For code that has to see NaN, which `fastmath` otherwise takes for impossible.
SERIAL_WITH_NAN: dict[str, Any] = {**SERIAL, "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
