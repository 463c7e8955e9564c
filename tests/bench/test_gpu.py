"""What the GPU programs do without a GPU, and their arithmetic."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from bench import gpu, gpu_bench, gpu_ceilings, gpu_check, gpu_kernels, gpu_model
from effbench.machine import breakdown, device_lock, devices, provenance
from effbench.method import spans
from effbench.nerf.training.hsm import MiningConfig
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


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("mining", [None, MiningConfig()], ids=["all", "mined"])
def test_an_eager_step_is_taken_apart_and_put_together_again(
    device: str, mining: MiningConfig | None
) -> None:
    method = trained(torch.device(device), steps=3, mining=mining)
    with devices.eager_steps():
        began = time.perf_counter()
        parts = gpu_bench.break_down(method, 14)  # to step 16, which updates the grid
        elapsed = 1e3 * (time.perf_counter() - began)
    parts_of_all = set(spans.STEP_PARTS) - {spans.MINING, spans.NETWORK} | {gpu_bench.OTHER}
    always = parts_of_all - {spans.SHADING}  # which steps in fixed buffers do by its parts
    assert set(parts) == always | ({spans.MINING} if mining else set())
    assert all(value > -1e-3 for value in parts.values())  # to the events' resolution
    assert 14 * sum(parts.values()) <= elapsed


class Gpu:
    """A device that takes 3 ms for what the host launches, and 1 ms for 10⁶ cycles of sleep, and a
    host that needs 2 ms to launch it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = self.device = 0.0  # ms; when the device is done with what is queued
        for name in ("synchronize", "_sleep"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(breakdown, "event", lambda: GpuEvent(self))
        monkeypatch.setattr(gpu, "time", SimpleNamespace(perf_counter=lambda: 1e-3 * self.host))

    def synchronize(self) -> None:
        self.host = max(self.host, self.device)

    def _sleep(self, cycles: int) -> None:
        self.queue(1e-6 * cycles)

    def queue(self, duration: float) -> None:
        self.device = max(self.host, self.device) + duration

    def work(self) -> None:
        self.host += 2
        self.queue(3)


class GpuEvent:
    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu

    def record(self) -> None:
        self.at = max(self.gpu.host, self.gpu.device)

    def elapsed_time(self, end: GpuEvent) -> float:
        return end.at - self.at


def test_kernels_are_timed_without_their_launches_and_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Gpu(monkeypatch)
    assert gpu.cycles_per_ms() == pytest.approx(1e6)
    assert gpu.launch_ms(device.work) == pytest.approx(2)
    timing = gpu.compare({"kernel": device.work}, rounds=3)["kernel"]
    assert timing == pytest.approx({"ms": 3, "with_launch_ms": 5})
    assert gpu.milliseconds(device.work, rounds=3) == pytest.approx(3)


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


@pytest.mark.parametrize("model", [False, True])
def test_what_is_measured_holds_the_device(monkeypatch: pytest.MonkeyPatch, model: bool) -> None:
    device = torch.device("cuda:0")
    calls: list[str] = []

    @contextmanager
    def held(asked: torch.device, _: Callable[[], None]) -> Iterator[None]:
        calls.append(f"hold {asked}")
        yield
        calls.append("let go")

    def measure(*_: object) -> dict[str, float]:
        calls.append("measure")
        return {}

    monkeypatch.setattr(sys, "argv", ["gpu_bench", *(["--model"] if model else [])])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(gpu_bench, "demand_gpu", lambda _: device)
    monkeypatch.setattr(provenance, "device_name", lambda _: "a GPU")
    monkeypatch.setattr(device_lock, "held", held)
    monkeypatch.setattr(gpu_bench, "_measure", measure)
    monkeypatch.setattr(gpu_ceilings, "measure", measure)
    monkeypatch.setattr(gpu_model, "print_model", lambda *_: None)
    gpu_bench.main()
    assert calls == ["hold cuda:0", "measure", "let go"]


@pytest.mark.gpu
def test_kernels_agree_and_are_timed_on_the_device() -> None:
    times = gpu_kernels.compare(torch.device("cuda"), rounds=2, samples=1 << 14)
    timings = [timing for contenders in times.values() for timing in contenders.values()]
    assert all(0 < timing["ms"] <= 1.5 * timing["with_launch_ms"] for timing in timings)
