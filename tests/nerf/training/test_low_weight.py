"""Method `low-weight` with NerfAcc's own thresholds: which samples of a step it keeps."""

from __future__ import annotations

from typing import Any

import torch

from effbench.nerf.training import RadianceFieldMethod
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from tests.nerf_scene import SMALL, context

RATHER_SMALL = SMALL | {"grid_every": 8}


def kept(
    name: str, state: dict[str, torch.Tensor] | None = None, mean: float = 0.02, **params: Any
) -> Any:
    """Return an untrained method, or one that loaded `state` and whose grid has a mean optical
    depth, and what it keeps of the same rays."""
    cls = plugins.discover().method(name)
    config, _ = resolve(cls, RATHER_SMALL | params, "cpu")
    method = cls(config, context(backend="reference"))
    assert isinstance(method, RadianceFieldMethod)
    if state is None:
        with torch.no_grad():  # a field that differs from place to place
            method.field.table.uniform_(-4, 4, generator=method.generator)  # type: ignore[operator]
    else:
        method.load_state(state)
        method.sampler.grid.optical_depth.fill_(mean)  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(3)
    rays, _ = method.pixels.sample(300, generator)
    return method, method.sampler.place(rays, method.field, generator).samples


def test_the_preset_has_nerfaccs_thresholds_on_every_device() -> None:
    cls = plugins.discover().method("low-weight-nerfacc")
    for device in ("cpu", "cuda:0"):
        config, defaults = resolve(cls, {}, device)
        assert (config.early_stop_eps, config.alpha_threshold) == (1e-4, 0.0)
        assert config == defaults
        assert config.compaction == "low-weight"


def test_it_keeps_all_that_can_be_seen_and_the_default_fewer() -> None:
    """Without a threshold of alpha the rule is T ≥ ε alone: T is 1 − Σ of the weights before."""
    built, _ = kept("low-weight-nerfacc")
    state = {name: tensor.clone() for name, tensor in built.state().items()}
    _, ours = kept("low-weight-nerfacc", state)
    _, all_of_them = kept("instant-ngp", state, compaction="none")
    with torch.no_grad():
        depth = built.field.density(built.field.encode(all_of_them.positions))[0]
    expected = []
    for ray in range(300):
        left = 1.0
        for i in range(int(all_of_them.offsets[ray]), int(all_of_them.offsets[ray + 1])):
            if left >= 1e-4:
                expected.append(i)
            left *= float(torch.exp(-depth[i] * all_of_them.deltas[i]))
    assert torch.equal(ours.positions, all_of_them.positions[expected])
    assert 0 < len(ours) <= len(all_of_them)
    median = float((depth[expected] * all_of_them.deltas[expected]).median())
    _, fewer = kept("low-weight", state, mean=min(median, 0.01), alpha_threshold=0.01)
    assert 0 < len(fewer) < len(ours)
