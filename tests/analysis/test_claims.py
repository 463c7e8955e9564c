"""Claims are confirmed inside their margin, contradicted outside, open across its ends."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from effbench.analysis import claims, verdict_text
from effbench.analysis.claims import Published
from effbench.analysis.equivalence import Region
from effbench.analysis.measures import MEASURES
from effbench.analysis.statistics import Summary, summarise, summarise_ratios


def claim(value: float, margin: float, measure: str) -> Published:
    region = Region.around(value, margin, MEASURES[measure].kind)
    return Published(value, value, value, region=region)


TIME = claim(0.55, 1.2, "iter_ratio")  # 0.458 to 0.66
GAIN = claim(0.6, 0.3, "psnr_gain")  # 0.3 to 0.9 dB


def judged(measure: str, values: list[float], about: Published) -> str:
    summary = summarise_ratios if MEASURES[measure].kind == "ratio" else summarise
    found = claims.judge({measure: summary(values)}, {measure: about}, "60s", "a CPU")[measure]
    return f"{found.verdict}: {found.reason}".rstrip(": ")


@pytest.mark.parametrize(
    ("measure", "values", "about", "expected"),
    [
        ("iter_ratio", [0.55, 0.56, 0.57], TIME, "confirmed"),
        ("iter_ratio", [0.50, 0.50, 0.50], TIME, "confirmed"),
        ("iter_ratio", [0.30, 0.31, 0.32], TIME, "contradicted: better than the claim"),
        ("iter_ratio", [0.80, 0.81, 0.82], TIME, "contradicted: a smaller effect than the paper's"),
        ("iter_ratio", [1.20, 1.21, 1.22], TIME, "contradicted: worse than the baseline"),
        ("psnr_gain", [0.50, 0.55, 0.60], GAIN, "confirmed"),
        ("psnr_gain", [-0.30, -0.31, -0.32], GAIN, "contradicted: worse than the baseline"),
        (
            "psnr_gain",
            [0.01, 0.011, 0.012],
            GAIN,
            "contradicted: a smaller effect than the paper's",
        ),
        ("psnr_gain", [0.5, 0.5], GAIN, ": no verdict: n = 2, 3 seeds are needed"),
        ("psnr_gain", [], GAIN, ": no verdict: n = 0, 3 seeds are needed"),
    ],
)
def test_by_the_interval_and_the_margin(
    measure: str, values: list[float], about: Published, expected: str
) -> None:
    assert judged(measure, values, about) == expected


def test_a_wide_interval_confirms_nothing_whatever_its_middle() -> None:
    told = judged("psnr_gain", [0.0, 0.6, 1.2], GAIN)
    assert told.startswith("open: the interval crosses the margin; about ")
    assert judged("iter_ratio", [0.30, 0.55, 1.0], TIME).startswith("open")


def test_a_claim_about_a_gpus_memory_needs_one() -> None:
    about = {"saved_ratio": replace(claim(0.57, 1.2, "saved_ratio"), gpu=True)}
    found = {"saved_ratio": summarise_ratios([0.57, 0.57, 0.57])}
    assert claims.judge(found, about, "60s", "AMD EPYC")["saved_ratio"].verdict == "open"
    on_gpu = claims.judge(found, about, "60s", "NVIDIA H100 80GB HBM3")["saved_ratio"]
    assert on_gpu.verdict == "confirmed"


def test_a_lower_bound_can_only_be_too_large() -> None:
    about = {"speedup": claim(2.0, 1.33, "speedup")}
    for values, expected in (([2.0, 2.0, 2.0], "open"), ([4.0, 4.1, 4.2], "contradicted")):
        bound = replace(summarise_ratios(values), high=math.inf, bound=">")
        found = claims.judge({"speedup": bound}, about, "60s", "a CPU")["speedup"]
        assert found.verdict == expected


def direction(margin: float, measure: str) -> Published:
    about = MEASURES[measure]
    nan = math.nan
    return Published(nan, nan, nan, region=Region.beyond(margin, about.kind, about.better))


FASTER = direction(1.05, "speedup")  # above 1.05×
SHORTER = direction(1.05, "iter_ratio")  # below 0.952×
BETTER = direction(0.1, "psnr_gain")  # above +0.1 dB
NONE = "contradicted: no gain beyond the margin"
WORSE = "contradicted: worse than without it"


@pytest.mark.parametrize(
    ("measure", "values", "about", "expected"),
    [
        ("speedup", [1.30, 1.32, 1.34], FASTER, "confirmed"),
        ("speedup", [1.0e3, 1.1e3, 1.2e3], FASTER, "confirmed"),  # there is no upper end
        ("speedup", [1.00, 1.00, 1.01], FASTER, NONE),
        ("speedup", [0.80, 0.81, 0.82], FASTER, WORSE),
        ("iter_ratio", [0.70, 0.71, 0.72], SHORTER, "confirmed"),
        ("iter_ratio", [0.98, 0.98, 0.98], SHORTER, NONE),
        ("iter_ratio", [1.20, 1.21, 1.22], SHORTER, WORSE),
        ("psnr_gain", [0.30, 0.31, 0.32], BETTER, "confirmed"),
        ("psnr_gain", [0.05, 0.05, 0.06], BETTER, NONE),
        ("speedup", [1.3, 1.3], FASTER, ": no verdict: n = 2, 3 seeds are needed"),
    ],
)
def test_a_direction_is_confirmed_beyond_the_margin_alone(
    measure: str, values: list[float], about: Published, expected: str
) -> None:
    assert judged(measure, values, about) == expected


@pytest.mark.parametrize("values", [[0.9, 1.3, 1.7], [1.02, 1.06, 1.10]])
def test_a_direction_is_open_where_the_interval_crosses_the_margin(values: list[float]) -> None:
    told = judged("speedup", values, FASTER)
    assert told.startswith("open: the interval crosses the margin; about ")


def test_the_seeds_that_would_decide_a_direction() -> None:
    # ln 1.2 − ln 1.05 = 0.134 with a deviation of 0.1: t tables have 7 seeds for 1.34 deviations
    values = [1.2 * math.exp(x) for x in (-0.1, 0.0, 0.1)]
    found = claims.judge({"speedup": summarise_ratios(values)}, {"speedup": FASTER}, "9s", "a CPU")
    assert found["speedup"].needed == 7


def test_a_lower_bound_beyond_the_margin_confirms_a_direction() -> None:
    for values, expected in (([2.0, 2.1, 2.2], "confirmed"), ([0.9, 0.9, 0.9], "open")):
        bound = replace(summarise_ratios(values), high=math.inf, bound=">")
        found = claims.judge({"speedup": bound}, {"speedup": FASTER}, "60s", "a CPU")["speedup"]
        assert found.verdict == expected


def test_a_quality_that_is_never_reached_contradicts_a_direction() -> None:
    nan = math.nan
    for unreached, expected in ((3, "contradicted"), (1, "open")):
        never = Summary(3, nan, nan, nan, nan, "not reached", unreached)
        found = claims.judge({"speedup": never}, {"speedup": FASTER}, "60s", "a CPU")["speedup"]
        assert found.verdict == expected


@pytest.mark.parametrize(
    ("measure", "about", "expected"),
    [
        ("speedup", FASTER, "more than 1.05×"),
        ("iter_ratio", SHORTER, "less than 0.95×"),
        ("psnr_gain", BETTER, "more than +0.10 dB"),
        ("iter_ratio", TIME, "0.46 to 0.66×"),
    ],
)
def test_what_is_claimed_in_words(measure: str, about: Published, expected: str) -> None:
    assert about.region is not None
    assert verdict_text.region(measure, about.region) == expected


def test_gains_on_the_margin_are_rarely_decided() -> None:
    """Of rows whose gain is the margin exactly, either verdict is a false one: 2.5 % each."""
    rng = np.random.default_rng(0)
    said = [
        judged("speedup", list(1.05 * np.exp(rng.normal(0, 0.05, 5))), FASTER) for _ in range(400)
    ]
    for verdict in ("confirmed", "contradicted"):
        assert 0 < sum(told.startswith(verdict) for told in said) <= 0.05 * len(said)
