"""A COLMAP for tests: finds the poses of tests.colmap_model, says what the real one says.

Faults: FAKE_COLMAP=fail ends the mapper with an error, FAKE_COLMAP=none with no model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def install(folder: Path) -> None:
    """Write a program `colmap` to a folder for PATH."""
    folder.mkdir()
    root = Path(__file__).parents[2]
    program = folder / "colmap"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\n"
        "from tests.datasets import fake_colmap\nfake_colmap.main(sys.argv[1:])\n"
    )
    program.chmod(0o755)


def main(arguments: list[str]) -> None:
    command, *rest = arguments
    if "--help" in rest:
        kind = "Extraction" if command == "feature_extractor" else "Matching"
        print(f"Options:\n  --Sift{kind}.use_gpu arg (=1)")
        return
    given = dict(zip(rest[::2], rest[1::2], strict=True))
    database = Path(given["--database_path"])
    with database.open("a", encoding="utf-8") as log:
        log.write(" ".join(arguments) + "\n")
    if command == "mapper":
        _map(Path(given["--image_path"]), Path(given["--output_path"]))
    elif command == "feature_extractor":
        count = len(list(Path(given["--image_path"]).iterdir()))
        print("\n".join(f"Processed file [{i}/{count}]" for i in range(1, count + 1)))
    else:
        print("Matching block [1/1, 1/1] in 0.1s")


def _map(images: Path, output: Path) -> None:
    if os.environ.get("FAKE_COLMAP") == "none":
        return
    if os.environ.get("FAKE_COLMAP") == "fail":
        print("Check failed: the sky has fallen")
        sys.exit(1)
    from PIL import Image

    from tests.colmap_model import Camera, views, write_binary  # scipy: for the mapper alone

    names = sorted(path.name for path in images.iterdir())
    with Image.open(images / names[0]) as first:
        camera = Camera(width=first.width, height=first.height)
    write_binary(output / "0", [camera], views(2, names[:2]))
    write_binary(output / "1", [camera], views(len(names) - 1, names[1:]))
    for index in range(1, len(names)):
        print(f"Registering image #{index} ({index})")
