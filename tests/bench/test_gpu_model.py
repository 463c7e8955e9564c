"""What a step moves and computes, held against layouts, tensors and networks themselves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import gpu_kernels, gpu_model
from bench.gpu_model import Part, Sizes
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout

ROOT = Path(__file__).resolve().parents[2]
SMALL = Sizes(samples=1000, marched=1500, layout=HashLayout(4, 10, 4, 32), width=16)


def part(name: str, sizes: Sizes = SMALL) -> Part:
    return next(p for p in gpu_model.parts(sizes) if p.name == name)


def test_the_table_is_the_layouts() -> None:
    table = torch.zeros(SMALL.layout.rows, 2)
    assert SMALL.table_bytes == table.nbytes
    encoded = hash_encode(torch.rand(1000, 3), table, SMALL.layout, "reference")
    assert part("hash encoding, backward").moved == table.nbytes + encoded.nbytes


def test_each_marched_sample_reads_eight_entries_on_every_level() -> None:
    forward = part("hash encoding, marched")
    assert forward.gathered == 1500 * 8 * 4 * 2 * 4
    assert forward.moved == 1500 * (3 * 4 + 8 * 4)
    assert gpu_model.slot_bytes() == 3 * 4 + 4 + 8 + 4


def test_operations_and_bytes_are_those_that_kernels_are_measured_by() -> None:
    whole = Sizes()
    forward = part("density network", whole).flop + part("colour network", whole).flop
    assert forward == gpu_kernels.network_operations()
    matrices = [a * b for shapes in whole.networks.values() for a, b in shapes]
    assert part("Adam", whole).moved == gpu_kernels.adam_bytes() + 28 * sum(matrices)


def test_a_network_of_two_matrices_by_hand() -> None:
    assert SMALL.networks == {
        "density": [(16, 8), (16, 16)],
        "color": [(16, 31), (16, 16), (3, 16)],
    }
    found = part("density network, marched")
    assert found.flop == 2 * 1500 * (16 * 8 + 16 * 16)
    assert found.moved == 1500 * (8 * 4 + 16 * 2)


def test_twice_the_samples_are_twice_the_work_but_for_the_table() -> None:
    more = replace(SMALL, samples=2000, marched=3000)
    for one, other in zip(gpu_model.parts(SMALL), gpu_model.parts(more), strict=True):
        fixed = {"hash encoding, backward": SMALL.table_bytes, "Adam": one.moved}.get(one.name, 0)
        assert other.moved - fixed == 2 * (one.moved - fixed)
        assert (other.gathered, other.flop) == (2 * one.gathered, 2 * one.flop)


def test_a_bound_is_the_slower_of_moving_and_computing() -> None:
    ceilings = {"copy_gb_s": 1000.0, "matmul_bf16_tflop_s": 100.0}
    assert Part("a", moved=10**9).at_least_ms(ceilings) == pytest.approx(1.0)
    assert Part("a", moved=10**9, flop=10**12).at_least_ms(ceilings) == pytest.approx(10.0)


def test_it_is_printed_without_a_gpu() -> None:
    command = [sys.executable, "-m", "bench.gpu_bench", "--model", "--samples", "1024"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "B = 1024 samples of 2048 marched, L = 16, T = 2^19, F = 2, width 64" in done.stdout
    assert "6119864 rows, 49.0 MB" in done.stdout
