"""Speed of the kernels and of a training step, as ratios within one run (`make bench`)."""

import os

from effbench.environment import openmp_settings

for variable, value in openmp_settings().items():  # before torch and numba are imported
    os.environ.setdefault(variable, value)
