"""What the GPU programs do without a GPU, and their arithmetic."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench import gpu_bench, gpu_check, gpu_kernels
from effbench.machine import breakdown, devices
from effbench.records.record import Record
from tests.nerf.training.test_fixed_step import trained

ROOT = Path(__file__).resolve().parents[2]
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


@without_gpu
@pytest.mark.parametrize(
    ("program", "done"), [("bench.gpu_check", "checked"), ("bench.gpu_bench", "measured")]
)
def test_without_a_gpu_they_fail_with_one_line(program: str, done: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", program, "--out", str(tmp_path / "out")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines() == [
        f"no CUDA device: torch {torch.__version__} sees none, so nothing was {done}"
    ]
    assert not (tmp_path / "out").exists()


def test_curves_are_read_at_seconds() -> None:
    curve = pd.DataFrame({"train_s": [5.002, 10.0, 20.0], "psnr": [20.0, 24.0, 26.0]})
    values = gpu_check.at_seconds(curve, (1, 5, 15, 20, 60))
    assert values[1:4] == pytest.approx([20.0, 25.0, 26.0])
    assert math.isnan(values[0])
    assert math.isnan(values[4])


def cell(**changes: object) -> Record:
    scene = {"name": "procedural/blocks", "params": {}}
    about = {"cell_id": "a", "suite": "s", "budget": "20s", "seed": 0, "scene": scene}
    made = Record(method="instant-ngp", quality={"psnr": 30.0}, **about)  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


def test_failed_cells_and_poor_ones_are_told() -> None:
    failed = cell(status="failed", reason="boom", quality={})
    poor = cell(quality={"psnr": 24.0})
    small = cell(
        scene={"name": "procedural/blocks", "params": {"downscale": 2}}, quality={"psnr": 9.0}
    )
    found = gpu_check.too_low([cell(), failed, poor, small])
    assert [one.reason for one in found] == ["boom", "24.00 dB, at least 25 were expected"]


def test_lego_is_run_only_where_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "_methods", lambda: ("nerf", "hsm"))
    with_lego = gpu_check.parts(3, 1, lego=True)
    assert [(p.name, p.budget, p.seeds) for p in with_lego] == [
        ("methods", "5s", 1),
        ("blocks", "20s", 3),
        ("lego", "60s", 1),
    ]
    assert with_lego[0].methods == ("nerf", "hsm")
    assert len(gpu_check.parts(3, 1, lego=False)) == 2
    assert "set EFFBENCH_SCENES" in capsys.readouterr().out


def test_results_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(SystemExit, match="is not empty"):
        gpu_check._folder(tmp_path)
    assert gpu_check._folder(tmp_path / "new").is_dir()


def test_a_baseline_belongs_to_a_device() -> None:
    expected = Path("results/nvidia-h200-sxm/gpu-check-baseline.json")
    assert gpu_check.baseline_path("NVIDIA H200 (SXM)") == expected


def test_the_work_of_kernels_by_hand() -> None:
    # 32·64 + 64·16, 31·64 + 64·64 + 64·3, each a product and a sum per sample
    assert gpu_kernels.network_operations(1) == 2 * (3072 + 6272)
    assert gpu_kernels.adam_bytes() == 28 * 2 * gpu_kernels.LAYOUT.rows
    ceilings = {"matmul_bf16_tflop_s": 800.0, "copy_gb_s": 4000.0}
    tenth = gpu_kernels.network_operations() / 1e9 / 80
    assert gpu_bench._share("networks, forward", tenth, ceilings) == "     10% of matmul"


class HostEvent:
    """An event of the host's clock."""

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: HostEvent) -> float:
        return 1e3 * (end.at - self.at)


def test_a_step_is_taken_apart_and_put_together_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdown, "event", HostEvent)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    method = trained(steps=3)
    before = dict(vars(method.sampler)), torch.Tensor.backward
    began = time.perf_counter()
    parts = gpu_bench.break_down(method, 4)
    elapsed = 1e3 * (time.perf_counter() - began)
    assert {"rays", "march", "compaction", "encode forward", "density network"} <= set(parts)
    assert {"volume rendering", "backward", "optimiser", "other"} <= set(parts)
    assert all(value > 0 for value in parts.values())
    assert 4 * sum(parts.values()) <= elapsed
    assert (dict(vars(method.sampler)), torch.Tensor.backward) == before
    method.step(0.0)  # nothing of it is left


def test_curves_are_printed_with_what_a_step_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "curve.csv").write_text("train_s,psnr\n5,20.5\n20,26.25\n")
    told = {
        "time": {"iter_ms": 1.25},
        "memory": {"phases": {"steady": 512.0}},
        "facts": {"cuda_graphs": 7},
    }
    gpu_check.print_curves({tmp_path: cell(**told), tmp_path / "none": cell(status="failed")})
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("instant-ngp")]
    assert line.split() == [
        *("instant-ngp", "procedural/blocks", "seed", "0"),
        *("20.50", "22.42", "26.25", "nan", "nan", "30.00", "1.25", "512", "7"),
    ]


@pytest.mark.gpu
def test_kernels_agree_and_are_timed_on_the_device() -> None:
    times = gpu_kernels.compare(torch.device("cuda"), rounds=2, samples=1 << 14)
    assert all(value > 0 for contenders in times.values() for value in contenders.values())


@pytest.mark.gpu
def test_the_parts_of_a_step_add_up() -> None:
    from effbench.planning.registry import discover

    source = discover([]).source("procedural")
    scene = source.load("blocks", None, source.Config(downscale=8))
    method = gpu_bench._method("hsm", "auto", {}, scene, torch.device("cuda"))
    for _ in range(4):
        method.step(0.5)
    with devices.eager_steps():
        parts = gpu_bench.break_down(method, 3)
    assert {"march", "backward", "optimiser", "other"} <= set(parts)
    assert all(value > -1e-3 for value in parts.values())
