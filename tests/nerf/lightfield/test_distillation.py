"""The student and its pruned descendants: teaching, shapes, schedule, going on, shipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from effbench import spans
from effbench.errors import ConfigError
from effbench.method import Checkpoint, Context, Method
from effbench.method.budget import Budget
from effbench.method.config import to_dict
from effbench.nerf.compression.channel_pruning import Cost
from effbench.nerf.lightfield.distillation import NeLFMethod
from effbench.nerf.lightfield.network import D60_SR3, NeLFStage
from effbench.nerf.lightfield.view_pool import real_images
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from effbench.planning.registry import Registry
from effbench.scene import Intrinsics
from tests.nerf_scene import CAMERA, ball, context, look_at_origin

SMALL = {
    "bounds": "box",
    "rays": 0,
    "patch": 0,
    "jitter": 0.0,
    "views": 2,
    "real_share": 0.0,
    "points": 3,
    "frequencies": 1,
    "width": 10,
    "depth": 6,
    "sr_widths": (8,),
    "sr_blocks": 1,
    "precision": "fp32",
}
GREY = 0.4


class GreyTeacher(Method):
    """Sees the same grey everywhere: what a student of it should come to."""

    name = "grey-teacher"
    Config = dict

    def __init__(self, config: Any, context: Context) -> None:
        super().__init__(config, context)
        self.views = 0

    def step(self, progress: float) -> Tensor:
        raise NotImplementedError

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        return torch.full((intrinsics.height, intrinsics.width, 3), GREY)

    def state(self) -> dict[str, Tensor]:
        return {"grey": torch.tensor([GREY])}

    def load_state(self, state: Any) -> None: ...

    def parameters(self) -> list[Tensor]:
        return []


class InMemory(Checkpoint):
    def restore(self, context: Context) -> Method:
        return GreyTeacher({}, context)


@cache
def registry() -> Registry:
    return plugins.discover([])


def teacher(folder: Path | None = None) -> Checkpoint:
    return InMemory("grey-teacher", {}, {"grey": torch.tensor([GREY])}, folder)


def student(**params: Any) -> NeLFMethod:
    return build("nelf-student", {"teacher": teacher()}, **params)


def features(**params: Any) -> NeLFMethod:
    return build("nelf-features", {"teacher": teacher()}, **params)


def build(
    name: str, parents: dict[str, Checkpoint], budget: str | None = None, **params: Any
) -> NeLFMethod:
    cls = registry().method(name)
    config, _ = resolve(cls, SMALL | params, "cpu")
    spent = Budget.parse(budget) if budget else None
    built = cls.specialised(to_dict(config))(config, context(parents=parents, budget=spent))
    assert isinstance(built, NeLFMethod)
    return built


def pruning(name: str = "iterative-50", budget: str | None = None, **params: Any) -> Any:
    parent = student()
    for _ in range(3):
        parent.step(0.0)
    own = Checkpoint("nelf-student", to_dict(parent.config), parent.state())
    return build(name, {"teacher": teacher(), "student": own}, budget, **params)


def rendered(method: Method) -> Tensor:
    return method.render(torch.from_numpy(look_at_origin(0.4)), CAMERA)


def test_the_full_student_is_d60_sr3() -> None:
    config, _ = resolve(registry().method("nelf-student"), {}, "cuda:0")
    assert config.shape() == D60_SR3


def test_a_student_learns_what_its_teacher_sees() -> None:
    method = student(lr=0.02, warmup=1)
    first = float(method.step(0.0))
    for index in range(60):
        last = float(method.step(index / 60))
    assert last < first / 10
    torch.testing.assert_close(rendered(method), torch.full((16, 16, 3), GREY), atol=0.05, rtol=0)


@pytest.mark.parametrize("make", [student, features])
def test_a_step_of_a_light_field_has_its_parts(make: Callable[[], NeLFMethod]) -> None:
    method = make()
    told: list[str] = []

    @contextmanager
    def part(name: str) -> Iterator[None]:
        told.append(name)
        yield

    with spans.watched(part):
        method.step(0.0)
    own = [spans.RAYS, spans.NETWORK, spans.BACKWARD, spans.OPTIMISER]
    assert [name for name in told if name != spans.ENCODING_BACKWARD] == own


def test_on_a_cpu_the_student_has_the_same_shape_but_smaller() -> None:
    config, _ = resolve(registry().method("nelf-student"), {}, "cpu")
    shape = config.shape()
    assert (shape.points, shape.frequencies, shape.table) == (8, 6, None)
    assert shape.stages
    assert config.bounds == "scene"
    # what one thread of a web page computes several times a second
    assert Cost.of(shape, (25, 25)).macs < 150e6, "of an image of 100×100"


def test_of_a_capture_the_box_is_looked_at_and_not_the_way_to_the_horizon() -> None:
    for name, expected in (("nelf-student", "box"), ("nelf-features", "occupied")):
        config, _ = resolve(registry().method(name), {}, "cpu", captured=True)
        assert config.bounds == expected


def test_a_table_remembers_what_is_where() -> None:
    method = features(feature_levels=2, feature_log2_table=8, lr=0.02, warmup=1)
    table = method.state()["features.table"].clone()
    first = float(method.step(0.0))
    for index in range(40):
        last = float(method.step(index / 40))
    assert last < first / 5
    assert not torch.equal(method.state()["features.table"], table)
    assert method.network.features.backend == method.backend == "cpu"
    copied = features(feature_levels=2, feature_log2_table=8)
    copied.load_state(method.state())
    assert torch.equal(rendered(copied), rendered(method))


def test_finetuning_is_on_the_training_images_alone() -> None:
    method = student(finetune=0.5)
    for progress, real in ((0.4, False), (0.6, True)):
        _, images, _ = method.draw(progress)
        assert bool((images == round(GREY * 255)).all()) is not real


@pytest.mark.parametrize("name", ["nelf-student", "iterative-0"])
def test_without_a_teacher_none_is_asked_for(name: str) -> None:
    cls = registry().method(name)
    for params, roles in (
        ({"real_share": 1.0}, set()),
        ({"finetune": 1.0}, set()),
        ({"real_share": 0.5}, {"teacher"}),
        ({"real_share": 1.0, "bounds": "occupied"}, {"teacher"}),
    ):
        config, _ = resolve(cls, SMALL | params, "cpu")
        assert set(cls.requires(config)) - {"student"} == roles
        assert cls.prepare(config, context(parents={})) == {}


def test_a_student_without_a_teacher_learns_from_the_training_images() -> None:
    method = build("nelf-student", {}, real_share=1.0, lr=0.02, warmup=1)
    first = float(method.step(0.0))
    for index in range(20):
        last = float(method.step(index / 20))
    assert last < first / 2
    assert method.facts()["pseudo_views"] == 0


def test_every_view_is_drawn_once_before_any_is_drawn_again() -> None:
    method = student(views=3)
    drawn = [*method.pool.draw(4, 0.0), *method.pool.draw(4, 0.0)]
    assert sorted(drawn) == list(range(8))
    assert method.facts()["pseudo_views"] == 8


def test_rays_of_all_views_are_drawn_with_their_colours() -> None:
    method = student(sr_widths=(), rays=50)
    method.pool.images.copy_(torch.arange(16 * 16).view(16, 16, 1))  # a colour per place
    poses, pixels, colors = method.pool.pixels(500, real_share=0.5)
    assert (colors == pixels[:, None]).all()
    assert len(pixels.unique()) > 150
    real = (poses[:, None] == method.pool.poses[None, 8:]).all(-1).all(-1).any(1)
    assert 0.4 < real.float().mean() < 0.6
    rays, targets, _ = method.draw(0.0)
    assert rays.shape == (1, method.config.shape().channels, 1, 50)
    assert targets.shape == (1, 3, 1, 50)


def test_drawn_rays_are_encoded_as_whole_views_are() -> None:
    method = student(sr_widths=(), rays=64)
    poses, pixels, _ = method.pool.pixels(64, 0.0)
    method.pool.pixels = lambda *_: (poses, pixels, torch.zeros(64, 3))  # type: ignore[method-assign]
    rays, _, _ = method.draw(0.0)
    whole = method.encoder(poses).flatten(2)
    expected = torch.stack([whole[i, :, pixel] for i, pixel in enumerate(pixels)])
    torch.testing.assert_close(rays[0, :, 0].t(), expected)


def test_real_images_lie_over_the_background() -> None:
    images = real_images(ball().train, (1.0, 0.0, 0.0))
    assert images.dtype == torch.uint8
    assert images[0, 0, 0].tolist() == [255, 0, 0]
    assert images[0, 8, 8].tolist() == [60, 60, 60]


@pytest.mark.parametrize(("budget", "views"), [("6it", 6), ("99999it", 40)])
def test_the_number_of_views_follows_the_budget(budget: str, views: int) -> None:
    method = build("nelf-student", {"teacher": teacher()}, budget, pseudo_views=40, views=1)
    assert method.facts()["pseudo_views"] == views


def test_patches_see_less_of_each_view() -> None:
    params = {"pseudo_views": 400, "views": 5, "patch": 4}  # 8×8 of 16×16 pixels
    method = build("nelf-student", {"teacher": teacher()}, "6it", **params)
    assert method.facts()["pseudo_views"] == math.ceil(5 * 6 / 4)
    assert method.facts()["pixels_per_step"] == 5 * 8 * 8


def test_views_are_prepared_beside_the_teacher_and_cost_the_same_name(tmp_path: Path) -> None:
    parents = {"teacher": teacher(tmp_path)}
    made = [
        registry()
        .method(name)
        .prepare(
            resolve(registry().method(name), SMALL, "cpu")[0],
            context(parents=parents, budget=Budget.parse("9it")),
        )
        for name in ("nelf-student", "iterative-30")
    ]
    assert made[0] == made[1]
    (file,) = tmp_path.iterdir()
    assert [*made[0]] == [file.stem.replace("pseudo-views-", "pseudo views ")]


def test_a_camera_of_another_size_can_be_rendered() -> None:
    image = student().render(
        torch.from_numpy(look_at_origin(0.4)), Intrinsics(9, 7, 9, 9, 4.5, 3.5)
    )
    assert image.shape == (7, 9, 3)


def test_facts_say_how_fast_pixels_were_trained_on() -> None:
    method = student(views=2)
    for _ in range(3):
        method.step(0.0)
    facts = method.facts()
    assert facts["pixels_per_step"] == 2 * 16 * 16
    assert facts["pixels_per_s"] > 0
    assert facts["pseudo_view_size"] == [16, 16]


@pytest.mark.parametrize(
    ("steps", "until", "expected"),
    [
        (1, 0.5, [1, 1, 1, 1, 1]),
        (2, 0.5, [1, 1, 2, 2, 2]),
        (5, 1.0, [1, 2, 3, 4, 5]),
        (3, 0.5, [1, 2, 3, 3, 3]),
    ],
)
def test_steps_are_spread_over_the_first_part_of_the_budget(
    steps: int, until: float, expected: list[int]
) -> None:
    method = pruning(pruning_steps=steps, prune_until=until)
    done = []
    for progress in (0.0, 0.25, 0.5, 0.75, 1.0):
        method.step(progress)
        done.append(method.pruned_steps)
    assert done == expected


def test_channels_are_really_gone_and_said_to_be() -> None:
    method = pruning("iterative-50", pruning_steps=2)
    dense = sum(p.numel() for p in method.parameters())
    method.step(0.0)
    method.step(0.5)
    shape = method.network.shape
    assert (shape.width, shape.inner, shape.stages) == (5, (5, 5), (NeLFStage(4, (4,)),))
    facts, parameters = method.facts(), sum(p.numel() for p in method.parameters())
    assert facts["left_of_student"]["channels"] == 0.5
    assert facts["left_of_student"]["parameters"] == pytest.approx(parameters / dense)
    assert facts["left_of_student"]["latency"] > 0
    assert facts["cost"]["parameters"] == parameters
    (table,) = method.tables().values()
    assert [(row["pruning_step"], row["ratio"]) for row in table] == [(1, 0.25), (2, 0.5)]
    assert method.tables() == {"pruning": []}


@pytest.mark.parametrize("criterion", ["l1", "l2", "bn", "taylor"])
@pytest.mark.parametrize("groups", ["inner", "all"])
def test_every_criterion_prunes_and_trains_on(criterion: str, groups: str) -> None:
    method = pruning("iterative-30", criterion=criterion, groups=groups)
    for progress in (0.0, 0.5):
        assert torch.isfinite(method.step(progress))
    assert method.network.shape.inner == (7, 7)
    assert method.network.shape.width == (10 if groups == "inner" else 7)


def test_a_pruned_network_renders_the_same_from_what_it_ships() -> None:
    method = pruning()
    method.step(0.5)
    fresh = pruning()
    fresh.load_state({key: tensor.clone() for key, tensor in method.state().items()})
    assert torch.equal(rendered(fresh), rendered(method))


def test_a_student_and_its_descendants_share_the_teachers_grid() -> None:
    bits = torch.randint(256, (64,), dtype=torch.uint8)  # of 8³ cells
    state = {"occupancy.bits": bits}
    parents: dict[str, Checkpoint] = {"teacher": InMemory("grey-teacher", {}, state)}
    method = build("nelf-student", parents, bounds="occupied")
    method.step(0.0)
    assert torch.equal(method.state()["occupancy.bits"], bits)
    own = Checkpoint("nelf-student", to_dict(method.config), method.state())
    child = build("iterative-50", {**parents, "student": own}, bounds="occupied")
    child.step(0.5)
    fresh = build("iterative-50", {**parents, "student": own}, bounds="occupied")
    fresh.load_state(child.state())
    assert torch.equal(rendered(fresh), rendered(child))


def test_a_teacher_without_a_grid_is_refused_where_it_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"no occupancy grid.*write bounds=box"):
        student(bounds="occupied")


def test_a_schedule_goes_on_from_its_last_pruning_step() -> None:
    method = pruning(pruning_steps=3)
    assert method.snapshot() is None, "nothing was pruned"
    method.step(0.0)
    method.step(0.3)
    snapshot = {key: tensor.clone() for key, tensor in method.snapshot().items()}
    assert method.snapshot() is None, "once for each pruning step"
    losses = [float(method.step(progress)) for progress in (0.4, 0.41, 0.42)]

    resumed = pruning(pruning_steps=3)
    resumed.resume(snapshot)

    assert (resumed.pruned_steps, resumed.iteration) == (2, 2)
    assert resumed.network.shape == method.network.shape
    again = [float(resumed.step(progress)) for progress in (0.4, 0.41, 0.42)]
    assert again == losses, "the same views, rays and steps as if it had not stopped"
    for own, other in zip(resumed.parameters(), method.parameters(), strict=True):
        assert torch.equal(own, other)
    resumed.step(0.5)
    method.step(0.5)
    assert resumed.pruned_steps == 3
    assert resumed.network.shape == method.network.shape


def test_without_finetuning_all_steps_are_taken_at_once() -> None:
    method = pruning(finetuned=False, pruning_steps=3)
    assert (method.trains, method.pruned_steps, method.iteration) == (False, 3, 0)
    assert method.network.shape.width == 5
    assert method.name == "iterative-pruning"


def test_the_network_behind_a_table_is_pruned_under_names_of_its_own() -> None:
    parent = features(feature_log2_table=8)
    parent.step(0.0)
    own = Checkpoint("nelf-features", to_dict(parent.config), parent.state())
    for name, expected in (("features-0", 10), ("features-50", 5)):
        parents = {"teacher": teacher(), "student": own}
        method = build(name, parents, feature_log2_table=8)
        method.step(0.5)
        state = method.state()
        assert state["features.table"].shape == parent.state()["features.table"].shape
        assert method.network.shape.width == expected
        child = type(method).requires(method.config)["student"]
        assert child.method == "nelf-features"
        wanted, _ = resolve(registry().method("nelf-features"), child.params, "cpu")
        assert wanted.shape() == parent.config.shape()
        control = type(method).control(method.config)
        assert control is not None
        assert control.method == "features-0"
    bare = build("features-50", parents, feature_log2_table=8, finetuned=False)
    assert (bare.trains, bare.network.shape.width) == (False, 5)


def test_a_control_takes_the_same_steps_and_removes_nothing() -> None:
    method = pruning("iterative-0", pruning_steps=2)
    before = method.network.shape
    assert torch.isfinite(method.step(0.0))
    assert torch.isfinite(method.step(0.6))
    assert (method.pruned_steps, method.network.shape) == (2, before)
    assert method.facts()["left_of_student"]["bytes"] == 1


def test_a_ratio_of_zero_leaves_the_student_as_it_was() -> None:
    method = pruning("iterative-pruning", ratio=0.0, finetuned=False)
    dense = method.start()
    expected = dense.state_dict()
    assert all(torch.equal(expected[key], value) for key, value in method.state().items())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ratio": 1.0}, "ratio is in"),
        ({"pruning_steps": 0}, "pruning_steps at least 1"),
        ({"real_share": 2.0}, "parts: write 0 to 1"),
        ({"views": 0}, "must be positive"),
        ({"depth": 7}, "depth=7"),
        ({"rays": 9, "sr_widths": (4,)}, "whole views: write rays=0"),
        ({"rays": 9, "sr_widths": (), "patch": 2}, "write rays=0 or patch=0"),
        ({"patch": -1}, "write 0 for none"),
        ({"patch": 1}, "write at least patch=2"),
        ({"of": "nelf-features", "feature_levels": 0}, "without a table use nelf-student"),
    ],
)
def test_impossible_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(registry().method("iterative-pruning"), params, "cpu")


def test_a_budget_too_short_for_the_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"3 iterations is too short.*pruning_steps=3"):
        pruning(budget="3it", pruning_steps=4)


def test_parents_are_the_teacher_and_the_student_with_the_same_network() -> None:
    cls = registry().method("iterative-30")
    config, _ = resolve(cls, {"width": 64, "depth": 4, "real_share": 0.1}, "cpu")
    needs = cls.requires(config)
    assert {role: need.method for role, need in needs.items()} == {
        "teacher": "instant-ngp",
        "student": "nelf-student",
    }
    parent, _ = resolve(registry().method("nelf-student"), needs["student"].params, "cpu")
    assert parent.shape() == config.shape()
    own, _ = resolve(registry().method("nelf-student"), {}, "cpu")
    assert parent.real_share == own.real_share != config.real_share
