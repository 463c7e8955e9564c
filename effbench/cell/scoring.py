"""Scores of saved views against their truth: in this process, or in several beside the rendering.

To score a view takes a core longer than several steps of training, so that a cell of many views
scores in processes of one thread each.
"""

from __future__ import annotations

import functools
import json
import queue
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
import torch
from PIL import Image

from effbench.cell import lpips, quality
from effbench.cell.lpips_network import NETS
from effbench.errors import EffbenchError
from effbench.machine import environment, openmp
from effbench.scene.cameras import evenly_spaced

Scores = dict[str, float]

VGG_VIEWS = 25  # scored by LPIPS VGG on a CPU, where one takes more than a second

_WORTH_PROCESSES = 3_000_000  # pixels that take longer to score than processes to start


@dataclass(frozen=True)
class Job:
    """A render and its truth, as files, and the columns to be scored of them."""

    render: str
    truth: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """What is scored of a cell's views. views: column to the views that are scored, as places in
    the list of those rendered; missing: column to why it stays empty; sources: column to where its
    weights are from."""

    views: Mapping[str, Sequence[int]]
    missing: Mapping[str, str]
    sources: Mapping[str, str]

    def of(self, view: int) -> tuple[str, ...]:
        """Return the columns that are scored of the view at a place."""
        return tuple(name for name, views in self.views.items() if view in views)


def columns(sizes: Sequence[tuple[int, int]], device: torch.device) -> Columns:
    """Return what can be scored of images of some heights and widths, once rendered on a device."""
    every = range(len(sizes))
    views: dict[str, Sequence[int]] = {"psnr": every, "ssim": every, "flip": every}
    missing, sources = {}, {}
    large = [place for place in every if min(sizes[place]) >= quality.SSIM_WINDOW]
    if len(large) < len(every):
        views["ssim"] = large
    if not large:
        del views["ssim"]
        missing["ssim"] = f"the images have a side below {quality.SSIM_WINDOW} pixels"
    for net in NETS:
        name = f"lpips_{net}"
        reasons = {size: lpips.too_small(net, *size) for size in set(sizes)}
        fits = [place for place in every if not reasons[sizes[place]]]
        try:
            if not fits:
                raise EffbenchError(next(filter(None, reasons.values())))
            sources[name] = lpips.find(net).name
        except EffbenchError as error:
            missing[name] = str(error)
            continue
        if net == "vgg" and device.type == "cpu":
            fits = [fits[place] for place in evenly_spaced(len(fits), VGG_VIEWS)]
        views[name] = fits
    return Columns(views, missing, sources)


def score(job: Job, device: torch.device) -> Scores:
    """Return the figures of one view from its files."""
    render, truth = (np.asarray(Image.open(path)) for path in (job.render, job.truth))
    return {name: _scorer(name, device)(render, truth) for name in job.columns}


class Scoring:
    """The scores of a cell's views, which are handed in as they are rendered.

    processes: how many score, 0 for none but this one; device: where LPIPS is scored, by this
    process if that is a GPU.
    """

    def __init__(self, processes: int, device: torch.device) -> None:
        self._pool = _Pool(processes) if processes else None
        self._device = device
        self._jobs: list[Job] = []
        self._scores: list[Future[Scores]] = []

    @classmethod
    def of(cls, views: int, pixels: int, device: torch.device) -> Scoring:
        """Return what suits a number of views, of some pixels in all, rendered on a device."""
        worth = pixels >= _WORTH_PROCESSES
        return cls(min(views, environment.usable_threads()) if worth else 0, device)

    def add(self, job: Job) -> None:
        """Hand in the next view; other processes begin with it at once."""
        if self._pool:
            if not self._jobs:
                openmp.rest()  # its threads would spin on the cores that the others need
            self._scores.append(self._pool.submit(self._shared(job)))
        self._jobs.append(job)

    def finish(self, on_done: Callable[[int], None]) -> list[Scores]:
        """Return the scores of the views in order; `on_done` is called with the number done."""
        found = []
        for index, job in enumerate(self._jobs):
            found.append(self._score(index, job))
            on_done(index + 1)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.close()

    def _score(self, index: int, job: Job) -> Scores:
        """Return the scores of a view: its future's, and what is done in this process."""
        if not self._pool:
            return score(job, self._device)
        shared = self._shared(job)
        own = tuple(name for name in job.columns if name not in shared.columns)
        scores = score(replace(job, columns=own), self._device)
        try:
            return scores | self._scores[index].result()
        except OSError as error:  # a process was killed, say for memory: what it had is done here
            print(f"scored in the cell's own process: {error}", file=sys.stderr)
            return scores | score(shared, self._device)

    def _shared(self, job: Job) -> Job:
        """Return the part of a job that other processes do: on a GPU, LPIPS is not of it."""
        if self._device.type == "cpu":
            return job
        return replace(job, columns=tuple(c for c in job.columns if not c.startswith("lpips")))


class _Pool:
    """Processes that score, each with a thread of this one that asks and waits."""

    def __init__(self, processes: int) -> None:
        self._threads = ThreadPoolExecutor(processes)
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        for _ in range(processes):
            self._idle.put(None)  # a place for a process, which its first job starts

    def submit(self, job: Job) -> Future[Scores]:
        """Have a view scored. The future raises OSError if its process fails."""
        return self._threads.submit(self._ask, job)

    def close(self) -> None:
        """End the processes; views that nobody waits for any longer are not scored."""
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            worker = self._idle.get()
            if worker is not None:
                worker.close()

    def _ask(self, job: Job) -> Scores:
        worker = self._idle.get() or _Worker()
        try:
            answer = worker.ask(job)
        except BaseException:
            worker.close()
            self._idle.put(None)
            raise
        self._idle.put(worker)
        return answer


class _Worker:
    """A process of `effbench.cell.score_worker`."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "effbench.cell.score_worker"]
        one_thread = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment.of_a_child() | one_thread,
        )

    def ask(self, job: Job) -> Scores:
        """Return the scores of a view. Raises OSError if the process fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise OSError(f"a scoring process ended with exit status {self._process.wait()}")
        answer: Scores = json.loads(line)
        if "error" in answer:
            raise OSError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process: at once, since nobody waits for what it does."""
        self._process.kill()
        self._process.communicate()


@functools.cache
def _scorer(column: str, device: torch.device) -> quality.Scorer:
    """Return what scores a column here. Raises EffbenchError for LPIPS without weights."""
    for net in NETS:
        if column == f"lpips_{net}":
            return lpips.scorer(net, device)
    return {"psnr": quality.psnr, "ssim": quality.ssim, "flip": quality.flip}[column]
