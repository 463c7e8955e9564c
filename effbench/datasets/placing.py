"""A scene appears whole or not at all: made in a folder beside its place, then renamed into it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from effbench.datasets import sizes
from effbench.errors import SceneError
from effbench.scene.readers import fail

_BEFORE = "before"


def is_there(root: Path, scene: str) -> bool:
    """Whether something has the place of `family/name`, if only a link to nowhere."""
    place = root / scene
    return place.exists() or place.is_symlink()


@contextmanager
def staging(root: Path, scene: str) -> Iterator[Path]:
    """Yield a fresh root of scenes on the disk where `family/name` will be, removed at the end.

    It lies in the family's folder under a name that no family takes for a scene's. Raises
    SceneError where it cannot be made.
    """
    family, _, name = scene.partition("/")
    try:
        (root / family).mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root / family))
    except OSError as error:
        raise sizes.full(root / family, error) from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def put(stage: Path, root: Path, scene: str, *, force: bool) -> None:
    """Move a scene from a staging root to its place; an earlier one is removed only then.

    force: replace what is there. Raises SceneError, with what was there in its place.
    """
    place, before = root / scene, stage / _BEFORE
    if is_there(root, scene):
        if not force:
            raise taken(root, scene)
        place.rename(before)
    try:
        (stage / scene).rename(place)
    except OSError as error:
        with suppress(OSError):
            before.rename(place)
        raise sizes.full(place, error) from error


def taken(root: Path, scene: str) -> SceneError:
    """Return the error of a name that is taken."""
    return fail(root / scene, "is there already", "choose another name, or pass --force")
