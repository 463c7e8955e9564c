"""Speed of the kernels and of a training step, as ratios within one run (`make bench`)."""

import os

from effbench import environment

for variable, value in environment.settings().items():  # before torch and numba are imported
    os.environ.setdefault(variable, value)
