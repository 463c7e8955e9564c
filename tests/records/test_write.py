"""The tables beside a folder's records: whole, tidy, and with a note on what is missing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from effbench.records import record, results, tables
from effbench.records.record import Record
from effbench.records.write import write_tables
from tests.records.test_tables import CONTEXT, EXPORT, ISSUED, cell


def write_cell(out: Path, written: Record, curve: str) -> None:
    folder = out / "cells" / written.cell_id
    record.write(folder / "record.json", written)
    (folder / "curve.csv").write_text(curve)


class TestWriteTables:
    def test_curves_are_tidy_and_keep_the_methods_own_columns(self, tmp_path: Path) -> None:
        write_cell(tmp_path, cell(0), "fraction,train_s,iteration,loss,psnr\n0.5,30,50,0.1,18\n")
        ngp = cell(3, method="ngp", variant="T=19")
        write_cell(
            tmp_path, ngp, "fraction,train_s,iteration,loss,psnr,occupied\n1.0,60,9,0.2,,0.25\n"
        )
        write_cell(tmp_path, cell(1, None), "fraction,train_s,iteration,loss,psnr\n0.5,1,1,1,1\n")
        frame = results.curves(results.load([tmp_path]))
        fixed = "suite,method,variant,scene,repetition,seed,fraction,train_s,iteration,psnr,loss"
        assert ",".join(frame.columns) == fixed + ",budget,device,occupied,total_s"
        assert tables.to_csv(frame).splitlines()[1:] == [
            "pruning,nerf,default,procedural/blocks,0,0,0.5,30,50,18,0.1,60s,CPU,,30",
            "pruning,ngp,T=19,procedural/blocks,3,3,1,60,9,,0.2,60s,CPU,0.25,60",
        ]

    def test_a_curve_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        write_cell(tmp_path, cell(), "")
        leaderboard, page, curves = write_tables(tmp_path)
        assert "curve.csv: is not a valid table" in page.read_text(encoding="utf-8")
        assert pd.read_csv(leaderboard)["psnr"].tolist() == [20.0], "nothing else is lost"
        assert pd.read_csv(curves).empty

    def test_three_files_and_a_note_on_what_could_not_be_read(self, tmp_path: Path) -> None:
        write_cell(tmp_path, cell(), "fraction,train_s,iteration,loss,psnr\n1.0,60,100,0.1,20\n")
        (tmp_path / "cells" / "bad").mkdir()
        (tmp_path / "cells" / "bad" / "record.json").write_text("{")
        paths = write_tables(tmp_path)
        assert [p.name for p in paths] == ["leaderboard.csv", "leaderboard.md", "curves.csv"]
        assert pd.read_csv(paths[0])["psnr"].tolist() == [20.0]
        assert "bad/record.json: is not valid JSON" in paths[1].read_text(encoding="utf-8")
        assert len(pd.read_csv(paths[2])) == 1

    def test_an_empty_folder_gives_empty_tables(self, tmp_path: Path) -> None:
        leaderboard, _, curves = write_tables(tmp_path)
        assert leaderboard.read_text() == ISSUED + f",role,reason,{EXPORT},{CONTEXT}\n"
        assert curves.read_text().startswith("suite,method,")
