"""Kernels compiled for a GPU that need not be there, and what came of it.

EFFBENCH_CAPABILITY names the compute capability to compile for, 90 unless set.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from effbench.kernels import backends, gpu

CAPABILITY = int(os.environ.get("EFFBENCH_CAPABILITY", "90"))
# bytes of a multiprocessor that one program may have (CUDA programming guide, table 21)
SHARED = {75: 65536, 80: 166912, 86: 101376, 89: 101376, 90: 232448, 100: 232448}
_CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"

Compiled = dict[str, list[Any]]  # binaries by module and name of their kernels


class NoDriver:
    """What Triton asks of a driver before it compiles."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", CAPABILITY, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")


@contextmanager
def compiling() -> Iterator[Compiled]:
    """Let the fronts of kernels take tensors on the CPU, and each launch compile its kernel for
    the types at hand instead of running it."""
    found: Compiled = {}

    def compile_only(kernel: Any, grid: tuple[int, ...]) -> Callable[..., None]:
        def warm_up(*arguments: Any, **constants: Any) -> None:
            binary = kernel.warmup(*arguments, grid=grid, **constants)
            module = kernel.__module__.rpartition(".")[2]
            found.setdefault(f"{module}.{kernel.__name__}", []).append(binary)

        return warm_up

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JITFunction, "__getitem__", compile_only)
        patch.setattr(backends, "interpreting", lambda: True)  # else triton is refused on a CPU
        patch.setattr(gpu, "shared_memory", lambda _: SHARED[CAPABILITY])
        backends.reason.cache_clear()
        driver.set_active(NoDriver())
        yield found
    backends.reason.cache_clear()


def ptx(binary: Any) -> str:
    return str(binary.asm["ptx"])


class Usage(NamedTuple):
    """What a thread takes: registers, and bytes of memory for what found no register."""

    registers: int
    stack: int


def usage(binary: Any) -> Usage | None:
    """Return what the assembler gave a kernel; None where Triton brings no tool that tells."""
    if not _CUOBJDUMP.exists():
        return None
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.asm["cubin"])
        file.flush()
        command = [str(_CUOBJDUMP), "--dump-resource-usage", file.name]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", told)
    assert found, told
    return Usage(int(found[1]), int(found[2]))
