"""A mistyped name is answered with the nearest valid ones."""

from __future__ import annotations

import inspect

from effbench import errors
from effbench.errors import ConfigError, EffbenchError, unknown


def test_nearest_names_come_first_then_all_valid_ones() -> None:
    error = unknown("method", "instant-npg", ["nerf-pruned", "instant-ngp", "nerf"])
    assert isinstance(error, ConfigError)
    assert str(error) == (
        "unknown method 'instant-npg': did you mean instant-ngp? "
        "(valid: instant-ngp, nerf, nerf-pruned)"
    )


def test_several_near_names_are_all_offered_nearest_first() -> None:
    message = str(unknown("selection", "w_on", ["w_in", "w_inn", "uniform"]))
    assert "did you mean w_in or w_inn?" in message


def test_a_name_without_its_family_is_recognised() -> None:
    valid = ["llff/room", "mipnerf360/room", "nerf_synthetic/lego"]
    assert "did you mean nerf_synthetic/lego?" in str(unknown("scene", "lego", valid))
    assert "did you mean llff/room or mipnerf360/room?" in str(unknown("scene", "rom", valid))


def test_nothing_near_means_no_guess() -> None:
    assert str(unknown("suite", "xyz", ["pruning"])) == "unknown suite 'xyz': (valid: pruning)"


def test_no_valid_names_at_all_is_said() -> None:
    assert str(unknown("scene", "lego", [])) == "unknown scene 'lego': (valid: none)"


def test_every_error_is_shown_without_a_traceback() -> None:
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, Exception)]
    assert {"SceneError", "Diverged"} < {cls.__name__ for cls in classes}
    assert all(issubclass(cls, EffbenchError) for cls in classes)
