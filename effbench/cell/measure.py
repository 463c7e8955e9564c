"""Image quality, memory and size: pure functions and one probe. Conventions of measurement.

Images are 8-bit sRGB, uint8 [H, W, 3]: quality is computed from what was saved, after rounding.
1 MB is 1e6 bytes. Libraries that are slow to import are imported where they are used.
"""

from __future__ import annotations

import math
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from effbench.errors import Diverged, EffbenchError
from effbench.machine import rss

Image = NDArray[np.uint8]
Scorer = Callable[[Image, Image], float]

SSIM_WINDOW = 11  # px: scikit-image truncates σ = 1.5 at 3.5 σ, a radius of 5
_ZSTD_LEVEL = 10  # near the best ratio on floats; higher levels only cost time


def quantise(image: torch.Tensor | NDArray[np.floating[Any]]) -> Image:
    """Return a float [H, W, 3] image in [0, 1] as uint8: clipped, rounded half up.

    Raises Diverged when a pixel is NaN or infinite.
    """
    pixels = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else image
    values = np.asarray(pixels, np.float64)
    if not np.isfinite(values).all():
        raise Diverged("a rendered image holds pixels that are not finite: training diverged")
    rounded: Image = np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded


def psnr(prediction: Image, truth: Image) -> float:
    """Return 10·log10(255² / MSE) in dB over all pixels and channels; inf for equal images."""
    _same_shape(prediction, truth)
    error = np.mean((prediction.astype(np.float64) - truth.astype(np.float64)) ** 2)
    return math.inf if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(prediction: Image, truth: Image) -> float:
    """Return the mean structural similarity (Wang et al. 2004) over channels, at most 1.

    Gaussian window of 11 pixels, σ = 1.5, K = (0.01, 0.03), population covariance, averaged over
    the valid region: scikit-image leaves out the 5 pixels at each border, where the window would
    reach beyond the image. NaN for an image with a side below 11 pixels, which has none.
    """
    from skimage.metrics import structural_similarity

    _same_shape(prediction, truth)
    if min(truth.shape[:2]) < SSIM_WINDOW:
        return math.nan
    value = structural_similarity(  # type: ignore[no-untyped-call]
        prediction.astype(np.float64) / 255,
        truth.astype(np.float64) / 255,
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


def flip(prediction: Image, truth: Image) -> float:
    """Return the mean LDR-ꟻLIP error in [0, 1] (Andersson et al. 2020) at 67 pixels per degree."""
    import flip_evaluator

    _same_shape(prediction, truth)
    reference, test = (x.astype(np.float32) / np.float32(255) for x in (truth, prediction))
    return float(flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False)[1])


def lpips_scorer(
    net: Literal["vgg", "alex"], device: torch.device | str
) -> tuple[Scorer | None, str]:
    """Return a scorer of LPIPS v0.1 (Zhang et al. 2018), or None and the reason it cannot be had.

    The scorer takes two uint8 [H, W, 3] images, which it maps to [-1, 1] without rescaling their
    size. The reasons are data, not errors: a table has an empty column and the record says why.
    """
    try:
        import lpips
    except Exception as error:  # a mismatched torchvision fails with RuntimeError, not ImportError
        return None, f"lpips cannot be imported ({_first_line(error)}): pip install lpips"
    try:
        with warnings.catch_warnings(), _network_timeout(20):
            warnings.simplefilter("ignore")  # lpips uses torchvision's and torch.load's old forms
            network = lpips.LPIPS(net=net, version="0.1", verbose=False).to(device).eval()
    except Exception as error:  # URLError, HTTPError, a truncated download: torch.hub raises all
        return None, f"weights of LPIPS {net} cannot be had ({_first_line(error)})"

    def as_input(image: Image) -> torch.Tensor:
        return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1).to(
            device
        )

    def score(prediction: Image, truth: Image) -> float:
        _same_shape(prediction, truth)
        with torch.no_grad():
            return float(network(as_input(prediction), as_input(truth)))

    return score, ""


def saved_bytes(run: Callable[[], object]) -> int:
    """Return the bytes that `run` (a forward pass or a whole training step) keeps for backward.

    Each storage is counted once and whole, since a view keeps all of its storage alive; what
    several passes of one step keep is added up. Not counted are storages of leaf tensors that
    require grad: the parameters, which are there with or without a backward pass.
    """
    kept: dict[int, torch.Tensor] = {}  # keeps them alive, so that no address is used twice
    leaves: set[int] = set()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        kept[address] = tensor.detach()
        base = tensor._base if tensor._base is not None else tensor
        if base.is_leaf and base.requires_grad:
            leaves.add(address)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(t.untyped_storage().nbytes() for a, t in kept.items() if a not in leaves)


def count_parameters(tensors: Iterable[torch.Tensor]) -> tuple[int, int]:
    """Return how many numbers the tensors hold, and how many of them are not zero."""
    tensors = list(tensors)
    nonzero = sum(int(torch.count_nonzero(t.detach())) for t in tensors)
    return sum(t.numel() for t in tensors), nonzero


def file_size(path: str | Path) -> tuple[int, int]:
    """Return a file's bytes, and its bytes after zstandard at level 10.

    Raises EffbenchError when it cannot be read.
    """
    import zstandard

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise EffbenchError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    return len(data), len(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data))


class PeakMemory:
    """Peak memory of the own process or of a GPU, by named phase.

    phases: phase to its peak in MB. On a CPU the peak resident set size (`VmHWM`), reset when a
    phase begins; where the system cannot reset it, `resettable` is False and a phase's figure is
    the peak since the process started. On CUDA the peak allocated bytes, and under
    `<phase>_reserved` the peak that the caching allocator held. A phase entered again keeps the
    larger figure.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._phase: str | None = None
        self.phases: dict[str, float] = {}
        self.resettable = device.type == "cuda" or rss.reset_peak()

    def begin(self, phase: str) -> None:
        """Start `phase`, ending the one before it."""
        self.end()
        self._phase = phase
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self.resettable:
            rss.reset_peak()

    def end(self) -> None:
        """End the running phase, if there is one, and enter its peak into `phases`."""
        if self._phase is None:
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            self._enter(self._phase, torch.cuda.max_memory_allocated(self._device))
            self._enter(f"{self._phase}_reserved", torch.cuda.max_memory_reserved(self._device))
        else:
            self._enter(self._phase, rss.peak())
        self._phase = None

    def _enter(self, phase: str, peak: int) -> None:
        self.phases[phase] = max(peak / 1e6, self.phases.get(phase, 0.0))


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Bound each wait of a download; behind a firewall that drops packets it would take minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _same_shape(prediction: Image, truth: Image) -> None:
    for image in (prediction, truth):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            raise EffbenchError(
                f"quality needs uint8 [H, W, 3] images, not {image.dtype} {list(image.shape)}: "
                "quantise the render first"
            )
    if prediction.shape != truth.shape:
        raise EffbenchError(
            f"a render of {prediction.shape[1]}×{prediction.shape[0]} pixels cannot be compared "
            f"with a view of {truth.shape[1]}×{truth.shape[0]}: render at the camera's size"
        )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
