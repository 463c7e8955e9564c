"""Whole cells on a GPU: every method trains, and the record has what only a GPU can tell."""

from __future__ import annotations

import math
from functools import cache

import pytest

from effbench import api
from effbench.planning import registry
from effbench.records.record import Record

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

METHODS = sorted(registry.discover([]).methods)
RECORDED = {"instant-ngp", "hsm", "low-weight", "error-map", "nerf", "nerf-pruned"}


@cache
def cell(method: str, **params: object) -> Record:
    return api.run_cell(
        method,
        "procedural/blocks",
        "150it",
        params=params,
        scene_params={"downscale": 8},
        device="cuda",
        eval_views=2,
        curve_views=1,
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains(method: str) -> None:
    result = cell(method)
    assert result.status == "ok", result.reason
    assert math.isfinite(result.quality["psnr"])
    if method in RECORDED and result.facts["backend"] == "triton":
        assert isinstance(result.facts["cuda_graphs"], int), result.facts["cuda_graphs"]


def test_recorded_steps_learn_as_well_as_exact_ones() -> None:
    fixed, exact = cell("instant-ngp"), cell("instant-ngp", buffers="exact")
    assert fixed.quality["psnr"] > 15
    assert fixed.quality["psnr"] == pytest.approx(exact.quality["psnr"], abs=2)


def test_memory_is_told_by_phase_and_covers_recorded_steps() -> None:
    memory = cell("instant-ngp").memory
    phases = memory["phases"]
    assert {"setup", "warmup", "steady", "render", "step", "steady_reserved"} <= set(phases)
    assert memory["peak_mem_mb"] >= phases["steady"] >= phases["step"] > 0
    assert memory["saved_mb"] > 0


def test_mining_keeps_less_for_backward() -> None:
    assert cell("hsm").memory["saved_mb"] < cell("instant-ngp").memory["saved_mb"]


def test_provenance_knows_the_gpu_and_its_load() -> None:
    result = cell("instant-ngp")
    gpu = result.provenance["gpu"]
    assert gpu["uuid"].startswith(("GPU-", "MIG-"))
    assert result.provenance["driver"]
    assert result.provenance["alone"]
    energy = result.energy
    assert (energy["energy_j"] is None) == bool(energy["reason"])
    if energy["energy_j"]:
        assert result.provenance["gpu_load"]["sm_clock_mhz"] > 0
