"""Published figures beside a run's: which rows, what differs, and when a difference is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import anchors, paper
from effbench.analysis.anchors import Protocol
from effbench.records import record
from effbench.records.record import Record
from effbench.report import papers

NERFACC = paper.load("nerfacc")
PUBLISHED = paper.load("published")
SAME = Protocol("800×800", 200, 200, "white")


def scene(name: str, width: int, height: int, views: int, **changes: Any) -> dict[str, Any]:
    return {
        **{"key": name, "name": name, "params": {}, "manifest": "m", "width": width},
        **{"height": height, "test_views": views, "background": [1, 1, 1]},
        **changes,
    }


def cell(method: str, psnr: float, where: dict[str, Any], eval_views: int) -> Record:
    about: dict[str, Any] = {
        **{"cell_id": method, "suite": "s", "method": method, "scene": where, "budget": "60s"},
        **{"seed": 1, "device": "CPU", "time": {"train_s": 60.0}},
        "quality": {"psnr": psnr, "eval_views": eval_views},
    }
    return Record(**about)


LEGO = scene("nerf_synthetic/lego", 800, 800, 200)


def test_rows_of_a_scene_stand_beside_the_systems_on_it() -> None:
    other = cell("instant-ngp", 20.0, scene("toy/ramp", 8, 8, 2), 2)
    frame = papers.beside(NERFACC, [cell("instant-ngp", 34.0, LEGO, 200), other])
    assert list(frame["system"]) == [
        "",
        "Instant-NGP",
        "NerfAcc, occupancy grid",
        "NerfAcc, proposal networks",
    ]
    own = frame.iloc[0]
    assert (own["anchor_psnr"], own["differs"]) == (35.87, "")
    assert own["difference"] == pytest.approx(34.0 - 35.87)


def test_a_method_of_ones_own_has_no_counterpart() -> None:
    own = papers.beside(NERFACC, [cell("mine", 34.0, LEGO, 200)]).iloc[0]
    assert pd.isna(own["anchor_psnr"])
    assert pd.isna(own["difference"])


def test_without_the_same_protocol_there_is_no_difference() -> None:
    small = scene("nerf_synthetic/lego", 400, 400, 200, background=[0, 0, 0])
    own = papers.beside(NERFACC, [cell("proposal", 34.0, small, 20)]).iloc[0]
    assert own["anchor_psnr"] == 34.04
    assert pd.isna(own["difference"])
    assert own["differs"] == (
        "images of 800×800, ours 400×400; 200 views, ours 20; white background, ours black"
    )


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (SAME, []),
        (Protocol("800×800", 25, 200, "white"), ["200 views, ours 25"]),
        (
            Protocol(),
            [
                "images of 800×800, ours unknown",
                "200 views, ours unknown",
                "white background, ours unknown",
            ],
        ),
    ],
)
def test_what_differs(own: Protocol, expected: list[str]) -> None:
    (row,) = (r for r in NERFACC.rows if r["scene"] == "nerf_synthetic/chair" and not r["seconds"]
              and r["method"] == "instant-ngp")  # fmt: skip
    assert anchors.differences(row, own) == expected


def test_a_capture_is_seen_at_a_part_of_the_photographs() -> None:
    bonsai = scene("mipnerf360/bonsai", 400, 266, 37)
    own = papers.beside(NERFACC, [cell("instant-ngp", 25.4, bonsai, 37)]).iloc[0]
    assert own["differs"] == "images of ÷4, ours 400×266"


def test_the_page_says_what_differs() -> None:
    frame = papers.beside(PUBLISHED, [cell("instant-ngp", 34.0, LEGO, 200)])
    text = papers.to_markdown(PUBLISHED, frame)
    assert "## s · nerf_synthetic/lego" in text
    row = next(line for line in text.splitlines() if line.startswith("| **instant-ngp**"))
    assert [x.strip() for x in row.strip("|").split("|")] == [
        *("**instant-ngp**", "n=1", "34.00", "", "", "-1.65", "60", "CPU")
    ]
    assert "Instant-NGP, its paper: black background, ours white" in text
    assert "torch-ngp, error map" in text


def test_scenes_that_nobody_published() -> None:
    frame = papers.beside(NERFACC, [cell("instant-ngp", 20.0, scene("toy/ramp", 8, 8, 2), 2)])
    assert "These records have no scene of nerf_synthetic/lego" in papers.to_markdown(
        NERFACC, frame
    )


def test_means_are_those_of_the_scenes() -> None:
    for name in ("nerf_synthetic", "mipnerf360"):
        for found in (NERFACC, PUBLISHED):
            rows = [r for r in found.rows if str(r["scene"]).startswith(name)]
            for system in {r["system"] for r in rows}:
                own = {r["scene"].split("/")[1]: r["psnr"] for r in rows if r["system"] == system}
                scenes = [value for key, value in own.items() if key != "mean"]
                if "mean" in own and len(scenes) > 1:
                    assert own["mean"] == pytest.approx(sum(scenes) / len(scenes), abs=0.011)


def test_a_reported_share_of_skipped_samples_stands_beside_the_rows(tmp_path: Path) -> None:
    for repetition, share in enumerate((0.94, 0.96)):
        facts = {"samples_per_ray": 100 * (1 - share), "samples_skipped": share}
        known = cell("instant-ngp", 20.0, scene("toy/ramp", 8, 8, 2), 2)
        about = {**vars(known), "facts": facts, "repetition": repetition, "seed": repetition}
        about["cell_id"] = f"a{repetition}"
        record.write(tmp_path / "cells" / about["cell_id"] / "record.json", Record(**about))
    frame = papers.table(NERFACC, [tmp_path])
    text = papers.to_markdown(NERFACC, frame)
    assert "These records have no scene of nerf_synthetic/lego" in text
    assert "Reported: up to 98 % of samples skipped, on nerf_synthetic/lego." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| toy/ramp")]
    assert [part.strip() for part in row.split("|")[1:-1]] == [
        *("toy/ramp", "instant-ngp", "n=2", "5.0", "95.0")
    ]


def test_without_counted_samples_no_share_is_told(tmp_path: Path) -> None:
    known = cell("instant-ngp", 34.0, LEGO, 200)
    record.write(tmp_path / "cells/a/record.json", known)
    text = papers.to_markdown(NERFACC, papers.table(NERFACC, [tmp_path]))
    assert "Samples skipped" not in text
