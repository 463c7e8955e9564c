"""Groups of processes: left again, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from effbench.errors import EffbenchError
from effbench.machine.process_group import backend_of, joined

CPU = torch.device("cpu")


def test_tensors_are_reduced_by_what_a_device_has() -> None:
    assert [backend_of(torch.device(kind)) for kind in ("cpu", "cuda")] == ["gloo", "nccl"]


def reduce_and_fail() -> None:
    total = torch.ones(1)
    dist.all_reduce(total)
    assert (float(total), dist.get_backend()) == (1.0, "gloo")
    raise KeyError


def test_a_group_is_left_also_after_an_error(tmp_path: Path) -> None:
    for name in ("a", "b c"):  # twice, as the tests of a process may
        with pytest.raises(KeyError), joined(0, 1, CPU, tmp_path / name):
            reduce_and_fail()
        assert not dist.is_initialized()


def test_a_torch_without_the_backend_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist, "is_backend_available", lambda _: False)
    with (
        pytest.raises(EffbenchError, match=r"built without gloo.* use --ranks 1"),
        joined(0, 2, CPU, tmp_path / "a"),
    ):
        raise AssertionError("not reached")
