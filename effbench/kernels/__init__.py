"""Hot operations, one module each, every backend behind one function.

Each function takes `backend`: "auto" picks the fastest that works on the tensors' device,
"reference" is eager torch on any device and the slow, obvious definition that the others are
tested against, "cpu" is numba. `effbench.kernels.backends` is the one place that chooses.
"""
