"""A headless Chromium for tests of pages; they are skipped, with a reason, where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bench import browser
from effbench.errors import EffbenchError

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def chromium() -> Iterator[Browser]:
    try:
        browser.executable()
    except EffbenchError as error:
        pytest.skip(str(error))
    with browser.chromium() as started:
        yield started
