"""Memory: what a step keeps for its backward pass, and the peak of a process or a GPU by phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from effbench.machine import rss


def saved_bytes(run: Callable[[], object]) -> int:
    """Return the bytes that `run` (a forward pass or a whole training step) keeps for backward.

    Each storage is counted once and whole, since a view keeps all of its storage alive; what
    several passes of one step keep is added up. Not counted are storages of leaf tensors that
    require grad: the parameters, which are there with or without a backward pass.
    """
    kept: dict[int, torch.Tensor] = {}  # keeps them alive, so that no address is used twice
    leaves: set[int] = set()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        kept[address] = tensor.detach()
        base = tensor._base if tensor._base is not None else tensor
        if base.is_leaf and base.requires_grad:
            leaves.add(address)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(t.untyped_storage().nbytes() for a, t in kept.items() if a not in leaves)


class PeakMemory:
    """Peak memory of the own process or of a GPU, by named phase.

    phases: phase to its peak in MB. On a CPU the peak resident set size (`VmHWM`), reset when a
    phase begins; where the system cannot reset it, `resettable` is False and a phase's figure is
    the peak since the process started. On CUDA the peak allocated bytes, and under
    `<phase>_reserved` the peak that the caching allocator held. A phase entered again keeps the
    larger figure.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._phase: str | None = None
        self.phases: dict[str, float] = {}
        self.resettable = device.type == "cuda" or rss.reset_peak()

    def begin(self, phase: str) -> None:
        """Start `phase`, ending the one before it."""
        self.end()
        self._phase = phase
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self.resettable:
            rss.reset_peak()

    def end(self) -> None:
        """End the running phase, if there is one, and enter its peak into `phases`."""
        if self._phase is None:
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            self._enter(self._phase, torch.cuda.max_memory_allocated(self._device))
            self._enter(f"{self._phase}_reserved", torch.cuda.max_memory_reserved(self._device))
        else:
            self._enter(self._phase, rss.peak())
        self._phase = None

    @contextmanager
    def within(self, phase: str) -> Iterator[None]:
        """Count under `phase` for a while, then go on with the one that was running."""
        running = self._phase
        self.begin(phase)
        try:
            yield
        finally:
            if running is None:
                self.end()
            else:
                self.begin(running)

    def _enter(self, phase: str, peak: int) -> None:
        self.phases[phase] = max(peak / 1e6, self.phases.get(phase, 0.0))
