"""How fast this machine is right now: three small loads like a cell's own, in half a second.

Two cells compare only if the machine was as fast for one as for the other. A laptop that grows
hot, a neighbour on the same memory bus and a clock that was turned down show here, before and
after each cell.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from effbench.machine import devices
from effbench.machine.contention import Contention

_COPY = 8 << 20  # floats: 32 MB, more than most caches
_TABLE, _ROWS = 1 << 19, 1 << 18  # entries of two floats; rows read of it at random
_PRODUCT = (16384, 64)  # a batch of samples and a layer's width
_SECONDS = 0.12  # per load
RATES = ("copy_gb_s", "matmul_gflop_s", "gather_m_s")


def probe(device: torch.device) -> dict[str, float]:
    """Return the rates of copying memory (GB/s, read and written), of products of a batch with a
    64×64 layer (GFLOP/s) and of reading a table at random (million entries per second), and
    `waiting`: see `Contention`. Runs on the device, with as many threads as a cell has."""
    generator = torch.Generator(device).manual_seed(0)
    synchronize = devices.synchronizer(device)
    source = torch.ones(_COPY, device=device)
    target = torch.empty_like(source)
    batch = torch.ones(_PRODUCT, device=device)
    layer = torch.ones(_PRODUCT[1], _PRODUCT[1], device=device)
    product = torch.empty_like(batch)
    table = torch.ones(_TABLE, 2, device=device)
    rows = torch.randint(_TABLE, (_ROWS,), generator=generator, device=device)
    found = torch.empty(_ROWS, 2, device=device)
    loads: tuple[tuple[Callable[[], object], float], ...] = (
        (lambda: target.copy_(source), 8e-9 * _COPY),
        (lambda: torch.mm(batch, layer, out=product), 2e-9 * batch.numel() * _PRODUCT[1]),
        (lambda: torch.index_select(table, 0, rows, out=found), 1e-6 * _ROWS),
    )
    contention = Contention()
    rates = [work / _fastest(load, synchronize) for load, work in loads]
    return dict(zip(RATES, rates, strict=True)) | {"waiting": contention.read()["waiting"] or 0.0}


def speed(probed: dict[str, float]) -> float:
    """Return one figure of a probe: the geometric mean of its rates."""
    return math.exp(sum(math.log(probed[name]) for name in RATES) / len(RATES))


def _fastest(load: Callable[[], object], synchronize: Callable[[], None]) -> float:
    """Return the seconds of a load: the median of what fits, after one that is not counted."""
    load()
    synchronize()
    durations: list[float] = []
    end = time.perf_counter() + _SECONDS
    while not durations or time.perf_counter() < end:
        began = time.perf_counter()
        load()
        synchronize()
        durations.append(time.perf_counter() - began)
    return sorted(durations)[len(durations) // 2]
