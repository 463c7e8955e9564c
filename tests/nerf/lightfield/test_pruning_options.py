"""What pruning of a light field can do besides: sparse training, layer-wise ratios, the top alone,
new statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from effbench.errors import ConfigError
from effbench.method import Checkpoint
from effbench.method.config import to_dict
from effbench.planning.planner import resolve
from tests.nerf.lightfield.test_distillation import (
    build,
    pruning,
    registry,
    rendered,
    student,
    teacher,
)


def weights(method: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in method.network.named_parameters()}


@pytest.mark.parametrize("kind", ["group-norm", "bn-scale"])
def test_sparse_training_comes_first_and_makes_channels_small(kind: str) -> None:
    """The same steps with and without: the sum of all BN scales and weights is smaller with."""
    schedule: dict[str, Any] = {
        "pruning_steps": 2,
        "sparse_until": 0.25,
        "prune_until": 0.75,
        "lr": 0.01,
        "warmup": 1,
    }

    def trained(**params: Any) -> Any:
        method = pruning(**schedule, **params)
        for _ in range(20):
            method.step(0.1)
        return method

    sparse = trained(sparse=kind, sparse_weight=0.1)
    assert sparse.pruned_steps == 0
    plain = pruning(sparse=kind, sparse_weight=0.0, **schedule)
    for _ in range(20):
        plain.step(0.1)
    part = "norm.weight" if kind == "bn-scale" else "weight"
    total = [
        sum(float(p.abs().sum()) for name, p in weights(m).items() if name.endswith(part))
        for m in (sparse, plain)
    ]
    assert total[0] < 0.9 * total[1]
    for progress, steps in ((0.25, 1), (0.7, 1), (0.75, 2)):
        sparse.step(progress)
        assert sparse.pruned_steps == steps
    assert sparse.network.shape.width == 5


def test_the_regulariser_ends_with_the_first_step_of_pruning() -> None:
    method = pruning(pruning_steps=2, sparse="bn-scale", sparse_until=0.2)
    assert len(method.optimizer._optimizer_step_pre_hooks) == 1
    method.step(0.2)
    assert not method.optimizer._optimizer_step_pre_hooks


def test_ratios_by_sensitivity_remove_as_many_channels_in_all() -> None:
    equal, own = pruning(pruning_steps=2), pruning(pruning_steps=2, allocation="sensitivity")
    for method in (equal, own):
        method.step(0.0)
        method.step(0.5)
    left = [m.facts()["left_of_student"]["channels"] for m in (equal, own)]
    full, final = own._sensitivity
    assert sum(final.values()) == sum(round(n / 2) for n in full.values())
    assert len({final[name] / full[name] for name in full}) > 1
    stream = next(name for name in final if name == "head" or name.endswith("leave"))
    assert own.network.shape.width == final[stream]
    inner = [final[f"body.{block}.enter"] for block in range(2)]
    assert list(own.network.shape.inner) == inner
    assert left[0] == 0.5
    assert 0 < left[1] < 1


@pytest.mark.parametrize("stages", [(8,), ()])
def test_tuned_at_the_top_only_stages_and_tail_change(stages: tuple[int, ...]) -> None:
    parent = student(sr_widths=stages)
    own = Checkpoint("nelf-student", to_dict(parent.config), parent.state())
    params: dict[str, Any] = {"pruning_steps": 1, "tuned": "top", "sr_widths": stages}
    method: Any = build("iterative-50", {"teacher": teacher(), "student": own}, **params)
    method.step(0.0)
    before = weights(method)
    for _ in range(2):
        method.step(0.5)
    trained = ("tail", "stages") if stages else ("tail", "body.1")
    for name, parameter in weights(method).items():
        assert torch.equal(parameter, before[name]) != name.startswith(trained), name


def test_statistics_estimated_anew_bring_the_image_back() -> None:
    """One-shot without fine-tuning: BN layers then normalise by what they see."""
    plain, anew = (
        pruning(finetuned=False, pruning_steps=1, statistics=kind)
        for kind in ("kept", "re-estimated")
    )
    before, after = (dict(method.network.named_buffers()) for method in (plain, anew))
    assert all(
        torch.equal(a, b)
        for a, b in zip(plain.network.parameters(), anew.network.parameters(), strict=True)
    )
    name = "body.1.enter_norm.running_mean"
    assert not torch.allclose(before[name], after[name])
    assert not torch.equal(rendered(plain), rendered(anew))
    drawn = anew.draw(0.0).rays
    with torch.no_grad():
        seen = anew.network.eval().head(drawn)
        seen = anew.network.body[0](torch.nn.functional.gelu(seen))
        entered = anew.network.body[1].enter(seen).mean((0, 2, 3))
    ours = (after[name] - entered).abs().mean()
    assert ours < (before[name] - entered).abs().mean() / 2


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"sparse": "bn-scale", "finetuned": False}, "finetuned=true"),
        ({"sparse": "bn-scale", "sparse_until": 0.6}, "prune_until=0.5"),
        ({"criterion": "taylor", "tuned": "top"}, "tuned=all"),
        ({"criterion": "taylor", "allocation": "sensitivity"}, "allocation=equal"),
    ],
)
def test_what_does_not_go_together_is_an_error(params: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        resolve(registry().method("iterative-pruning"), params, "cpu")


def test_all_of_them_are_held_against_the_same_control() -> None:
    cls = registry().method("iterative-50")
    plain = cls.control(resolve(cls, {}, "cpu")[0])
    for params in ({"sparse": "bn-scale"}, {"tuned": "top"}, {"allocation": "sensitivity"}):
        assert cls.control(resolve(cls, params, "cpu")[0]) == plain
