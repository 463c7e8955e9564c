"""Tables that grow: whole files, columns as they appear."""

from __future__ import annotations

import math
from pathlib import Path

from effbench.cell.csv_log import GrowingTable, GrowingTables


def test_rows_are_appended_and_columns_are_those_of_all_rows(tmp_path: Path) -> None:
    table = GrowingTable(tmp_path / "a.csv")
    table.add([{"x": 1, "y": 0.5}])
    assert (tmp_path / "a.csv").read_text() == "x,y\n1,0.5\n"
    table.add([{"x": 2, "z": "late"}, {"x": 3, "y": math.nan}])
    assert (tmp_path / "a.csv").read_text() == "x,y,z\n1,0.5,\n2,,late\n3,,\n"


def test_each_table_is_a_file_with_the_fraction_in_front(tmp_path: Path) -> None:
    tables = GrowingTables(tmp_path / "tables")
    tables.add(0.5, {"steps": [{"loss": 4}], "ray": []})
    tables.add(1.0, {"steps": [{"loss": 3}, {"loss": 2}]})
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["steps.csv"]
    written = (tmp_path / "tables/steps.csv").read_text()
    assert written == "fraction,loss\n0.5,4\n1.0,3\n1.0,2\n"


def test_rows_up_to_a_fraction_are_kept(tmp_path: Path) -> None:
    GrowingTables(tmp_path).add(0.1, {"steps": [{"loss": 4}]})
    earlier = GrowingTables(tmp_path, kept=1.0)
    earlier.add(0.2, {"steps": [{"loss": 3}]})
    GrowingTables(tmp_path, kept=0.15).add(0.3, {"steps": [{"loss": 2, "late": 1}]})
    assert (tmp_path / "steps.csv").read_text() == "fraction,loss,late\n0.1,4,\n0.3,2,1\n"


def test_without_rows_there_is_no_folder(tmp_path: Path) -> None:
    GrowingTables(tmp_path / "tables").add(1.0, {"steps": []})
    assert not list(tmp_path.iterdir())
