"""Commands of scenes: what they print, what they refuse, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from effbench.cli.app import main
from effbench.datasets import catalogue
from tests.datasets import made
from tests.datasets.server import Server, serving


def scenes(root: Path, *arguments: str, answer: str | None = None) -> Result:
    command = ["scenes", *arguments, "--scenes-root", str(root)]
    return CliRunner().invoke(main, command, input=answer)


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


class TestGet:
    @pytest.fixture
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
        """A server, and a catalogue of what it has in place of the one that is shipped."""
        with serving() as served:
            served.files["/all.zip"] = made.packed()
            path = tmp_path / "catalogue.toml"
            path.write_text(
                f'[[archive]]\nurl = "{served.url}/all.zip"\n[archive.scenes]\n'
                '"colmap/one" = "set/one"\n"nerf_synthetic/two" = "set/two"\n'
                '[licence]\n"colmap/one" = "CC BY"\n'
            )
            monkeypatch.setattr(catalogue, "FILE", path)
            yield served

    def test_size_and_licence_come_before_the_question(
        self, server: Server, tmp_path: Path
    ) -> None:
        result = scenes(tmp_path, "get", "colmap/one", "--whole", answer="n\n")
        assert result.exit_code == 1
        size = f"{len(server.files['/all.zip']) / 1e3:.1f} kB"
        assert f"/all.zip: {size}; checksum not published" in result.output
        assert "colmap/one                 licence: CC BY" in result.output
        assert "nothing was downloaded; --yes answers beforehand" in result.output
        assert not server.requests
        assert scenes(tmp_path, "get", "colmap/one").exit_code == 1  # nobody answers

    def test_of_a_large_archive_only_the_scenes_files_are_asked_for(
        self, server: Server, tmp_path: Path
    ) -> None:
        result = scenes(tmp_path, "get", "colmap/one", answer="n\n")
        (line,) = (line for line in result.output.splitlines() if "/all.zip: " in line)
        assert line.endswith("; only the files of the scenes, each checked by its CRC-32")
        assert float(line.split("zip: ")[1].split(" kB")[0]) * 1e3 < len(server.files["/all.zip"])
        assert scenes(tmp_path, "get", "colmap/one", "--yes").exit_code == 0
        assert scenes(tmp_path, "verify").output.startswith("fits     colmap/one")

    def test_a_scene_is_there_afterwards_and_is_not_downloaded_twice(
        self, server: Server, tmp_path: Path
    ) -> None:
        result = scenes(tmp_path, "get", "colmap/one", "--whole", answer="y\n")
        assert result.exit_code == 0, result.output
        assert f"{tmp_path / 'colmap/one'}: effbench scenes show colmap/one" in result.output
        listed = CliRunner().invoke(main, ["list", "scenes", "--scenes-root", str(tmp_path)])
        assert "  colmap/one" in listed.output
        assert scenes(tmp_path, "show", "colmap/one").exit_code == 0
        assert scenes(tmp_path, "verify").output.startswith("fits     colmap/one")

        again = scenes(tmp_path, "get", "colmap/one")
        assert again.exit_code == 0
        assert "is there already (--force downloads it anew)" in again.output
        assert len(server.requests) == 1

    def test_a_family_is_all_its_scenes(self, server: Server, tmp_path: Path) -> None:
        assert scenes(tmp_path, "get", "nerf_synthetic", "--yes").exit_code == 0
        assert (tmp_path / "nerf_synthetic" / "two" / "train" / "r_0.png").is_file()

    def test_without_names_it_lists_what_can_be_had(self, server: Server, tmp_path: Path) -> None:
        made.colmap(tmp_path / "colmap" / "one")
        lines = scenes(tmp_path, "get").output.splitlines()
        assert [line.split()[0] for line in lines] == ["scene", "colmap/one", "nerf_synthetic/two"]
        assert lines[1].endswith("CC BY  [there]")

    def test_mistakes_are_answered(self, server: Server, tmp_path: Path) -> None:
        result = scenes(tmp_path, "get", "colmap/onee")
        assert (result.exit_code, "did you mean colmap/one?" in result.output) == (2, True)
        result = CliRunner(env={"EFFBENCH_SCENES": ""}).invoke(main, ["scenes", "get", "colmap"])
        assert (result.exit_code, "set EFFBENCH_SCENES" in result.output) == (2, True)
        del server.files["/all.zip"]
        result = scenes(tmp_path, "get", "colmap/one", "--yes")
        assert (result.exit_code, "answers 404 Not Found" in result.output) == (2, True)


class TestImport:
    def test_it_ends_with_what_the_scene_is_and_what_comes_next(self, tmp_path: Path) -> None:
        source = made.colmap(tmp_path / "my desk")
        root = tmp_path / "scenes"
        result = scenes(root, "import", str(source), "--name", "desk")
        assert result.exit_code == 0, result.output
        assert "  train        17 views, 64×48, RGB" in result.output
        command = "effbench run --method instant-ngp --scene colmap/desk --budget 60s"
        assert f"{command} --scenes-root {root}" in result.output
        again = scenes(root, "import", str(source), "--name", "desk")
        assert (again.exit_code, "is there already" in again.output) == (2, True)

    def test_a_variable_need_not_be_repeated(self, tmp_path: Path) -> None:
        source = made.ngp(tmp_path / "fox")
        runner = CliRunner(env={"EFFBENCH_SCENES": str(tmp_path / "scenes")})
        result = runner.invoke(main, ["scenes", "import", str(source), "--link"])
        assert result.output.endswith("--scene ngp/fox --budget 60s\n")

    def test_mistakes_are_answered(self, tmp_path: Path) -> None:
        source = made.colmap(tmp_path / "my desk")
        (tmp_path / "my walk.mp4").touch()
        for arguments, wrong in (
            ([str(source)], "--name 'my desk': write letters"),
            ([str(tmp_path / "nowhere")], "there is no such file or folder"),
            ([str(tmp_path / "my walk.mp4")], f"'{tmp_path}/my walk-frames' --name my-walk"),
            ([str(source), "--name", "x", "--family", "llff"], "has no poses_bounds.npy"),
        ):
            result = scenes(tmp_path / "scenes", "import", *arguments)
            assert (result.exit_code, wrong in result.output) == (2, True), result.output
