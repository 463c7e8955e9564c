"""Sparse Adam in numba: values without a gradient cost no more than looking at their gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL_WITH_NAN

_CHUNK = 1 << 14  # values per task
_PARALLEL: dict[str, Any] = {**PARALLEL, "fastmath": SERIAL_WITH_NAN["fastmath"]}
_f32 = np.float32


def step(
    values: NDArray[np.float32],
    grad: NDArray[np.float32],
    mean: NDArray[np.float32],
    square: NDArray[np.float32],
    steps: NDArray[np.int32],
    factors: NDArray[np.float32],
    numbers: tuple[float, float, float, float],
) -> None:
    """Do one step of `effbench.kernels.sparse_adam` on arrays [N], in place. numbers: lr, β₁, β₂,
    ε."""
    _step(values, grad, mean, square, steps, factors, *map(_f32, numbers))


@njit(**_PARALLEL)
def _step(values, grad, mean, square, steps, factors, lr, beta1, beta2, eps):  # type: ignore[no-untyped-def]
    chunks = (len(values) + _CHUNK - 1) // _CHUNK
    for chunk in prange(chunks):
        start, stop = chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(values))
        _chunk(values, grad, mean, square, steps, factors, lr, beta1, beta2, eps, start, stop)


@njit(**SERIAL_WITH_NAN)
def _chunk(values, grad, mean, square, steps, factors, lr, beta1, beta2, eps, start, stop):  # type: ignore[no-untyped-def]
    one, last = _f32(1), len(factors) - 1
    for i in range(start, stop):
        g = grad[i]
        if g == 0:
            continue
        m = beta1 * mean[i] + (one - beta1) * g
        v = beta2 * square[i] + (one - beta2) * g * g
        steps[i] += 1
        mean[i], square[i] = m, v
        values[i] -= lr * factors[min(steps[i], last)] * m / (math.sqrt(v) + eps)
