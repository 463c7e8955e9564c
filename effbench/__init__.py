"""effbench: a benchmark and ablation suite for NeRF efficiency methods."""

__version__ = "0.1.0"
