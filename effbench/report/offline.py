"""What pages share that work from disk: Plotly packed inside, data and scripts that cannot escape.

A page carries Plotly's script compressed, as text, and unpacks it when it is needed; the policy in
its head names the hashes of the only scripts that may run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

STYLE = Path(__file__).with_name("page") / "template" / "style.css"
SHARED = Path(__file__).with_name("offline.js")


@cache
def plotly() -> tuple[str, str]:
    """Return Plotly's script, compressed and in base64, and as it is."""
    from plotly.offline import get_plotlyjs  # a second to import

    source: str = get_plotlyjs()
    packed = gzip.compress(source.encode(), 9, mtime=0)
    return base64.b64encode(packed).decode("ascii"), source


def script(folder: Path, names: Iterable[str]) -> str:
    """Return a page's own script: what pages share, then the files of a folder, in one scope."""
    paths = [SHARED, *(folder / name for name in names)]
    parts = [path.read_text(encoding="utf-8") for path in paths]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();"


def embed(value: Any) -> str:
    """Return JSON that can stand inside a <script> element: no text can end it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def policy_hash(source: str) -> str:
    """Return how a content security policy names a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
