"""Pruned vanilla NeRFs: widths by sensitivity, training of the top alone, fewer bits."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

import pytest
import torch

from effbench.cell.memory import saved_bytes
from effbench.errors import ConfigError
from effbench.method import Checkpoint
from effbench.method.config import to_dict
from effbench.nerf.compression.pruning import PRUNED_LAYERS, prune
from effbench.nerf.compression.sensitivity import Seen, change, widths_by_sensitivity
from effbench.nerf.fields.mlp import MLPField, MLPShape
from effbench.nerf.training.mlp_method import MLPMethod
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from tests.nerf_scene import CAMERA, context, look_at_origin

REGISTRY = plugins.discover([])
SMALL = {"samples": 256, "march_steps": 32, "render_steps": 32, "grid_resolution": 8}
POSE = torch.from_numpy(look_at_origin(0.4))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(field: MLPField) -> Seen:
    return Seen.of(field, None, 0.05, seed=0)


@cache
def dense() -> MLPMethod:
    cls = REGISTRY.method("nerf")
    method = cls(resolve(cls, SMALL, "cpu")[0], context())
    assert isinstance(method, MLPMethod)
    for _ in range(3):
        method.step(0.0)
    return method


def pruned(**params: Any) -> MLPMethod:
    cls = REGISTRY.method("nerf-pruned")
    config = resolve(cls, SMALL | {"selection": "w_out"} | params, "cpu")[0]
    parents = {}
    if config.init == "inherit":
        nerf = dense()
        parents = {"dense": Checkpoint("nerf", to_dict(nerf.config), nerf.state(), cls=type(nerf))}
    method = cls(config, context(parents=parents))
    assert isinstance(method, MLPMethod)
    return method


def test_a_layer_whose_neurons_are_hardly_read_is_the_one_that_loses_most() -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    with torch.no_grad():
        for name, columns in parent.readers(3):
            weight = parent.linear(name).weight[:, columns]
            weight[:, 64:] = 0  # layer 3 says all that it says by a quarter of its neurons
    found = [change(parent, seen(parent), "w_out", 3, k, generator()) for k in (256, 64, 16)]
    assert found[0] < 1e-12
    assert found[1] < 1e-12 < 1e-9 < found[2]
    widths = widths_by_sensitivity(parent, seen(parent), "w_out", 190, generator())
    assert widths[3] == min(widths.values()) <= 64
    assert sum(widths.values()) == 190 * len(PRUNED_LAYERS)


def test_a_change_is_that_of_opacity_and_of_colour_times_opacity() -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    pruned = prune(parent, "w_out", {2: 32}, generator())
    places = seen(parent)
    shown = []
    for field in (parent, pruned):
        density, geometry = field.density(places.encoded)
        opacity = 1 - torch.exp(-density * 0.05)
        color = field.color(geometry, places.directions)
        shown.append(torch.cat([opacity[:, None], opacity[:, None] * color], 1))
    expected = float((shown[0] - shown[1]).square().mean().detach())
    found = change(parent, places, "w_out", 2, 32, generator())
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("width", [0, 257])
def test_a_width_that_cannot_be_shared_out_is_an_error(width: int) -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    with pytest.raises(ConfigError, match="write 1 to 256"):
        widths_by_sensitivity(parent, seen(parent), "w_out", width, generator())


def test_a_method_has_the_widths_that_its_parent_bears_and_is_loaded_with_them() -> None:
    method = pruned(allocation="sensitivity", width=64)
    widths = method.facts()["hidden_widths"]
    assert len(set(widths)) > 2
    assert sum(widths[i] for i in PRUNED_LAYERS) == 64 * len(PRUNED_LAYERS)
    assert widths[4] == widths[7] == 256
    assert method.step(0.0).isfinite()
    other = pruned(width=32)  # of other widths
    other.load_state(method.state())
    assert torch.equal(other.render(POSE, CAMERA), method.render(POSE, CAMERA))


def test_the_top_alone_is_trained_for_less() -> None:
    method = pruned(train_from=5)
    before = {name: p.detach().clone() for name, p in method.field.named_parameters()}
    method.step(0.0)
    same = {n for n, p in method.field.named_parameters() if torch.equal(p.detach(), before[n])}
    assert same == {f"hidden.{i}.{part}" for i in range(5) for part in ("weight", "bias")}
    whole = pruned()
    for one in (method, whole):
        one.ray_count = 64
    assert saved_bytes(lambda: method.step(0.0)) < 0.8 * saved_bytes(lambda: whole.step(0.0))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"train_from": 9}, "train_from is 9: write a number from 0 to 8"),
        ({"init": "scratch", "train_from": 5}, "init=scratch has nothing of the parent"),
        ({"init": "scratch", "allocation": "sensitivity"}, "has nothing of the parent"),
    ],
)
def test_what_cannot_be_is_an_error(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pruned(**params)


@pytest.mark.parametrize(("precision", "bytes_"), [("fp16", 2), ("int8", 1)])
def test_a_pruned_network_is_quantised_weight_by_weight(precision: Any, bytes_: int) -> None:
    parent = pruned(width=64)
    parent.step(0.0)
    cls = REGISTRY.method("quantized")
    given = Checkpoint(
        "nerf-pruned",
        asdict(parent.config),
        {name: tensor.clone() for name, tensor in parent.state().items()},
        cls=type(parent),
        parents=parent.context.parents,
    )
    config = cls.Config(of="nerf-pruned", precision=precision)
    method = cls(config, context(parents={"parent": given}))
    weights = [p for n, p in parent.field.named_parameters() if n.endswith("weight")]
    scales = 4 * sum(len(w) for w in weights) if precision == "int8" else 0
    saved = sum(w.numel() for w in weights) * (4 - bytes_) - scales
    sizes = [sum(t.nbytes for t in m.state().values()) for m in (parent, method)]
    assert sizes[0] - sizes[1] == saved
    assert 0 < method.facts()["weights_relative_error"] < (1e-3 if precision == "fp16" else 0.02)
    # by hand: every weight is off by half a step of its row at most, beyond what is cut
    state = method.state()
    if precision == "int8":
        name = "field.hidden.3"
        steps = state[f"{name}.weight_scales"][:, None]
        exact = given.state[f"{name}.weight"]
        wrong = (state[f"{name}.weight"] * steps - exact).abs()
        cut = exact.abs() > 127.5 * steps
        assert (wrong <= 0.5001 * steps)[~cut].all()
    image = method.render(POSE, CAMERA)
    assert (image - parent.render(POSE, CAMERA)).abs().mean() < 0.05
    again = cls(config, context(parents={"parent": given}))
    again.load_state(state)
    assert torch.equal(again.render(POSE, CAMERA), image)
    assert len(list(method.parameters())) == 2 * len(weights)
