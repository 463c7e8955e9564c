"""Videos: as many frames as were given, of their size and colours, and whole or not there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from effbench.errors import ConfigError, EffbenchError
from effbench.export import video
from effbench.export.video import Pixels


def frames(count: int, stop_at: int | None = None) -> Iterator[Pixels]:
    """Yield frames that grow brighter; a user loses patience at one of them."""
    for number in range(count):
        if number == stop_at:
            raise KeyboardInterrupt
        yield np.full((32, 48, 3), (20 * number, 100, 200), np.uint8)


def test_an_mp4_decodes_to_what_went_in(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="needs the extra 'video'")
    path = tmp_path / "deep" / "v.mp4"
    video.check(path, 48, 32)
    video.write(path, frames(8), 12)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 12)
        assert stream.codec_context.pix_fmt == "yuv420p"
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(found) == 8
    for expected, frame in zip(frames(8), found, strict=True):
        assert frame.shape == (32, 48, 3)
        assert np.abs(frame.astype(int) - expected).max() < 8


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_pillow_animates(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"v.{suffix}"
    video.check(path, 48, 32)
    video.write(path, frames(5), 20)
    with Image.open(path) as image:
        assert (image.n_frames, image.size) == (5, (48, 32))  # type: ignore[attr-defined]
        image.seek(3)
        middle = np.asarray(image.convert("RGB"))[16, 24].astype(int)
        assert image.info["duration"] == 50
    assert np.abs(middle - [60, 100, 200]).max() < 25


def test_a_folder_holds_the_frames_themselves(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "frames"
    video.check(path, 48, 32)
    video.write(path, frames(3), 20)
    assert sorted(p.name for p in path.iterdir()) == ["00000.png", "00001.png", "00002.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(path / "00002.png")), list(frames(3))[2])
    with pytest.raises(EffbenchError, match="is there already"):
        video.check(path, 48, 32)


@pytest.mark.parametrize("name", ["v.mp4", "v.gif", "v.webp", "frames"])
def test_what_is_stopped_leaves_nothing(tmp_path: Path, name: str) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av", reason="needs the extra 'video'")
    with pytest.raises(KeyboardInterrupt):
        video.write(tmp_path / name, frames(6, stop_at=4), 12)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("v.mp4", (33, 32), "33×32: the sides of an MP4 must be even"),
        ("v.mp4", (5000, 32), "must not exceed 4096"),
        ("v.avi", (32, 32), r"cannot write '\.avi': name a file that ends in \.mp4"),
    ],
)
def test_what_cannot_be_written_is_told_before(
    tmp_path: Path, name: str, size: tuple[int, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        video.check(tmp_path / name, *size)


def test_a_missing_library_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EffbenchError, match=r"pip install 'effbench\[video\]'"):
        video.check(tmp_path / "v.mp4", 32, 32)
    video.check(tmp_path / "v.gif", 33, 32)
