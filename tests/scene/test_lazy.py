"""A lazy module is imported by its first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from effbench.scene.lazy import Lazy


def test_the_first_use_imports() -> None:
    code = (
        "import sys; from effbench.scene.lazy import Lazy; np = Lazy('numpy')\n"
        "before = 'numpy' in sys.modules; print(before, np.ones(3).sum(), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False 3.0 True"


def test_what_is_not_there_is_an_error_of_its_use() -> None:
    missing = Lazy("no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        _ = missing.anything
