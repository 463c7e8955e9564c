"""One input of the fuzzer, in a process whose memory is bounded: how it ends."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from effbench.errors import SceneError
from effbench.planning.registry import Registry, discover
from effbench.scene import Scene, Views
from effbench.scene.cameras import check_sight
from tests.fuzz import mutations
from tests.fuzz.scenes import READERS

SCENE, REFUSED = "scene", "refused"  # all other ends are findings
MEMORY = 1 << 30  # bytes that reading a small scene may take, besides what the process has
_RIGID = 2e-3  # of R Rᵀ against I; readers allow 1e-3 in double precision

Outcome = tuple[str, str]  # how it ended, and the message or traceback


def reader(index: int) -> str:
    """Return which reader an input is for: each in its turn."""
    return list(READERS)[index % len(READERS)]


def serve(connection: Connection, seed: int, root: Path) -> None:
    """Answer numbers of inputs, which are laid out below `root`, with their outcomes, until None
    comes."""
    warnings.simplefilter("ignore")
    os.cpu_count = lambda: 2  # the stack of a thread counts as memory
    registry = discover([])
    for index in range(len(READERS)):  # imports what readers import
        attempt(registry, dict(READERS[reader(index)]()), reader(index), root)
    _bound_memory()
    connection.send(None)
    while (index := connection.recv()) is not None:
        files = mutations.made(reader(index), seed, index)
        connection.send(attempt(registry, files, reader(index), root))


def _bound_memory() -> None:
    """Let this process have so much address space more, then MemoryError."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def attempt(registry: Registry, files: mutations.Files, kind: str, root: Path) -> Outcome:
    """Lay files out below `root`, load them as a scene, and return how that ends."""
    family, name = next(iter(READERS[kind]())).split("/")[:2]
    folder = tempfile.mkdtemp(dir=root)
    try:
        mutations.lay(files, Path(folder))
        source = registry.source(family)
        loaded = _ended(lambda: _load(source, name, Path(folder)))
        if loaded[0] not in (SCENE, REFUSED):
            return loaded
        hashed = _ended(lambda: source.manifest(name, Path(folder), source.Config()))
        if hashed[0] not in (SCENE, REFUSED):
            return hashed
        if loaded[0] == SCENE and hashed != loaded:
            return "another manifest", f"{loaded[1]} of load, {hashed[1]} of manifest"
        return loaded
    finally:
        shutil.rmtree(os.fsencode(folder), ignore_errors=True)


def _ended(read: Any) -> Outcome:
    try:
        return SCENE, read()
    except SceneError as error:
        try:
            str(error).encode()
        except UnicodeEncodeError:
            return "unprintable", ascii(str(error))
        return REFUSED, str(error)
    except Exception as error:
        return type(error).__name__, traceback.format_exc(limit=-4)


def _load(source: Any, name: str, root: Path) -> str:
    """Return the manifest of a scene, once it is known to be a valid one."""
    scene: Scene = source.load(name, root, source.Config())
    check_sight(scene)
    for views in (scene.train, scene.test):
        _check_views(views)
    low, high = scene.box
    assert np.isfinite(scene.box).all(), "box"
    assert (low < high).all(), "box"
    assert 0 < scene.near < scene.far < np.inf, f"near {scene.near}, far {scene.far}"
    "\n".join([scene.name, *scene.notes]).encode()
    return scene.manifest


def _check_views(views: Views) -> None:
    rotations = views.poses[:, :, :3].astype(np.float64)
    assert np.isfinite(views.poses).all(), "poses"
    assert np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() < _RIGID, "rotations"
    numbers = np.array([(c.fx, c.fy, c.cx, c.cy) for c in views.cameras], np.float32)
    assert np.isfinite(numbers).all(), "intrinsics"
    assert (numbers[:, :2] > 0).all(), "focal lengths"
    for place, camera in enumerate(views.cameras):
        image = views.image(place)
        assert image.dtype == np.uint8
        assert image.shape[:2] == (camera.height, camera.width), "sizes"
    "\n".join(views.names).encode()
