"""Parameters from text: `key=v1,v2` settings, grids, and a plug-in's Config dataclass from them.

Numbers, true/false, none and choices are written as in Python or TOML; a tuple is written 1:2:3
(or 1x2x3), since a comma separates the values of a grid.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from effbench.errors import ConfigError, unknown

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One `--set [owner.]key=v1,v2`: the values that a parameter takes, as text.

    owner: the method or scene family it is for; None means every method that has the key.
    """

    owner: str | None
    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Setting:
        """Read `key=v`, `key=v1,v2` or `owner.key=v1,v2`. Raises ConfigError on anything else."""
        name, equals, values = text.partition("=")
        owner, dot, key = name.strip().rpartition(".")
        entries = tuple(value.strip() for value in values.split(","))
        if not (equals and key.isidentifier() and all(entries)) or (dot and not owner):
            raise ConfigError(f"cannot read setting '{text}': write key=v1,v2 or method.key=v1,v2")
        return cls(owner or None, key, entries)


def grid(axes: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values, the last axis varying fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def build(cls: type[Any], values: Mapping[str, Any], owner: str) -> Any:
    """Return `cls(**values)`, each value converted to its field's annotation.

    cls: a dataclass; owner: whose parameters they are, for messages. Raises ConfigError naming
    the parameter that is unknown, or whose value does not fit, and what would.
    """
    hints, names = _annotations(cls)  # type: ignore[arg-type]
    converted = {}
    for given, value in values.items():
        key = current_name(cls, given)
        if key not in names:
            raise unknown(f"parameter of {owner}", key, names)
        converted[key] = convert(value, hints[key], f"{owner}.{key}")
    try:
        return cls(**converted)
    except (TypeError, ValueError) as error:  # the config's own __post_init__
        raise ConfigError(f"{owner}: {error}") from error


@functools.cache
def _annotations(cls: type[Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the evaluated annotations and the names of a config's fields: slow to find, and the
    same for thousands of cells."""
    return typing.get_type_hints(cls), [f.name for f in dataclasses.fields(cls)]


def current_name(cls: type[Any], name: str) -> str:
    """Return what a parameter is called today: earlier records and commands have earlier names.

    cls: a config class; its `former_names`, if it has any, maps former to current names.
    """
    former: Mapping[str, str] = getattr(cls, "former_names", {})
    return former.get(name, name)


def to_dict(config: Any) -> dict[str, Any]:
    """Return a config's fields in order, tuples as lists: values that JSON can hold."""
    return {
        f.name: list(value) if isinstance(value := getattr(config, f.name), tuple) else value
        for f in dataclasses.fields(config)
    }


def changes(config: Any, defaults: Any) -> dict[str, Any]:
    """Return the fields in which `config` differs from `defaults`, in order, as JSON values."""
    base = to_dict(defaults)
    return {key: value for key, value in to_dict(config).items() if value != base[key]}


def variant(config: Any, defaults: Any, named: Collection[str] = ()) -> str:
    """Return what sets `config` apart: "selection=coreset,width=64", or "".

    These are the fields that differ from `defaults`, and those `named`: a table in which some
    rows leave a parameter of the grid out, because its value is the default, is hard to read.
    """
    changed = changes(config, defaults)
    shown = {key: value for key, value in to_dict(config).items() if key in changed or key in named}
    return ",".join(f"{key}={show(value)}" for key, value in shown.items())


def show(value: Any) -> str:
    """Return a value as it is written in a setting."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ":".join(show(entry) for entry in value)
    return str(value)


def convert(value: Any, annotation: Any, name: str) -> Any:
    """Return `value`, text or of TOML's types, as `annotation` wants it.

    Annotations: int, float, bool, str, Literal, tuple[T, ...], tuple[T, T], and unions with
    None. Raises ConfigError naming the parameter `name`, the value and what was expected.
    """
    try:
        return _convert(value, annotation)
    except ValueError:
        raise ConfigError(
            f"{name}: '{show(value)}' is not valid: expected {describe(annotation)}"
        ) from None


def describe(annotation: Any) -> str:
    """Return what an annotation accepts, in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(show(choice) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list 1:2:3 of {describe(arguments[0])}"
        return f"{len(arguments)} values 1:2:3, each {describe(arguments[0])}"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "text"}
    return "none" if annotation is types.NoneType else words.get(annotation, str(annotation))


def _convert(value: Any, annotation: Any) -> Any:
    """Convert as `convert` does. Raises ValueError."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _choice(value, arguments)
    if origin in (typing.Union, types.UnionType):
        return _first_fit(value, arguments)
    if origin is tuple:
        return _tuple(value, arguments)
    if annotation is types.NoneType:
        return _none(value)
    scalars = {int: _int, float: _float, bool: _bool, str: _str}
    if annotation not in scalars:
        raise ConfigError(
            f"a parameter is annotated {annotation}: use int, float, bool, str, Literal, tuple "
            "or a union of these with None"
        )
    return scalars[annotation](value)


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if show(choice) == show(value):
            return choice
    raise ValueError


def _first_fit(value: Any, members: tuple[Any, ...]) -> Any:
    # None first: "none" is also valid text, and a union with None means it.
    for member in sorted(members, key=lambda m: m is not types.NoneType):
        try:
            return _convert(value, member)
        except ValueError:
            continue
    raise ValueError


def _tuple(value: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, str):
        if str not in arguments:
            value = value.replace("x", ":")
        value = value.split(":")
    if not isinstance(value, list | tuple):
        value = [value]  # a tuple of one may be written as its entry
    if arguments[-1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    if len(arguments) != len(value):
        raise ValueError
    return tuple(_convert(v, a) for v, a in zip(value, arguments, strict=True))


def _none(value: Any) -> None:
    if value is not None and show(value).lower() != "none":
        raise ValueError


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    raise ValueError


def _int(value: Any) -> int:
    number = _float(value)
    if not number.is_integer():
        raise ValueError
    try:
        return int(value)  # exact beyond 2**53
    except ValueError:
        return int(number)  # 1e5


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value
