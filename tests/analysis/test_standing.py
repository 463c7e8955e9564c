"""Best and second best of a column."""

from __future__ import annotations

import pandas as pd

from effbench.analysis.standing import BEST, OTHER, SECOND, standing


def board(**columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    common = {"suite": "s", "scene": "a", "budget": "60s", "device": "CPU", "role": "row"}
    return frame.assign(**{k: v for k, v in common.items() if k not in frame})


def test_higher_or_lower_is_better() -> None:
    frame = board(psnr=[20.0, 22.0, 21.0], iter_ms=[5.0, 7.0, 6.0])
    assert list(standing(frame, "psnr")) == [OTHER, BEST, SECOND]
    assert list(standing(frame, "iter_ms")) == [BEST, OTHER, SECOND]


def test_what_is_written_alike_shares_its_place() -> None:
    frame = board(psnr=[22.001, 21.999, 21.0, float("nan"), 20.0])
    assert list(standing(frame, "psnr")) == [BEST, BEST, SECOND, OTHER, OTHER]


def test_nothing_leads_among_equals_and_two_values_have_no_second() -> None:
    assert list(standing(board(psnr=[20.0, 20.0]), "psnr")) == [OTHER, OTHER]
    assert list(standing(board(psnr=[20.0, 21.0]), "psnr")) == [OTHER, BEST]


def test_each_scene_for_itself_without_parents() -> None:
    frame = board(
        psnr=[20.0, 22.0, 30.0, 31.0, 29.0],
        scene=["a", "a", "b", "b", "b"],
        role=["row", "row", "row", "parent", "row"],
    )
    assert list(standing(frame, "psnr")) == [OTHER, BEST, BEST, OTHER, OTHER]
    assert list(standing(frame, "psnr", by=())) == [OTHER, OTHER, BEST, OTHER, SECOND]
