"""Speed of the kernels and of a training step, as ratios within one run (`make bench`)."""
