"""The choice of a backend."""

from __future__ import annotations

import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels import backends, toolchain

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_auto_takes_numba_on_a_cpu() -> None:
    assert backends.resolve("auto", CPU) == "cpu"


def test_auto_takes_triton_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "reason", lambda _: "")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert backends.resolve("auto", CUDA) == "triton"


def test_auto_is_never_the_slow_reference_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    why = {"triton": "there is no C compiler: apt install gcc"}
    monkeypatch.setattr(backends, "reason", lambda name: why.get(name, ""))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ConfigError, match=r"apt install gcc; or use --backend reference"):
        backends.resolve("auto", CUDA)
    assert backends.resolve("reference", CUDA) == "reference"


@pytest.mark.parametrize("missing", ["", "there is no C compiler"])
def test_on_a_gpu_triton_works_where_it_can_compile(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(backends, "_import_error", lambda _: "")
    monkeypatch.setattr(backends, "interpreting", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(toolchain, "missing", lambda: missing)
    assert backends.reason.__wrapped__("triton") == missing


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
