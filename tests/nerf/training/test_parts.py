"""The parts of a training step have their names, in whichever way the step is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from effbench.method import spans
from effbench.nerf.training.hsm import MiningConfig
from tests.nerf.training.test_fixed_step import Small, trained

ALWAYS = {spans.RAYS, spans.PLACING, spans.DENSITY, spans.COLOUR, spans.RENDERING}
ALWAYS |= {spans.ENCODING, spans.BACKWARD, spans.ENCODING_BACKWARD, spans.OPTIMISER}


def parts(method: Small, steps: int = 1) -> list[tuple[str, ...]]:
    """Return the names of the parts of some steps, each with those around it."""
    found: list[tuple[str, ...]] = []
    around: list[str] = []

    @contextmanager
    def part(name: str) -> Iterator[None]:
        around.append(name)
        found.append(tuple(around))
        yield
        around.pop()

    with spans.watched(part):
        for _ in range(steps):
            method.step(0.0)
    return found


def expected(buffers: str, choices: dict[str, Any]) -> set[str]:
    """Return the parts of a step on the CPU, whose kernel takes networks, rendering and loss as
    one; in fixed buffers the loss is one of complete rays, for which there is none."""
    if "mining" in choices:
        return ALWAYS | {spans.MINING}
    if buffers == "fixed":
        return ALWAYS
    return ALWAYS - {spans.DENSITY, spans.COLOUR, spans.RENDERING} | {spans.SHADING}


@pytest.mark.parametrize("buffers", ["fixed", "exact"])
@pytest.mark.parametrize("choices", [{}, {"mining": MiningConfig()}, {"compaction": "none"}])
def test_a_step_has_its_parts(buffers: str, choices: dict[str, Any]) -> None:
    found = parts(trained(steps=3, buffers=buffers, **choices))
    names = {path[-1] for path in found}
    assert names == expected(buffers, choices)
    assert (spans.BACKWARD, spans.ENCODING_BACKWARD) in found
    assert names <= set(spans.STEP_PARTS)


def test_updates_of_the_grid_are_a_part_of_the_steps_that_do_them_as_a_whole() -> None:
    method = trained(steps=16, buffers="exact")
    found = parts(method)
    assert [part for part in found if spans.GRID in part] == [(spans.GRID,)]
    assert (spans.GRID,) not in parts(method)


def test_the_coarse_pass_is_of_placing() -> None:
    found = parts(trained(steps=1, buffers="exact", grid=False, fine=4))
    assert {(spans.PLACING, spans.ENCODING), (spans.PLACING, spans.DENSITY)} <= set(found)
