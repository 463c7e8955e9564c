"""What a device is told to do."""

from __future__ import annotations

import pytest
import torch

from effbench import devices

SUBNORMAL = 1e-40


def flushes(count: int) -> bool:
    """Return whether products of subnormal numbers vanish; many are computed by all threads."""
    return bool((torch.full([count], SUBNORMAL) * 1 == 0).all())


@pytest.mark.parametrize("count", [1, 1_000_000])
def test_subnormal_numbers_are_zero_inside_only(count: int) -> None:
    assert not flushes(count)
    with devices.subnormals_flushed():
        assert flushes(count)
        with devices.subnormals_flushed():
            assert flushes(count)
        assert flushes(count)
    assert not flushes(count)


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), devices.subnormals_flushed():
        _ = 1 / 0
    assert not flushes(1)
