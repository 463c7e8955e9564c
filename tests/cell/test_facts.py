"""What a record says of its scene, and by what another scene is told from it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from effbench.cell.facts import scene_changes, scene_facts
from effbench.planning.plan import Cell
from effbench.scene import Scene, SceneRef
from tests.nerf_scene import ball

INNER = np.array([[-0.5] * 3, [0.5] * 3], np.float32)


def recorded(scene: Scene) -> dict[str, object]:
    return scene_facts(Cell("suite", "fake", SceneRef("test/ball"), "1it", {}), scene)


def test_what_decides_training_is_there() -> None:
    facts = recorded(dataclasses.replace(ball(), inner=INNER, opaque=True))
    assert facts["inner"] == INNER.tolist()
    assert facts["opaque"] is True
    assert recorded(ball())["inner"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("near", 1.0), ("far", 7.0), ("inner", INNER), ("opaque", True), ("manifest", "another")],
)
def test_another_scene_is_told(field: str, value: object) -> None:
    other = dataclasses.replace(ball(), **{field: value})  # type: ignore[arg-type]
    assert scene_changes(recorded(ball()), ball()) == []
    assert scene_changes(recorded(ball()), other) == [field]
    assert scene_changes(recorded(other), ball()) == [field]


def test_records_that_do_not_know_are_not_held_to_it() -> None:
    """Those of earlier versions lack the keys, or have them as null once written again."""
    facts = recorded(ball())
    earlier = {k: v for k, v in facts.items() if k not in ("inner", "opaque", "box")}
    scene = dataclasses.replace(ball(), inner=INNER, opaque=True)
    assert scene_changes(earlier, scene) == []
    assert scene_changes({**earlier, "inner": None, "opaque": None, "box": None}, scene) == []
