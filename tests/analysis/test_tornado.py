"""Tornado charts: when there are any, in which order bars are, and where their axes end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import tornado
from effbench.analysis.tornado import Bar

DEFAULTS = {"a": 1, "b": 2, "c": 3, "d": 4}
GROUP = {"suite": "s", "scene": "x", "budget": "9s", "device": "CPU"}
NAN = math.nan


def cells(*changes: Mapping[str, Any], method: str = "m", scene: str = "x") -> pd.DataFrame:
    """Return a cell of the defaults and one for each set of changes."""
    rows = [
        {**GROUP, "scene": scene, "method": method,
         "variant": ",".join(f"{k}={v}" for k, v in change.items()),
         "settings": json.dumps({**DEFAULTS, **change})}
        for change in ({}, *changes)
    ]  # fmt: skip
    return pd.DataFrame(rows)


FOUR = [{"a": 0}, {"b": 0}, {"c": 0}, {"d": 0}]


def test_a_chart_needs_four_rows_of_one_factor() -> None:
    assert tornado.wanted(cells(*FOUR), "m")
    assert not tornado.wanted(cells(*FOUR[:3]), "m")
    assert not tornado.wanted(cells(*FOUR[:3], {"a": 0, "b": 0}), "m"), "two factors at once"


def test_rows_of_other_methods_and_scenes_are_no_factors_of_a_baseline() -> None:
    others = cells(*FOUR, method="n")
    assert not tornado.wanted(pd.concat([cells(*FOUR[:3]), others], ignore_index=True), "m")
    apart = [cells(*FOUR[:2]), cells(*FOUR[2:], scene="y")]
    assert not tornado.wanted(pd.concat(apart, ignore_index=True), "m")


def test_seeds_of_a_row_count_once() -> None:
    assert tornado.single_factors(pd.concat([cells(*FOUR)] * 3, ignore_index=True), "m") == 4


def compared(measure: str, **means: float | str) -> pd.DataFrame:
    """Return rows of `comparison.claimed`: a mean with an interval of a tenth, or a bound."""
    rows = []
    for variant, mean in means.items():
        exact = isinstance(mean, float)
        value = float(mean) if exact else NAN
        rows.append({"method": "m", "variant": variant, "measure": measure, "n": 3,
                     "mean": value, "low": value / 1.1, "high": value * 1.1,
                     "bound": "" if exact else mean})  # fmt: skip
    return pd.DataFrame(rows)


def order(group: pd.DataFrame, *measures: str) -> list[str]:
    return [bar.entry[1] for bar in tornado.panels(group, measures)[0].bars]


def test_the_largest_effect_is_on_top_whichever_its_direction() -> None:
    # |ln|: 1.39, 1.10, 0.69, 0.05
    group = compared("speedup", small=1.05, third=1 / 3, four=4.0, half=0.5)
    assert order(group, "speedup") == ["four", "third", "half", "small"]


def test_what_never_got_there_is_last_by_the_measure_beside_it() -> None:
    times = compared("speedup", a="not reached", b=1.1, c="not reached")
    steps = compared("iter_ratio", a=1.2, b=1.0, c=3.0)
    panels = tornado.panels(pd.concat([times, steps]), ("speedup", "iter_ratio"))
    for panel in panels:
        assert [bar.entry[1] for bar in panel.bars] == ["b", "c", "a"]
    assert [tornado.written(bar) for bar in panels[0].bars] == [
        "1.10× [1.00, 1.21]",
        "not reached",
        "not reached",
    ]


def test_higher_is_better_of_speed_ups_and_worse_of_memory() -> None:
    (times,) = tornado.panels(compared("speedup", up=2.0, down=0.4), ("speedup",))
    assert {bar.entry[1]: bar.good for bar in times.bars} == {"up": True, "down": False}
    (memory,) = tornado.panels(compared("saved_ratio", up=2.0, down=0.4), ("saved_ratio",))
    assert {bar.entry[1]: bar.good for bar in memory.bars} == {"up": False, "down": True}


def test_an_axis_holds_one_and_every_interval() -> None:
    (panel,) = tornado.panels(compared("speedup", a=2.0, b=3.0), ("speedup",))
    assert panel.low < 1.0
    assert panel.high > 3.3
    assert 0 < tornado.inside(panel, 1.0) < tornado.inside(panel, 3.3) < 1
    middle = math.sqrt(panel.low * panel.high)
    assert tornado.inside(panel, middle) == pytest.approx(0.5)
    assert tornado.inside(panel, math.inf) == 1.0


def test_a_lower_bound_has_no_upper_end() -> None:
    group = compared("speedup", a=2.0).assign(bound=">", high=math.inf)
    (panel,) = tornado.panels(group, ("speedup",))
    assert panel.high < 3
    assert tornado.written(panel.bars[0]) == "> 2.00× [1.82, ∞]"


def test_a_measure_that_no_row_has_gets_no_panel() -> None:
    group = pd.concat([compared("steady_ratio", a=NAN), compared("saved_ratio", a=0.5)])
    panels = tornado.panels(group, ("steady_ratio", "saved_ratio"))
    assert [panel.measure for panel in panels] == ["saved_ratio"]
    assert tornado.panels(group[group["measure"] == "steady_ratio"], ("steady_ratio",)) == []


def test_a_single_seed_has_no_interval() -> None:
    bar = Bar(("m", ""), 1.5, NAN, NAN, "", good=True)
    assert tornado.written(bar) == "1.50×"
    assert tornado.written(Bar(("m", ""), NAN, NAN, NAN, "", good=False)) == ""
