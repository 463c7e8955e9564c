"""Videos of trained models."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effbench.cli.options import ANY_PATH, FOLDER, INTERRUPTED, plugins_option, scenes_option
from effbench.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from effbench.cell.frames import Painter
    from effbench.method import Method
    from effbench.scene import Intrinsics

_LEAST = 16  # pixels of a side
_LOOKS = 6  # frames that the scale of depth is found on, a quarter of the size


@click.command()
@click.argument("cell", type=FOLDER)
@click.option(
    "--path",
    "kind",
    type=click.Choice(["orbit", "spiral", "test", "still"]),
    default="orbit",
    show_default=True,
    help="Around the scene, before it, along its test views, or from the first of them.",
)
@click.option(
    "--time",
    metavar="T|FROM:TO",
    help="In a scene that moves: the time of all frames, or of the first and the last, from 0 to 1."
    "  [default: 0:1]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=6.0,
    show_default=True,
    help="Length of the video.",
)
@click.option(
    "--fps",
    type=click.IntRange(1, 120),
    default=24,
    show_default=True,
    help="Frames per second.",
)
@click.option("--size", metavar="WxH", help="Size of the render.  [default: the test views']")
@click.option(
    "--downscale",
    type=click.IntRange(min=1),
    metavar="N",
    help="Divide the test views' sides by N.",
)
@click.option(
    "--maps",
    "shown",
    type=click.Choice(["depth", "opacity"]),
    multiple=True,
    help="Show this beside the colours; repeatable.",
)
@click.option(
    "--out",
    type=ANY_PATH,
    required=True,
    metavar="FILE",
    help="File to write, .mp4, .gif or .webp, or a new folder for PNGs.",
)
@plugins_option
@scenes_option
def render(
    cell: Path,
    kind: str,
    time: str | None,
    seconds: float,
    fps: int,
    size: str | None,
    downscale: int | None,
    shown: tuple[str, ...],
    out: Path,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
) -> None:
    """Write a video of the trained model of CELL, a folder RUN/cells/ID, along a camera path.

    orbit and spiral are closed, so that a player can repeat them without a jump. MP4 needs the
    extra 'video'.

    \b
    Examples:
      effbench render results/runs/demo/cells/instant-ngp_blocks_s0-1a2b3c --out blocks.mp4
      effbench render CELL --path test --seconds 10 --downscale 2 --maps depth --out test.mp4
      effbench render CELL --path spiral --size 320x240 --fps 12 --out spiral.gif
      effbench render CELL --path still --out swing.mp4          # of a scene that moves
      effbench render CELL --path orbit --time 0.5 --out frozen.webp
    """
    wanted, span = _parsed(size, downscale), _span(time)
    if out.suffix.lower() != out.suffix:
        raise ConfigError(f"{out}: write the ending in small letters")
    try:
        from effbench.cell.reopen import reopen
        from effbench.export import video

        if wanted:
            video.check(out, wanted[0] * (1 + len(shown)), wanted[1])
        method = reopen(cell, plugin_folders=plugins, scenes_root=scenes_root)
        given = method.context.scene.test.cameras[0]
        camera = _camera(given, wanted, downscale or 1, even=out.suffix == ".mp4")
        moves = method.context.scene.moves
        if time is not None and not moves:
            raise ConfigError("--time: the scene of this cell stands still: leave it out")
        count = max(2, round(seconds * fps))
        times = [span[0] + (span[1] - span[0]) * i / (count - 1) for i in range(count)]
        made = _make(method, camera, kind, times, fps, shown, out)
    except KeyboardInterrupt:
        click.echo("\nstopped: nothing was written", err=True)
        sys.exit(INTERRUPTED)
    click.echo(made)


def _make(
    method: Method,
    camera: Intrinsics,
    kind: str,
    times: list[float],
    fps: int,
    shown: tuple[str, ...],
    out: Path,
) -> str:
    """Render a frame for each time into a file; return what was made, in words."""
    from effbench.cell.frames import frames
    from effbench.export import video
    from effbench.machine import devices
    from effbench.scene.paths import camera_path

    width, count = camera.width * (1 + len(shown)), len(times)
    video.check(out, width, camera.height)
    poses = camera_path(method.context.scene, kind, count)
    with devices.subnormals_flushed():
        painters = _painters(method, poses, camera, shown)
        images = frames(method, poses, camera, painters, times)
        bar = click.progressbar(images, length=count, label="rendering", file=sys.stderr)
        with bar as watched:
            video.write(out, watched, fps)
    return f"{out} ({count} frames of {width}×{camera.height}, {fps} per second)"


def _parsed(size: str | None, downscale: int | None) -> tuple[int, int] | None:
    """Return the width and height that were asked for. Raises ConfigError."""
    if size is None:
        return None
    if downscale is not None:
        raise ConfigError("--size and --downscale exclude each other: choose one")
    match = re.fullmatch(r"(\d+)[x×](\d+)", size)
    if not match:
        raise ConfigError(f"--size {size}: write width and height in pixels, as in 640x480")
    return _large_enough(int(match[1]), int(match[2]))


def _span(text: str | None) -> tuple[float, float]:
    """Return the times of the first and the last frame. Raises ConfigError."""
    first, colon, last = ("0:1" if text is None else text).partition(":")
    try:
        found = (float(first), float(last if colon else first))
    except ValueError:
        found = (-1.0, -1.0)
    if not all(0 <= time <= 1 for time in found):
        raise ConfigError(f"--time {text}: write a time from 0 to 1, or two as in 0:1")
    return found


def _large_enough(width: int, height: int) -> tuple[int, int]:
    if min(width, height) < _LEAST:
        raise ConfigError(
            f"{width}×{height}: a video has at least {_LEAST} pixels on each side: choose a larger "
            "--size, or a smaller --downscale"
        )
    return width, height


def _camera(
    given: Intrinsics, wanted: tuple[int, int] | None, downscale: int, *, even: bool
) -> Intrinsics:
    """Return the camera of the video. even: a side that nobody asked for loses its last pixel where
    it is odd. Raises ConfigError for one that is too small."""
    from dataclasses import replace

    from effbench.scene.paths import resized

    size = (given.width // downscale, given.height // downscale)
    width, height = wanted or _large_enough(*size)
    camera = resized(given, width, height)
    if even and not wanted:
        camera = replace(camera, width=width - width % 2, height=height - height % 2)
    return camera


def _painters(
    method: Method, poses: NDArray[np.float32], camera: Intrinsics, shown: tuple[str, ...]
) -> list[Painter]:
    """Return what draws each kind of map; depth in one scale for the whole path."""
    if not shown:
        return []
    from effbench.cell.frames import view_maps
    from effbench.report.depth_maps import Scale, on_black, opacity
    from effbench.scene.cameras import evenly_spaced
    from effbench.scene.paths import resized

    small = resized(camera, max(1, camera.width // 4), max(1, camera.height // 4))
    looks = [view_maps(method, poses[place], small) for place in evenly_spaced(len(poses), _LOOKS)]
    scale = Scale.of(looks, disparity=method.context.scene.inner is not None)
    drawn = {"depth": lambda view: on_black(view, scale), "opacity": opacity}
    return [drawn[name] for name in shown]
