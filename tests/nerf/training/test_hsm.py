"""Hard sample mining against Algorithm 1 written out, its estimator, its limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from effbench.cell.memory import saved_bytes
from effbench.errors import ConfigError
from effbench.kernels.activations import trunc_exp
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.samples import Samples
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import EncodedSamples
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.learning import Batch, FullLearner, Learner, encode

RAYS, PER_RAY = 8, 6
COUNT = RAYS * PER_RAY
DELTA = 0.1
IMAGES = 4


def field() -> HashField:
    """Return a field that differs from place to place, so that gradients do, too."""
    generator = torch.Generator().manual_seed(0)
    model = HashField(HashLayout(2, 8, 4, 8), 8, 3, "fp32", "reference", generator)
    with torch.no_grad():
        model.table.uniform_(-3, 3, generator=generator)
    return model


def batch(rays: int = RAYS) -> Batch:
    """Return parallel rays with `PER_RAY` samples each, over black, and random targets."""
    generator = torch.Generator().manual_seed(1)
    origins = torch.rand(rays, 3, generator=generator) * torch.tensor([1.0, 1.0, 0.0])
    directions = torch.tensor([[0.0, 0.0, 1.0]]).expand(rays, 3)
    t = ((torch.arange(PER_RAY) + 0.5) * DELTA).repeat(rays)
    index = torch.arange(rays).repeat_interleave(PER_RAY)
    positions = origins[index] + t[:, None] * directions[index]
    offsets = torch.arange(rays + 1) * PER_RAY
    samples = Samples(positions, t, index, offsets, torch.full([len(t)], DELTA))
    target = torch.rand(rays, 3, generator=generator)
    return Batch(Rays(origins, directions), EncodedSamples(samples), target, torch.zeros(rays, 3))


class StillSampler(HierarchicalSampler):
    """A sampler with a loss of its own: its weight times the mean optical_depth."""

    def __init__(self) -> None:
        super().__init__(PER_RAY, 0, Box(Aabb(torch.zeros(3), 1.0, 0.0, 10.0)), "reference")
        self.weight = torch.ones((), requires_grad=True)

    def loss(self, placed: EncodedSamples, optical_depth: Tensor) -> Tensor:
        return self.weight * optical_depth.mean()


def learner(seed: int = 0, images: int = IMAGES, **choices: object) -> HardSampleLearner:
    generator = torch.Generator().manual_seed(seed)
    config = MiningConfig(**choices)  # type: ignore[arg-type]
    return HardSampleLearner(config, images, generator, "reference")


def gradients(how: Learner, model: HashField, data: Batch) -> list[Tensor]:
    model.zero_grad(set_to_none=True)
    how.backward(model, StillSampler(), data, functional.mse_loss)
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def algorithm_1(
    model: HashField, data: Batch, seed: int, replacement: bool, reweight: bool
) -> list[Tensor]:
    """Do one step as the paper writes it, sample by sample; the draws are by the comb of
    `effbench.kernels.resampling`."""
    samples = data.placed.samples
    encoded, directions = encode(model, data)

    def outputs(i: int) -> tuple[Tensor, Tensor]:
        log_density, geometry = model.log_density(encoded[i : i + 1])
        return log_density[0], model.color_logits(geometry, directions[i : i + 1])[0]

    cached = [[a.detach().requires_grad_() for a in outputs(i)] for i in range(COUNT)]
    pixels = []
    for ray in range(RAYS):
        transmittance, color = torch.ones(()), torch.zeros(3)
        for i in range(int(samples.offsets[ray]), int(samples.offsets[ray + 1])):
            alpha = 1 - torch.exp(-trunc_exp(cached[i][0]) * DELTA)
            color = color + transmittance * alpha * torch.sigmoid(cached[i][1])
            transmittance = transmittance * (1 - alpha)
        pixels.append(color)
    functional.mse_loss(torch.stack(pixels), data.target).backward()
    g = [(density.grad, color.grad) for density, color in cached]
    norms = [math.sqrt(float(d.square() + c.square().sum())) for d, c in g]  # type: ignore[union-attr]
    p = [norm / sum(norms) for norm in norms]
    tau = math.sqrt(COUNT) * math.sqrt(sum(norm**2 for norm in norms)) / sum(norms)
    b = COUNT / ((1 - 1 / IMAGES) * 1 + 1 / IMAGES * tau)

    expected = [b * p_i for p_i in p] if replacement else capped(p, b)
    generator = torch.Generator().manual_seed(seed)
    tooth = float(torch.rand((), generator=generator, dtype=torch.float64))
    grads = [torch.zeros_like(parameter) for parameter in model.parameters()]
    end = 0.0
    for i in range(COUNT):
        end += expected[i]
        while tooth < end:
            tooth += 1
            factor = 1 / expected[i] if reweight else 1.0
            upstream = [factor * gradient for gradient in g[i] if gradient is not None]
            found = torch.autograd.grad(
                outputs(i), list(model.parameters()), upstream, retain_graph=True
            )
            for total, part in zip(grads, found, strict=True):
                total += part
    return grads


def capped(p: list[float], b: float) -> list[float]:
    """Return min(1, λ·p) that add up to b, λ by bisection."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(min(1, middle * q) for q in p) < b else (low, middle)
    return [min(1, low * q) for q in p]


