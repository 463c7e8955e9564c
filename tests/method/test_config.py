"""Parameters from text: conversion by annotation, grids, variants, and messages that help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from effbench.errors import ConfigError
from effbench.method import config


@dataclass(frozen=True)
class Example:
    width: int = 128
    rate: float = 1e-2
    selection: Literal["uniform", "w_out", "coreset"] = "uniform"
    size: Literal[64, 128] = 64
    ema: bool = False
    note: str = ""
    layers: tuple[int, ...] = (0, 1)
    pair: tuple[float, float] = (0.9, 0.99)
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError("width must be positive")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("width", "64", 64),
        ("width", "1e5", 100_000),
        ("width", str(2**60 + 1), 2**60 + 1),
        ("rate", "3e-2", 0.03),
        ("rate", 1, 1.0),
        ("selection", "coreset", "coreset"),
        ("size", "128", 128),
        ("ema", "true", True),
        ("ema", "False", False),
        ("note", "true", "true"),
        ("layers", "1:2:3", (1, 2, 3)),
        ("layers", "1x2", (1, 2)),
        ("layers", "7", (7,)),
        ("layers", [4, 5], (4, 5)),
        ("pair", "0.5:1", (0.5, 1.0)),
        ("limit", "none", None),
        ("limit", "8", 8),
        ("limit", None, None),
    ],
)
def test_a_value_is_converted_to_its_annotation(key: str, text: Any, value: Any) -> None:
    built = getattr(config.build(Example, {key: text}, "example"), key)
    assert built == value
    assert type(built) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("width", "12.5", "an integer"),
        ("width", True, "an integer"),
        ("rate", "fast", "a number"),
        ("rate", "nan", "a number"),
        ("selection", "coresets", "one of uniform, w_out, coreset"),
        ("ema", "maybe", "true or false"),
        ("note", 3, "text"),
        ("layers", "1:b", "a list 1:2:3 of an integer"),
        ("pair", "1:2:3", "2 values 1:2:3, each a number"),
        ("limit", "some", "an integer or none"),
    ],
)
def test_a_bad_value_names_parameter_value_and_expectation(
    key: str, text: Any, expected: str
) -> None:
    with pytest.raises(ConfigError) as error:
        config.build(Example, {key: text}, "example")
    assert f"example.{key}: '{config.show(text)}' is not valid: expected {expected}" in str(
        error.value
    )


def test_an_unknown_parameter_lists_the_nearest_and_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown parameter of example 'widht'.*mean width"):
        config.build(Example, {"widht": 1}, "example")


def test_a_configs_own_check_becomes_a_config_error() -> None:
    with pytest.raises(ConfigError, match="example: width must be positive"):
        config.build(Example, {"width": 0}, "example")


def test_an_annotation_that_cannot_be_read_from_text_is_named() -> None:
    @dataclass(frozen=True)
    class Odd:
        table: dict = None  # type: ignore[type-arg, assignment]

    with pytest.raises(ConfigError, match="annotated <class 'dict'>"):
        config.build(Odd, {"table": "1"}, "odd")


def test_a_setting_has_an_optional_owner_and_several_values() -> None:
    assert config.Setting.parse("width=64,128") == config.Setting(None, "width", ("64", "128"))
    assert config.Setting.parse("nerf-pruned.init=scratch") == config.Setting(
        "nerf-pruned", "init", ("scratch",)
    )


@pytest.mark.parametrize("text", ["width", "=3", "width=", "width=1,,2", ".width=1", "a b=1"])
def test_a_malformed_setting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot read setting"):
        config.Setting.parse(text)


def test_a_grid_is_the_product_of_its_axes() -> None:
    assert config.grid({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert config.grid({}) == [{}]


def test_a_variant_names_what_differs_from_the_defaults_in_field_order() -> None:
    changed = Example(selection="coreset", width=64, layers=(0, 3), ema=True, rate=0.03)
    text = "width=64,rate=0.03,selection=coreset,ema=true,layers=0:3"
    assert config.variant(changed, Example()) == text
    assert config.variant(Example(), Example()) == ""
    assert config.variant(Example(width=64), Example(width=64)) == ""
    assert config.variant(Example(), Example(), named=["width"]) == f"width={Example().width}"


def test_a_config_survives_json_form() -> None:
    changed = Example(pair=(0.1, 0.2), limit=3)
    assert config.to_dict(changed)["pair"] == [0.1, 0.2]
    assert config.build(Example, config.to_dict(changed), "example") == changed


@dataclass(frozen=True)
class Renamed:
    early_stop_eps: float = 1e-4

    former_names = {"early_stop": "early_stop_eps"}  # noqa: RUF012


def test_a_parameter_is_still_read_by_its_former_name() -> None:
    assert config.build(Renamed, {"early_stop": "0.01"}, "m") == Renamed(0.01)
    assert config.to_dict(Renamed()) == {"early_stop_eps": 1e-4}, "and written by its own alone"
