"""Steps on the device `meta`, whose tensors have sizes and no values: whatever asks for a value
fails, and what a GPU would be told to launch is counted.

Kernels are Triton's as far as their launch, where the arguments are looked at in their place.
"""

from __future__ import annotations

import importlib
import pkgutil
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from effbench.kernels import backends
from effbench.method import spans
from effbench.nerf.training import RadianceFieldMethod

META = torch.device("meta")
_OURS = ("effbench.", "methods.", "tests.")
_KINDS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
_KINDS |= {torch.int64, torch.int32, torch.uint8}
# what makes a tensor without filling it; views are known by their schema
_NO_LAUNCH = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
_NO_LAUNCH |= {"detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias"}


class Launches(TorchDispatchMode):
    """Counts what is launched, by name, and refuses what mixes the device with values of the host:
    these are copied over first, which makes the host wait (plain numbers go with the launch).

    order: the launches one after the other, each with the innermost part of the step
    (`effbench.method.spans`) that it is in, "" for none.
    """

    MIXED = ("where", "copy_", "_to_copy", "index_put_", "index")

    def __init__(self, strict: bool) -> None:
        super().__init__()
        self._strict = strict
        self.counts: Counter[str] = Counter()
        self.order: list[tuple[str, str]] = []
        self._parts = [""]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._parts.append(name)
        try:
            yield
        finally:
            self._parts.pop()

    def note(self, launch: str) -> None:
        self.counts[launch] += 1
        self.order.append((self._parts[-1], launch))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.name().split("::")[1].split(".")[0]
        places = {x.device.type for x in args if isinstance(x, Tensor)}
        if kwargs and isinstance(kwargs.get("device"), torch.device):
            places.add(kwargs["device"].type)
        if self._strict and name in self.MIXED and len(places) > 1:
            raise RuntimeError(f"{name} between the host and the device")
        if not func.is_view and name not in _NO_LAUNCH:
            self.note(name)
        return func(*args, **(kwargs or {}))

    def kernel(self, kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
        """Stand in for `effbench.kernels.gpu.launch`."""
        name = f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}"
        assert 1 <= len(grid) <= 3
        assert all(isinstance(size, int) for size in grid)
        assert not any(isinstance(x, Tensor) for x in constants.values())
        for place, value in enumerate(arguments):
            if isinstance(value, Tensor):
                about = f"argument {place} of {name}: {value.dtype} on {value.device}"
                assert value.device == META, about
                assert _in_place(value, arguments), about
                assert value.dtype in _KINDS, about
            else:
                assert isinstance(value, int | float), f"argument {place} of {name}: {value!r}"
        if all(grid):
            self.note(f"triton {name}")


def _in_place(tensor: Tensor, arguments: tuple[Any, ...]) -> bool:
    """Return whether a kernel finds a tensor's values: one after the other, or in rows whose
    distance it is told."""
    if tensor.is_contiguous():
        return True
    told = [value for value in arguments if isinstance(value, int)]
    return tensor.dim() == 2 and tensor.stride(1) == 1 and tensor.stride(0) in told


@contextmanager
def launches(strict: bool = True) -> Iterator[Launches]:
    """Enter what is launched meanwhile; Triton need not work. strict: refuse values of the host,
    which the first step may copy over, to keep them."""
    found = Launches(strict)
    with as_if_interpreted(), pytest.MonkeyPatch.context() as patch:
        for module in _gpu_modules():
            if hasattr(module, "launch"):
                patch.setattr(module, "launch", found.kernel)
        _without_generators(patch)
        if strict:
            _without_values_of_the_host(patch)
        with found, spans.watched(found.part):
            yield found


@contextmanager
def as_if_interpreted() -> Iterator[None]:
    """Let Triton be a backend where there is no GPU, for whoever launches nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "interpreting", lambda: True)
        backends.reason.cache_clear()
        try:
            yield
        finally:
            backends.reason.cache_clear()


def _gpu_modules() -> Iterator[Any]:
    from effbench.kernels import gpu

    for module in pkgutil.iter_modules(gpu.__path__, "effbench.kernels.gpu."):
        yield importlib.import_module(module.name)


def _without_generators(patch: pytest.MonkeyPatch) -> None:
    """Let random numbers be drawn without values, which cannot come from a generator."""
    for name in ("rand", "randint"):
        draw = getattr(torch, name)

        def drawn(*size: Any, draw: Any = draw, **options: Any) -> Tensor:
            assert options.pop("generator") is not None, "seeded, or it could not be repeated"
            return draw(*size, **options)

        patch.setattr(torch, name, drawn)


def _without_values_of_the_host(patch: pytest.MonkeyPatch) -> None:
    make = torch.tensor

    def tensor(*values: Any, **options: Any) -> Tensor:
        if torch.device(options.get("device", "cpu")) == META:
            raise RuntimeError("a tensor of the host's values on the device")
        return make(*values, **options)

    patch.setattr(torch, "tensor", tensor)


class NoOptimizer:
    """Clears gradients; the step of torch's own knows no tensors without values."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters

    def zero_grad(self, set_to_none: bool) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def step(self) -> None:
        assert all(parameter.grad is not None for parameter in self._parameters)


def to_meta(method: RadianceFieldMethod) -> None:
    """Take the values from all tensors of a method, its step's included."""
    _move(method, set())
    method.optimizer = NoOptimizer(list(method.field.parameters()))  # type: ignore[assignment]


def _move(owner: Any, seen: set[int]) -> None:
    if id(owner) in seen:
        return
    seen.add(id(owner))
    if isinstance(owner, nn.Module):
        owner.to(META)
    for name, value in list(vars(owner).items()):
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            object.__setattr__(owner, name, value.to(META))
        elif isinstance(value, torch.device):
            object.__setattr__(owner, name, META)
        elif _is_ours(value):
            _move(value, seen)


def _is_ours(value: Any) -> bool:
    known = not isinstance(value, (*weakref.ProxyTypes, type)) and hasattr(value, "__dict__")
    return known and type(value).__module__.startswith(_OURS)
