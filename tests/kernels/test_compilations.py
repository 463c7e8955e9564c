"""What is compiled is told by name, once, with what it calls."""

from __future__ import annotations

from numba import njit

from effbench.kernels import compilations


def test_kernels_are_told_as_they_are_compiled() -> None:
    @njit
    def callee(x):  # type: ignore[no-untyped-def]
        return x + 1

    @njit
    def _caller(x):  # type: ignore[no-untyped-def]
        return callee(x) * 2

    told: list[str] = []
    with compilations.watched(told.append) as found:
        assert _caller(1) == 4
        assert _caller(2) == 6
        assert _caller(1.5) == 5.0
    assert told == found.names == ["caller", "caller"], "for integers, and for floats"
    assert found.seconds > 0
    with compilations.watched(told.append) as found:
        _caller(3)
    assert found == compilations.Compilations()
