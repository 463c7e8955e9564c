"""The contract that every plug-in keeps: built-in ones, the examples, and one's own.

To test a folder of your own: EFFBENCH_PLUGINS=path/to/folder pytest tests/test_contract.py
"""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from effbench.method import Checkpoint, Context, Method, Requirement
from effbench.method.config import to_dict
from effbench.planning import planner
from effbench.planning import registry as plugins
from effbench.planning.registry import Registry
from effbench.scene import Scene

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = [ROOT / "examples/plugins"]
CPU = torch.device("cpu")
SEED = 7


@cache
def registry() -> Registry:
    return plugins.discover(FOLDERS)


@cache
def scene() -> Scene:
    """A tiny scene with something to see in it."""
    source = registry().source("ball")
    return source.load("unit", None, source.Config())


def train(name: str, params: Mapping[str, Any]) -> Method:
    """Return a method after two steps on the tiny scene, its parents trained likewise."""
    cls = registry().method(name)
    config, _ = planner.resolve(cls, params, "cpu")
    method = cls(config, Context(scene(), CPU, SEED, parents=parents(cls, config)))
    for progress in (0.0, 0.5) if method.trains else ():
        loss = method.step(progress)
        assert loss.ndim == 0
        assert not loss.requires_grad
        assert torch.isfinite(loss)
    return method


@cache
def trained(name: str, params: str = "{}") -> Method:
    """Return `train`'s method, one for all tests; `params` is JSON."""
    return train(name, json.loads(params))


def parents(cls: type[Method], config: Any) -> dict[str, Checkpoint]:
    """Return trained parents as the harness gives them, but in memory."""
    return {role: checkpoint(need) for role, need in cls.requires(config).items()}


def checkpoint(need: Requirement) -> Checkpoint:
    method = trained(need.method, json.dumps(dict(need.params)))
    params, grown = to_dict(method.config), parents(type(method), method.config)
    cls = registry().method(need.method)
    return Checkpoint(need.method, params, method.state(), cls=cls, parents=grown)


def rendered(method: Method) -> torch.Tensor:
    pose = torch.from_numpy(scene().test.poses[0])
    return method.render(pose, scene().test.intrinsics)


METHODS = sorted(name for name, plugin in registry().methods.items() if plugin.available)
SOURCES = sorted(name for name, plugin in registry().scenes.items() if plugin.available)


@pytest.mark.parametrize(
    "plugin",
    [*registry().methods.values(), *registry().scenes.values()],
    ids=lambda p: f"{p.kind}-{p.name}",
)
def test_plugin_is_listed_as_it_is(plugin: Any) -> None:
    if not plugin.available:
        pytest.skip(plugin.reason)
    is_method = plugin.kind == "method"
    found = registry().method(plugin.name) if is_method else registry().source(plugin.name)
    config = found.Config
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen, "a Config is frozen"  # type: ignore[attr-defined]
    assert [p.name for p in plugin.parameters] == [f.name for f in dataclasses.fields(config)]
    defaults = config()
    for parameter in plugin.parameters:
        literal = ast.literal_eval(parameter.default)
        assert literal == getattr(defaults, parameter.name), "a default is a literal"
    assert plugin.description


@pytest.mark.parametrize("name", METHODS)
def test_method_trains_and_renders(name: str) -> None:
    method = trained(name)
    image = rendered(method)
    camera = scene().test.intrinsics
    assert image.shape == (camera.height, camera.width, 3)
    assert image.dtype == torch.float32
    assert not image.requires_grad
    assert torch.isfinite(image).all()
    assert 0 <= image.min() <= image.max() <= 1
    assert all(isinstance(value, float) for value in method.diagnostics().values())
    json.dumps(method.facts())
    assert sum(t.numel() for t in method.parameters()) > 0


@pytest.mark.parametrize("name", METHODS)
def test_method_maps_what_it_renders_or_nothing(name: str) -> None:
    method, camera = trained(name), scene().test.intrinsics
    maps = method.render_maps(torch.from_numpy(scene().test.poses[0]), camera)
    if maps is None:
        return
    for image in (maps.depth, maps.opacity):
        assert image.shape == (camera.height, camera.width)
        assert image.dtype == torch.float32
        assert not image.requires_grad
    assert 0 <= maps.opacity.min() <= maps.opacity.max() <= 1
    seen = maps.depth[maps.opacity > 0.01]
    assert (seen > 0.99 * scene().near).all()
    assert (seen < 1.01 * scene().far).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_look_at_the_tables_leaves_training_as_it_was(name: str) -> None:
    alone, watched = train(name, {}), train(name, {})
    for table in watched.tables().values():
        assert all(isinstance(v, int | float | str) for row in table for v in row.values())
    for method in (alone, watched) if alone.trains else ():
        method.step(0.5)
    expected, state = alone.state(), watched.state()
    assert all(torch.equal(expected[key], state[key]) for key in expected)


@pytest.mark.parametrize("name", METHODS)
def test_method_renders_the_same_from_what_it_ships(name: str) -> None:
    method = trained(name)
    state = {key: tensor.clone() for key, tensor in method.state().items()}
    cls = type(method)
    config = method.config
    fresh = cls(config, Context(scene(), CPU, SEED + 1, parents=parents(cls, config)))
    fresh.load_state(state)
    assert torch.equal(rendered(fresh), rendered(method))


@pytest.mark.parametrize("name", METHODS)
def test_method_depends_on_its_seed_alone(name: str) -> None:
    first = trained(name)
    torch.manual_seed(0)
    np.random.seed(0)
    again = train(name, {})
    assert torch.equal(rendered(first), rendered(again))


@pytest.mark.parametrize("name", METHODS)
def test_method_requires_methods_that_exist(name: str) -> None:
    cls = registry().method(name)
    for device in ("cpu", "cuda"):
        config, _ = planner.resolve(cls, {}, device)
        for need in cls.requires(config).values():
            planner.resolve(registry().method(need.method), need.params, device)


@pytest.mark.parametrize("family", SOURCES)
def test_source_lists_scenes_that_it_can_load(family: str) -> None:
    source = registry().source(family)
    entries = source.entries(None)
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names) > 0
    assert all(entry.description for entry in entries)
    assert all(entry.reason for entry in entries if not entry.available)
    for entry in entries:
        if entry.available:
            config = source.Config(downscale=4)
            loaded, again = (source.load(entry.name, None, config) for _ in range(2))
            assert loaded.name == f"{family}/{entry.name}"
            assert loaded.manifest == again.manifest, "loading is deterministic"
            assert np.isfinite(loaded.train.poses).all()
            assert loaded.near < loaded.far
            assert (loaded.box[0] < loaded.box[1]).all()
            break  # one is enough: the families have tests of their own
