"""Optional libraries: used when asked for and there, refused with a remedy when not."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from effbench.errors import ConfigError
from effbench.machine import libraries

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


@pytest.mark.parametrize("name", libraries.NAMES)
def test_they_need_a_gpu(name: str) -> None:
    with pytest.raises(ConfigError, match=f"backend '{name}' runs on NVIDIA GPUs only, not on cpu"):
        libraries.resolve(name, CPU)


@pytest.mark.parametrize(("name", "module"), [("tcnn", "tinycudann"), ("nerfacc", "nerfacc")])
def test_one_that_is_not_there_is_named_with_the_remedy(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"{module} cannot be imported .*pip install"):
        libraries.resolve(name, CUDA)


def test_one_that_is_there_is_used_beside_a_kernel_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nerfacc", ModuleType("nerfacc"))
    monkeypatch.setattr("effbench.kernels.backends.reason", lambda _: "")
    assert libraries.resolve("nerfacc", CUDA) == "nerfacc"
    assert libraries.split("nerfacc", CUDA) == ("triton", "nerfacc")


def test_kernel_backends_pass_through() -> None:
    assert libraries.resolve("reference", CPU) == "reference"
    assert libraries.split("reference", CPU) == ("reference", "")


def test_an_unknown_name_lists_all_of_them() -> None:
    with pytest.raises(ConfigError, match="nerfacc"):
        libraries.resolve("tcn", CPU)
