"""What a file or folder of the user's is: a scene in a known layout, photographs, a video."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from effbench.errors import ConfigError, SceneError
from effbench.files import slug
from effbench.scene import poses_bounds, transforms
from effbench.scene.captures import SUFFIXES
from effbench.scene.readers import fail

_VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mts")
_UNREAD = (".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".tif", ".tiff", ".webp")
_FEW = 8  # photographs: with fewer no view can be held out for testing


@dataclass(frozen=True)
class Layout:
    """How the scenes of a family lie on disk. sign: what tells one, in words; parts: patterns of
    what belongs to it at the top of its folder."""

    family: str
    sign: str
    parts: tuple[str, ...]
    is_of: Callable[[Path], bool]


def _has_model(folder: Path) -> bool:
    sparse = folder / "sparse"
    places = [sparse, *sparse.glob("*")] if sparse.is_dir() else []
    return any((place / f"cameras{end}").is_file() for place in places for end in (".bin", ".txt"))


def _is_blender(folder: Path) -> bool:
    return all((folder / f"transforms_{split}.json").is_file() for split in ("train", "test"))


# The first one that a folder has is what it is: COLMAP's model has points, which others have not.
LAYOUTS = (
    Layout("nerf_synthetic", "transforms_train.json and transforms_test.json", ("*",), _is_blender),
    Layout("colmap", "COLMAP's model in sparse", ("images*", "sparse"), _has_model),
    Layout("ngp", transforms.FILE, ("*",), lambda folder: (folder / transforms.FILE).is_file()),
    Layout(
        "llff",
        poses_bounds.FILE,
        ("images*", poses_bounds.FILE),
        lambda folder: (folder / poses_bounds.FILE).is_file(),
    ),
)


def recognise(folder: Path) -> list[Layout]:
    """Return the layouts that a folder has, the preferred one first."""
    return [layout for layout in LAYOUTS if layout.is_of(folder)]


def chosen(folder: Path, family: str | None) -> Layout | None:
    """Return the layout of a folder, of a family if one is asked for; None for photographs alone.

    Raises ConfigError or SceneError for what is neither, with what to do about it.
    """
    if not folder.is_dir():
        raise _no_folder(folder)
    there = recognise(folder)
    if family:
        own = [layout for layout in there if layout.family == family]
        if not own and not (family == "colmap" and photographs(folder)):
            signs = {layout.family: layout.sign for layout in LAYOUTS}
            raise fail(folder, f"has no {signs[family]}", "leave --family out, or export it")
        return own[0] if own else None
    if there:
        return there[0]
    if len(photographs(folder)) >= _FEW:
        return None
    raise _unknown(folder)


def photographs(folder: Path) -> list[Path]:
    """Return the photographs that lie in a folder, or in its folder `images`, sorted."""
    for place in (folder, folder / "images"):
        if place.is_dir() and (found := [p for p in place.iterdir() if p.suffix in SUFFIXES]):
            return sorted(found)
    return []


def _no_folder(path: Path) -> SceneError | ConfigError:
    if not path.exists():
        return fail(path, "there is no such file or folder", "correct the path")
    if path.suffix.lower() not in _VIDEOS:
        remedy = "name the folder of a scene, of photographs, or a video"
        return fail(path, "is neither a folder nor a video", remedy)
    frames = path.with_name(f"{path.stem}-frames")
    video, folder = shlex.quote(str(path)), shlex.quote(str(frames))
    return ConfigError(
        f"{path} is a video, and a scene is made of its frames. Two for each second:\n"
        f"  mkdir {folder}\n"
        f"  ffmpeg -i {video} -vf fps=2 -q:v 2 {folder}/%04d.jpg\n"
        f"  effbench scenes import {folder} --name {slug(path.stem)}"
    )


def _unknown(folder: Path) -> SceneError:
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and recognise(path)]
    if below:
        inner = shlex.quote(str(below[0]))
        return fail(folder, "holds no scene, but its folders do", f"name one: {inner}")
    endings = {path.suffix.lower() for path in folder.iterdir()}
    if unread := sorted(endings & set(_UNREAD)):
        wrong = f"holds images that are not read ({', '.join(unread)})"
        return fail(folder, wrong, "convert them to JPEG or PNG")
    if count := len(photographs(folder)):
        return fail(folder, f"holds {count} photographs", f"take more: at least {_FEW}")
    signs = "; ".join(f"{layout.sign} ({layout.family})" for layout in LAYOUTS)
    wrong = f"holds no scene: none of {signs}, and no photographs"
    return fail(folder, wrong, "name the folder in which these are")
