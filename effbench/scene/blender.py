"""Posed renders as Blender's exporter for NeRF writes them: `transforms_<split>.json` and images.

Read by the families of NeRF-synthetic and of D-NeRF, whose frames have a time besides.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from effbench.scene import manifest
from effbench.scene.contract import Intrinsics, Views
from effbench.scene.lazy import Lazy
from effbench.scene.readers import (
    box_downscale,
    check_downscale,
    check_sizes,
    decode_image,
    fail,
    first_file,
    parse_json,
    parse_pose,
    read_bytes,
    require,
)
from effbench.scene.visual_hull import Silhouettes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

NEAR, FAR = 2.0, 6.0
BOX = 1.5  # half side, world units: holds all eight standard scenes; alpha tells a smaller box
_SUFFIXES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG", ".webp", ".bmp")
_LEAST_ANGLE = 1e-3  # radians: a thousand image sides of focal length
_DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


@dataclass(frozen=True)
class BlenderConfig:
    """How a scene is read. `size` asks for the same pixels of a scene and of a smaller copy."""

    downscale: int = 1  # integer factor on both sides; must divide them
    size: int = 0  # width in pixels to come down to, in place of downscale; 0: as downscale says
    box: Literal["hull", "fixed"] = "hull"  # what the training images show, or ±1.5 on each axis
    split: Literal["test", "val"] = "test"  # what is evaluated; val is for tuning


@dataclass(frozen=True)
class Split:
    """One parsed transforms file.

    angle: horizontal field of view in radians; images: V paths relative to the scene's folder;
    poses: float32 [V, 3, 4]; times: what each frame says of its time, None where it says nothing.
    """

    angle: float
    images: tuple[str, ...]
    poses: NDArray[np.float32]
    times: tuple[Any, ...]


class BlenderFolder:
    """Reads one scene's files once each, hashing what it reads.

    files: SHA-256 by path relative to `folder`; shape: (H, W, C) of the original images, known
    after the first and required of all others; downscale: known then too; silhouettes: of the
    training views at their original size, None for images without alpha.
    """

    def __init__(self, folder: Path, config: BlenderConfig) -> None:
        self.folder = folder
        self.config = config
        self.downscale = config.downscale
        self.files: dict[str, str] = {}
        self.shape: tuple[int, ...] = ()
        self.silhouettes: Silhouettes | None = None

    def views(self, split: str) -> Views:
        """Read and check a split: "train", "val" or "test"."""
        parsed = self.transforms(split)
        images, masks = self._images(parsed.images, split == "train")
        if masks is not None:
            camera = _camera(masks.shape[2], masks.shape[1], parsed.angle)
            self.silhouettes = Silhouettes(masks, parsed.poses, camera)
        camera = _camera(images.shape[2], images.shape[1], parsed.angle)
        return Views(images, parsed.poses, camera, parsed.images)

    def hash_files(self, split: str) -> None:
        """Hash a split's files without decoding them."""
        names = self.transforms(split).images
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = pool.map(lambda name: manifest.sha256(read_bytes(self.folder / name)), names)
            self.files.update(zip(names, read, strict=True))

    def check_apart(self, train: Views, test: Views, split: str) -> None:
        """Raise SceneError for a test view that is a training view: the same file, or one from the
        same place. Equal images alone are no fault: there may be nothing to see in them."""
        places, others = (views.poses.round(5) + 0.0 for views in (train, test))  # −0 is 0
        by_pose = {pose.tobytes(): name for pose, name in zip(places, train.names, strict=True)}
        for name, pose in zip(test.names, others, strict=True):
            twin = name if name in train.names else by_pose.get(pose.tobytes())
            if twin is not None:
                wrong = f"the {split} view {name} has the pose or the file of training view {twin}"
                remedy = "leave one of them out of its split, or download the scene again"
                raise fail(self.folder / f"transforms_{split}.json", wrong, remedy)

    def transforms(self, split: str) -> Split:
        """Return what a split's transforms file says. Raises SceneError."""
        name = f"transforms_{split}.json"
        path = self.folder / name
        if not path.exists():
            remedy = "a scene needs transforms_train.json and transforms_test.json: export both"
            if split == "val":
                remedy = "evaluate its test split, with --split test"
            raise fail(path, f"the scene has no {split} split", remedy)
        data = read_bytes(path)
        self.files[name] = manifest.sha256(data)
        return _parse_split(path, parse_json(path, data))

    def _images(
        self, names: tuple[str, ...], masked: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Return the downscaled images, uint8 [V, h, w, C], decoded on all cores, and if wanted
        which of the original pixels are not empty, bool [V, H, W]; None for images without alpha.
        """
        size = (self.shape[1], self.shape[0]) if self.shape else None
        check_sizes((self.folder / name for name in names), size)
        if not self.shape:
            self.shape = self._decode(names[0])[0].shape
            self.downscale = self._factor(*self.shape[1::-1])
        height, width, channels = self.shape
        small = (height // self.downscale, width // self.downscale)
        images = np.empty((len(names), *small, channels), np.uint8)
        masked = masked and channels == 4 and self.config.box == "hull"
        masks = np.empty((len(names), height, width), np.bool_) if masked else None
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
            for index, (image, sha256) in enumerate(pool.map(self._load, names)):
                images[index] = box_downscale(image, self.downscale)
                if masks is not None:
                    masks[index] = image[..., 3] > 0
                self.files[names[index]] = sha256
        return images, masks

    def _factor(self, width: int, height: int) -> int:
        """Return by how much images of a size are reduced. Raises SceneError."""
        factor, size = self.config.downscale, self.config.size
        if size:
            if factor != 1:
                wrong = f"size={size} and downscale={factor} both say how large images are"
                raise fail(self.folder, wrong, "leave one of them out")
            if size < 0 or width % size:
                fits = [
                    width // k for k in range(1, width + 1) if width % k == 0 and width >= 8 * k
                ]
                wrong = f"size={size} does not divide the images' {width} pixels"
                raise fail(self.folder, wrong, f"choose one of {', '.join(map(str, fits))}")
            factor = width // size
        check_downscale(self.folder, width, height, factor)
        return factor

    def _load(self, name: str) -> tuple[NDArray[np.uint8], str]:
        image, sha256 = self._decode(name)
        if image.shape != self.shape:
            wrong = f"is {_size(image.shape)}, the scene's first image is {_size(self.shape)}"
            raise fail(self.folder / name, wrong, "render all views at one size and in one mode")
        return image, sha256

    def _decode(self, name: str) -> tuple[NDArray[np.uint8], str]:
        path = self.folder / name
        data = read_bytes(path)
        return decode_image(path, data), manifest.sha256(data)


def _camera(width: int, height: int, angle: float) -> Intrinsics:
    """Return the camera of a horizontal field of view in radians."""
    focal = 0.5 * width / math.tan(0.5 * angle)
    return Intrinsics(width, height, focal, focal, width / 2, height / 2)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]} {'RGBA' if shape[2] == 4 else 'RGB'}"


def _parse_split(path: Path, content: dict[str, Any]) -> Split:
    """Check the content of a transforms file. Raises SceneError."""
    angle = require(path, "", content, "camera_angle_x")
    if isinstance(angle, bool) or not (
        isinstance(angle, float | int) and _LEAST_ANGLE < angle < math.pi
    ):
        wrong = f"camera_angle_x is {angle}, not an angle in radians between 0 and π"
        raise fail(path, wrong, "write the horizontal field of view there")
    _check_lens(path, content)
    frames = require(path, "", content, "frames")
    if not (isinstance(frames, list) and frames):
        raise fail(path, "'frames' lists no views", "export the scene with at least one view")
    names, poses = zip(*_parse_frames(path, frames), strict=True)
    times = tuple(frame.get("time") for frame in frames)
    return Split(float(angle), names, np.stack(poses).astype(np.float32), times)


def _parse_frames(path: Path, frames: list[Any]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for index, frame in enumerate(frames):
        image = require(path, f"frame {index}", frame, "file_path")
        if not (isinstance(image, str) and PurePosixPath(image.replace("\\", "/")).name):
            wrong = f"file_path of frame {index} is {image!r}, not a path"
            raise fail(path, wrong, "write the image's path below the scene's folder there")
        matrix = require(path, f"frame {index}", frame, "transform_matrix")
        # drops the leading ./ that Blender's exporter writes; on Windows it writes backslashes
        name = str(PurePosixPath(image.replace("\\", "/")))
        pose = parse_pose(path, f"the pose of frame {index} ({name})", matrix)
        yield _with_suffix(path.parent, name), pose


def _with_suffix(folder: Path, name: str) -> str:
    """Return an image's name with the suffix of the file that is there; .png, where none is."""
    if PurePosixPath(name).suffix in _SUFFIXES:
        return name
    endings = ("", *_SUFFIXES)
    there = first_file(folder / f"{name}{suffix}" for suffix in endings)
    return f"{name}.png" if there is None else there.relative_to(folder).as_posix()


def notes(names: Sequence[str]) -> tuple[str, ...]:
    """Return a note on images in another format than the published scenes'."""
    others = Counter(PurePosixPath(name).suffix for name in names)
    del others[".png"]
    return tuple(f"{count} images are {suffix} files" for suffix, count in sorted(others.items()))


def _is_half(value: Any, side: Any) -> bool:
    """Whether `value` is the middle of an image's side; not so where either is no number."""
    numbers = all(isinstance(x, float | int) and not isinstance(x, bool) for x in (value, side))
    return numbers and abs(2 * value - side) <= 1e-3 * abs(side)


def _check_lens(path: Path, content: dict[str, Any]) -> None:
    """Raise SceneError for a lens that this format's camera is not: distortion, an off-centre axis.
    A pinhole by another name, zeros and halves, is no matter."""
    given = [f"{k}={content[k]}" for k in _DISTORTION if content.get(k) not in (None, 0)]
    for axis, side in (("cx", "w"), ("cy", "h")):
        if axis in content and not _is_half(content[axis], content.get(side)):
            given.append(f"{axis}={content[axis]}")
    if given:
        wrong = f"describes a lens that is not read ({', '.join(given)})"
        raise fail(path, wrong, "undistort and centre the images, and remove these keys")
