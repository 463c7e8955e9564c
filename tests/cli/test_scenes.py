"""Commands of scenes: what they print, what they refuse, how they end."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from effbench.cli.app import main
from tests.datasets import made


def scenes(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["scenes", *arguments, "--scenes-root", str(root)])


class TestVerify:
    def test_each_scene_has_a_line_and_a_damaged_one_fails(self, tmp_path: Path) -> None:
        made.colmap(tmp_path / "colmap" / "mine")
        result = scenes(tmp_path, "verify")
        assert result.exit_code == 0
        assert result.output.startswith("unknown  colmap/mine ")

        folder = made.blender(tmp_path / "nerf_synthetic" / "broken")
        (folder / "train" / "r_0.png").unlink()
        result = scenes(tmp_path, "verify")
        assert result.exit_code == 3
        assert [line.split()[:2] for line in result.output.splitlines()] == [
            ["unknown", "colmap/mine"],
            ["damaged", "nerf_synthetic/broken"],
        ]
        assert scenes(tmp_path, "verify", "colmap/mine").exit_code == 0

    def test_json_is_for_programs(self, tmp_path: Path) -> None:
        made.colmap(tmp_path / "colmap" / "mine")
        (row,) = json.loads(scenes(tmp_path, "verify", "--json").output)
        assert (row["scene"], row["state"], row["views"]) == ("colmap/mine", "unknown", 20)

    def test_a_mistyped_name_is_answered_with_a_near_one(self, tmp_path: Path) -> None:
        made.colmap(tmp_path / "colmap" / "mine")
        result = scenes(tmp_path, "verify", "colmap/mime")
        assert result.exit_code == 2
        assert "did you mean colmap/mine?" in result.output

    def test_an_empty_folder_says_what_fills_it(self, tmp_path: Path) -> None:
        result = scenes(tmp_path, "verify")
        assert result.exit_code == 0
        assert f"no scenes in {tmp_path}: `effbench scenes get`" in result.output


class TestShow:
    def test_parameters_are_passed_as_to_run(self, tmp_path: Path) -> None:
        made.colmap(tmp_path / "colmap" / "mine")
        result = scenes(
            tmp_path, "show", "colmap/mine", "--set", "box=5", "--downscale", "2", "--split", "val"
        )
        assert "parameters   downscale=2 box=5 split=val" in result.output
        result = scenes(tmp_path, "show", "colmap/mine", "--set", "colmap.box=5", "--json")
        assert json.loads(result.output)["parameters"] == {"box": 5.0}

    def test_what_is_not_of_the_scene_is_refused(self, tmp_path: Path) -> None:
        made.colmap(tmp_path / "colmap" / "mine")
        for arguments, wrong in (
            (["colmap/mime"], "did you mean colmap/mine?"),
            (["colmap/mine", "--set", "boxx=5"], "did you mean box?"),
            (["colmap/mine", "--set", "ngp.box=5"], "this is of the scene colmap/mine alone"),
            (["colmap/mine", "--set", "box=4,5"], "write one of each"),
        ):
            result = scenes(tmp_path, "show", *arguments)
            assert result.exit_code == 2
            assert wrong in result.output

    def test_a_page_is_written_beside_the_text(self, tmp_path: Path) -> None:
        made.ngp(tmp_path / "ngp" / "mine")
        page = tmp_path / "mine.html"
        result = scenes(tmp_path, "show", "ngp/mine", "--out", str(page))
        assert result.exit_code == 0
        assert f"{page} (" in result.output
        assert "<h1>ngp/mine</h1>" in page.read_text(encoding="utf-8")
        result = scenes(tmp_path, "show", "ngp/mine", "--out", str(tmp_path / "mine.png"))
        assert (result.exit_code, "ends in .html" in result.output) == (2, True)
