"""The step in fixed buffers does what the exact step does: same loss, same gradients, same rays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.machine import devices
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler, Sampler
from effbench.nerf.sampling.capacity import Capacity
from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.sampling.rays import TrainingPixels
from effbench.nerf.training import RadianceFieldMethod, TrainingOptions, fixed_step
from effbench.nerf.training.fixed_step import FixedStep
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.learning import Batch, FullLearner, Learner
from tests.fake_cuda import DEVICE, FakeCuda
from tests.nerf_scene import CAMERA, ball, context, look_at_origin

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Config:
    samples: int = 2048
    compaction: str = "transmittance"
    buffers: str = "fixed"
    mining: MiningConfig | None = None
    error_map: bool = False
    ema: float = 0.0
    grid: bool = True
    fine: int = 0  # without a grid
    precision: str = "fp32"
    space: str = "box"
    background: str = "random"
    loss: str = "huber"


class Small(RadianceFieldMethod):
    name = "small"
    Config = Config

    def build_options(self) -> TrainingOptions:
        c = self.config
        more = {"background": c.background, "loss": c.loss}
        return TrainingOptions(c.samples, decay="none", buffers=c.buffers, ema=c.ema, **more)

    def build_field(self, generator: torch.Generator) -> HashField:
        layout = HashLayout(levels=4, log2_table=10, base=4, finest=32)
        return HashField(layout, 16, 15, self.config.precision, self.backend, generator)

    def build_sampler(self) -> Sampler:
        if not self.config.grid:
            return HierarchicalSampler(8, self.config.fine, self.space, self.backend)
        options = OccupancyOptions(
            resolution=16, steps=128, compaction=self.config.compaction, alpha_threshold=1e-3
        )
        return OccupancySampler(options, self.space, self.device, self.backend)

    def build_learner(self) -> Learner:
        if self.config.mining is None:
            return FullLearner(self.backend)
        return HardSampleLearner(self.config.mining, 8, self.generator, self.backend)

    def build_pixels(self) -> TrainingPixels:
        if not self.config.error_map:
            return super().build_pixels()
        views = self.context.scene.train
        options = ErrorMapOptions(map_size=4, map_every=2)
        return ErrorMapPixels(options, views, self.aabb, self.device, self.backend)

    def build_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.field.parameters(), lr=1e-2, betas=(0.9, 0.99), eps=1e-15)


def fixed_of(method: Small) -> FixedStep:
    assert method.fixed
    return method.fixed


def trained(device: torch.device = CPU, steps: int = 30, **choices: Any) -> Small:
    """Return a method that has learnt a little, so that rays differ in what they need."""
    method = Small(Config(**choices), context(device=device))
    for _ in range(steps):
        method.step(0.0)
    return method


def gradients(method: Small, run: Callable[[], object]) -> list[Tensor]:
    """Return the gradients that the optimiser would see in `run`."""
    seen: list[Tensor] = []

    def step() -> None:
        seen.extend(p.grad.clone() for p in method.field.parameters() if p.grad is not None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(method.optimizer, "step", step)
        run()
    return seen


def distance(mine: Tensor, expected: Tensor) -> float:
    """Return how far a gradient is from the expected one, as a part of its length."""
    return float((mine - expected).norm() / expected.norm())


# Sums over tensors of other lengths are rounded differently on some processors. Where a sample is
# drawn at the edge between two, its neighbour may be drawn then; a tail that counts changes more.
SWAPPED = 5e-3


def set_rays(method: Small, count: int) -> None:
    fixed_of(method).rays.fill_(count)


COMPACTIONS = ["none", "transmittance", "low-weight"]
MINING = [
    None,
    MiningConfig(running_mean=False),
    MiningConfig(replacement=False, running_mean=False),
    MiningConfig(reweight=True, running_mean=False),
]


@pytest.mark.parametrize("compaction", COMPACTIONS)
@pytest.mark.parametrize(
    "mining", MINING, ids=["all", "mined", "without-replacement", "reweighted"]
)
def test_the_same_rays_give_the_same_loss_and_gradients(
    compaction: str, mining: MiningConfig | None
) -> None:
    method = trained(compaction=compaction, mining=mining)
    generator = method.generator.clone_state()
    set_rays(method, 256)
    capacity = Capacity(rays=256, marched=40_000, kept=36_000, drawn=36_000)
    fixed = fixed_of(method)
    ours = gradients(method, lambda: fixed.work(capacity))
    method.set_generator(generator)
    method.ray_count = 256
    mean_tau = getattr(method.learner, "mean_tau", torch.ones(())).clone()
    theirs = gradients(method, method._step_exactly)
    assert len(ours) == len(theirs) == 6
    for mine, expected in zip(ours, theirs, strict=True):
        if mining is None:  # nothing is drawn, so that every entry is the same
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-7)
        assert distance(mine, expected) <= (SWAPPED if mining else 1e-4)
    reported = dict(zip(fixed.names, fixed._values.tolist(), strict=True))
    (row,) = [r for r in method.steps.take() if r["rays"] == 256][-1:]
    assert reported.pop("dropped") == 0
    distinct = reported.pop("distinct", None)
    assert reported == pytest.approx({k: row[k] for k in reported}, rel=1e-4)
    if mining:
        torch.testing.assert_close(method.learner.mean_tau, mean_tau)  # type: ignore[attr-defined]
        assert distinct == pytest.approx(row["distinct"], rel=SWAPPED)
        assert 0 < distinct < 1


@pytest.mark.parametrize("compaction", COMPACTIONS)
@pytest.mark.parametrize("mining", [None, MiningConfig()], ids=["all", "mined"])
def test_inactive_rays_and_the_tail_contribute_exactly_nothing(
    compaction: str, mining: MiningConfig | None
) -> None:
    method = trained(compaction=compaction, mining=mining)
    fixed, generator = fixed_of(method), method.generator.clone_state()
    state = {name: x.clone() for name, x in vars(method.learner).items() if isinstance(x, Tensor)}
    found = []
    for marched, kept in [(30_000, 20_480), (40_000, 30_000)]:  # the longer tail changes nothing
        method.set_generator(generator.clone_state())
        vars(method.learner).update({name: x.clone() for name, x in state.items()})
        set_rays(method, 100)
        capacity = Capacity(256, marched, kept, kept)
        found.append((gradients(method, lambda c=capacity: fixed.work(c)), fixed._values.clone()))  # type: ignore[misc]
    (first, values), (again, more) = found
    for mine, other in zip(first, again, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(values, more)
    assert dict(zip(fixed.names, values.tolist(), strict=True))["rays"] == 100
    # and the same as an exact step on those hundred rays alone
    method.set_generator(generator.clone_state())
    vars(method.learner).update(state)
    rays, pixels = method.pixels.sample(256, method.generator)
    target, background = method.matched(rays, pixels, method.generator)
    filled = method.sampler.place_within(  # type: ignore[attr-defined]
        rays, torch.tensor(100), method.field, method.generator, Capacity(256, 30_000, 20_480, 1)
    )
    count = int(filled.placed.samples.offsets[-1])
    samples, encoded = filled.placed.samples, filled.placed.encoded
    exact = replace(
        samples,
        **{k: getattr(samples, k)[:count] for k in ("positions", "t", "rays", "deltas")},
        offsets=samples.offsets[:101],
    )
    placed = replace(
        filled.placed, samples=exact, encoded=encoded if encoded is None else encoded[:count]
    )
    batch = Batch(rays.select(slice(100)), placed, target[:100], background[:100])
    method.optimizer.zero_grad()
    outcome = method.learner.backward(method.field, method.sampler, batch, method.loss)
    for mine, expected in zip(first, [p.grad for p in method.field.parameters()], strict=True):
        assert expected is not None
        assert distance(mine, expected) <= (SWAPPED if mining else 1e-4)
    assert float(outcome.loss) == pytest.approx(float(values[0]), rel=1e-5)


@pytest.mark.parametrize("compaction", COMPACTIONS)
def test_what_finds_no_room_is_dropped_with_its_whole_ray(compaction: str) -> None:
    method = trained(compaction=compaction)
    fixed, generator = fixed_of(method), method.generator.clone_state()
    set_rays(method, 256)
    counts = _per_ray(method, generator, 40_000)
    kept = int(counts.sum()) // 2
    complete = int((counts.cumsum(0) < kept).sum())
    method.set_generator(generator.clone_state())
    set_rays(method, 256)
    few = gradients(method, lambda: fixed.work(Capacity(256, 40_000, kept, kept)))
    reported = dict(zip(fixed.names, fixed._values.tolist(), strict=True))
    assert 0 < complete < 256
    assert reported["dropped"] == pytest.approx(1 - complete / 256)
    assert reported["samples"] == int(counts[:complete].sum())
    method.set_generator(generator.clone_state())
    set_rays(method, complete)
    alone = gradients(method, lambda: fixed.work(Capacity(256, 40_000, 40_000, 40_000)))
    for mine, expected in zip(few, alone, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-7)


def _per_ray(method: Small, generator: torch.Generator, room: int) -> Tensor:
    """Return how many samples each of 256 rays keeps."""
    method.set_generator(generator.clone_state())
    rays, pixels = method.pixels.sample(256, method.generator)
    method.matched(rays, pixels, method.generator)
    filled = method.sampler.place_within(  # type: ignore[attr-defined]
        rays, torch.tensor(256), method.field, method.generator, Capacity(256, room, room, room)
    )
    return filled.placed.samples.offsets.diff()


@pytest.mark.parametrize("compaction", COMPACTIONS)
@pytest.mark.parametrize(
    "mining", [None, MiningConfig(), MiningConfig(evaluate="drawn")], ids=["all", "once", "drawn"]
)
def test_it_learns_and_the_samples_come_to_b(compaction: str, mining: MiningConfig | None) -> None:
    method = trained(steps=120, compaction=compaction, mining=mining, samples=4000)
    pose = torch.from_numpy(look_at_origin(0.4))  # between two training views
    truth = torch.from_numpy(ball().train.composite(0, (1.0, 1.0, 1.0)))
    assert float((method.render(pose, CAMERA) - truth).square().mean()) < 0.01
    rows = method.steps.take()
    late = [row["samples"] for row in rows[-20:]]
    assert sum(late) / len(late) == pytest.approx(4000, rel=0.05)
    assert max(row["dropped"] for row in rows[-20:]) < 0.2
    assert method.diagnostics()["samples"] == rows[-1]["samples"]


@pytest.mark.parametrize("evaluate", ["once", "drawn"])
def test_mining_draws_no_more_than_there_is_room_for(evaluate: Literal["once", "drawn"]) -> None:
    mining = MiningConfig(running_mean=False, evaluate=evaluate)
    method = trained(mining=mining, compaction="none")
    fixed = fixed_of(method)
    set_rays(method, 256)
    few = Capacity(256, 40_000, 40_000, 40)
    assert gradients(method, lambda: fixed.work(few))
    reported = dict(zip(fixed.names, fixed._values.tolist(), strict=True))
    least = 30 if evaluate == "once" else 15  # some of the 40 are the same
    assert least < reported["distinct"] * reported["samples"] <= 40.5
    assert int(fixed._counts[2]) > 40  # so that a later step gets more room


def test_an_error_map_learns_from_active_rays_alone() -> None:
    method = trained(error_map=True, steps=0)
    pixels = method.pixels
    assert isinstance(pixels, ErrorMapPixels)
    set_rays(method, 64)
    fixed = fixed_of(method)
    fixed.work(Capacity(256, 40_000, 40_000, 40_000))
    seen = torch.zeros_like(pixels.error).bool().view(-1)
    seen[pixels._cell[:64]] = True
    assert torch.equal(pixels.error.view(-1) != 1, seen)
    assert pixels.error.isfinite().all()
    for _ in range(20):
        method.step(0.0)
    assert pixels._observed == 20


def test_the_average_is_kept_as_before() -> None:
    method = trained(ema=0.5, steps=3)
    assert not torch.equal(method.state()["field.table"], method.field.state_dict()["table"])


def test_a_step_without_any_sample_does_no_harm() -> None:
    method = Small(Config(), context())
    method.sampler.load_state({"occupancy.bits": torch.zeros(16**3 // 8, dtype=torch.uint8)})
    before = method.field.state_dict()["table"].clone()
    for _ in range(4):
        assert method.step(0.0).isfinite()
    assert torch.equal(method.field.state_dict()["table"], before)


def test_a_seed_decides_everything() -> None:
    first, again = trained(steps=12).state(), trained(steps=12).state()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_tables_leave_training_as_it_was() -> None:
    def train(look: bool) -> dict[str, Tensor]:
        method = trained(steps=0, mining=MiningConfig(), error_map=True)
        for _ in range(20):
            method.step(0.0)
            if look:
                method.tables()
                method.diagnostics()
                method.facts()
        return method.state()

    alone, watched = train(False), train(True)
    assert all(torch.equal(alone[name], watched[name]) for name in alone)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_methods_memory_goes_with_the_method(
    recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = trained(steps=2, mining=MiningConfig())
    if recorded:
        FakeCuda(monkeypatch)
        recorder = fixed_step._recorder(fixed_of(method).method, DEVICE)
        method.fixed = FixedStep(method, 128, 1 << 18, recorder)
        for _ in range(8):
            method.step(0.0)
        assert fixed_of(method).graphs.facts()["cuda_graphs"] >= 1
    table = method.field.table
    assert isinstance(table, Tensor)
    moments = method.optimizer.state[table]["exp_avg"]
    kept = [weakref.ref(x) for x in (table, moments, fixed_of(method)._values)]
    del table, moments
    gc.collect()
    gc.disable()  # what needs a collection stays for as long as nobody asks for one
    try:
        del method
        assert [one() for one in kept] == [None] * 3
    finally:
        gc.enable()


def test_facts_say_how_steps_are_done() -> None:
    facts = trained(steps=2).facts()
    assert facts["step"] == "fixed"
    assert facts["cuda_graphs"] == "a CPU records nothing"
    assert facts["capacity"]["kept"] == 2304
    assert trained(steps=1, buffers="exact").facts()["step"] == "exact"
    assert trained(steps=1, buffers="auto").facts()["step"] == "exact"  # on a CPU


def test_a_sampler_without_fixed_buffers_is_refused() -> None:
    with pytest.raises(ConfigError, match="buffers=fixed: HierarchicalSampler"):
        Small(Config(grid=False), context())


@pytest.mark.gpu
@pytest.mark.parametrize("compaction", COMPACTIONS)
@pytest.mark.parametrize("mining", [None, MiningConfig()], ids=["all", "mined"])
def test_on_a_gpu_steps_are_recorded_and_learn(
    compaction: str, mining: MiningConfig | None
) -> None:
    device = torch.device("cuda")
    method = trained(device, 200, compaction=compaction, mining=mining, samples=4096)
    facts = method.facts()
    pose = torch.from_numpy(look_at_origin(0.4))
    truth = torch.from_numpy(ball().train.composite(0, (1.0, 1.0, 1.0))).to(device)
    assert float((method.render(pose, CAMERA) - truth).square().mean()) < 0.01
    if method.backend == "triton":
        assert isinstance(facts["cuda_graphs"], int), facts["cuda_graphs"]
        assert facts["cuda_graphs"] > 0


@pytest.mark.gpu
def test_on_a_gpu_a_step_waits_for_nothing() -> None:
    method = trained(torch.device("cuda"), 64, samples=4096)
    if method.backend != "triton":
        pytest.skip("the reference backend waits for the device")
    with devices.no_waiting(method.device):
        for _ in range(32):
            method.step(0.0)
