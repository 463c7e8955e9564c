"""The method `hsm`: its bases, its samplers, its saving, its end when training diverges."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import pytest
import torch

from effbench.cell.clock import Clock
from effbench.cell.loop import train
from effbench.cell.memory import saved_bytes
from effbench.errors import ConfigError, Diverged
from effbench.method import Method
from effbench.method.budget import Budget
from effbench.method.config import changes
from effbench.nerf.fields.mlp import MLPField
from effbench.nerf.sampling.proposal import ProposalOptions, ProposalSampler
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from effbench.planning.registry import Registry
from tests.nerf_scene import CAMERA, SMALL, context, look_at_origin


@cache
def registry() -> Registry:
    return plugins.discover([])


def build(method: str = "hsm", **params: Any) -> RadianceFieldMethod:
    cls: type[Method] = registry().method(method)
    if params.get("base") != "nerf":
        params = SMALL | params
    config, _ = resolve(cls, params, "cpu")
    built = cls.specialised(params)(config, context())
    assert isinstance(built, RadianceFieldMethod)
    return built


def error(method: RadianceFieldMethod) -> float:
    """Return the mean squared error of a view between two training views."""
    pose = torch.from_numpy(look_at_origin(0.4))
    truth = torch.from_numpy(context().scene.train.composite(0, (1.0, 1.0, 1.0)))
    return float((method.render(pose, CAMERA) - truth).square().mean())


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("reweight", [True, False])
def test_it_learns_an_unseen_view(replacement: bool, reweight: bool) -> None:
    method = build(replacement=replacement, reweight=reweight, lr=0.02)
    untrained = error(method)
    for _ in range(120):
        method.step(0.0)
    assert error(method) < untrained / 5
    figures = method.diagnostics()
    assert 0 < figures["drawn"] == figures["inv_tau"] < 1
    assert 0 < figures["distinct"] <= figures["drawn"] + 1 / 1024  # one more by rounding up


def test_on_nerf_it_trains_the_vanilla_mlp() -> None:
    method = build(base="nerf", samples=256)
    assert isinstance(method.field, MLPField)
    assert method.name == "hsm"
    assert method.config.compaction == "none"
    for _ in range(3):
        assert method.step(0.0).isfinite()
    assert 0 < method.diagnostics()["inv_tau"] < 1


def test_on_proposal_networks_it_trains_them_too() -> None:
    method = build(sampler="proposal", proposal_samples=(16,), field_samples=8)
    assert isinstance(method.sampler, ProposalSampler)
    before = [parameter.detach().clone() for parameter in method.sampler.parameters()]
    for _ in range(3):
        assert method.step(0.0).isfinite()
    after = list(method.sampler.parameters())
    assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert 0 < method.diagnostics()["inv_tau"] < 1


def test_its_proposal_networks_have_the_cpu_defaults_of_proposal() -> None:
    ours, _ = resolve(registry().method("hsm"), {"sampler": "proposal"}, "cpu")
    theirs, _ = resolve(registry().method("proposal"), {}, "cpu")
    names = [field.name for field in fields(ProposalOptions)] + ["samples", "lr", "levels"]
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"base": "nerf", "sampler": "proposal"}, "hierarchical"),
        ({"sampler": "proposal", "field_samples": 1}, "field_samples"),
        ({"sampler": "proposal", "min_fraction": 2}, "min_fraction"),
    ],
)
def test_what_does_not_go_together_is_an_error(params: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        resolve(registry().method("hsm"), params, "cpu")


@pytest.mark.parametrize("choice", [{"base": "nerf"}, {"sampler": "proposal"}])
def test_a_record_shows_the_base_and_the_sampler(choice: dict[str, str]) -> None:
    config, defaults = resolve(registry().method("hsm"), choice, "cpu")
    assert changes(config, defaults) == choice


def test_the_cpu_defaults_are_those_of_the_base() -> None:
    cls = registry().method("hsm")
    for base in ("instant-ngp", "nerf"):
        config, _ = resolve(cls, {"base": base}, "cpu")
        theirs, _ = resolve(registry().method(base), {}, "cpu")
        assert config.samples == theirs.samples
        assert config.lr == theirs.lr
        assert config.compaction == "none"


def test_a_step_keeps_less_than_half_of_what_the_baseline_keeps() -> None:
    def kept(name: str, **params: Any) -> int:
        method = build(name, compaction="none", loss="mse", **params)
        for _ in range(40):
            method.step(0.0)
        return saved_bytes(lambda: method.step(0.0))

    # by the same parts: one kernel for networks and rendering keeps nothing of them
    assert kept("hsm", running_mean=False) < kept("instant-ngp", shading="parts") / 2


def test_training_that_is_not_finite_ends_as_diverged() -> None:
    method = build()
    with torch.no_grad():
        next(method.field.parameters()).fill_(torch.nan)
    with pytest.raises(Diverged):
        train(method, Budget.parse("40it"), Clock(), lambda _: None)
    assert method.iteration <= 16
