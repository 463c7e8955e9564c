"""Scenes fit what is known of them, are unknown, or are damaged."""

from __future__ import annotations

from pathlib import Path

from effbench.datasets import checksums, verify
from effbench.planning.registry import discover
from tests.datasets import made


def test_folders_of_scenes_are_found_damaged_ones_too(tmp_path: Path) -> None:
    made.colmap(tmp_path / "colmap" / "mine")
    (tmp_path / "nerf_synthetic" / "empty").mkdir(parents=True)
    (tmp_path / "colmap" / ".mine.new").mkdir()
    (tmp_path / "elsewhere" / "thing").mkdir(parents=True)
    found = verify.present(discover(), tmp_path)
    assert found == ["colmap/mine", "nerf_synthetic/empty"]
    assert verify.present(discover(), None) == []


def test_a_shipped_manifest_is_fitted() -> None:
    finding = verify.examine("procedural/spheres", discover(), None)
    assert (finding.state, finding.views) == ("fits", 125)
    assert verify.as_text(finding).startswith("fits     procedural/spheres")


def test_a_scene_of_ones_own_is_unknown_until_it_is_noted(tmp_path: Path) -> None:
    folder = made.colmap(tmp_path / "colmap" / "mine")
    finding = verify.examine("colmap/mine", discover(), tmp_path)
    assert (finding.state, finding.views) == ("unknown", 20)

    checksums.note_scene(tmp_path, "colmap/mine", finding.manifest)
    assert verify.examine("colmap/mine", discover(), tmp_path).state == "fits"

    made.pixels(folder / "images", ["img_001.png"])
    changed = verify.examine("colmap/mine", discover(), tmp_path)
    assert changed.state == "damaged"
    assert "have changed since it was put in place" in changed.details


def test_what_cannot_be_loaded_is_damaged_and_names_the_file(tmp_path: Path) -> None:
    folder = made.blender(tmp_path / "nerf_synthetic" / "mine")
    image = folder / "test" / "r_1.png"
    image.write_bytes(image.read_bytes()[:500])
    finding = verify.examine("nerf_synthetic/mine", discover(), tmp_path)
    assert finding.state == "damaged"
    assert str(image) in finding.details
