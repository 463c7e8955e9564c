"""The numba backend: one module per operation, called only through `effbench.kernels`.

Every `prange` loop runs over chunks and calls a plain compiled function for its body: scalar
accumulators written inside a `prange` body are taken for reductions by numba, which gave silently
wrong gradients. Chunked bodies also keep the working set of a thread in its cache.
"""

from typing import Any

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
