"""A scene of the user's own, put among the scenes: recognised, copied or linked, loaded, placed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.datasets import checksums, copying, layouts, photographs, placing, sizes
from effbench.datasets.facts import Facts, facts
from effbench.datasets.progress import Progress
from effbench.errors import ConfigError
from effbench.scene import SceneRef
from effbench.scene.cameras import check_sight
from effbench.scene.captures import SUFFIXES
from effbench.scene.image_folders import image_folder
from effbench.scene.readers import MAX_FACTOR, MIN_SIDE, fail, image_size

if TYPE_CHECKING:
    from effbench.planning.registry import Registry

MOST_BYTES = 1 << 30  # of pixels that are loaded to see whether a scene can be
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Wanted:
    """What to import. name: of the scene; family: in place of the one that is recognised; link: to
    the folder, in place of a copy; force: replace a scene of that name; matcher: of photographs."""

    source: Path
    name: str
    family: str | None = None
    link: bool = False
    force: bool = False
    matcher: photographs.Matcher = "auto"


def import_scene(wanted: Wanted, root: Path, registry: Registry, progress: Progress) -> Facts:
    """Put a scene in its place, once it can be loaded; return what it is.

    Large images are loaded reduced: the parameters in what is returned say by how much. Raises
    ConfigError or SceneError; nothing has then changed below the root.
    """
    layout = layouts.chosen(wanted.source, wanted.family)
    _check_name(wanted.name)
    family = layout.family if layout else "colmap"
    scene = f"{family}/{wanted.name}"
    _check_place(root, scene, wanted)
    _tell(wanted.source, layout, progress)
    with placing.staging(root, scene) as stage:
        place = stage / scene
        place.parent.mkdir()
        if layout is None:
            photographs.reconstruct(
                wanted.source, place, progress, matcher=wanted.matcher, link=wanted.link
            )
        elif wanted.link:
            _link(wanted.source, place)
        else:
            copying.copy(wanted.source, layout.parts, place, partial(progress.step, scene))
        factor = _factor(_sizes(place, family))
        ref = SceneRef(scene, {"downscale": factor} if factor > 1 else {})
        progress.say(f"loading {scene}")
        loaded = registry.load_scene(ref, str(stage))
        check_sight(loaded)
        placing.put(stage, root, scene, force=wanted.force)
    checksums.note_scene(root, scene, loaded.manifest)
    return facts(loaded, ref, root)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name!r}: write letters, digits, - _ and . (at most 64), not beginning with . "
            "or -"
        )


def _check_place(root: Path, scene: str, wanted: Wanted) -> None:
    """Raise SceneError for a place that is taken, or out of which the scene itself would come."""
    place = root / scene
    if not placing.is_there(root, scene):
        return
    source = wanted.source.resolve()
    if not place.is_symlink() and place.resolve() in (source, *source.parents):
        raise fail(place, "is what is to be imported", "choose another name")
    if not wanted.force:
        raise placing.taken(root, scene)


def _tell(source: Path, layout: layouts.Layout | None, progress: Progress) -> None:
    if layout is None:
        progress.say(f"{source}: photographs without poses, which COLMAP finds")
        return
    others = [one.family for one in layouts.recognise(source) if one.family != layout.family]
    more = f" (also: --family {' or '.join(others)})" if others else ""
    progress.say(f"{source}: {layout.sign}, a scene of {layout.family}{more}")


def _link(source: Path, place: Path) -> None:
    try:
        place.symlink_to(source.resolve(), target_is_directory=True)
    except OSError as error:
        raise sizes.full(place, error) from error


def _sizes(folder: Path, family: str) -> Counter[tuple[int, int]]:
    """Return how many images a scene has of each width and height."""
    captured = family in ("colmap", "llff")
    place = image_folder(folder, "") if captured else folder
    files = [path for path in place.rglob("*") if path.suffix in SUFFIXES]
    if not files:
        raise fail(place, "holds no images", "put them there")
    return Counter(image_size(path) for path in files)


def _factor(found: Counter[tuple[int, int]]) -> int:
    """Return the least factor that divides every image's sides and makes them all fit into memory
    together; 1 where none does both."""
    pixels = sum(width * height * count for (width, height), count in found.items())
    fits = (k for k in range(1, MAX_FACTOR + 1) if 3 * pixels / k**2 <= MOST_BYTES)
    return next((k for k in fits if _divides(k, list(found))), 1)


def _divides(factor: int, found: Sequence[tuple[int, int]]) -> bool:
    sides = [side for size in found for side in size]
    return all(side % factor == 0 and side // factor >= MIN_SIDE for side in sides)
