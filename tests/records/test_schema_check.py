"""The compiled schema accepts and refuses exactly what the jsonschema package does."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from effbench.records import record
from effbench.records.record import Record
from effbench.records.schema_check import compile_schema

SCHEMA = json.loads(record.SCHEMA_PATH.read_text(encoding="utf-8"))
FITS, REFERENCE = compile_schema(SCHEMA), Draft202012Validator(SCHEMA)
WHOLE = record.to_dict(
    Record(
        cell_id="a",
        suite="s",
        method="m",
        scene={"key": "k", "name": "n", "background": [1.0, 1.0, 1], "notes": ["x"], "width": 4},
        budget="1s",
        seed=3,
        quality={"psnr": 20.5, "per_view": [{"name": "v", "psnr": 1.0}], "missing": {"ssim": "?"}},
        time={"train_s": 1, "iterations": 3},
        memory={"phases": {"steady": 3.0, "warmup": None}},
        parents={"teacher": "t"},
    )
)
VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2.0, 1.5, float("nan"), "", "ok", "row", [], [1.0] * 3, {}),
        *(["x"], [{"name": ""}], {"name": "v", "psnr": "1"}, {"steady": -1}, {"a": "b"}),
    ]
)


def paths(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in `data`, and of one new key in every object."""
    found = [at] if at else []
    if isinstance(data, dict):
        found += [(*at, "new")]
        for key, value in data.items():
            found += paths(value, (*at, key))
    if isinstance(data, list):
        for index, value in enumerate(data):
            found += paths(value, (*at, index))
    return found


def test_a_whole_record_fits() -> None:
    assert FITS(WHOLE)
    assert REFERENCE.is_valid(WHOLE)
    assert not FITS([])


@given(st.sampled_from(paths(WHOLE)), VALUES, st.booleans())
@example(("schema_version",), True, False)
@example(("seed",), 1.0, False)
def test_a_record_with_one_change_is_judged_as_by_jsonschema(
    path: tuple[Any, ...], value: Any, remove: bool
) -> None:
    data = copy.deepcopy(WHOLE)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    if remove and path[-1] in parent if isinstance(parent, dict) else False:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    assert FITS(data) == REFERENCE.is_valid(data)


@pytest.mark.parametrize(
    "schema",
    [
        {"const": True},
        {"const": 1},
        {"enum": ["a", 2]},
        {"type": "integer", "minimum": 0},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": ["number", "null"], "maximum": 1.5},
        {"type": ["string", "null", "boolean"]},
        {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "number"}},
        {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]},
        {},
    ],
    ids=str,
)
@given(VALUES)
def test_keywords(schema: dict[str, Any], value: Any) -> None:
    assert compile_schema(schema)(value) == Draft202012Validator(schema).is_valid(value)


def test_a_keyword_that_is_not_known_is_never_passed_over() -> None:
    with pytest.raises(ValueError, match="not compiled: multipleOf"):
        compile_schema({"type": "object", "properties": {"a": {"type": "number", "multipleOf": 3}}})
