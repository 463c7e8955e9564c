"""The Triton backend: one module per operation, called only through `effbench.kernels`.

Triton compiles the kernels for the GPU at hand when they are first launched. With
TRITON_INTERPRET=1 in the environment it interprets them on the CPU instead, slowly: tests/gpu does
that, and it compiles each of them for a GPU that need not be there. What the interpreter permits
and the compiler refuses is therefore found without a GPU; how fast they are is not.

Habits of this package. A program never reads past its mask. Offsets that may pass 2³¹ are int64.
Loop bounds that depend on the data are scalars of the program. Sizes that tl.arange takes are
powers of two. No function here reads a value from the device.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# Triton 3.9 warns until one says whether a·b + c may be one instruction, as it was before.
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")

import triton


def jit(function: Callable[..., Any]) -> Any:
    """Return `triton.jit(function)`, which has no types of its own for a type checker to follow."""
    return triton.jit(function)


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Run `kernel` on a grid of up to three dimensions; an empty grid is nothing to do.

    constants: tl.constexpr arguments, num_warps and num_stages.
    """
    if all(grid):
        kernel[grid](*arguments, **constants)


def blocks(count: int, block: int) -> int:
    """Return how many blocks cover `count` elements."""
    return int(triton.cdiv(count, block))


def power_of_two(size: int, least: int = 1) -> int:
    """Return the smallest power of two that is at least `size` and `least`."""
    return int(triton.next_power_of_2(max(size, least)))