@pytest.mark.parametrize("evaluate", ["once", "drawn"])
@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("reweight", [True, False])
def test_a_step_is_algorithm_1(replacement: bool, reweight: bool, evaluate: str) -> None:
    model, data = field(), batch()
    for seed in range(5):
        mined = learner(seed, replacement=replacement, reweight=reweight, evaluate=evaluate)
        found = gradients(mined, model, data)
        expected = algorithm_1(model, data, seed, replacement, reweight)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("choices", [{"exponent": -1}, {"min_fraction": 1.5}])
def test_a_parameter_out_of_range_is_an_error(choices: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(choices))):
        MiningConfig(**choices)  # type: ignore[arg-type]


def uneven() -> Tensor:
    """Return the hardness of 50 samples, some of them without a gradient."""
    hard = torch.rand(50, generator=torch.Generator().manual_seed(3)) ** 3
    hard[::7] = 0
    return hard * 50 / hard.sum()


@pytest.mark.parametrize("replacement", [True, False])
def test_every_sample_is_drawn_as_often_as_its_gradient_is_large(replacement: bool) -> None:
    """2000 draws of 10 among 50; a deviation over 4.5 standard errors has probability 7·10⁻⁶ per
    sample, so a correct draw would fail for at most 1 in 2900 seeds."""
    hard, draws = uneven(), 2000
    expected = hard * 10 / 50 if replacement else torch.tensor(capped((hard / 50).tolist(), 10.0))
    mined = learner(replacement=replacement)
    totals = torch.zeros(50)
    for _ in range(draws):
        kept, factor = mined.draw(mined.expected(hard, torch.tensor(10 / 50)))
        assert len(kept) == len(kept.unique()) <= 10
        totals[kept] += factor
    assert (totals[hard == 0] == 0).all()
    part = expected % 1
    error = (part * (1 - part) / draws).sqrt()
    assert ((totals / draws - expected).abs() <= 4.5 * error + 1e-5).all()


@pytest.mark.parametrize("replacement", [True, False])
def test_only_reweighting_makes_the_mean_gradient_the_full_one(replacement: bool) -> None:
    """The mean over 2000 draws of a sum of per-sample gradients; an unbiased one is off by more
    than 4 standard errors for 1 in 16,000 seeds."""
    hard, draws = uneven(), 2000
    per_sample = hard * torch.randn(50, generator=torch.Generator().manual_seed(4))

    def deviation(reweight: bool) -> float:
        mined = learner(replacement=replacement, reweight=reweight)
        sums = []
        for _ in range(draws):
            kept, factor = mined.draw(mined.expected(hard, torch.tensor(10 / 50)))
            sums.append((per_sample[kept] * factor).sum())
        found = torch.stack(sums)
        assert found.std() > 0.1, "the draw makes a difference"
        return float((found.mean() - per_sample.sum()).abs() / found.std()) * math.sqrt(draws)

    assert deviation(reweight=True) < 4
    assert deviation(reweight=False) > 20


def test_when_all_are_drawn_a_step_is_the_full_one() -> None:
    model, data = field(), batch()
    for reweight in (True, False):
        found = gradients(learner(exponent=0, reweight=reweight), model, data)
        expected = gradients(FullLearner("reference"), model, data)
        torch.testing.assert_close(flat(found), flat(expected), rtol=1e-4, atol=1e-8)


