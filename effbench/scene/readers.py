"""What scene plug-ins share: reading files with errors a user can act on, checks, downscaling.

Every function names the file at fault, what is wrong with it and what to do (SceneError).
"""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from effbench.errors import SceneError
from effbench.scene.contract import SceneEntry
from effbench.scene.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
else:
    np = Lazy("numpy")

SET_ROOT = "set EFFBENCH_SCENES or pass --scenes-root"
_T = TypeVar("_T")

MOST_BYTES = 1 << 29  # of a file: longer is a damaged one, or a wrong one
MOST_DISTANCE = 1e9  # of a camera, so that squares fit into single precision
MIN_SIDE = 8  # pixels; smaller views say nothing about a method
MAX_FACTOR = 128  # 2 · 255 · 255 · factor², the largest sum when downscaling, fits into 32 bits
_ORIENTATION = 0x0112  # EXIF's tag; 1: as it is
_MOST_PIXELS = 1 << 26  # of an image: more is a file that is made to fill the memory
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # others may start programs, or are rare
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "YCbCr")  # become RGB without loss
_RIGID_TOLERANCE = 1e-3  # of R Rᵀ against I: JSON with 4 decimals stays below, a 1 % scale does not


def fail(source: Path | str, wrong: str, remedy: str) -> SceneError:
    """Return the error of a scene's file: where, what is wrong, what to do."""
    text = f"{source}: {wrong}. To fix it, {remedy}"
    return SceneError(
        text.encode("utf-8", "backslashreplace").decode()
    )  # names may be of any bytes


def scene_folder(root: Path | None, family: str, name: str, found: Sequence[str]) -> Path:
    """Return the folder of `family/name` below the user's scenes. Raises SceneError where there is
    none; found: the names of those that are there."""
    if root is None:
        raise fail(f"{family}/{name}", "no folder of scenes is known", SET_ROOT)
    folder = root / family / name
    if not folder.is_dir():
        wrong = f"there is no such folder (scenes beside it: {', '.join(found) or 'none'})"
        raise fail(folder, wrong, f"put the scene there, or {SET_ROOT}")
    return folder


def scene_entries(
    root: Path | None, family: str, found: Mapping[str, str], standard: Mapping[str, str]
) -> list[SceneEntry]:
    """Return the scenes that were found, then the standard ones that were not, with the reason.

    found, standard: name to description.
    """
    reason = f"not found below {root / family}: {SET_ROOT}" if root else SET_ROOT
    missing = {name: text for name, text in standard.items() if name not in found}
    return [
        *(SceneEntry(name, text) for name, text in found.items()),
        *(SceneEntry(name, text, False, reason) for name, text in missing.items()),
    ]


