"""Marks of rows: what tells rows of one name apart, and figures that not every seed has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from effbench.records import tables
from tests.records.test_tables import cell

CODE = {"package": "a", "method": "b", "scene_source": "c"}


def rows(*cells: Any) -> list[dict[Any, Any]]:
    return tables.leaderboard(cells).to_dict("records")


def test_a_plain_row_has_none() -> None:
    (row,) = rows(cell(0), cell(1))
    assert row["marks"] == ""


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({"identity": {**CODE, "method": "other"}}, "code "),
        ({"quality": {"psnr": 20.0, "ssim": 0.9, "eval_views": 7}}, "7 test views"),
        ({"identity": {**CODE, "threads": 4}}, "4 threads"),
        ({"identity": {**CODE, "precision": "bf16"}}, "precision bf16"),
        ({"backend": "reference"}, "backend reference"),
    ],
)
def test_rows_of_one_name_are_split_and_say_what_tells_them_apart(
    change: dict[str, Any], mark: str
) -> None:
    found = rows(cell(0, identity=CODE), cell(1, **{"identity": CODE, **change}))
    assert [row["n"] for row in found] == [1, 1]
    assert any(mark in row["marks"] for row in found)
    assert all(row["marks"] for row in found)


def test_rows_of_other_data_say_so() -> None:
    other = {"key": "b", "name": "procedural/blocks", "manifest": "0123456789"}
    found = rows(cell(0), replace(cell(1), scene=other))
    assert sorted(row["marks"] for row in found) == ["data 01234567", "data abc"]


def test_a_failed_seed_belongs_to_the_row_of_the_others() -> None:
    (row,) = rows(cell(0, identity={**CODE, "precision": "fp32"}), cell(1, None, identity=CODE))
    assert row["status"] == "ok 1/2, diverged 1/2"
    assert row["marks"] == ""


def test_a_stale_row_says_why() -> None:
    (row,) = rows(cell(0, identity={**CODE, "stale": "the machine is another"}))
    assert row["marks"] == "stale: the machine is another"


def test_figures_of_fewer_seeds_say_of_how_many() -> None:
    second = cell(1, quality={"psnr": 21.0, "ssim": None})
    (row,) = rows(cell(0), second, cell(2))
    assert (row["n"], row["ssim"]) == (3, 0.9)
    assert row["marks"] == "ssim: n=2"


def test_figures_of_fewer_views_say_of_how_many() -> None:
    quality = {"psnr": 20.0, "eval_views": 200, "fewer_views": {"lpips_vgg": 25}}
    (row,) = rows(cell(0, quality=quality))
    assert row["marks"] == "lpips_vgg of 25 views"
    assert row["eval_views"] == "200"


def test_disturbed_cells_are_counted() -> None:
    beside = {"alone": False}
    (row,) = rows(cell(0), cell(1, provenance=beside), cell(2, provenance=beside))
    assert row["marks"] == "disturbed 2/3: another cell ran beside it"
    (row,) = rows(cell(0, provenance=beside))
    assert row["marks"] == "another cell ran beside it"


def test_several_cells_on_slow_machines_are_named_together() -> None:
    slow = [cell(i, machine={"speed": speed}) for i, speed in enumerate((100.0, 100.0, 50.0, 60.0))]
    more = [cell(i, machine={"speed": 100.0}, method="other") for i in range(3)]
    found = {row["method"]: row["marks"] for row in rows(*slow, *more)}
    assert "disturbed 2/4: slower machine than usual" in found.values()


def test_several_disturbances_of_a_kind_tell_the_largest() -> None:
    waits = [cell(i, machine={"waiting": part}) for i, part in enumerate((0.29, 0.08, 0.01))]
    (row,) = rows(*waits)
    assert row["marks"] == "disturbed 2/3: waited up to 29% of its time for a processor"
