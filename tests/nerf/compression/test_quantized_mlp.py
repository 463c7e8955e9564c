"""A vanilla NeRF, pruned or not, in fewer bits: sizes, what is shipped, what is rendered."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from typing import Any

import pytest
import torch

from effbench.method import Checkpoint, Method
from effbench.method.config import to_dict
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from effbench.planning.registry import Registry
from tests.nerf_scene import CAMERA, context, look_at_origin

SMALL = {"samples": 256, "march_steps": 32, "render_steps": 32, "precision": "fp32"}
POSE = torch.from_numpy(look_at_origin(0.4))


@cache
def registry() -> Registry:
    return plugins.discover([])


def build(name: str, parents: dict[str, Checkpoint], **params: Any) -> Method:
    cls = registry().method(name)
    config, _ = resolve(cls, params, "cpu")
    return cls.specialised(to_dict(config))(config, context(parents=parents))


def checkpoint(method: Method, **parents: Checkpoint) -> Checkpoint:
    state = {name: tensor.detach().clone() for name, tensor in method.state().items()}
    return Checkpoint(method.name, asdict(method.config), state, cls=type(method), parents=parents)


@cache
def dense() -> Method:
    method = build("nerf", {}, **SMALL)
    for _ in range(3):
        method.step(0.0)
    return method


def pruned(**params: Any) -> Method:
    return build("nerf-pruned", {"dense": checkpoint(dense())}, **SMALL, **params)


@pytest.mark.parametrize(("precision", "bits"), [("fp16", 16), ("int8", 8)])
def test_weights_are_smaller_by_their_bits_and_scales_are_added(precision: str, bits: int) -> None:
    parent = dense()
    method = build("quantized", {"parent": checkpoint(parent)}, of="nerf", precision=precision)
    weights = {n: t for n, t in parent.state().items() if n.startswith("field.") and t.ndim == 2}
    saved = sum(t.numel() * (32 - bits) // 8 for t in weights.values())
    scales = sum(4 * len(t) for t in weights.values()) if precision == "int8" else 0
    sizes = [sum(t.nbytes for t in m.state().values()) for m in (parent, method)]
    assert sizes[0] - sizes[1] == saved - scales
    assert method.facts()["weights_relative_error"] < (1e-3 if precision == "fp16" else 0.05)
    assert sum(p.numel() for p in method.parameters()) == 595_844


def test_int8_weights_are_within_half_a_step_where_nothing_is_cut() -> None:
    parent = dense()
    method = build("quantized", {"parent": checkpoint(parent)}, of="nerf", clip="max")
    state = method.state()
    for name, exact in parent.state().items():
        if name + "_scales" in state:
            step = state[name + "_scales"][:, None]
            off = (state[name].float() * step - exact).abs()
            assert state[name].dtype == torch.int8
            assert (off <= step * 0.5001).all()


def test_a_pruned_network_is_quantised_as_it_is_and_renders_what_it_ships() -> None:
    child = pruned(width=64)
    given = checkpoint(child, dense=checkpoint(dense()))
    method = build("quantized", {"parent": given}, of="nerf-pruned")
    assert sum(p.numel() for p in method.parameters()) == 177_284
    image = method.render(POSE, CAMERA)
    shipped = {name: tensor.clone() for name, tensor in method.state().items()}
    fresh = build("quantized", {"parent": given}, of="nerf-pruned")
    fresh.load_state(shipped)
    assert torch.equal(fresh.render(POSE, CAMERA), image)
    assert 0 < (image - child.render(POSE, CAMERA)).abs().mean() < 0.05


def test_widths_by_sensitivity_add_up_and_ship() -> None:
    child = pruned(width=64, allocation="sensitivity", selection="w_out")
    hidden = child.field.shape.hidden  # type: ignore[attr-defined]
    assert sum(hidden[layer] for layer in (0, 1, 2, 3, 5, 6)) == 6 * 64
    assert len(set(hidden)) > 2
    other = pruned(width=64, selection="w_out")
    other.load_state(child.state())
    assert other.field.shape == child.field.shape  # type: ignore[attr-defined]
    assert torch.equal(other.render(POSE, CAMERA), child.render(POSE, CAMERA))


def test_a_layer_that_does_nothing_keeps_the_fewest_neurons() -> None:
    given = checkpoint(dense())
    state = dict(given.state)
    state["field.hidden.3.weight"] = state["field.hidden.3.weight"].clone()
    state["field.hidden.3.weight"][16:] = 0  # and with biases of 0: neurons that are never active
    state["field.hidden.3.bias"] = torch.zeros_like(state["field.hidden.3.bias"])
    params = {**SMALL, "allocation": "sensitivity", "selection": "w_in"}
    child = build("nerf-pruned", {"dense": replace(given, state=state)}, **params)
    hidden = child.field.shape.hidden  # type: ignore[attr-defined]
    assert hidden[3] == min(hidden[layer] for layer in (0, 1, 2, 3, 5, 6)) < 128


@pytest.mark.parametrize("first", [0, 6, 8])
def test_only_layers_from_the_first_trained_one_on_change(first: int) -> None:
    method = pruned(width=64, train_from=first)
    before = {n: p.detach().clone() for n, p in method.field.named_parameters()}  # type: ignore[attr-defined]
    for _ in range(3):
        method.step(0.0)
    for name, parameter in method.field.named_parameters():  # type: ignore[attr-defined]
        fixed = name.startswith("hidden.") and int(name.split(".")[1]) < first
        assert torch.equal(parameter, before[name]) == fixed, name
        assert (parameter.grad is None) or not fixed
