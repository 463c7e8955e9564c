"""Folders of plug-ins → classes: the only dynamic import. See docs/plugins.md.

A plug-in folder holds `methods/*.py`, `scenes/*.py` and/or `suites/*.toml`. Searched are the
built-in ones, the folders given by the user, and what installed packages announce in the
entry-point group "effbench.plugins".
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import effbench
from effbench.errors import EffbenchError, PluginError, unknown
from effbench.method import config
from effbench.planning.scan import NAME_ATTRIBUTE, Kind, Plugin, scan

if TYPE_CHECKING:
    from effbench.method import Method
    from effbench.scene import Scene, SceneRef, SceneSource

ENTRY_POINT_GROUP = "effbench.plugins"
VARIABLE = "EFFBENCH_PLUGINS"
_PACKAGE = Path(effbench.__file__).resolve().parent
_PARTS = ("methods", "scenes", "suites")


@dataclass
class Registry:
    """Every plug-in that was found, by name; classes are imported when asked for.

    A preset of a method is an entry like any other. folders: what was searched, besides the
    package's own suites; classes: methods that were given as classes, or asked for before.
    """

    methods: dict[str, Plugin] = field(default_factory=dict)
    scenes: dict[str, Plugin] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    classes: dict[str, type[Method]] = field(default_factory=dict)

    def method(self, name: str) -> type[Method]:
        """Return the method class. Raises ConfigError (unknown name) or PluginError."""
        from effbench.method import Method

        if name not in self.classes:
            plugin = _available(self.methods, "method", name)
            cls: type[Method] = _load_class(plugin, Method)
            self.classes[name] = _as_preset(plugin, cls) if plugin.preset_of else cls
        return self.classes[name]

    def source(self, family: str) -> SceneSource:
        """Return a scene source. Raises ConfigError (unknown family) or PluginError."""
        from effbench.scene import SceneSource

        cls = _load_class(_available(self.scenes, "scene family", family), SceneSource)
        source: SceneSource = cls()
        return source

    def load_scene(self, scene: SceneRef, root: str | None) -> Scene:
        """Load a scene; `root` is the folder of captures. Raises SceneError naming file, fault and
        remedy."""
        source, name, settings = self._settled(scene)
        return source.load(name, Path(root) if root else None, settings)

    def scene_manifest(self, scene: SceneRef, root: str | None) -> str:
        """Return the manifest that a scene has now. Raises SceneError as `load_scene` does."""
        source, name, settings = self._settled(scene)
        return source.manifest(name, Path(root) if root else None, settings)

    def _settled(self, scene: SceneRef) -> tuple[SceneSource, str, Any]:
        """Return a scene's source, its name there and its parameters."""
        family, _, name = scene.name.partition("/")
        source = self.source(family)
        return source, name, config.build(source.Config, scene.params, f"scene family {family}")

    def suites(self) -> list[Path]:
        """Return the suites' files: the package's own, then those of the plug-in folders."""
        folders = [Path(__file__).parent, *self.folders]
        return [path for folder in folders for path in sorted(folder.glob("suites/*.toml"))]

    def add_class(self, cls: type[Method]) -> None:
        """Add a method that is at hand as a class. Raises PluginError if its name is taken."""
        file = Path(f"<class {cls.__qualname__}>")
        self.add(Plugin("method", cls.name, file))
        for name, preset in vars(cls).get("presets", {}).items():
            plugin = Plugin("method", name, file, preset_of=cls.name, preset=dict(preset))
            self.add(plugin)
            self.classes[name] = _as_preset(plugin, cls)
        self.classes[cls.name] = cls

    def add(self, plugin: Plugin) -> None:
        """Add a plug-in. Raises PluginError naming both files if its name is taken."""
        table = self.methods if plugin.kind == "method" else self.scenes
        if other := table.get(plugin.name):
            raise PluginError(
                f"two {plugin.kind}s are called '{plugin.name}': {other.file} and {plugin.file}: "
                f"change `{NAME_ATTRIBUTE[plugin.kind]}` in one of them"
            )
        table[plugin.name] = plugin


def discover(folders: Sequence[str | Path] = ()) -> Registry:
    """Find the plug-ins: built-in, in `folders` and EFFBENCH_PLUGINS, and installed ones.

    Raises PluginError for a folder that is none and for a name that is taken.
    """
    registry = Registry()
    for folder in [_built_in(), *user_folders(folders)]:
        _add_folder(registry, folder)
    for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            _add_folder(registry, _entry_folder(entry))
        except Exception as error:  # one broken package must not take the others with it
            reason = f"entry point {entry.value}: {_summary(error)}"
            registry.add(Plugin("method", entry.name, Path(entry.value), reason=reason))
    return registry


def user_folders(folders: Sequence[str | Path]) -> list[Path]:
    """Return the given plug-in folders and those of EFFBENCH_PLUGINS, absolute, each once."""
    listed = os.environ.get(VARIABLE, "").split(os.pathsep)
    return list(dict.fromkeys(Path(f).expanduser().resolve() for f in [*folders, *listed] if f))


def _built_in() -> Path:
    """Return where the built-in plug-ins are: in the wheel, or live in a checkout."""
    bundled = _PACKAGE / "_bundled"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def _add_folder(registry: Registry, folder: Path) -> None:
    if folder in registry.folders:
        return
    if not any((folder / part).is_dir() for part in _PARTS):
        raise PluginError(
            f"{folder} is no plug-in folder: it needs methods/, scenes/ or suites/ in it"
        )
    registry.folders.append(folder)
    kinds: tuple[tuple[Kind, str], ...] = (("method", "methods"), ("scene", "scenes"))
    for kind, part in kinds:
        for path in _sources(folder / part):
            for plugin in scan(path, kind):
                registry.add(plugin)


def _sources(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_"))


def _entry_folder(entry: importlib.metadata.EntryPoint) -> Path:
    """Return the folder an entry point names: a path, or a module or object with a `path`."""
    target = entry.load()
    return Path(getattr(target, "path", target)).resolve()


def _available(table: dict[str, Plugin], kind: str, name: str) -> Plugin:
    if name not in table:
        raise unknown(kind, name, table)
    plugin = table[name]
    if not plugin.available:
        raise PluginError(f"{kind} '{name}' ({plugin.file}) is not available: {plugin.reason}")
    return plugin


def _load_class(plugin: Plugin, base: type[Any]) -> Any:
    """Import a plug-in's file, once, and return its class. Raises PluginError."""
    digest = hashlib.sha256(str(plugin.file).encode()).hexdigest()[:8]
    name = f"effbench_plugin_{plugin.file.stem}_{digest}"
    cls = getattr(sys.modules.get(name) or _import(name, plugin.file), plugin.class_name)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"{plugin.file}: {plugin.class_name} must derive from {base.__name__}")
    return cls


def _as_preset(plugin: Plugin, cls: type[Method]) -> type[Method]:
    """Return the class of a preset: the method under the preset's name, with its parameters."""
    own = {"name": plugin.name, "preset_of": plugin.preset_of, "preset": plugin.preset}
    return type(cls.__name__, (cls,), {"__module__": cls.__module__, **own})


def _import(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and typing look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, EffbenchError):
            raise
        raise PluginError(f"{path} cannot be imported: {_summary(error)}") from error
    return module


def _summary(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