def first_file(candidates: Iterable[Path]) -> Path | None:
    """Return the first path that is a file. None is where a name is longer than the system has."""
    return next((path for path in candidates if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return a file's content. Raises SceneError when it is missing, cannot be read, is longer than
    `most` bytes, or is none: a pipe may never end, nor a device."""
    return _of_file(path, most, path.read_bytes)


def _of_file(path: Path, most: int, read: Callable[[], _T]) -> _T:
    """Return what `read` reads of a file. Raises SceneError as `read_bytes` does."""
    try:
        about = path.stat()
        if stat.S_ISREG(about.st_mode) and about.st_size <= most:
            return read()
    except FileNotFoundError:
        raise fail(path, "the file is missing", "download or copy the scene again") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise fail(path, f"the file cannot be read ({reason})", "check its permissions") from error
    if not stat.S_ISREG(about.st_mode):
        raise fail(path, "cannot be read (it is no file)", "put the scene's file there")
    wrong = f"is {about.st_size} bytes long, more than the {most} of such a file"
    raise fail(path, wrong, "check that it is the right file")


def parse_json(path: Path, data: bytes) -> dict[str, Any]:
    """Return the JSON object in `data`, which came from `path`. Raises SceneError."""
    remedy = "download or export the file again"
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise fail(path, f"not UTF-8 text (byte {error.start})", remedy) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise fail(path, f"malformed JSON at {where} ({error.msg})", remedy) from error
    except RecursionError:
        raise fail(path, "malformed JSON (nested too deeply)", remedy) from None
    except ValueError as error:  # a number of thousands of digits
        raise fail(path, f"malformed JSON ({error})", remedy) from error
    if not isinstance(value, dict):
        raise fail(path, f"holds a JSON {type(value).__name__} instead of an object", remedy)
    return value


def require(path: Path, where: str, values: Any, key: str) -> Any:
    """Return `values[key]`, where `where` says which part of the file `values` is ("" = top)."""
    place = f"{where} " if where else ""
    if not isinstance(values, dict):
        raise fail(path, f"{where} is not a JSON object", "export the scene again")
    if key not in values:
        raise fail(path, f"{place}has no key '{key}'", f"add '{key}' or export the scene again")
    return values[key]


def image_size(path: Path) -> tuple[int, int]:
    """Return an image's width and height, of which its header alone is read. Raises SceneError."""
    from PIL import Image

    try:
        with (
            _of_file(path, MOST_BYTES, lambda: path.open("rb")) as stream,
            Image.open(stream, formats=_FORMATS) as image,
        ):
            return image.size
    except SceneError:
        raise
    except Exception as error:  # Pillow's decoders raise many types on a corrupt file
        raise _undecodable(path, error) from error


def check_sizes(paths: Iterable[Path], size: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return the width and height that all images have, by their headers: `size`, where it is
    given. So nothing is allocated for, or by, the one that says it is huge. Raises SceneError."""
    for path in paths:
        found = image_size(path)
        size = size or found
        if found != size:
            wrong = f"is {found[0]}×{found[1]}, the scene's first image is {size[0]}×{size[1]}"
            raise fail(path, wrong, "use images of one size")
    assert size, "no images"
    return size


def decode_image(path: Path, data: bytes) -> NDArray[np.uint8]:
    """Return the image in `data`, which came from `path`, as uint8 [H, W, C]; C = 3, or 4 (straight
    alpha) where the file has transparency.

    Raises SceneError for anything else than 8 bits, and for what would have to be converted without
    a word: pixels that are to be shown turned, other colours than sRGB, several frames.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                many = f"has {image.width}×{image.height} pixels, more than {_MOST_PIXELS:,}"
                raise fail(path, many, "export it smaller")
            converted = _silent_conversion(image)
            wanted = "RGBA" if image.has_transparency_data else "RGB"
            # decoded before it is refused: a truncated file is that, whatever it was
            pixels = np.asarray(image if image.mode == wanted else image.convert(wanted))
    except (SceneError, MemoryError):  # the latter says nothing about the file
        raise
    except Exception as error:  # Pillow's decoders raise many types on a corrupt file
        raise _undecodable(path, error) from error
    if converted:
        raise fail(path, *converted)
    return pixels


def _undecodable(path: Path, error: Exception) -> SceneError:
    wrong = f"truncated or not an image ({error})"
    return fail(path, wrong, "download or export the image again")


def _silent_conversion(image: Image.Image) -> tuple[str, str] | None:
    """Return what would be lost in an image without a word, and the remedy; None for nothing."""
    # Pillow reads colours of 16 bits as their upper 8; the raw mode tells, until it has decoded
    deep = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    turned = image.getexif().get(_ORIENTATION, 1)
    if turned not in (0, 1):
        return (
            f"its EXIF data says that it is to be shown turned (orientation {turned})",
            "turn its pixels and remove the tag, so that they fit the pose",
        )
    if image.mode == "CMYK":
        return "has CMYK pixels, whose colours depend on a printer", "convert it to sRGB"
    if deep or image.mode not in _MODES:
        name = "16-bit" if deep else image.mode
        return f"has {name} pixels, not 8 bits per channel", "convert it to 8-bit PNG"
    if (frames := getattr(image, "n_frames", 1)) > 1:
        return f"holds {frames} frames, of which a view is one", "export each by itself"
    if profile := _foreign_profile(image):
        return f"has the colour profile '{profile}', not sRGB", "convert its colours to sRGB"
    return None


def _foreign_profile(image: Image.Image) -> str:
    """Return the name of an image's ICC profile, if it has one that is not sRGB; else ""."""
    data = image.info.get("icc_profile")
    if not data:
        return ""
    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data))).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        name = "unreadable"
    return "" if "srgb" in name.lower().replace(" ", "") else name


