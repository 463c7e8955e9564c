"""Threads that wait by spinning are sent away, and come back when there is work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from effbench.machine.environment import openmp_settings

_CODE = """
import time, torch
from effbench.machine import openmp
x = torch.rand(1000, 1000)
torch.set_num_threads(2)
def idle():
    x.exp()
    began = time.process_time()
    time.sleep(0.3)
    return time.process_time() - began
spinning = idle()
x.exp()
rested = openmp.rest()
began = time.process_time()
time.sleep(0.3)
quiet = time.process_time() - began
same = torch.equal(x.exp(), torch.exp(x))
print(spinning > 0.15, rested, quiet < 0.05, same)
"""


def test_spinning_threads_rest() -> None:
    if openmp_settings()["OMP_WAIT_POLICY"] != "ACTIVE":
        pytest.skip("this torch has an OpenMP of its own, whose threads sleep")
    environment = {**os.environ, "OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", _CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 4
