"""`checksums.json` in the folder of scenes: what was downloaded and what it became.

A catalogue does not know the SHA-256 of every file. Those that it does not are written down at the
first download and asked of every later one; so is the manifest of each scene that was put in place,
by which `effbench scenes verify` knows whether it is still the same.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

from effbench import files
from effbench.scene.readers import fail, parse_json, read_bytes

FILE = "checksums.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PARTS = ("downloads", "scenes")


def of_download(root: Path, url: str) -> str | None:
    """Return the SHA-256 that a file had when it was first downloaded. Raises SceneError."""
    return _entry(root, "downloads", url)


def of_scene(root: Path, scene: str) -> str | None:
    """Return the manifest that a scene had when it was put in place. Raises SceneError."""
    return _entry(root, "scenes", scene)


def note_download(root: Path, url: str, sha256: str, size: int) -> None:
    """Write down what a file was; size: bytes. Raises SceneError or EffbenchError."""
    _note(root, "downloads", url, {"sha256": sha256, "bytes": size})


def note_scene(root: Path, scene: str, manifest: str) -> None:
    """Write down what a scene is. Raises SceneError or EffbenchError."""
    _note(root, "scenes", scene, {"sha256": manifest})


def _entry(root: Path, part: str, name: str) -> str | None:
    entry = _read(root)[part].get(name)
    return None if entry is None else str(entry["sha256"])


def _note(root: Path, part: str, name: str, entry: dict[str, Any]) -> None:
    content = _read(root)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    content[part][name] = {**entry, "date": today}
    files.write_json(root / FILE, content)


def _read(root: Path) -> dict[str, dict[str, Any]]:
    path = root / FILE
    if not path.exists():
        return {part: {} for part in _PARTS}
    content = parse_json(path, read_bytes(path))
    for part in _PARTS:
        entries = content.setdefault(part, {})
        if not (isinstance(entries, dict) and all(map(_is_entry, entries.values()))):
            wrong = f"'{part}' is not a table of SHA-256 sums"
            raise fail(path, wrong, "correct it, or delete the file to begin it anew")
    return content


def _is_entry(entry: Any) -> bool:
    sha256 = entry.get("sha256") if isinstance(entry, dict) else None
    return isinstance(sha256, str) and bool(_SHA256.fullmatch(sha256))
