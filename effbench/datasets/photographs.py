"""Photographs become a capture with poses: COLMAP's extractor, matcher and mapper, in turn.

What COLMAP has found is kept in the cache until it is done: after an interruption the same command
goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from effbench.datasets import layouts, sizes
from effbench.datasets.progress import Progress
from effbench.errors import ConfigError, SceneError
from effbench.files import cache_folder
from effbench.scene.colmap import read_model
from effbench.scene.readers import fail, image_size

Matcher = Literal["auto", "exhaustive", "sequential"]

PROGRAM = "colmap"
MISSING = (
    "photographs need poses, which COLMAP finds, and it is not installed: apt install colmap, brew "
    "install colmap, or conda install -c conda-forge colmap (https://colmap.github.io/install.html)"
)
_MOST_PAIRED = (
    250  # photographs of which every pair is compared: it takes the square of their number
)
_ORIENTATION = 0x0112  # EXIF's tag; 1: as it is
_QUALITY = 96  # of a JPEG that is written anew
_OPTION = re.compile(r"--(\w+\.use_gpu)\b")
_DONE = (
    re.compile(r"Processed file \[(\d+)/(\d+)\]"),
    re.compile(r"(?:Matching|Processing) (?:block|image) \[(\d+)/(\d+)"),
    re.compile(r"Registering image #\d+ \((?:num_reg_frames=)?(\d+)\)"),
)


class _Step(NamedTuple):
    command: str
    what: str  # in words
    options: list[str]


def reconstruct(
    source: Path, place: Path, progress: Progress, *, matcher: Matcher = "auto", link: bool = False
) -> None:
    """Make a capture at `place`, a new folder: `images` and `sparse/0`.

    link: to the photographs, in place of copies. Those that EXIF says are to be shown turned are
    turned in a copy. Raises ConfigError where COLMAP is not installed, SceneError where it fails.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ConfigError(MISSING)
    files = layouts.photographs(source)
    place.mkdir()
    _take(files, place / "images", progress, link=link)
    work = _workspace(files)
    try:
        work.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work / "sparse", ignore_errors=True)  # the mapper begins anew
        (work / "sparse").mkdir()
        for step in _steps(program, files, work, place / "images", matcher):
            _run([program, step.command, *step.options], step.what, len(files), work, progress)
        _keep_largest(work, place / "sparse" / "0", len(files), progress)
    except OSError as error:
        raise sizes.full(work, error) from error
    shutil.rmtree(work, ignore_errors=True)


def _workspace(files: Sequence[Path]) -> Path:
    """Return the folder where COLMAP works on just these photographs."""
    about = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
    return cache_folder() / "colmap" / key


def _take(files: Sequence[Path], folder: Path, progress: Progress, *, link: bool) -> None:
    """Copy or link photographs to a folder. Raises SceneError."""
    turned = [path for path in files if _is_turned(path)]
    if link and turned:
        wrong = f"is to be shown turned, as {len(turned)} of {len(files)} photographs are"
        raise fail(turned[0], wrong, "leave --link out: copies are turned")
    try:
        if link:
            folder.symlink_to(files[0].parent.resolve(), target_is_directory=True)
            return
        sizes.check_room(folder.parent, sum(p.stat().st_size for p in files), "a copy of them")
        folder.mkdir()
        for done, path in enumerate(files, start=1):
            if path in turned:
                _turn(path, folder / path.name)
            else:
                shutil.copyfile(path, folder / path.name)
            progress.count("copying photographs", done, len(files))
    except OSError as error:
        raise sizes.full(folder, error) from error
    if turned:
        progress.say(f"{len(turned)} photographs were turned as their EXIF data says")


def _is_turned(path: Path) -> bool:
    from PIL import Image

    image_size(path)  # an error that names the file, where it is none
    with Image.open(path) as image:
        return image.getexif().get(_ORIENTATION, 1) not in (0, 1)


def _turn(path: Path, target: Path) -> None:
    """Write a photograph as it is to be shown, with what else its EXIF data says: COLMAP starts
    from the focal length."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        upright.save(target, quality=_QUALITY, exif=upright.getexif())


def _steps(
    program: str, files: Sequence[Path], work: Path, images: Path, matcher: Matcher
) -> list[_Step]:
    one_size = len({image_size(images / path.name) for path in files}) == 1
    if matcher == "auto":
        matcher = "exhaustive" if len(files) <= _MOST_PAIRED else "sequential"
    database = ["--database_path", str(work / "database.db")]
    pictures = ["--image_path", str(images)]
    lens = ["--ImageReader.camera_model", "OPENCV"]
    lens += ["--ImageReader.single_camera", "1"] if one_size else []
    sparse = work / "sparse"
    extract, match = "feature_extractor", f"{matcher}_matcher"
    return [
        _Step(
            extract,
            "finding features",
            [*database, *pictures, *lens, *_processor(program, extract)],
        ),
        _Step(match, "matching", [*database, *_processor(program, match)]),
        _Step("mapper", "finding poses", [*database, *pictures, "--output_path", str(sparse)]),
    ]


def _processor(program: str, command: str) -> list[str]:
    """Return the option that says whether a GPU is used: COLMAP's versions call it differently.
    Without an NVIDIA GPU it would want a display."""
    told = subprocess.run(
        [program, command, "--help"], capture_output=True, text=True, errors="replace"
    )
    names = _OPTION.findall(told.stdout + told.stderr)
    value = "1" if shutil.which("nvidia-smi") else "0"
    return [f"--{names[0]}", value] if names else []


def _run(command: list[str], what: str, photographs: int, work: Path, progress: Progress) -> None:
    """Run a step of COLMAP, its output in a log. Raises SceneError where it fails."""
    log = work / "log.txt"
    progress.count(what, 0, photographs)
    environment = {"QT_QPA_PLATFORM": "offscreen", **os.environ}  # no display is needed
    tail: list[str] = []
    with log.open("a", encoding="utf-8") as written:
        written.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        ) as running:
            assert running.stdout
            try:
                for line in running.stdout:
                    written.write(line)
                    tail = [*tail[-4:], line.strip()]
                    _tell(line, what, photographs, progress)
            except BaseException:
                running.terminate()
                raise
    if running.returncode:
        said = " / ".join(text for text in tail if text)
        wrong = f"COLMAP's {command[1]} failed with exit status {running.returncode} ({said})"
        raise SceneError(f"{log}: {wrong}. To fix it, see this log, and run the same command again")


def _tell(line: str, what: str, photographs: int, progress: Progress) -> None:
    for pattern in _DONE:
        if found := pattern.search(line):
            total = int(found[2]) if pattern.groups > 1 else photographs
            progress.count(what, int(found[1]), total)


def _keep_largest(work: Path, place: Path, photographs: int, progress: Progress) -> None:
    """Copy the model with most images, of those that COLMAP has made of the parts it could join."""
    models = [path for path in sorted((work / "sparse").glob("*")) if path.is_dir()]
    if not models:
        wrong = "COLMAP found no poses: too few of the photographs show the same things"
        raise fail(work, wrong, "take more, each of which shares two thirds with the one before")
    posed = {path: len(read_model(path).names) for path in models}
    best = max(models, key=lambda path: posed[path])
    place.mkdir(parents=True)
    for name in ("cameras", "images", "points3D"):
        shutil.copyfile(best / f"{name}.bin", place / f"{name}.bin")
    progress.say(f"{posed[best]} of {photographs} photographs have a pose")
    if 2 * posed[best] < photographs:
        progress.say("that is less than half: photographs that share more with others would help")
