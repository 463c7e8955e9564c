"""Claims are confirmed inside their margin, contradicted outside, open across its ends."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from effbench.analysis import claims
from effbench.analysis.claims import Published
from effbench.analysis.equivalence import Region
from effbench.analysis.measures import MEASURES
from effbench.analysis.statistics import summarise, summarise_ratios


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
