"""The machine's own headless Chromium, for pictures of pages and tests of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from effbench.errors import EffbenchError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str:
    """Return the browser's program: EFFBENCH_CHROMIUM, or what is in PATH. Raises EffbenchError
    where it, or playwright, is not there."""
    if not importlib.util.find_spec("playwright"):
        raise EffbenchError("needs playwright: pip install playwright")
    path = os.environ.get("EFFBENCH_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), "")
    if not path:
        raise EffbenchError("needs Chromium: install Debian's package chromium")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium. Raises EffbenchError as `executable` does."""
    path = executable()
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
