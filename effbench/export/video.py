"""Frames as a file: MP4 by PyAV, animated GIF or WebP by Pillow, or a folder of PNGs.

A file or folder appears when it is complete, or not at all. Frames are uint8 [H, W, 3].
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from effbench import files
from effbench.errors import ConfigError, EffbenchError

Pixels = NDArray[np.uint8]

ANIMATED = (".gif", ".webp")
_MOST = 4096  # pixels of a side: what H.264 decoders can be relied on for
_QUALITY = {"crf": "18", "preset": "medium"}  # of x264: differences are hard to see


def check(path: Path, width: int, height: int) -> None:
    """Raise ConfigError or EffbenchError for what `write` could not do with frames of this size, so
    that nothing is rendered in vain."""
    if path.suffix == ".mp4":
        if width % 2 or height % 2:
            raise ConfigError(
                f"{width}×{height}: the sides of an MP4 must be even: choose another --size, or "
                "write .webp"
            )
        if max(width, height) > _MOST:
            raise ConfigError(f"{width}×{height}: sides of an MP4 must not exceed {_MOST} pixels")
        _av()
    elif path.suffix and path.suffix not in ANIMATED:
        raise ConfigError(
            f"{path}: cannot write '{path.suffix}': name a file that ends in .mp4, .gif or .webp, "
            "or a folder for PNGs"
        )
    elif not path.suffix and path.exists():
        raise EffbenchError(f"{path}: is there already: name a new folder, or remove it")


def write(path: Path, frames: Iterable[Pixels], rate: int) -> None:
    """Write frames, of one size, `rate` per second. Raises as `check` does, EffbenchError for a
    place that cannot be written, and whatever `frames` raises; nothing is left behind then."""
    if path.suffix == ".mp4":
        files.write_bytes(path, _mp4(iter(frames), rate))
    elif path.suffix:
        files.write_bytes(path, _animated(iter(frames), rate, path.suffix[1:]))
    else:
        _write_folder(path, frames)


def _mp4(frames: Iterator[Pixels], rate: int) -> bytes:
    """Return H.264 in 4:2:0, which every player and browser shows."""
    av, stream = _av(), io.BytesIO()
    first = next(frames)
    with av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options=_QUALITY)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        for pixels in itertools.chain([first], frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode())
    return stream.getvalue()


def _animated(frames: Iterator[Pixels], rate: int, form: str) -> bytes:
    stream = io.BytesIO()
    images = (Image.fromarray(pixels) for pixels in frames)
    duration = 1000 / rate if form == "gif" else round(1000 / rate)
    next(images).save(
        stream, form, save_all=True, append_images=images, duration=duration, loop=0, quality=90
    )
    return stream.getvalue()


def _write_folder(path: Path, frames: Iterable[Pixels]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for number, pixels in enumerate(frames):
            Image.fromarray(pixels).save(temporary / f"{number:05d}.png")
        temporary.rename(path)
    except OSError as error:
        raise EffbenchError(
            f"{path}: cannot be written ({error.strerror or error}): free disk space or choose "
            "another folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _av() -> Any:
    """Return the module PyAV. Raises EffbenchError where it is missing."""
    try:
        import av
    except ImportError as error:
        raise EffbenchError(
            "an MP4 needs PyAV, which is not installed: pip install 'effbench[video]', or name a "
            "file that ends in .gif or .webp, or a folder"
        ) from error
    return av
