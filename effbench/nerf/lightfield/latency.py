"""How long light fields take for a view, beside each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch

from effbench.machine import devices
from effbench.nerf.lightfield.distillation import NeLFMethod
from effbench.nerf.lightfield.network import NeLFNetwork
from effbench.nerf.lightfield.rays import LightField

_TIMED_RENDERS = 24


def latency_ms(networks: Sequence[NeLFNetwork], method: NeLFMethod) -> list[float]:
    """Return the median milliseconds per view of networks, in turns: load meets all of them."""
    wait = devices.synchronizer(method.device)
    pose = torch.from_numpy(method.context.scene.test.poses[:1]).to(method.device)
    fields = [LightField(method.encoder, network).eval() for network in networks]
    times: list[list[float]] = [[] for _ in fields]
    for _ in range(_TIMED_RENDERS):
        for field, own in zip(fields, times, strict=True):
            with torch.inference_mode():
                wait()
                began = time.perf_counter()
                field(pose)
                wait()
            own.append(time.perf_counter() - began)
    for network in networks:
        network.train()
    return [statistics.median(own[_TIMED_RENDERS // 4 :]) * 1e3 for own in times]