def parse_pose(source: Path, where: str, matrix: Any) -> NDArray[np.float64]:
    """Return a camera-to-world matrix as float64 [3, 4].

    matrix: 4×4 nested numbers; its rotation must be orthonormal with determinant +1 and its last
    row 0 0 0 1. `where` names it in the file. Raises SceneError.
    """
    try:
        pose = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pose = np.empty(0)
    if pose.shape != (4, 4):
        raise fail(source, f"{where} is not a 4×4 matrix of numbers", "export the poses again")
    if not np.isfinite(pose).all():
        remedy = "remove the frame or estimate its pose again"
        raise fail(source, f"{where} holds NaN or infinity", remedy)
    if not np.allclose(pose[3], (0, 0, 0, 1), atol=1e-6):
        raise fail(source, f"{where} has last row {pose[3]}, not 0 0 0 1", "export the poses again")
    if np.abs(pose[:3, 3]).max() > MOST_DISTANCE:
        wrong = f"{where} is more than {MOST_DISTANCE:g} away from the origin"
        raise fail(source, wrong, "use smaller units, or an origin near the scene")
    rotation = pose[:3, :3]
    off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if off > _RIGID_TOLERANCE or np.linalg.det(rotation) < 0:
        wrong = f"{where} is not rigid (|R Rᵀ − I| = {off:.2g}, det {np.linalg.det(rotation):.3g})"
        raise fail(source, wrong, "remove scale, shear or mirroring from the camera and export it")
    return pose[:3]


def check_downscale(source: Path | str, width: int, height: int, factor: int) -> None:
    """Refuse a factor that would drop pixels (not a divisor of both sides) or leave an image
    smaller than `MIN_SIDE`: every pixel of the original counts, so that results can be compared.
    """
    largest = min(width // MIN_SIDE, height // MIN_SIDE, MAX_FACTOR)
    fits = [k for k in range(1, largest + 1) if width % k == 0 and height % k == 0]
    if not fits:
        wrong = f"images of {width}×{height} are too small"
        raise fail(source, wrong, f"use images of at least {MIN_SIDE}×{MIN_SIDE} pixels")
    if factor not in fits:
        wrong = f"downscale {factor} does not fit images of {width}×{height}"
        raise fail(source, wrong, f"choose one of {', '.join(map(str, fits))}")


def box_downscale(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average blocks of factor×factor pixels of a uint8 [H, W, 3 or 4] image, rounding half up.

    Colours are weighted by alpha, so that the colour behind transparent pixels does not bleed in
    and compositing commutes with downscaling. Both sides must be multiples of `factor`.
    """
    if factor == 1:
        return image
    if image.shape[-1] == 3:
        return _divide(_block_sums(image, factor), factor**2)
    alpha = image[..., 3:]
    weight = _block_sums(alpha, factor)
    colour = _block_sums(image[..., :3].astype(np.uint32) * alpha, factor)
    mean = _divide(colour, np.maximum(weight, 1))
    return np.concatenate([mean, _divide(weight, factor**2)], axis=-1)


def _block_sums(values: NDArray[Any], factor: int) -> NDArray[np.uint32]:
    """Sum blocks of factor×factor pixels of [H, W, C]: rows first, their memory is contiguous."""
    height, width, channels = values.shape
    rows = values.reshape(height // factor, factor, width * channels).sum(1, dtype=np.uint32)
    columns = rows.reshape(height // factor, width // factor, factor, channels)
    sums: NDArray[np.uint32] = np.einsum("hwkc->hwc", columns)  # 10 times faster than .sum(2)
    return sums


def _divide(total: NDArray[np.uint32], count: NDArray[np.uint32] | int) -> NDArray[np.uint8]:
    """Divide whole numbers, rounding half up."""
    return ((2 * total + count) // (2 * count)).astype(np.uint8)
