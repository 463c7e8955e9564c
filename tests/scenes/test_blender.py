"""Blender scenes: a tiny one made here, each way in which it can be broken, and the real Lego."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Scene, manifest

SIZE = 16  # pixels per side
FAMILY = "nerf_synthetic"
Break = Callable[[Path], object]


def pose(x: float = 0.0) -> list[list[float]]:
    return [[1, 0, 0, x], [0, 0, -1, -4], [0, 1, 0, 0.5], [0, 0, 0, 1]]


def write_split(folder: Path, split: str, names: list[str]) -> None:
    start = 0.0 if split == "train" else 0.5  # no two views are from the same place
    frames = [
        {"file_path": f"./{split}/{name}", "transform_matrix": pose(start + index)}
        for index, name in enumerate(names)
    ]
    content = {"camera_angle_x": math.pi / 2, "frames": frames}
    (folder / f"transforms_{split}.json").write_text(json.dumps(content))
    (folder / split).mkdir()
    for index, name in enumerate(names):
        write_image(folder / split / f"{name}.png", 10 * index)


def write_image(path: Path, value: int, size: int = SIZE, mode: str = "RGBA") -> None:
    pixels = np.random.default_rng(value).integers(0, 256, (size, size, 4)).astype(np.uint8)
    pixels[0, 0] = value, 0, 0, 255
    Image.fromarray(pixels).convert(mode).save(path)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of transforms_train.json."""
    path = folder / "transforms_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of scene `tiny`: train views b, a, c in this order, test views t0 and t1."""
    folder = tmp_path / FAMILY / "tiny"
    folder.mkdir(parents=True)
    write_split(folder, "train", ["b", "a", "c"])
    write_split(folder, "test", ["t0", "t1"])
    return folder


def load(folder: Path, downscale: int = 1) -> Scene:
    source = discover().source(FAMILY)
    return source.load(folder.name, folder.parents[1], source.Config(downscale=downscale))


def test_views_keep_the_order_of_the_transforms(folder: Path) -> None:
    scene = load(folder)
    assert scene.train.names == ("train/b.png", "train/a.png", "train/c.png")
    assert scene.train.images[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert scene.train.poses[:, 0, 3].tolist() == [0, 1, 2]
    assert scene.test.names == ("test/t0.png", "test/t1.png")


def test_scene_follows_the_published_conventions(folder: Path) -> None:
    scene = load(folder)
    assert (scene.name, scene.near, scene.far) == ("nerf_synthetic/tiny", 2, 6)
    assert scene.background == (1, 1, 1)
    assert scene.box.tolist() == [[-1.5] * 3, [1.5] * 3]
    assert scene.train.images.shape == (3, SIZE, SIZE, 4)
    camera = scene.train.intrinsics
    assert camera.fx == camera.fy == pytest.approx(SIZE / 2)  # a field of view of 90°
    assert (camera.cx, camera.cy) == (SIZE / 2, SIZE / 2)


def test_downscale_scales_pixels_and_camera(folder: Path) -> None:
    small = load(folder, downscale=2).train
    assert small.images.shape == (3, SIZE // 2, SIZE // 2, 4)
    assert small.intrinsics.fx == pytest.approx(SIZE / 4)
    assert small.intrinsics.cx == SIZE / 4


def test_validation_split_is_not_read(folder: Path) -> None:
    (folder / "transforms_val.json").write_text("not even JSON")
    assert len(load(folder).train) == 3


def test_images_without_alpha_and_with_a_suffix_are_read(folder: Path) -> None:
    for split, names in (("train", "bac"), ("test", ("t0", "t1"))):
        for name in names:
            write_image(folder / split / f"{name}.png", 5, mode="RGB")
    (folder / "train" / "b.png").rename(folder / "train" / "b.bmp")
    edit(folder, lambda content: content["frames"][0].update(file_path="train/b.bmp"))
    scene = load(folder)
    assert scene.train.images.shape[-1] == 3
    assert scene.train.names[0] == "train/b.bmp"


def test_scene_of_ones_own_is_hashed_but_not_verified(folder: Path) -> None:
    before = load(folder)
    write_image(folder / "test" / "t1.png", 99)
    assert not before.verified
    assert len(before.manifest) == 64
    assert load(folder).manifest != before.manifest


def first(key: str, value: Any) -> Break:
    """Set a key of the first train frame."""
    return lambda folder: edit(folder, lambda content: content["frames"][0].update({key: value}))


def top(key: str, value: Any) -> Break:
    """Set a top-level key of transforms_train.json."""
    return lambda folder: edit(folder, lambda content: content.update({key: value}))


def without(key: str) -> Break:
    return lambda folder: edit(folder, lambda content: content.pop(key))


def first_without(key: str) -> Break:
    return lambda folder: edit(folder, lambda content: content["frames"][0].pop(key))


def truncated(name: str, keep: float = 0.5) -> Break:
    def cut(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * keep)])

    return cut


