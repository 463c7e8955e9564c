"""JSON Schema compiled to plain functions: whether data fits, hundreds of times faster.

Knows the part of JSON Schema that `record.schema.json` uses and refuses any other. Why data does
not fit is for the jsonschema package to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]

_ANNOTATIONS = {"$schema", "title", "description"}
_KNOWN = {"type", "enum", "const", "minimum", "maximum", "minLength", "minItems", "maxItems"}
_KNOWN |= {"items", "properties", "required", "additionalProperties"}


def compile_schema(schema: Mapping[str, Any]) -> Check:
    """Return a function that tells whether data fits. Raises ValueError for unknown keywords."""
    if unknown := schema.keys() - _KNOWN - _ANNOTATIONS:
        raise ValueError(f"schema keywords that are not compiled: {', '.join(sorted(unknown))}")
    if "const" in schema:
        return _const(schema["const"])
    if "enum" in schema:
        return _any([_const(value) for value in schema["enum"]])
    types = schema.get("type", [])
    if types == ["number", "null"]:  # most fields of a record
        return _number(schema, null=True)
    if types == ["integer", "null"]:
        return _number(schema, integer=True, null=True)
    return _any([_TYPES[name](schema) for name in ([types] if isinstance(types, str) else types)])


def _any(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) or second(value)
    return lambda value: not checks or any(check(value) for check in checks)


def _const(expected: Any) -> Check:
    kind = bool if isinstance(expected, bool) else None  # to JSON, true is not 1

    def check(value: Any) -> bool:
        return bool(value == expected) and (isinstance(value, bool) is (kind is bool))

    return check


def _number(schema: Mapping[str, Any], integer: bool = False, null: bool = False) -> Check:
    within = _range(schema)

    def check(value: Any) -> bool:
        kind = type(value)
        if kind is int or (kind is float and not integer):
            return within is None or within(value)
        if value is None:
            return null
        return kind is float and value.is_integer() and (within is None or within(value))

    return check


def _range(schema: Mapping[str, Any]) -> Check | None:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is None:
        return None if least is None else lambda value: not value < least  # NaN is for `files`
    lowest = float("-inf") if least is None else least
    return lambda value: not (value < lowest or value > most)


def _string(schema: Mapping[str, Any]) -> Check:
    least = schema.get("minLength", 0)
    return lambda value: type(value) is str and len(value) >= least


def _array(schema: Mapping[str, Any]) -> Check:
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    item = compile_schema(schema["items"]) if "items" in schema else None

    def check(value: Any) -> bool:
        if type(value) is not list or not least <= len(value) <= most:
            return False
        return item is None or all(map(item, value))

    return check


def _object(schema: Mapping[str, Any]) -> Check:
    known = {name: compile_schema(part) for name, part in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    others = schema.get("additionalProperties", True)
    other = compile_schema(others) if isinstance(others, Mapping) else None

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, part in value.items():
            if name in known:
                if not known[name](part):
                    return False
            elif others is False or (other is not None and not other(part)):
                return False
        return True

    return check


_TYPES: dict[str, Callable[[Mapping[str, Any]], Check]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": lambda schema: _number(schema, integer=True),
    "boolean": lambda _: lambda value: type(value) is bool,
    "null": lambda _: lambda value: value is None,
}
