"""Why torch sees no GPU, by stand-ins for nvidia-smi and for what torch was built for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from effbench.machine import cuda_build
from effbench.machine.cuda_build import Driver

HEAD = "| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4   |"
NEWER = "| NVIDIA-SMI 595.10   Driver Version: 595.10   CUDA UMD Version: 13.2 |"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, prints: str, status: int = 0) -> None:
    """Leave a program `nvidia-smi`, and nothing else, where programs are looked for."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{prints}'\nexit {status}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("prints", "expected"),
    [(HEAD, Driver("550.54.15", "12.4")), (NEWER, Driver("595.10", "13.2"))],
)
def test_the_driver_is_told_by_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, expected: Driver
) -> None:
    install(tmp_path, monkeypatch, prints=prints)
    assert cuda_build.driver() == expected


def test_without_nvidia_smi_there_is_nothing_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cuda_build.driver() is None
    assert cuda_build.why_unseen() == ""


def test_a_driver_that_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."
    install(tmp_path, monkeypatch, prints=failure, status=9)
    assert "install or reload the NVIDIA driver" in cuda_build.why_unseen()


@pytest.mark.parametrize(
    ("built", "cuda", "told", "index"),
    [
        (None, "12.4", "built for the CPU alone", "cu126"),
        (None, "13.0", "install a CUDA build", "cu130"),
        (None, "14.1", "install a CUDA build", "cu130"),
        (None, "", "install a CUDA build", "cu126"),
        ("13.0", "12.4", "built for CUDA 13.0, the driver 550 runs CUDA 12.4 at most", "cu126"),
        ("12.6", "11.8", "install a newer driver, or a build for an older CUDA", "cu118"),
        ("12.8", "12.4", "CUDA_VISIBLE_DEVICES", ""),  # minor versions go together
        ("12.8", "", "CUDA_VISIBLE_DEVICES", ""),
    ],
)
def test_build_and_driver_are_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, built: str | None, cuda: str, told: str, index: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(cuda_build, "driver", lambda: Driver("550", cuda))
    found = cuda_build.why_unseen()
    assert told in found
    assert "the driver 550" in found
    assert ("--index-url" in found) == bool(index)
    assert found.endswith(f"/{index}`") or not index
