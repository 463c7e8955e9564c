"""A step split among ranks: the gradients of one rank's on the whole batch."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from effbench.errors import ConfigError, EffbenchError
from effbench.kernels.samples import Samples
from effbench.machine import environment, threads
from effbench.machine.process_group import joined
from effbench.nerf.sampling.sampler import EncodedSamples
from effbench.nerf.training import parallel_step
from effbench.nerf.training.learning import Batch
from effbench.nerf.training.parallel_step import share_of
from tests.nerf.training.one_of_two import TIMEOUT_S, VARIANTS, build, steps

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def two(one: list[Any], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What the first of two ranks saw, and how it and the second ended with grids that differ.

    After `one`, by which everything is compiled: the second rank finds it in numba's cache.
    """
    assert one
    path = tmp_path_factory.mktemp("ranks") / "rendezvous"
    command = [sys.executable, "-m", "tests.nerf.training.one_of_two", str(path)]
    root = Path(__file__).parents[3]
    how: dict[str, Any] = {"cwd": root, "env": environment.of_a_child(2), "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **how) as other:
        try:
            with threads.at_most(1), joined(0, 2, CPU, path, TIMEOUT_S):
                found: list[Any] = steps(0, 2)
                whole = build(0, 2)
                with pytest.raises(EffbenchError) as caught:
                    whole.step(0.0)
            found.append([str(caught.value), other.communicate(timeout=TIMEOUT_S)[0].strip()])
        finally:
            other.kill()
    return found


@pytest.fixture(scope="module")
def one() -> list[Any]:
    with threads.at_most(1):
        return list(steps(0, 1))


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
def test_gradients_are_those_of_one_rank_on_the_joined_batch(
    one: list[Any], two: list[Any], variant: int
) -> None:
    alone, together = one[variant][0], two[variant][0]
    assert len(alone) == len(together) > 3
    for expected, got in zip(alone, together, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(
            got, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max())
        )


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
def test_losses_and_ray_counts_go_on_alike(one: list[Any], two: list[Any], variant: int) -> None:
    (_, losses, rays), (_, losses_of_two, rays_of_two) = one[variant], two[variant]
    assert losses_of_two == pytest.approx(losses, rel=2e-2)
    assert losses_of_two[0] == pytest.approx(losses[0], rel=1e-6)
    assert rays_of_two[:2] == rays[:2] != [rays[0]] * 2, "steered by the samples of both"
    assert rays_of_two == pytest.approx(rays, rel=2e-2)


def test_grids_that_differ_are_noticed_by_both(two: list[Any]) -> None:
    first, second = two[-1]
    assert first == second
    assert "occupancy grids differ before iteration 1" in first


@pytest.mark.parametrize(("rays", "ranks"), [(128, 2), (7, 3), (1, 2)])
def test_shares_are_all_rays_each_once(rays: int, ranks: int) -> None:
    shares = [list(range(rays))[share_of(rays, rank, ranks)] for rank in range(ranks)]
    assert [*itertools.chain(*shares)] == list(range(rays))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_without_a_sample_takes_part_with_zeros() -> None:
    method = build(0, 1)
    rays, pixels = method.pixels.sample(8, method.generator)
    batch = method._batch(rays, pixels, method.generator)
    placed = batch.placed.samples
    flat = (placed.positions[:0], placed.t[:0], placed.rays[:0])
    none = Samples(*flat, torch.zeros_like(placed.offsets), placed.deltas[:0])
    empty = Batch(batch.rays, EncodedSamples(none), batch.target, batch.background)
    share = parallel_step._ShareOfLoss(method)
    loss = share(empty, 2.0)
    assert float(loss.detach()) == pytest.approx(
        2 * float(method.loss(batch.background, batch.target))
    )
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in method.field.parameters())


def test_what_cannot_be_split_is_refused() -> None:
    method = build(0, 1)
    assert parallel_step.refusal(method) == ""
    method.pixels = type("Other", (type(method.pixels),), {})  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="by what it has seen"):
        parallel_step.ParallelStep(method)
