"""A TensorBoard event file, written without torch or TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_plugin
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class Events:
    """The events of one run, in `folder`; every one is written when `close` returns."""

    def __init__(self, folder: Path) -> None:
        self._writer = EventFileWriter(str(folder))

    def scalars(self, step: int, time: float, values: Mapping[str, Any]) -> None:
        """Add numbers by tag; what is no finite number is left out. time: s since 1970."""
        known = [
            summary_pb2.Summary.Value(tag=tag, simple_value=float(value))
            for tag, value in values.items()
            if isinstance(value, int | float) and math.isfinite(value)
        ]
        if known:
            self._add(step, time, summary_pb2.Summary(value=known))

    def image(self, step: int, time: float, tag: str, png: bytes) -> None:
        """Add a PNG image."""
        image = summary_pb2.Summary.Image(encoded_image_string=png)
        value = summary_pb2.Summary.Value(tag=tag, image=image)
        self._add(step, time, summary_pb2.Summary(value=[value]))

    def hparams(self, params: Mapping[str, bool | float | str], started: float) -> None:
        """Add the run's parameters for the table of the HParams tab."""
        self._add(0, started, hparams_plugin.hparams_pb(dict(params), start_time_secs=started))

    def close(self) -> None:
        self._writer.close()

    def _add(self, step: int, time: float, summary: Any) -> None:
        self._writer.add_event(event_pb2.Event(step=step, wall_time=time, summary=summary))
