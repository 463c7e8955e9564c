"""Exports, read back with the other tool's own reader or by hand."""

from __future__ import annotations

import base64
import builtins
import hashlib
import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from effbench.cli.app import main
from effbench.errors import ConfigError, RecordError
from effbench.records import exporters, record
from effbench.records.record import Record

STARTED = 1767225600  # 2026-01-01 00:00 UTC


def cell(**changes: Any) -> Record:
    about: dict[str, Any] = {
        "cell_id": "ngp_lego_s0",
        "suite": "toy",
        "method": "ngp",
        "scene": {
            "key": "lego",
            "name": "nerf_synthetic/lego",
            "params": {"downscale": 2},
            "background": [1.0, 1.0, 1.0],
        },
        "budget": "60s",
        "seed": 7,
        "params": {"lr": 0.01, "ema": True, "decay": "cosine", "sizes": [1, 2], "end": None},
        "quality": {
            "psnr": 30.123456,
            "ssim": 0.95,
            "per_view": [
                {"name": "r_1", "psnr": 31.0, "ssim": 0.96},
                {"name": "r_0", "psnr": 29.25, "ssim": None},
            ],
        },
        "time": {"train_s": 60.5, "iterations": 2000, "iter_ms": 30.0},
        "memory": {"peak_mem_mb": 512.4},
        "size": {"model_mb": 6.25},
        "device": "CPU",
        "provenance": {"started": "2026-01-01T00:00:00+00:00", "cuda": None},
    }
    return Record(**{**about, **changes})


def folder(path: Path, *cells: Record) -> Path:
    for each in cells:
        own = path / "cells" / each.cell_id
        record.write(own / "record.json", each)
        (own / "curve.csv").write_text(
            "fraction,train_s,iteration,loss,psnr,occupied\n"
            "0.5,30,1000,0.1,25,0.5\n1,60,2000,0.05,,0.25\n"
        )
        (own / "renders").mkdir()
        Image.new("RGB", (4, 3), (255, 0, 0)).save(own / "renders" / "r_0.png")
    return path


def events(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run))
    found.Reload()
    return found


class TestTensorboard:
    def test_curves_figures_parameters_and_renders_are_read_back(self, tmp_path: Path) -> None:
        results = folder(tmp_path / "run", cell())
        (run,) = exporters.export([results], tmp_path / "logs", "tensorboard")
        assert run == tmp_path / "logs" / "ngp_lego_s0"
        found = events(run)
        losses = [(e.step, e.wall_time - STARTED, e.value) for e in found.Scalars("training/loss")]
        assert losses == [(1000, 30.0, pytest.approx(0.1)), (2000, 60.0, pytest.approx(0.05))]
        (point,) = found.Scalars("training/psnr")  # the second is not known
        assert (point.step, point.value) == (1000, 25.0)
        assert [e.value for e in found.Scalars("training/occupied")] == [0.5, 0.25]
        (final,) = found.Scalars("final/psnr")
        assert (final.step, final.wall_time - STARTED) == (2000, 60.5)
        assert final.value == pytest.approx(30.123456)
        tags = found.Tags()
        assert "final/energy_j" not in tags["scalars"]
        image = Image.open(io.BytesIO(found.Images("render/r_0")[0].encoded_image_string))
        assert (image.size, image.getpixel((0, 0))) == ((4, 3), (255, 0, 0))
        plugin = found.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        assert b"nerf_synthetic/lego (downscale=2)" in plugin
        assert b"[1, 2]" in plugin

    def test_an_export_replaces_the_one_before(self, tmp_path: Path) -> None:
        results = folder(tmp_path / "run", cell())
        for _ in range(2):
            (run,) = exporters.export([results], tmp_path / "logs", "tensorboard")
        assert len(list(run.iterdir())) == 1
        assert len(events(run).Scalars("training/loss")) == 2

    def test_without_tensorboard_it_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        imported = builtins.__import__

        def without(name: str, *rest: Any, **named: Any) -> Any:
            if name.startswith("effbench.records.tensorboard_events"):
                raise ImportError("No module named 'tensorboard'")
            return imported(name, *rest, **named)

        monkeypatch.setattr(builtins, "__import__", without)
        results = folder(tmp_path / "run", cell())
        with pytest.raises(ConfigError, match=r"pip install 'effbench\[tensorboard\]'"):
            exporters.export([results], tmp_path / "logs", "tensorboard")


class TestNerfBaselines:
    def test_figures_and_origin(self) -> None:
        data = exporters.nerfbaselines_results(cell())
        assert data["metrics"] == {"psnr": 30.12346, "ssim": 0.95}
        info = data["nb_info"]
        assert info["method"] == "ngp"
        assert info["total_train_time"] == 60.5
        assert info["num_iterations"] == 2000
        assert info["resources_utilization"] == {"memory": 512}
        assert info["dataset_metadata"] == {"id": "blender", "scene": "lego", "downscale_factor": 2}
        assert info["dataset_background_color"] == [255, 255, 255]
        assert info["config_overrides"]["lr"] == 0.01

    def test_values_of_the_views_are_base64_of_float32_by_name(self) -> None:
        raw = exporters.nerfbaselines_results(cell())["metrics_raw"]
        assert list(raw) == ["psnr"], "one view has no SSIM"
        assert struct.unpack("<2f", base64.b64decode(raw["psnr"])) == (29.25, 31.0)

    def test_the_hash_is_over_the_raw_values(self) -> None:
        data = exporters.nerfbaselines_results(cell())
        expected = hashlib.sha256(data["metrics_raw"]["psnr"].encode()).hexdigest()
        assert data["metrics_sha256"] == expected

    def test_memory_of_a_gpu_is_its_own(self) -> None:
        on_gpu = cell(device="H200", provenance={"cuda": "13.0"})
        info = exporters.nerfbaselines_results(on_gpu)["nb_info"]
        assert info["resources_utilization"] == {"gpu_name": "H200", "gpu_memory": 512}


class TestExport:
    def test_only_finished_cells(self, tmp_path: Path) -> None:
        failed = cell(cell_id="ngp_lego_s1", seed=8, status="oom", reason="9 GB")
        results = folder(tmp_path / "run", cell(), failed)
        out = tmp_path / "nb"
        result = CliRunner().invoke(
            main, ["export-results", str(results), "--to", "nerfbaselines", "--out", str(out)]
        )
        assert result.output == f"1 cells → {out}\n"
        assert [p.name for p in out.iterdir()] == ["ngp_lego_s0.json"]
        assert json.loads((out / "ngp_lego_s0.json").read_text())["metrics"]["psnr"] == 30.12346

    def test_nothing_to_export_and_equal_ids(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(RecordError, match="empty: no finished cells"):
            exporters.export([tmp_path / "empty"], tmp_path / "out", "nerfbaselines")
        both = [
            folder(tmp_path / "a", cell()),
            folder(tmp_path / "b", cell(device="Other")),
        ]
        with pytest.raises(ConfigError, match="export one machine's at a time"):
            exporters.export(both, tmp_path / "out", "nerfbaselines")
        with pytest.raises(ConfigError, match="unknown format 'csv'"):
            exporters.export(both, tmp_path / "out", "csv")
