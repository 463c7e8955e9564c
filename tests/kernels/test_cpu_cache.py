"""Where compiled CPU kernels are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba

from effbench.kernels import cpu


def test_an_edited_source_has_a_cache_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text("from tiles import tile")
    (tmp_path / "tiles.py").write_text("tile = 8")
    before = cpu.cache_of(tmp_path)
    assert cpu.cache_of(tmp_path) == before
    (tmp_path / "tiles.py").write_text("tile = 4")
    assert cpu.cache_of(tmp_path) != before


def test_numba_uses_it() -> None:
    config: Any = numba.config  # filled when the kernels were imported, maybe before a test's cache
    assert Path(config.CACHE_DIR).parent.name == "numba"
    assert Path(config.CACHE_DIR).name == cpu.cache_of(Path(cpu.__file__).parent).name
