"""The Triton backend: one module per operation, called only through `effbench.kernels`.

Triton compiles the kernels for the GPU at hand when they are first launched. With
TRITON_INTERPRET=1 in the environment it interprets them on the CPU instead, slowly: tests/gpu does
that, and it compiles each of them for a GPU that need not be there. What the interpreter permits
and the compiler refuses is therefore found without a GPU; how fast they are is not.

Habits of this package. A program never reads past its mask. Offsets that may pass 2³¹ are int64.
Loop bounds that depend on the data are scalars of the program. Sizes that tl.arange takes are
powers of two. NaN stays NaN, so that training that diverged is seen to have: tl.maximum drops it
unless told otherwise, and a comparison with NaN is false. No function here reads a value from the
device.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

# Triton 3.9 warns until one says whether a·b + c may be one instruction, as it was before.
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")

import triton

# Arguments that may differ at every launch, by these names in every kernel. Triton would compile a
# kernel anew when one is 1, or a multiple of 16, for the first time: in the middle of training.
VARYING = ("count", "room", "limit", "end")


def jit(function: Callable[..., Any]) -> Any:
    """Return `triton.jit(function)`, which has no types of its own for a type checker to follow.

    One binary serves all values of the arguments named in `VARYING`.
    """
    varying = [name for name in inspect.signature(function).parameters if name in VARYING]
    return triton.jit(function, do_not_specialize=varying)


# Bytes of shared memory that one program may have, by compute capability (CUDA programming guide,
# table of technical specifications), for versions of torch that do not tell; 48 KiB everywhere.
_SHARED = {
    (7, 0): 98304,
    (7, 5): 65536,
    (8, 0): 166912,
    (8, 6): 101376,
    (8, 7): 166912,
    (8, 9): 101376,
    (9, 0): 232448,
    (10, 0): 232448,
    (12, 0): 101376,
}


@cache
def shared_memory(device: torch.device) -> int:
    """Return the bytes of shared memory that one program may have; on a CPU, where kernels are
    interpreted, those of the largest GPU."""
    if device.type != "cuda":
        return max(_SHARED.values())
    properties = torch.cuda.get_device_properties(device)
    told = getattr(properties, "shared_memory_per_block_optin", None)
    return int(told or _SHARED.get((properties.major, properties.minor), 49152))


def has_tensor_cores(device: torch.device) -> bool:
    """Return whether Triton multiplies matrices on tensor cores there: not on those before
    capability 8.0. A CPU, where kernels are interpreted, counts as a GPU that has them."""
    return device.type != "cuda" or torch.cuda.get_device_properties(device).major >= 8


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
