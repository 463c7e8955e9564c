"""Memory kept for backward, and peaks by phase."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from effbench.cell.memory import PeakMemory, saved_bytes
from effbench.machine import rss


class TestSavedBytes:
    def test_a_small_mlp_by_hand(self) -> None:
        layers = nn.Sequential(nn.Linear(3, 8, bias=False), nn.ReLU(), nn.Linear(8, 2, bias=False))
        x = torch.ones(5, 3)
        # Kept are x [5, 3], the ReLU's output [5, 8] (once, for ReLU and second layer) and the
        # squared [5, 2]; the weights are parameters and the first layer's output is not needed.
        expected = 4 * (5 * 3 + 5 * 8 + 5 * 2)
        assert saved_bytes(lambda: layers(x).square().sum()) == expected
        assert saved_bytes(lambda: layers(x).square().sum().backward()) == expected

    def test_a_view_counts_its_whole_storage_once(self) -> None:
        weight = torch.ones(10, requires_grad=True)
        data = torch.ones(4, 10)
        run = lambda: (weight * data[0]).sum() + (weight * data[1]).sum()  # noqa: E731
        assert saved_bytes(run) == 4 * 4 * 10

    def test_without_grad_nothing_is_kept(self) -> None:
        weight = torch.ones(10, requires_grad=True)
        with torch.no_grad():
            assert saved_bytes(lambda: (weight * 2).square()) == 0


class TestPeakMemory:
    def test_a_phase_sees_what_is_allocated_in_it_and_freed(self) -> None:
        memory = PeakMemory(torch.device("cpu"))
        memory.begin("small")
        memory.begin("large")
        del_me = np.ones(25_000_000)  # 200 MB
        del del_me
        memory.begin("after")
        memory.end()
        memory.end()  # nothing runs: nothing happens
        assert list(memory.phases) == ["small", "large", "after"]
        assert memory.phases["large"] - memory.phases["small"] > 190
        if memory.resettable:
            assert memory.phases["large"] - memory.phases["after"] > 190
        else:
            assert memory.phases["after"] >= memory.phases["large"]

    def test_a_phase_entered_again_keeps_the_larger_figure(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peaks = iter([3_000_000, 5_000_000, 4_000_000])
        monkeypatch.setattr(rss, "peak", lambda: next(peaks))
        memory = PeakMemory(torch.device("cpu"))
        for phase in ("train", "train", "train"):
            memory.begin(phase)
        memory.end()
        assert memory.phases == {"train": 5.0}

    @pytest.mark.gpu
    def test_on_a_gpu_allocated_and_reserved_are_told_apart(self) -> None:
        device = torch.device("cuda")
        memory = PeakMemory(device)
        memory.begin("train")
        del_me = torch.ones(25_000_000, device=device)
        del del_me
        memory.begin("after")
        memory.end()
        assert memory.phases["train"] >= 100
        assert memory.phases["train_reserved"] >= memory.phases["train"]
        assert memory.phases["after"] < 100
