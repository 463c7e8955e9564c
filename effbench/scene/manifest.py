"""SHA-256 manifests: proof that a scene is, byte for byte, the one that published figures used.

A manifest maps each file of both splits (path relative to the scene's folder) to its SHA-256.
Those shipped lie beside the plug-ins as `manifests/<family>.<name>.<width>x<height>.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.errors import SceneError
from effbench.scene.contract import Intrinsics, Views
from effbench.scene.lazy import Lazy
from effbench.scene.readers import fail

if TYPE_CHECKING:
    import numpy as np
else:
    np = Lazy("numpy")

Files = Mapping[str, str]  # relative path -> SHA-256 in hexadecimal


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest(files: Files) -> str:
    """Return one SHA-256 for a whole manifest: that of its `sha256sum` listing, sorted by path.

    Raises SceneError for a name that is not UTF-8.
    """
    listing = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    try:
        return sha256(listing.encode())
    except UnicodeEncodeError:
        name = next(path for path in sorted(files) if not _is_text(path))
        raise fail(name, "the file's name is not UTF-8", "rename it") from None


def _is_text(name: str) -> bool:
    return name.encode("utf-8", "replace").decode() == name


def views_digest(*splits: Views) -> str:
    """Return the SHA-256 of the splits' pixels, poses, intrinsics and times, for scenes made by
    code."""
    total = hashlib.sha256()
    for views in splits:
        shared = isinstance(views.camera, Intrinsics)
        cameras = views.cameras[:1] if shared else views.cameras
        lenses = [value for c in cameras for value in (c.fx, c.fy, c.cx, c.cy)]
        sizes = () if shared else views.sizes
        total.update(repr((views.images.shape, *lenses, *sizes)).encode())
        total.update(np.ascontiguousarray(views.images).tobytes())
        total.update(np.ascontiguousarray(views.poses).astype("<f4").tobytes())
        if views.times is not None:
            total.update(views.times.astype("<f4").tobytes())
    return total.hexdigest()


def shipped_path(folder: Path, scene: str, width: int, height: int) -> Path:
    """Return where the manifest of `family/name` at that image size would lie in `folder`."""
    return folder / f"{scene.replace('/', '.')}.{width}x{height}.json"


def verify(folder: Path, scene: str, width: int, height: int, files: Files, root: Path) -> bool:
    """Compare a scene with its shipped manifest; return False when none is shipped.

    files: what was read below `root`, the scene's folder. Raises SceneError naming the first
    difference: a file that is not part of the published scene, is missing, or differs.
    """
    path = shipped_path(folder, scene, width, height)
    if not path.is_file():
        return False
    expected: dict[str, str] = json.loads(path.read_text())["files"]
    for name in sorted(files.keys() | expected.keys()):
        if files.get(name) != expected.get(name):
            raise _difference(root / name, scene, files.get(name), expected.get(name))
    return True


def matches(folder: Path, scene: str, width: int, height: int, total: str) -> bool:
    """Whether a scene made by code has the hash shipped for it (`views_digest`)."""
    path = shipped_path(folder, scene, width, height)
    return path.is_file() and json.loads(path.read_text())["sha256"] == total


def _difference(path: Path, scene: str, found: str | None, expected: str | None) -> SceneError:
    if found is None:
        wrong = "the published scene lists this file, its transforms here do not"
    elif expected is None:
        wrong = "this file is not part of the published scene"
    else:
        wrong = f"differs from the published file (SHA-256 {found[:12]}…, not {expected[:12]}…)"
    remedy = f"download {scene} again, or rename its folder to use it as a scene of your own"
    return fail(path, wrong, remedy)


def to_json(scene: str, width: int, height: int, files: Files) -> str:
    """Return the text of a manifest to ship, for a scene that consists of files."""
    content = {"scene": scene, "width": width, "height": height, "sha256": digest(files)}
    return json.dumps({**content, "files": dict(files)}, indent=1) + "\n"
