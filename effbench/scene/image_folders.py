"""The folder of a capture's photographs: `images`, or copies of a fraction of their size beside it,
`images_2`, `images_4`, …"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from effbench.scene.readers import fail


def image_folder(scene: Path, wanted: str, standard: str = "") -> Path:
    """Return the folder that is asked for; else the standard one, or that of the largest images.

    standard: the folder that figures are published for, if there is one. Raises SceneError.
    """
    if wanted:
        return _asked(scene, wanted)
    for name in [standard, *_folders(scene)]:
        if name and (scene / name).is_dir():
            return scene / name
    wrong = "has no folder images, images_2, …"
    raise fail(scene, wrong, "put the photographs into one of that name")


def _asked(scene: Path, wanted: str) -> Path:
    parts = PurePosixPath(wanted).parts
    if ".." in parts or parts[:1] == ("/",) or "\0" in wanted:
        raise fail(scene, f"images={wanted!r} lies outside the scene", "name a folder in it")
    chosen = scene / wanted
    if not chosen.is_dir():
        there = ", ".join(_folders(scene)) or "none"
        raise fail(chosen, "there is no such folder", f"name one of these: {there}")
    return chosen


def _folders(scene: Path) -> list[str]:
    """Return the folders of images, the largest images first."""
    numbered = sorted(
        (int(suffix), path.name)
        for path in scene.glob("images_*")
        if path.is_dir() and (suffix := path.name.removeprefix("images_")).isdecimal()
    )
    whole = ["images"] if (scene / "images").is_dir() else []
    return [*whole, *(name for _, name in numbered)]
