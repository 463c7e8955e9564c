"""From names of scenes to folders of scenes: what to download, how, and where it ends up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.datasets import checksums, download, members, placing, sizes, unpacking
from effbench.datasets.catalogue import Archive, Catalogue
from effbench.datasets.progress import Progress
from effbench.errors import SceneError
from effbench.scene import SceneRef

if TYPE_CHECKING:
    from effbench.planning.registry import Registry

FOLDER = ".downloads"  # below the root of scenes: no family has such a name


@dataclass(frozen=True)
class Order:
    """A download: scenes that come out of one archive.

    archives: where it can be had, the preferred one first; size: bytes of that, None where nobody
    says it; there: bytes that are here already; apart: whether only the scenes' own files are taken
    out of it, of which `size` is then said.
    """

    scenes: tuple[str, ...]
    archives: tuple[Archive, ...]
    size: int | None
    there: int
    apart: bool = False


def orders(
    scenes: Sequence[str],
    catalogue: Catalogue,
    root: Path,
    wanted: str | None = None,
    *,
    whole: bool = False,
) -> list[Order]:
    """Return what has to be downloaded for some scenes, each archive once.

    wanted: part of the address to take; whole: take no archive apart. Otherwise the files of the
    scenes alone are taken where these are not all that is in it, no published SHA-256 vouches for
    the whole, and the server can give parts. Asks servers for sizes. Raises ConfigError.
    """
    groups: dict[str, list[str]] = {}
    choices = {scene: tuple(catalogue.choices(scene, wanted)) for scene in scenes}
    for scene, archives in choices.items():
        groups.setdefault(archives[0].url, []).append(scene)
    return [_order(tuple(own), choices[own[0]], root, whole) for own in groups.values()]


def _order(
    scenes: tuple[str, ...], archives: tuple[Archive, ...], root: Path, whole: bool
) -> Order:
    first = archives[0]
    path = _path(root, first)
    if path.exists():
        size = path.stat().st_size
        return Order(scenes, archives, size, size)
    part = download.part_of(path)
    there = part.stat().st_size if part.exists() else 0
    if not (whole or there or first.sha256) and len(scenes) < len(first.scenes):
        own = members.size(first.url, [first.scenes[scene] for scene in scenes])
        if own is not None:
            there = sum(sizes.of_folder(_folder(path, scene)) for scene in scenes)
            return Order(scenes, archives, own, min(there, own), apart=True)
    return Order(scenes, archives, first.size or download.length(first.url), there)


def _path(root: Path, archive: Archive) -> Path:
    """Return where an archive is kept; addresses may end in the same name."""
    key = hashlib.sha256(archive.url.encode()).hexdigest()[:8]
    return root / FOLDER / f"{key}-{archive.file}"


def _folder(archive: Path, scene: str) -> Path:
    """Return where the files of a scene that is taken out of an archive are until all are there."""
    return archive.with_name(f"{archive.name}.{scene.replace('/', '.')}")


def check_room(wanted: Sequence[Order], root: Path) -> None:
    """Raise SceneError where the archives, and about as much again for what is in them, do not fit
    on the disk."""
    missing = sum((order.size or 0) - order.there for order in wanted)
    unpacked = sum(_share(order) for order in wanted)
    sizes.check_room(root, missing + unpacked, "what is to be downloaded and unpacked")


def _share(order: Order) -> int:
    """Return about how many bytes an order's scenes will be beside what is downloaded: images are
    as large in an archive."""
    if order.apart:
        return 0
    return (order.size or 0) * len(order.scenes) // len(order.archives[0].scenes)


def get(
    order: Order, root: Path, registry: Registry, progress: Progress, *, force: bool
) -> Iterator[str]:
    """Download an archive and put its scenes in place; yield each scene that is.

    force: replace scenes that are there. Raises SceneError or EffbenchError; scenes that were there
    are then what they were.
    """
    if order.apart:
        yield from _get_apart(order, root, registry, progress, force=force)
        return
    archive, path = _downloaded(order, root, progress)
    for scene in order.scenes:
        with placing.staging(root, scene) as stage:
            progress.say(f"unpacking {scene}")
            step = partial(progress.step, scene)
            unpacking.unpack(path, archive.scenes[scene], stage / scene, step)
            manifest = registry.scene_manifest(SceneRef(scene), str(stage))
            placing.put(stage, root, scene, force=force)
        if archive.sha256 is None:
            checksums.note_download(root, archive.url, _sha256(path), path.stat().st_size)
        checksums.note_scene(root, scene, manifest)
        yield scene
    _tidy(archive, path, progress)


def _get_apart(
    order: Order, root: Path, registry: Registry, progress: Progress, *, force: bool
) -> Iterator[str]:
    """Put scenes in place without the rest of their archive; yield each that is."""
    archive = order.archives[0]
    for scene in order.scenes:
        own = _folder(_path(root, archive), scene)
        progress.say(f"downloading {archive.scenes[scene]} out of {archive.url}")
        members.fetch(archive.url, archive.scenes[scene], own, partial(progress.step, scene))
        with placing.staging(root, scene) as stage:
            (stage / scene).parent.mkdir(parents=True)
            own.rename(stage / scene)
            manifest = registry.scene_manifest(SceneRef(scene), str(stage))
            placing.put(stage, root, scene, force=force)
        checksums.note_scene(root, scene, manifest)
        yield scene


def _downloaded(order: Order, root: Path, progress: Progress) -> tuple[Archive, Path]:
    """Return an archive and its file, from the first server that gives it."""
    refused: SceneError | None = None
    for archive in order.archives:
        if not all(scene in archive.scenes for scene in order.scenes):
            continue
        if refused:
            progress.say(f"{refused}\ntrying {archive.host}")
        path = _path(root, archive)
        if not path.exists():
            progress.say(f"downloading {archive.url}")
        known = archive.sha256 or checksums.of_download(root, archive.url)
        try:
            download.fetch(archive.url, path, known, partial(progress.step, archive.file))
        except download.Refused as error:
            refused = error
            continue
        _check_length(archive, path)
        return archive, path
    assert refused
    raise refused


def _check_length(archive: Archive, path: Path) -> None:
    """Raise SceneError for a file of another length than it must have, which is deleted."""
    length = path.stat().st_size
    if archive.size is not None and length != archive.size:
        path.unlink()
        raise SceneError(
            f"{archive.url}: gave {length} bytes, not {archive.size}. To fix it, try again later, "
            "or another server with --from"
        )


def _tidy(archive: Archive, path: Path, progress: Progress) -> None:
    """Delete an archive of which everything has been put in place; keep one that holds more."""
    if len(archive.scenes) == 1:
        path.unlink(missing_ok=True)
        return
    size = sizes.text(path.stat().st_size)
    others = len(archive.scenes)
    progress.say(f"kept {path} ({size}), which holds {others} scenes: delete it to free the space")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
