"""Devices by name: `auto`, `cpu`, `cuda` and `cuda:1`, and waiting for the work queued on one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from effbench.errors import ConfigError
from effbench.machine import cuda_build


def resolve(name: str) -> str:
    """Return `cpu` or `cuda:<index>` for a name. Raises ConfigError if this machine has it not."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"unknown device '{name}': write auto, cpu, cuda or cuda:1")
    if device.type == "cpu":
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        reason = "" if count else cuda_build.why_unseen()
        raise ConfigError(
            f"device '{name}' is not there ({count} CUDA devices are): use --device cpu, or see "
            "what works here with `effbench doctor`" + (f"; {reason}" if reason else "")
        )
    return f"cuda:{device.index or 0}"


def synchronizer(device: torch.device) -> Callable[[], None]:
    """Return what waits until all work queued on `device` is done; on a CPU that is nothing."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


@contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """Make a RuntimeError of whatever waits for a CUDA device while this lasts, as far as torch
    notices; on a CPU nothing waits."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.get_sync_debug_mode()
    try:
        _set_sync_debug_mode("error")
        yield
    finally:
        _set_sync_debug_mode(before)


def _set_sync_debug_mode(mode: int | str) -> None:
    """Set torch's mode, which says once, after it was set, that it may not notice everything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode(mode)


_eager: ContextVar[bool] = ContextVar("eager", default=False)


@contextmanager
def eager_steps() -> Iterator[None]:
    """Ask methods that replay recorded steps (CUDA graphs) to run them eagerly while this lasts:
    autograd's hooks and the allocator's statistics see nothing of a replay."""
    token = _eager.set(True)
    try:
        yield
    finally:
        _eager.reset(token)


def eager_wanted() -> bool:
    """Return whether `eager_steps` is in force."""
    return _eager.get()


@contextmanager
def subnormals_flushed() -> Iterator[None]:
    """Let a CPU take subnormal numbers (below 10⁻³⁸) for zero while the context lasts.

    Adam's averages of table entries that no ray meets any more decay into subnormal numbers,
    which a CPU multiplies twenty times slower.
    """
    smallest = torch.tensor(1e-45)
    before = bool(smallest * 1 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