SHEARED = [[1, 0.1, 0, 0], *pose()[1:]]
MIRRORED = [[-1, 0, 0, 0], *pose()[1:]]
TRAIN, IMAGE = "transforms_train.json", "train/a.png"
BROKEN: dict[str, tuple[Break, str, str, str]] = {
    # case: (what is done, file named, what is wrong, remedy)
    "missing image": (lambda f: (f / IMAGE).unlink(), IMAGE, "is missing", "copy the scene again"),
    "truncated image": (truncated(IMAGE), IMAGE, "truncated", "export the image again"),
    "empty image": (truncated(IMAGE, 0), IMAGE, "not an image", "export the image again"),
    "no train split": (lambda f: (f / TRAIN).unlink(), TRAIN, "no train split", "export both"),
    "no test split": (
        lambda f: (f / "transforms_test.json").unlink(),
        "transforms_test.json",
        "no test split",
        "export both",
    ),
    "cut JSON": (truncated(TRAIN), TRAIN, "malformed JSON at line", "export the file again"),
    "no angle": (without("camera_angle_x"), TRAIN, "no key 'camera_angle_x'", "add"),
    "zero angle": (top("camera_angle_x", 0), TRAIN, "camera_angle_x is 0", "field of view"),
    "NaN angle": (top("camera_angle_x", math.nan), TRAIN, "is nan", "field of view"),
    "no frames": (without("frames"), TRAIN, "no key 'frames'", "add 'frames'"),
    "zero views": (top("frames", []), TRAIN, "lists no views", "at least one view"),
    "frames no list": (top("frames", {"a": 1}), TRAIN, "lists no views", "at least one view"),
    "frame no object": (top("frames", ["a"]), TRAIN, "frame 0 is not", "export the scene again"),
    "no path": (first_without("file_path"), TRAIN, "frame 0 has no key 'file_path'", "add"),
    "path no text": (first("file_path", 7), TRAIN, "file_path of frame 0 is 7", "path below"),
    "no pose": (first_without("transform_matrix"), TRAIN, "no key 'transform_matrix'", "add"),
    "NaN pose": (first("transform_matrix", pose(math.nan)), TRAIN, "train/b) holds NaN", "remove"),
    "infinite pose": (first("transform_matrix", pose(math.inf)), TRAIN, "infinity", "remove"),
    "sheared pose": (first("transform_matrix", SHEARED), TRAIN, "not rigid", "remove scale"),
    "mirrored pose": (first("transform_matrix", MIRRORED), TRAIN, "det -1", "mirroring"),
    "flat pose": (first("transform_matrix", pose()[:3]), TRAIN, "not a 4×4", "export the poses"),
    "mixed sizes": (
        lambda f: write_image(f / IMAGE, 1, SIZE * 2),
        IMAGE,
        "is 32×32, the scene's first image is 16×16",
        "one size",
    ),
    "test size differs": (
        lambda f: write_image(f / "test/t1.png", 1, SIZE * 2),
        "test/t1.png",
        "is 32×32",
        "one size",
    ),
    "mixed modes": (
        lambda f: write_image(f / IMAGE, 1, mode="RGB"),
        IMAGE,
        "is 16×16 RGB, ",
        "one mode",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_scene_is_refused_with_file_fault_and_remedy(folder: Path, case: str) -> None:
    damage, file, wrong, remedy = BROKEN[case]
    damage(folder)
    with pytest.raises(SceneError) as error:
        load(folder)
    message = str(error.value)
    assert message.startswith(f"{folder / file}: ")
    assert wrong in message
    assert remedy in message.partition("To fix it, ")[2]


@pytest.mark.parametrize(("factor", "remedy"), [(3, "choose one of 1, 2"), (4, "one of 1, 2")])
def test_downscale_that_does_not_fit_is_refused(folder: Path, factor: int, remedy: str) -> None:
    with pytest.raises(SceneError, match=remedy):
        load(folder, downscale=factor)


def test_unknown_scene_names_its_folder_and_the_others(folder: Path) -> None:
    with pytest.raises(SceneError, match=r"nowhere: .*scenes beside it: tiny.*EFFBENCH_SCENES"):
        load(folder.parent / "nowhere")


def test_without_a_root_every_standard_scene_is_listed_as_unavailable() -> None:
    source = discover().source(FAMILY)
    entries = source.entries(None)
    assert len(entries) == 8
    assert not any(entry.available for entry in entries)
    assert all("EFFBENCH_SCENES" in entry.reason for entry in entries)
    with pytest.raises(SceneError, match="--scenes-root"):
        source.load("lego", None, source.Config())


def test_scenes_below_the_root_are_listed(folder: Path) -> None:
    entries = discover().source(FAMILY).entries(folder.parents[1])
    assert [entry.name for entry in entries if entry.available] == ["tiny"]
    missing = next(entry for entry in entries if entry.name == "lego")
    assert str(folder.parent) in missing.reason


def test_missing_root_lists_the_standard_scenes(tmp_path: Path) -> None:
    entries = discover().source(FAMILY).entries(tmp_path / "nowhere")
    assert len(entries) == 8
    assert not any(entry.available for entry in entries)


def test_published_scene_is_verified_and_a_changed_one_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = discover().source(FAMILY)
    module = sys.modules[type(source).__module__]
    monkeypatch.setattr(module, "_MANIFESTS", tmp_path)
    files = {
        str(p.relative_to(folder)): manifest.sha256(p.read_bytes()) for p in folder.rglob("*.*")
    }
    scene = f"{FAMILY}/tiny"
    manifest.shipped_path(tmp_path, scene, SIZE, SIZE).write_text(
        manifest.to_json(scene, SIZE, SIZE, files)
    )
    verified = load(folder, downscale=2)
    assert verified.verified
    assert verified.manifest == manifest.digest(files)
    write_image(folder / IMAGE, 99)
    with pytest.raises(SceneError, match=r"train/a\.png: differs from the published file"):
        load(folder)


@pytest.mark.scenes
def test_real_lego_is_the_published_one(scenes_root: Path) -> None:
    if not (scenes_root / FAMILY / "lego").is_dir():
        pytest.skip(f"there is no nerf_synthetic/lego below {scenes_root}")
    scene = load(scenes_root / FAMILY / "lego", downscale=4)
    assert (len(scene.train), len(scene.test)) == (100, 200)
    assert scene.train.names[:2] == ("train/r_0.png", "train/r_1.png")
    camera = scene.train.intrinsics
    assert camera.fx == pytest.approx(1111.1111 * camera.width / 800)  # as published
    assert np.linalg.norm(scene.train.poses[:, :, 3], axis=1) == pytest.approx(4.0311, abs=1e-3)
    assert scene.verified == (camera.width == 100)  # shipped for 400×400


def test_a_test_view_that_is_a_training_view_is_refused(folder: Path) -> None:
    content = (folder / "transforms_train.json").read_text()
    (folder / "transforms_test.json").write_text(content)
    with pytest.raises(SceneError, match=r"the test view train/b.png has the pose or the file"):
        load(folder)


def test_a_test_view_from_the_place_of_a_training_view_is_refused(folder: Path) -> None:
    path = folder / "transforms_test.json"
    content = json.loads(path.read_text())
    content["frames"][1]["transform_matrix"] = pose(2.0)
    path.write_text(json.dumps(content))
    with pytest.raises(SceneError, match=r"view test/t1.png has the pose .* view train/c.png"):
        load(folder)


def test_an_angle_that_is_no_number_is_refused(folder: Path) -> None:
    edit(folder, lambda content: content.update(camera_angle_x=True))
    with pytest.raises(SceneError, match="camera_angle_x is True, not an angle"):
        load(folder)


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".png"])
def test_paths_as_windows_writes_them_and_other_suffixes_are_found(
    folder: Path, suffix: str
) -> None:
    for path in list(folder.glob("*/*.png")):
        Image.open(path).convert("RGB").save(path.with_suffix(suffix))
        if suffix != ".png":
            path.unlink()
    edit(folder, lambda content: content["frames"][0].update(file_path=".\\train\\b"))
    scene = load(folder)
    assert scene.train.names == tuple(f"train/{name}{suffix}" for name in "bac")
    assert scene.notes == (() if suffix == ".png" else (f"5 images are {suffix} files",))


