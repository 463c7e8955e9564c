"""The contract of scenes, and what their sources share: readers, cameras, boxes, a ray tracer."""

from effbench.scene.contract import (
    Intrinsics,
    Scene,
    SceneConfig,
    SceneEntry,
    SceneRef,
    SceneSource,
    Views,
)

__all__ = ["Intrinsics", "Scene", "SceneConfig", "SceneEntry", "SceneRef", "SceneSource", "Views"]
