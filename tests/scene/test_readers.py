"""What scene plug-ins share: downscaling by hand-computed pixels, pose checks, manifests."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from effbench.errors import SceneError
from effbench.scene import Intrinsics, Views, manifest, readers

SOURCE = Path("scene/transforms_train.json")


def test_the_first_file_of_some_names_that_may_be_too_long(tmp_path: Path) -> None:
    there, folder, long = tmp_path / "a.png", tmp_path / "b", tmp_path / ("c" * 300)
    there.touch()
    folder.mkdir()
    assert readers.first_file([long, folder, tmp_path / "none", there]) == there
    assert readers.first_file([long]) is None
    assert readers.first_file([]) is None


def encode(pixels: np.ndarray, mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def test_box_downscale_weights_colour_by_alpha() -> None:
    red, hidden_green = (200, 0, 0, 255), (0, 255, 0, 0)
    small = readers.box_downscale(np.array([[red, hidden_green]] * 2, np.uint8), 2)
    assert small.tolist() == [[[200, 0, 0, 128]]]  # green does not bleed in; 127.5 rounds up


def test_box_downscale_averages_rgb_and_rounds_half_up() -> None:
    image = np.array([[[0, 1, 10], [1, 2, 20]], [[0, 1, 30], [1, 1, 41]]], np.uint8)
    assert readers.box_downscale(image, 2).tolist() == [[[1, 1, 25]]]  # 0.5, 1.25, 25.25


def test_box_downscale_commutes_with_compositing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 9, 4)).astype(np.uint8)

    def on_white(pixels: np.ndarray) -> np.ndarray:
        alpha = pixels[..., 3:] / 255
        return pixels[..., :3] * alpha + 255 * (1 - alpha)

    expected = on_white(image).reshape(4, 3, 3, 3, 3).mean((1, 3))
    found = on_white(readers.box_downscale(image, 3))
    np.testing.assert_allclose(found, expected, atol=1.0)  # both colour and alpha are rounded


def test_largest_downscale_does_not_overflow() -> None:
    factor = readers.MAX_FACTOR
    white = np.full((factor, factor, 4), 255, np.uint8)
    assert readers.box_downscale(white, factor).tolist() == [[[255] * 4]]


@pytest.mark.parametrize(
    ("size", "factor", "remedy"),
    [((48, 32), 5, "choose one of 1, 2, 4"), ((16, 16), 4, "one of 1, 2"), ((48, 32), 0, "one of")],
)
def test_downscale_that_does_not_fit_names_those_that_do(
    size: tuple[int, int], factor: int, remedy: str
) -> None:
    with pytest.raises(SceneError, match=remedy):
        readers.check_downscale("a/scene", *size, factor)


def test_images_below_the_smallest_size_are_refused() -> None:
    with pytest.raises(SceneError, match=r"7×100 are too small.*at least 8×8"):
        readers.check_downscale("a/scene", 7, 100, 1)


@pytest.mark.parametrize(
    ("mode", "channels"), [("RGBA", 4), ("LA", 4), ("P", 4), ("RGB", 3), ("L", 3), ("1", 3)]
)
def test_images_decode_to_rgb_or_rgba(mode: str, channels: int) -> None:
    pixels = np.full((2, 3, 4), 255, np.uint8)
    decoded = readers.decode_image(SOURCE, encode(pixels, mode))
    assert decoded.shape == (2, 3, channels)
    assert (decoded == 255).all()


def test_sixteen_bit_images_are_refused() -> None:
    data = encode(np.zeros((2, 2), np.uint16), "I;16")
    with pytest.raises(SceneError, match="convert it to 8-bit PNG"):
        readers.decode_image(SOURCE, data)


def saved(image: Image.Image, suffix: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


def sixteen_bit_rgb() -> bytes:
    """A PNG of one pixel with three channels of 16 bits, which Pillow cannot write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">HHH", 1000, 2000, 3000))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def profile(name: str) -> bytes:
    """An ICC profile whose description is `name`."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    text = "sRGB built-in".encode("utf-16-be")
    at = bytes(data).index(text)
    data[at : at + len(text)] = name.ljust(13).encode("utf-16-be")
    return bytes(data)


GREY = Image.new("RGB", (4, 3), (90, 90, 90))
TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (saved(GREY.convert("CMYK"), "JPEG"), "has CMYK pixels"),
        (saved(GREY, "JPEG", exif=TURNED), r"shown turned \(orientation 6\)"),
        (saved(GREY, exif=TURNED), r"shown turned \(orientation 6\)"),
        (sixteen_bit_rgb(), "has 16-bit pixels"),
        (saved(GREY.convert("F"), "TIFF"), "has F pixels"),
        (saved(GREY, icc_profile=profile("Adobe RGB")), "has the colour profile 'Adobe RGB'"),
        (saved(GREY, icc_profile=b"none"), "has the colour profile 'unreadable'"),
        (
            saved(GREY, "GIF", save_all=True, append_images=[Image.new("RGB", (4, 3))]),
            "holds 2 frames",
        ),
    ],
    ids=["CMYK", "turned JPEG", "turned PNG", "16 bit", "float", "profile", "broken", "frames"],
)
def test_what_would_be_converted_without_a_word_is_refused(data: bytes, wrong: str) -> None:
    with pytest.raises(SceneError, match=wrong):
        readers.decode_image(SOURCE, data)


def test_an_image_that_says_it_is_srgb_is_read() -> None:
    data = saved(GREY, icc_profile=profile("sRGB"))
    assert (readers.decode_image(SOURCE, data) == 90).all()


IMAGES = [saved(GREY.convert("RGBA")), saved(GREY, "JPEG"), saved(GREY, "WEBP"), saved(GREY, "BMP")]


@given(data=st.data())
@settings(max_examples=300)
def test_a_damaged_image_is_one_error_or_an_image(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(IMAGES)))
    kept = data.draw(st.integers(0, len(content)))
    del content[kept:]
    for _ in range(data.draw(st.integers(0, 3)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SceneError):
        found = readers.decode_image(SOURCE, bytes(content))
        assert found.dtype == np.uint8
        assert found.shape[2] in (3, 4)


def rotated(scale: float = 1.0, mirror: float = 1.0) -> list[list[float]]:
    """A turn of 30° about z, with a position, as JSON would hold it to 6 digits."""
    c, s = 0.866025 * scale, 0.5 * scale
    return [[c, -s, 0, 1], [s, c, 0, 2], [0, 0, scale * mirror, 3], [0, 0, 0, 1]]


def test_pose_with_rounded_numbers_is_accepted() -> None:
    pose = readers.parse_pose(SOURCE, "frame 0", rotated())
    assert pose.shape == (3, 4)
    assert pose[:, 3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("matrix", "wrong"),
    [
        (rotated()[:3], "not a 4×4 matrix"),
        ("identity", "not a 4×4 matrix"),
        ([[1, 2], [3]], "not a 4×4 matrix"),
        ([*rotated()[:3], [0, 0, float("nan"), 1]], "NaN or infinity"),
        ([[float("inf"), 0, 0, 0], *rotated()[1:]], "NaN or infinity"),
        ([*rotated()[:3], [0, 0, 1, 1]], "last row"),
        (rotated(scale=1.01), "not rigid"),
        (rotated(mirror=-1), r"not rigid .*det -1"),
    ],
)
def test_bad_poses_are_refused(matrix: object, wrong: str) -> None:
    with pytest.raises(SceneError, match=wrong) as error:
        readers.parse_pose(SOURCE, "frame 7", matrix)
    assert "frame 7" in str(error.value)
    assert "To fix it" in str(error.value)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b'{"a": 1,\n', "malformed JSON at line 2, column 1"),
        (b"[1]", "a JSON list instead of an object"),
        (b"\xff{}", "not UTF-8 text"),
    ],
)
def test_bad_json_is_refused(data: bytes, wrong: str) -> None:
    with pytest.raises(SceneError, match=wrong):
        readers.parse_json(SOURCE, data)


def test_json_with_a_byte_order_mark_is_read() -> None:
    assert readers.parse_json(SOURCE, b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_unreadable_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="cannot be read"):
        readers.read_bytes(tmp_path)


# Manifests: a scene of two files, as `sha256sum` prints them.

FILES = {"b.png": "22", "a.json": "11"}


def ship(folder: Path, files: dict[str, str] = FILES) -> None:
    text = manifest.to_json("family/name", 8, 4, files)
    manifest.shipped_path(folder, "family/name", 8, 4).write_text(text)


def test_digest_is_that_of_the_sorted_sha256sum_listing() -> None:
    assert manifest.digest(FILES) == hashlib.sha256(b"11  a.json\n22  b.png\n").hexdigest()


def test_shipped_manifest_holds_size_digest_and_files(tmp_path: Path) -> None:
    ship(tmp_path)
    content = json.loads((tmp_path / "family.name.8x4.json").read_text())
    assert (content["width"], content["height"], content["files"]) == (8, 4, FILES)
    assert content["sha256"] == manifest.digest(FILES)


def test_only_a_scene_of_the_shipped_size_is_verified(tmp_path: Path) -> None:
    ship(tmp_path)
    assert manifest.verify(tmp_path, "family/name", 8, 4, FILES, tmp_path) is True
    assert manifest.verify(tmp_path, "family/name", 16, 8, FILES, tmp_path) is False
    assert manifest.verify(tmp_path, "family/other", 8, 4, FILES, tmp_path) is False


@pytest.mark.parametrize(
    ("files", "difference"),
    [
        ({"a.json": "11"}, r"b\.png: the published scene lists this file"),
        ({**FILES, "aa.png": "33"}, r"aa\.png: this file is not part of"),
        ({"a.json": "99", "b.png": "99"}, r"a\.json: differs from the published .*99….*11…"),
    ],
    ids=["missing", "extra", "first of two changed"],
)
def test_first_difference_is_named(tmp_path: Path, files: dict[str, str], difference: str) -> None:
    ship(tmp_path)
    with pytest.raises(SceneError, match=difference) as error:
        manifest.verify(tmp_path, "family/name", 8, 4, files, tmp_path / "scene")
    assert "rename its folder" in str(error.value)


def test_views_digest_sees_every_pixel_pose_and_lens() -> None:
    pose = np.eye(4, dtype=np.float32)[None, :3]

    def digest(pixel: int = 0, x: float = 0.0, focal: float = 1.0) -> str:
        images, poses = np.zeros((1, 2, 2, 3), np.uint8), pose.copy()
        images[0, 1, 1, 2], poses[0, 0, 3] = pixel, x
        camera = Intrinsics(2, 2, focal, focal, 1, 1)
        return manifest.views_digest(Views(images, poses, camera, ("a",)))

    assert digest() == digest()
    assert len({digest(), digest(pixel=1), digest(x=1e-6), digest(focal=2.0)}) == 4