@pytest.mark.parametrize(
    "lens",
    [{"k1": 0.2}, {"p2": -1e-3}, {"cx": 5.0, "w": SIZE}, {"cy": 8.0}, {"cx": "8", "w": SIZE}],
    ids=["k1", "p2", "cx", "cy without h", "text"],
)
def test_a_lens_that_is_not_read_is_refused_by_name(folder: Path, lens: dict[str, float]) -> None:
    edit(folder, lambda content: content.update(lens))
    name, value = next(iter(lens.items()))
    with pytest.raises(SceneError, match=rf"a lens that is not read \({name}={value}\)"):
        load(folder)


def test_a_pinhole_with_all_its_parameters_written_out_is_no_matter(folder: Path) -> None:
    lens = {"k1": 0, "k2": 0.0, "p1": 0, "w": SIZE, "h": SIZE, "cx": SIZE / 2, "cy": SIZE / 2}
    edit(folder, lambda content: content.update(lens))
    assert len(load(folder).train) == 3


def test_an_image_that_is_to_be_shown_turned_is_refused(folder: Path) -> None:
    path = folder / "train" / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(path).save(path, exif=exif)
    with pytest.raises(SceneError, match=r"a.png: its EXIF data .* turned \(orientation 3\)"):
        load(folder)


def test_an_image_for_print_is_refused(folder: Path) -> None:
    (folder / "train" / "a.png").unlink()
    Image.new("CMYK", (SIZE, SIZE)).save(folder / "train" / "a.jpg")
    with pytest.raises(SceneError, match=r"a.jpg: has CMYK pixels"):
        load(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
PLACES: list[list[str | int]] = [
    [],
    ["frames"],
    ["camera_angle_x"],
    ["frames", 1],
    ["frames", 0, "file_path"],
    ["frames", 2, "transform_matrix"],
    ["frames", 0, "transform_matrix", 1, 3],
]


@given(place=st.sampled_from(PLACES), value=JSON)
@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_transforms_file_is_one_error_or_a_scene(
    folder: Path, place: list[str | int], value: Any
) -> None:
    path = folder / "transforms_train.json"
    kept = path.read_text()
    content: Any = {"all": json.loads(kept)}
    within = content
    for key in ["all", *place][:-1]:
        within = within[key]
    within[["all", *place][-1]] = value
    path.write_text(json.dumps(content["all"]))
    try:
        with contextlib.suppress(SceneError):  # nothing else, whatever it says
            load(folder)
    finally:
        path.write_text(kept)


@given(text=st.text(max_size=40))
@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_transforms_file_of_any_text_is_one_error(folder: Path, text: str) -> None:
    path = folder / "transforms_test.json"
    kept = path.read_text()
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        with pytest.raises(SceneError, match="To fix it"):
            load(folder)
    finally:
        path.write_text(kept)


class TestSizeBoxAndSplit:
    def scene(self, folder: Path, **params: Any) -> Scene:
        source = discover().source(FAMILY)
        return source.load(folder.name, folder.parents[1], source.Config(**params))

    def test_a_size_gives_the_same_pixels_as_the_factor_to_it(self, folder: Path) -> None:
        by_size, by_factor = self.scene(folder, size=8), self.scene(folder, downscale=2)
        assert (by_size.train.images == by_factor.train.images).all()
        assert by_size.train.intrinsics == by_factor.train.intrinsics

    @pytest.mark.parametrize(
        ("params", "wrong"),
        [
            ({"size": 7}, "size=7 does not divide the images' 16 pixels. .*choose one of 16, 8"),
            ({"size": 8, "downscale": 2}, "both say how large"),
            ({"size": -8}, "does not divide"),
        ],
    )
    def test_a_size_that_does_not_fit_is_refused(
        self, folder: Path, params: dict[str, int], wrong: str
    ) -> None:
        with pytest.raises(SceneError, match=wrong):
            self.scene(folder, **params)

    def test_the_box_is_that_of_the_full_images_whatever_the_size(self, folder: Path) -> None:
        for name in "bac":  # a dot in the middle of each training view
            pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
            pixels[7:9, 7:9] = 255
            Image.fromarray(pixels).save(folder / "train" / f"{name}.png")
        full, small = self.scene(folder).box, self.scene(folder, downscale=2).box
        assert (full == small).all()
        fixed = self.scene(folder, box="fixed").box
        assert (fixed == [[-1.5] * 3, [1.5] * 3]).all()
        assert (full[1] - full[0]).min() < 3

    def test_the_validation_split_is_evaluated_when_asked_for(self, folder: Path) -> None:
        with pytest.raises(SceneError, match=r"has no val split.*--split test"):
            self.scene(folder, split="val")
        write_split(folder, "val", ["v0"])
        edit_poses(folder / "transforms_val.json", 20.0)
        scene = self.scene(folder, split="val")
        assert scene.test.names == ("val/v0.png",)
        assert scene.manifest != self.scene(folder).manifest


def edit_poses(path: Path, x: float) -> None:
    content = json.loads(path.read_text())
    for frame in content["frames"]:
        frame["transform_matrix"][0][3] += x
    path.write_text(json.dumps(content))


def test_the_manifest_is_that_of_the_loaded_scene(folder: Path) -> None:
    source = discover().source(FAMILY)
    asked = source.manifest(folder.name, folder.parents[1], source.Config())
    assert asked == load(folder).manifest
    write_image(folder / "test" / "t0.png", 99)
    assert source.manifest(folder.name, folder.parents[1], source.Config()) != asked
