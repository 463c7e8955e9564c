"""`effbench render`: a video of a trained cell, and what it refuses before it renders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from effbench.api import run_cell
from effbench.cli.app import main
from effbench.export import video

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "examples" / "plugins"


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained cell."""
    out = tmp_path_factory.mktemp("out")
    params = {"levels": 2, "log2_table": 8, "samples": 512, "render_steps": 32}
    done = run_cell(
        "instant-ngp", "ball/unit", "5it", params=params, out=out, plugins=[PLUGINS], device="cpu"
    )
    assert done.status == "ok", done.reason
    return out / "cells" / done.cell_id


def render(cell: Path, *arguments: str | Path) -> Result:
    given = [str(argument) for argument in (cell, *arguments, "--plugins", PLUGINS)]
    return CliRunner().invoke(main, ["render", *given])


def test_an_mp4_has_the_frames_and_the_size_asked_for(cell: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="needs the extra 'video'")
    out = tmp_path / "v.mp4"
    done = render(cell, "--out", out, "--seconds", "0.5", "--fps", "12", "--size", "32x24")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out} (6 frames of 32×24, 12 per second)\n"
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(32, 24)] * 6
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("path", ["orbit", "spiral", "test"])
def test_every_path_has_pictures_and_maps_beside_them(
    cell: Path, tmp_path: Path, path: str
) -> None:
    out = tmp_path / "frames"
    shown = ("--maps", "depth", "--maps", "opacity")
    done = render(cell, "--path", path, *shown, "--seconds", "0.2", "--fps", "20", "--out", out)
    assert done.exit_code == 0, done.output
    pictures = [np.asarray(Image.open(file)) for file in sorted(out.iterdir())]
    assert len(pictures) == 4
    height, width, _ = pictures[0].shape
    assert width == 3 * height, "the ball's images are square"
    opacity = pictures[0][:, 2 * height :]
    assert (opacity[..., 0] == opacity[..., 2]).all(), "grey"
    assert not np.array_equal(pictures[0], pictures[1]), "the camera moves"


def test_downscale_divides_the_sides(cell: Path, tmp_path: Path) -> None:
    out = tmp_path / "frames"
    done = render(cell, "--downscale", "2", "--seconds", "0.1", "--fps", "20", "--out", out)
    assert done.exit_code == 0, done.output
    with Image.open(out / "00000.png") as small, Image.open(next(cell.glob("renders/*"))) as whole:
        assert small.size == (whole.width // 2, whole.height // 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "33x"], "--size 33x: write width and height in pixels, as in 640x480"),
        (["--size", "64x8"], "64×8: a video has at least 16 pixels on each side"),
        (["--size", "33x32"], "33×32: the sides of an MP4 must be even"),
        (["--size", "32x32", "--downscale", "2"], "--size and --downscale exclude each other"),
        (["--downscale", "99"], "at least 16 pixels on each side"),
        (["--path", "zigzag"], "'zigzag' is not one of 'orbit', 'spiral', 'test'"),
        (["--out", "v.mov"], "cannot write '.mov'"),
        (["--out", "v.MP4"], "write the ending in small letters"),
    ],
)
def test_mistakes_are_refused(
    cell: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    pytest.importorskip("av", reason="needs the extra 'video'")
    done = render(cell, "--out", tmp_path / "v.mp4", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_method_without_distances_has_no_maps(tmp_path: Path) -> None:
    fakes = ROOT / "tests" / "fakes"
    done = run_cell("fake", "toy/grey", "3it", out=tmp_path, plugins=[fakes], device="cpu")
    folder, out = tmp_path / "cells" / done.cell_id, tmp_path / "v.gif"
    given = ["--path", "orbit", "--plugins", str(fakes), "--out", str(out), "--seconds", "0.1"]
    refused = CliRunner().invoke(main, ["render", str(folder), "--maps", "depth", *given])
    assert refused.exit_code == 2
    assert "method 'fake' has no maps of depth and opacity" in refused.stderr
    assert not out.exists()
    assert CliRunner().invoke(main, ["render", str(folder), *given]).exit_code == 0
    assert out.exists()


def test_stopped_by_the_user_nothing_is_left(
    cell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(video, "write", stop)
    done = render(cell, "--out", tmp_path / "v.gif", "--seconds", "0.1")
    assert done.exit_code == 130
    assert "stopped: nothing was written" in done.stderr
    assert list(tmp_path.iterdir()) == []
