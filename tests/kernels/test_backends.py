"""The choice of a backend."""

from __future__ import annotations

import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels import backends

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_auto_takes_numba_on_a_cpu() -> None:
    assert backends.resolve("auto", CPU) == "cpu"


@pytest.mark.parametrize(("missing", "expected"), [("", "triton"), ("no GPU", "reference")])
def test_auto_takes_triton_on_a_gpu_where_it_works(
    monkeypatch: pytest.MonkeyPatch, missing: str, expected: str
) -> None:
    monkeypatch.setattr(backends, "reason", lambda name: missing if name == "triton" else "")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert backends.resolve("auto", CUDA) == expected


def test_auto_takes_the_reference_elsewhere() -> None:
    assert backends.resolve("auto", torch.device("meta")) == "reference"


def test_an_unknown_backend_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"'refrence': did you mean reference"):
        backends.resolve("refrence", CPU)


def test_numba_is_refused_off_the_cpu() -> None:
    with pytest.raises(ConfigError, match="cannot run on meta"):
        backends.resolve("cpu", torch.device("meta"))


def test_triton_is_refused_on_a_cpu_unless_it_interprets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "reason", lambda _: "")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ConfigError, match="cannot run on cpu"):
        backends.resolve("triton", CPU)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert backends.resolve("triton", CPU) == "triton"


@pytest.mark.parametrize("requested", ["auto", "triton"])
def test_nothing_is_interpreted_for_a_gpu(monkeypatch: pytest.MonkeyPatch, requested: str) -> None:
    monkeypatch.setattr(backends, "reason", lambda _: "")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(ConfigError, match=r"TRITON_INTERPRET is set.* unset it"):
        backends.resolve(requested, CUDA)
    assert backends.resolve("reference", CUDA) == "reference"


def test_a_backend_that_does_not_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "reason", lambda _: "torch sees no GPU")
    with pytest.raises(ConfigError, match="'triton': torch sees no GPU"):
        backends.resolve("triton", CUDA)