def test_colours_loss_and_figures_are_those_of_all_samples() -> None:
    model, data = field(), batch()
    full = FullLearner("reference").backward(model, StillSampler(), data, functional.mse_loss)
    mined = learner(running_mean=False)
    found = mined.backward(model, StillSampler(), data, functional.mse_loss)
    torch.testing.assert_close(found.color, full.color)
    torch.testing.assert_close(found.loss, full.loss)
    assert found.figures["inv_tau"] == 1 / mined.mean_tau == found.figures["drawn"]
    assert 0 < found.figures["distinct"] <= found.figures["drawn"] < 1
    assert found.figures["skewness"] > 0
    assert all(figure.ndim == 0 for figure in found.figures.values())


class Counted(HashField):
    """Counts the samples that it evaluates with a graph."""

    evaluated = 0

    def log_density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled():
            self.evaluated += len(encoded)
        return super().log_density(encoded)


def test_what_is_drawn_twice_is_evaluated_once_or_as_it_is_drawn() -> None:
    def step(evaluate: str) -> tuple[int, dict[str, float]]:
        model = field()
        model.__class__ = Counted
        mined = learner(running_mean=False, evaluate=evaluate)
        outcome = mined.backward(model, StillSampler(), batch(), functional.mse_loss)
        assert isinstance(model, Counted)
        return model.evaluated, {k: float(v) for k, v in outcome.figures.items()}

    (once, figures), (drawn, same) = step("once"), step("drawn")
    assert figures == same
    assert once == round(figures["distinct"] * COUNT)
    assert drawn == pytest.approx(figures["drawn"] * COUNT, abs=1)  # rounded up or down
    assert once < drawn < COUNT
    said = [learner(evaluate=choice).facts()["mining_evaluates"] for choice in ("once", "drawn")]
    assert said == ["each drawn sample once, its gradient times its draws", "every draw"]


def test_a_known_encoding_changes_nothing_but_the_work() -> None:
    model, data = field(), batch()
    with torch.no_grad():
        encoded = model.encode(data.placed.samples.positions)
    known = Batch(
        data.rays, EncodedSamples(data.placed.samples, encoded), data.target, data.background
    )
    for ours, theirs in zip(
        gradients(learner(5), model, known), gradients(learner(5), model, data), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_samplers_own_loss_is_learnt_from_all_samples() -> None:
    model, data = field(), batch()
    full, mined = StillSampler(), StillSampler()
    FullLearner("reference").backward(model, full, data, functional.mse_loss)
    learner().backward(model, mined, data, functional.mse_loss)
    assert full.weight.grad is not None
    torch.testing.assert_close(mined.weight.grad, full.weight.grad)


def test_without_samples_the_background_is_seen_and_nothing_is_learnt() -> None:
    model, full, none = field(), batch(), torch.empty(0)
    offsets = torch.zeros(RAYS + 1, dtype=torch.int64)
    empty = Samples(torch.empty(0, 3), none, none.long(), offsets, none)
    data = Batch(full.rays, EncodedSamples(empty), full.target, full.background)
    outcome = learner().backward(model, StillSampler(), data, functional.mse_loss)
    assert torch.equal(outcome.color, data.background)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_without_a_gradient_nothing_is_drawn_and_tau_is_1() -> None:
    model, data, mined = field(), batch(), learner(running_mean=False)
    outcome = mined.backward(model, StillSampler(), data, lambda color, _: 0 * color.sum())
    assert outcome.loss == 0
    assert mined.mean_tau == 1
    assert outcome.figures["distinct"] == 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_gradient_that_is_not_finite_shows_in_the_loss() -> None:
    model, data, mined = field(), batch(), learner()

    def broken(color: Tensor, _: Tensor) -> Tensor:
        return (0 * color[3]).sqrt().sum()  # 0, with gradient ∞ · 0

    outcome = mined.backward(model, StillSampler(), data, broken)
    assert outcome.loss.isnan()
    assert all(parameter.grad is None for parameter in model.parameters())
    after = mined.backward(model, StillSampler(), data, functional.mse_loss)
    assert after.loss.isnan(), "it is not forgotten before the loop looks"


def test_a_field_without_pre_activations_is_refused() -> None:
    class Plain(torch.nn.Module):
        pass

    with pytest.raises(ConfigError, match="Plain"):
        learner().backward(Plain(), StillSampler(), batch(), functional.mse_loss)  # type: ignore[arg-type]


def test_it_keeps_less_than_half_for_backward() -> None:
    model, data = field(), batch(rays=200)
    mined = learner(images=10**6)
    mined.mean_tau = torch.tensor(8.0)

    def kept(how: Learner) -> int:
        return saved_bytes(lambda: how.backward(model, StillSampler(), data, functional.mse_loss))

    assert kept(mined) < kept(FullLearner("reference")) / 2
