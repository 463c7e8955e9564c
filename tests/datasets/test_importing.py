"""A scene of one's own is put in place once it can be loaded, and not before."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from effbench.datasets import facts, importing, verify
from effbench.datasets.importing import Wanted
from effbench.errors import ConfigError, SceneError
from effbench.planning.registry import discover
from tests.datasets import made
from tests.datasets.silent import Silent


def take(wanted: Wanted, root: Path) -> facts.Facts:
    return importing.import_scene(wanted, root, discover(), Silent())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return made.colmap(tmp_path / "source")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scenes"


@pytest.mark.parametrize(
    ("make", "family"),
    [(made.colmap, "colmap"), (made.ngp, "ngp"), (made.llff, "llff"), (made.blender, "nerf_synt")],
)
@pytest.mark.parametrize("link", [False, True])
def test_every_layout_becomes_a_scene_of_its_family(
    make: Callable[[Path], Path], family: str, link: bool, tmp_path: Path, root: Path
) -> None:
    source = make(tmp_path / "source")
    found = take(Wanted(source, "mine", link=link), root)
    assert found["scene"].startswith(family)
    assert (root / found["scene"]).is_symlink() == link
    assert verify.examine(found["scene"], discover(), root).state == "fits"
    if not link:
        shutil.rmtree(source)
        assert verify.examine(found["scene"], discover(), root).state == "fits"
    assert [path.name for path in (root / found["scene"]).parent.iterdir()] == ["mine"]


def test_what_cannot_be_loaded_is_not_put_in_place(source: Path, root: Path) -> None:
    take(Wanted(source, "mine"), root)
    (source / "images" / "img_003.png").write_bytes(b"truncated")
    with pytest.raises(SceneError, match=r"img_003\.png"):
        take(Wanted(source, "mine", force=True), root)
    with pytest.raises(SceneError, match=r"img_003\.png"):
        take(Wanted(source, "other"), root)
    assert verify.present(discover(), root) == ["colmap/mine"]
    assert verify.examine("colmap/mine", discover(), root).state == "fits"


def test_a_name_that_is_taken_is_refused_without_force(source: Path, root: Path) -> None:
    wanted = Wanted(source, "mine")
    take(wanted, root)
    made.pixels(source / "images", ["img_005.png"])
    with pytest.raises(SceneError, match=r"mine: is there already\. .* --force"):
        take(wanted, root)
    take(replace(wanted, force=True), root)
    assert verify.examine("colmap/mine", discover(), root).state == "fits"


def test_a_scene_does_not_become_a_link_to_itself(source: Path, root: Path) -> None:
    take(Wanted(source, "mine"), root)
    for place in (root / "colmap" / "mine", root / "colmap" / "mine" / "images"):
        with pytest.raises(SceneError, match="is what is to be imported"):
            take(Wanted(place, "mine", "colmap", link=True, force=True), root)
    assert verify.examine("colmap/mine", discover(), root).state == "fits"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", ".x", "x" * 65])
def test_a_name_that_is_none_is_refused(name: str, source: Path, root: Path) -> None:
    with pytest.raises(ConfigError, match="write letters, digits"):
        take(Wanted(source, name), root)
    assert not root.exists()


def test_large_images_are_loaded_reduced(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_BYTES", 20 * 3 * 64 * 48 // 4)
    found = take(Wanted(source, "mine"), root)
    assert found["parameters"] == {"downscale": 2}
    assert verify.examine("colmap/mine", discover(), root).state == "fits"


def test_the_factor_divides_every_side() -> None:
    assert importing._factor(Counter({(1920, 1080): 100})) == 1
    assert importing._factor(Counter({(4032, 3024): 200, (3024, 4032): 10})) == 3
    assert importing._factor(Counter({(4000, 3001): 200})) == 1
