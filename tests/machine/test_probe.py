"""The probe of the machine's speed: rates of known work, and short."""

from __future__ import annotations

import time

import pytest
import torch

from effbench.machine import probe

CPU = torch.device("cpu")


def test_rates_are_those_of_a_computer() -> None:
    probe.probe(CPU)  # the first call of each kernel
    began = time.perf_counter()
    found = probe.probe(CPU)
    took = time.perf_counter() - began
    assert 0.1 < found["copy_gb_s"] < 10_000
    assert 0.1 < found["matmul_gflop_s"] < 100_000
    assert 0.1 < found["gather_m_s"] < 1_000_000
    assert 0 <= found["waiting"] <= 1
    assert took < 5, "some tenths of a second, on a busy machine a few"


def test_one_figure_weighs_the_rates_alike() -> None:
    rates = dict(zip(probe.RATES, (1.0, 10.0, 100.0), strict=True))
    assert probe.speed(rates) == pytest.approx(10)
    assert probe.speed({**rates, "copy_gb_s": 8.0}) == pytest.approx(20)
