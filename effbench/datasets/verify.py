"""Which scenes are what they are known to be: every file of them is read and hashed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from effbench.datasets import checksums
from effbench.errors import EffbenchError
from effbench.scene import Scene, SceneRef

if TYPE_CHECKING:
    from effbench.planning.registry import Registry

State = Literal["fits", "unknown", "damaged"]


@dataclass(frozen=True)
class Finding:
    """What a scene turned out to be. views: of both splits, 0 where it cannot be loaded; manifest:
    its SHA-256, or ""; details: why, in words."""

    scene: str
    state: State
    views: int
    manifest: str
    details: str


def present(registry: Registry, root: Path | None) -> list[str]:
    """Return the names of the folders of scenes below the root, sorted, damaged ones too."""
    if root is None:
        return []
    families = [name for name, plugin in registry.scenes.items() if plugin.available]
    return sorted(
        f"{family}/{folder.name}"
        for family in families
        for folder in (root / family).glob("*")
        if folder.is_dir() and not folder.name.startswith(".")
    )


def examine(name: str, registry: Registry, root: Path | None) -> Finding:
    """Load a scene with its family's defaults and compare it with what is known of it.

    It fits the manifest that is shipped for it, or the one that was written down when it was put
    in place; it is unknown where it can be loaded and there is neither.
    """
    try:
        scene = registry.load_scene(SceneRef(name), str(root) if root else None)
        known = checksums.of_scene(root, name) if root else None
    except EffbenchError as error:
        return Finding(name, "damaged", 0, "", str(error))
    state, details = _judged(scene, known)
    return Finding(name, state, len(scene.train) + len(scene.test), scene.manifest, details)


def _judged(scene: Scene, known: str | None) -> tuple[State, str]:
    if scene.verified:
        return "fits", "the published scene, file by file"
    if known is None:
        return "unknown", "can be loaded; no manifest of it is known"
    if known == scene.manifest:
        return "fits", "the same as when it was put in place"
    wrong = (
        f"its files have changed since it was put in place (manifest {scene.manifest[:12]}…, not "
        f"{known[:12]}…). To fix it, get or import it again, or take it out of {checksums.FILE}"
    )
    return "damaged", wrong


def as_text(finding: Finding) -> str:
    """Return a finding as a line."""
    size = f"{finding.views} views: " if finding.views else ""
    return f"{finding.state:<8} {finding.scene:<28} {size}{finding.details}"
