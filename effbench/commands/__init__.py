"""The commands beside `list`, `run` and `doctor`: arguments only, as in `effbench.cli`."""
