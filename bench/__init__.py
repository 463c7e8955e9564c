"""Speed of the kernels and of a training step, as ratios within one run (`make bench`)."""

import os
import sys

from effbench.machine import environment

_ALLOCATOR = "GLIBC_TUNABLES"  # read before a program starts


def restart_with_allocator() -> None:
    """Start this program again with the memory allocator set as a cell's, unless it is so."""
    if _ALLOCATOR not in os.environ:
        settings = {**os.environ, _ALLOCATOR: environment.settings()[_ALLOCATOR]}
        os.execve(sys.executable, sys.orig_argv, settings)


def plain_environment() -> dict[str, str]:
    """Return the environment of a program whose allocator is as the system has it."""
    return {name: value for name, value in os.environ.items() if name != _ALLOCATOR}


for variable, value in environment.settings().items():  # before torch and numba are imported
    if variable != _ALLOCATOR:
        os.environ.setdefault(variable, value)
