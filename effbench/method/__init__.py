"""The contract of methods: one training step, the rendering of a camera, parameters."""

from effbench.method.contract import Checkpoint, Context, Exportable, Maps, Method, Requirement

__all__ = ["Checkpoint", "Context", "Exportable", "Maps", "Method", "Requirement"]
