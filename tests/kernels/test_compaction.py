"""Compaction: what is kept, by hand; with and without a capacity."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.samples import Samples, ray_of_slot


def five_samples() -> Samples:
    """Return three samples on ray 0, none on ray 1 and two on ray 2."""
    return Samples(
        positions=torch.arange(15.0).view(5, 3),
        t=torch.arange(5.0),
        rays=torch.tensor([0, 0, 0, 2, 2]),
        offsets=torch.tensor([0, 3, 3, 5]),
        deltas=torch.arange(5.0) / 10,
    )


def test_a_selection_out_of_the_middle_keeps_the_others_lengths() -> None:
    kept, index = keep_selected(five_samples(), torch.tensor([True, False, True, False, True]))
    assert index.tolist() == [0, 2, 4]
    assert kept.rays.tolist() == [0, 0, 2]
    assert kept.offsets.tolist() == [0, 2, 2, 3]
    assert kept.t.tolist() == [0, 2, 4]
    assert kept.deltas.tolist() == pytest.approx([0.0, 0.2, 0.4])
    assert kept.positions.tolist() == [[0, 1, 2], [6, 7, 8], [12, 13, 14]]


def test_a_selection_may_be_empty() -> None:
    kept, index = keep_selected(five_samples(), torch.zeros(5, dtype=torch.bool))
    assert len(kept) == len(index) == 0
    assert kept.offsets.tolist() == [0, 0, 0, 0]


def test_prefix_keeps_the_first_samples_of_each_ray() -> None:
    kept, index = keep_prefix(five_samples(), torch.tensor([2, 0, 1]))
    assert index.tolist() == [0, 1, 3]
    assert kept.rays.tolist() == [0, 0, 2]
    assert kept.offsets.tolist() == [0, 2, 2, 3]
    assert kept.t.tolist() == [0, 1, 3]
    assert kept.positions[-1].tolist() == [9, 10, 11]


def keep(samples: Samples, way: str, capacity: int) -> tuple[Samples, torch.Tensor]:
    """Keep samples 1 to 4 (selected), or 0, 1, 3 and 4 (prefix)."""
    if way == "selected":
        return keep_selected(samples, samples.t > 0, capacity)
    return keep_prefix(samples, torch.tensor([2, 0, 2]), capacity)


@pytest.mark.parametrize("padding", [0, 3])  # of the samples given
@pytest.mark.parametrize("way", ["selected", "prefix"])
class TestCapacity:
    def test_the_tail_stands_for_nothing(self, way: str, padding: int) -> None:
        kept, index = keep(five_samples().with_capacity(5 + padding), way, 6)
        first = {"selected": [1, 2, 3, 4], "prefix": [0, 1, 3, 4]}[way]
        assert index.tolist() == [*first, 0, 0]
        assert kept.t.tolist() == [*first, 0, 0]
        assert kept.rays.tolist() == [0, 0, 2, 2, 0, 0]
        assert kept.offsets.tolist() == [0, 2, 2, 4]
        assert kept.deltas.tolist() == pytest.approx([*(0.1 * k for k in first), 0, 0])
        assert kept.positions[4:].tolist() == [[0.5] * 3] * 2
        assert kept.wanted == 4

    def test_what_does_not_fit_is_dropped_from_the_end(self, way: str, padding: int) -> None:
        kept, index = keep(five_samples().with_capacity(5 + padding), way, 3)
        assert index.tolist() == {"selected": [1, 2, 3], "prefix": [0, 1, 3]}[way]
        assert kept.offsets.tolist() == [0, 2, 2, 3]
        assert kept.rays.tolist() == [0, 0, 2]
        assert kept.wanted == 4


def test_no_samples_fill_a_capacity_with_nothing() -> None:
    none = torch.empty(0)
    offsets = torch.zeros(3, dtype=torch.int64)
    empty = Samples(torch.empty(0, 3), none, none.long(), offsets, none)
    for kept, index in (
        keep_prefix(empty, torch.zeros(2, dtype=torch.int64), 2),
        keep_selected(empty, none.bool(), 2),
    ):
        assert index.tolist() == [0, 0]
        assert kept.positions.tolist() == [[0.5] * 3] * 2
        assert kept.offsets.tolist() == [0, 0, 0]


def test_slots_belong_to_rays_and_the_tail_to_none() -> None:
    assert ray_of_slot(torch.tensor([0, 3, 3, 5]), 7).tolist() == [0, 0, 0, 2, 2, 3, 3]
