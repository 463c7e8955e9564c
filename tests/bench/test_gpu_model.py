"""What a step moves and computes, held against layouts, tensors and networks themselves."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import gpu_kernels, gpu_model
from bench.gpu_model import Part, Sizes
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.method import spans
from effbench.method.config import build
from effbench.nerf.training import RadianceFieldMethod, fixed_step
from effbench.planning.registry import discover
from tests.nerf.training.test_launches import step_of
from tests.nerf_scene import SMALL as SMALL_FIELD
from tests.nerf_scene import context
from tests.without_values import Launches

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
    forward = part("hash encoding")
    assert forward.gathered == 1500 * 8 * 4 * 2 * 4
    assert forward.moved == 1500 * (3 * 4 + 8 * 4)
    assert gpu_model.slot_bytes() == 3 * 4 + 4 + 8 + 4


def test_operations_and_bytes_are_those_that_kernels_are_measured_by() -> None:
    whole = Sizes()
    assert whole.marched == 2 * whole.samples
    forward = part("density network", whole).flop // 2 + part("colour network", whole).flop
    assert forward == gpu_kernels.network_operations()
    matrices = [a * b for shapes in whole.networks.values() for a, b in shapes]
    assert part("Adam", whole).moved == gpu_kernels.adam_bytes() + 28 * sum(matrices)


def test_a_network_of_two_matrices_by_hand() -> None:
    assert SMALL.networks == {
        "density": [(16, 8), (16, 16)],
        "color": [(16, 31), (16, 16), (3, 16)],
    }
    found = part("density network")
    assert found.flop == 2 * 1500 * (16 * 8 + 16 * 16)
    # the encoding in, the outputs out and in again, the density out
    assert found.moved == 1500 * (8 * 4 + 2 * 16 * 2 + 4)


def test_the_density_of_what_is_kept_is_not_computed_again() -> None:
    """The outputs of the pass over all samples are gathered instead."""
    forward = [p.name for p in gpu_model.parts(SMALL) if p.flop and "backward" not in p.name]
    assert forward == ["density network", "colour network"]
    outputs = torch.zeros(1000, 16, dtype=torch.bfloat16)
    encoded = torch.zeros(1000, 8)
    slots = 1000 * gpu_model.slot_bytes()
    assert part("compaction").moved == 2 * (slots + encoded.nbytes + outputs.nbytes)
    assert part("density of the kept").flop == 0


def test_without_compaction_nothing_but_what_is_trained_on_is_evaluated() -> None:
    plain = replace(SMALL, compacted=False)
    assert part("density network", plain).flop == 2 * 1000 * (16 * 8 + 16 * 16)
    assert part("hash encoding", plain).gathered == 1000 * 8 * 4 * 2 * 4
    left_out = {p.name for p in gpu_model.parts(SMALL)} - {p.name for p in gpu_model.parts(plain)}
    assert left_out == {"compaction", "density of the kept"}


RENDERING = "volume rendering, both ways"
# where parts of a step begin: the part of `spans` and the launch
BEGINNING = [
    (spans.RAYS, "randint", "rays and targets"),
    (spans.PLACING, "rand", "march"),
]
COMPACTED = [
    (spans.ENCODING, "triton hash_encoding._forward", "hash encoding"),
    (spans.DENSITY, "triton mlp._forward", "density network"),
    (spans.PLACING, "triton volume_rendering._visible_counts", "compaction"),
    ("", "sum", RENDERING),  # the rays that count
    ("", "triton rays._spherical_harmonics", "colour network"),
    (spans.DENSITY, "triton activations._density", "density of the kept"),
]
AS_MARCHED = [
    ("", "sum", RENDERING),
    ("", "triton rays._spherical_harmonics", "colour network"),
    (spans.ENCODING, "triton hash_encoding._forward", "hash encoding"),
    ("", "index_select", "colour network"),
    (spans.DENSITY, "triton mlp._forward", "density network"),
]
END = [
    (spans.COLOUR, "cat", "colour network"),
    ("", "mul", RENDERING),
    (spans.BACKWARD, "triton activations._sigmoid_backward", "colour network, backward"),
    (spans.BACKWARD, "triton activations._density_backward", "density network, backward"),
    (spans.ENCODING_BACKWARD, "zeros", "hash encoding, backward"),
    ("", "triton steering._steer", "steering"),
]


@pytest.mark.parametrize("compaction", ["transmittance", "none"])
def test_launches_are_those_of_a_step(compaction: str) -> None:
    compacted = compaction != "none"
    step = step_of("instant-ngp", compaction=compaction)
    middle = COMPACTED if compacted else AS_MARCHED
    counted = by_part(step, [*BEGINNING, *middle, *END])
    found = gpu_model.parts(replace(SMALL, compacted=compacted))
    said = {p.name: p.launches for p in found if p.name != "Adam"}  # which has no meta tensors
    assert said == counted
    assert sum(said.values()) == step.counts.total()


def by_part(step: Launches, begins: list[tuple[str, str, str]]) -> Counter[str]:
    """Count the launches from each beginning of a part on to the next."""
    counts: Counter[str] = Counter()
    name, ahead = "", list(begins)
    for launch in step.order:
        if ahead and launch == ahead[0][:2]:
            name = ahead.pop(0)[2]
        counts[name] += 1
    assert not ahead, f"{ahead[0]} is not in the step"
    return counts


def test_launches_of_the_optimiser_are_its_own() -> None:
    method = discover([]).method("instant-ngp")
    config = build(method.Config, SMALL_FIELD, "instant-ngp")
    trained = method(config, context())
    assert isinstance(trained, RadianceFieldMethod)
    fixed_step._keep_rates_on_device(trained.optimizer, trained.device)
    for parameter in trained.parameters():
        assert isinstance(parameter, torch.Tensor)
        parameter.grad = torch.zeros_like(parameter)
    trained.optimizer.step()  # makes the moments
    with Launches(strict=False) as found:
        trained.optimizer.step()
    counts = {n: c for n, c in found.counts.items() if not n.startswith("_record_function")}
    assert sum(counts.values()) == part("Adam").launches, counts


def test_twice_the_samples_are_twice_the_work_but_for_the_table() -> None:
    more = replace(SMALL, samples=2000, marched=3000)
    for one, other in zip(gpu_model.parts(SMALL), gpu_model.parts(more), strict=True):
        fixed = {"hash encoding, backward": SMALL.table_bytes, "Adam": one.moved}.get(one.name, 0)
        assert other.moved - fixed == 2 * (one.moved - fixed)
        assert (other.gathered, other.flop) == (2 * one.gathered, 2 * one.flop)


def test_a_bound_is_the_slower_of_moving_and_computing() -> None:
    ceilings = {"copy_gb_s": 1000.0, "matmul_bf16_tflop_s": 100.0}
    assert Part("a", moved=10**9, launches=1).at_least_ms(ceilings) == pytest.approx(1.0)
    assert Part("a", moved=10**9, launches=1, flop=10**12).at_least_ms(ceilings) == pytest.approx(
        10.0
    )


def test_it_is_printed_without_a_gpu() -> None:
    command = [sys.executable, "-m", "bench.gpu_bench", "--model", "--samples", "1024"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "B = 1024 samples of 2048 marched, L = 16, T = 2^19, F = 2, width 64" in done.stdout
    assert "6119864 rows, 49.0 MB" in done.stdout
    whole = sum(p.launches for p in gpu_model.parts(Sizes()))
    assert done.stdout.splitlines()[-1].split()[-1] == str(whole)
