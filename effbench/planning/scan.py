"""Read plug-ins without importing them: names, descriptions, parameters, missing packages.

`effbench list` must be fast and must list a plug-in whose imports are missing; both follow from
looking at the syntax tree alone. That is why a plug-in's `name` and defaults are literals.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import effbench
from effbench.method.config import show

Kind = Literal["method", "scene"]
NAME_ATTRIBUTE: dict[Kind, str] = {"method": "name", "scene": "family"}
_PACKAGE = Path(effbench.__file__).parent


@dataclass(frozen=True)
class Parameter:
    """A field of a plug-in's Config; annotation and default are source text, doc its comment."""

    name: str
    annotation: str
    default: str
    doc: str = ""


@dataclass(frozen=True)
class Plugin:
    """What is known of a plug-in from its source. `reason` says why it is not available.

    preset_of: the method that a preset is of ("" for a method itself), preset: what it sets.
    """

    kind: Kind
    name: str
    file: Path
    class_name: str = ""
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    device_defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    capture_defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    reason: str = ""
    preset_of: str = ""
    preset: dict[str, Any] = field(default_factory=dict)

    @property
    def available(self) -> bool:
        return not self.reason


def scan(path: Path, kind: Kind) -> list[Plugin]:
    """Return the plug-ins of a file: each class that has a literal `name` (scenes: `family`), each
    followed by its presets.

    A file that cannot be parsed or holds no plug-in is returned as one that is not available.
    """
    attribute = NAME_ATTRIBUTE[kind]
    try:
        module = _Module.read(path)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        return [Plugin(kind, path.stem, path, reason=f"cannot be parsed: {error}")]
    found = [
        plugin
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
        and isinstance(name := _literal(_assigned(node, attribute)), str)
        for plugin in _with_presets(_plugin(module, node, kind, name), node)
    ]
    return found or [
        Plugin(kind, path.stem, path, reason=f"holds no class with a literal `{attribute}`")
    ]


@dataclass(frozen=True)
class _Module:
    path: Path
    tree: ast.Module
    lines: list[str]

    @classmethod
    @functools.cache
    def read(cls, path: Path) -> _Module:
        source = path.read_text(encoding="utf-8")
        return cls(path, ast.parse(source, str(path)), source.splitlines())

    def find(self, name: str) -> tuple[_Module, ast.ClassDef] | None:
        """Return the class `name` and where it is defined: here, or in effbench itself."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return self, node
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("effbench."):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        source = _effbench_file(str(node.module))
                        return _Module.read(source).find(alias.name) if source else None
        return None


def _effbench_file(module: str) -> Path | None:
    stem = _PACKAGE.joinpath(*module.split(".")[1:])
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _plugin(module: _Module, node: ast.ClassDef, kind: Kind, name: str) -> Plugin:
    docstring = inspect.cleandoc(ast.get_docstring(node) or ast.get_docstring(module.tree) or "")
    config = _config(module, node)
    return Plugin(
        kind=kind,
        name=name,
        file=module.path,
        class_name=node.name,
        description=" ".join(docstring.partition("\n\n")[0].split()),
        parameters=tuple(_parameters(*config).values()) if config else (),
        device_defaults=_defaults(module, node, "device_defaults"),
        capture_defaults=_defaults(module, node, "capture_defaults"),
        reason=_missing_packages(module.tree),
    )


def _with_presets(plugin: Plugin, node: ast.ClassDef) -> list[Plugin]:
    """Return a plug-in and its presets, which differ from it in name and description."""
    presets = _literal(_assigned(node, "presets")) or {}
    return [
        plugin,
        *(
            replace(
                plugin,
                name=name,
                description=f"{plugin.name} with {_settings(preset)}",
                preset_of=plugin.name,
                preset=dict(preset),
            )
            for name, preset in presets.items()
        ),
    ]


def _settings(preset: dict[str, Any]) -> str:
    return ", ".join(f"{key}={show(value)}" for key, value in preset.items())


def _config(module: _Module, node: ast.ClassDef) -> tuple[_Module, ast.ClassDef] | None:
    """Return the class that is `node.Config`: nested, named, or inherited from a base."""
    for statement in node.body:
        if isinstance(statement, ast.ClassDef) and statement.name == "Config":
            return module, statement
    value = _assigned(node, "Config")
    if isinstance(value, ast.Name):
        return module.find(value.id)
    for owner, base in _bases(module, node):
        if config := _config(owner, base):
            return config
    return None


def _defaults(module: _Module, node: ast.ClassDef, name: str) -> dict[str, dict[str, Any]]:
    """Return the class's own defaults of a kind, or those of its first base that has some."""
    own = _literal(_assigned(node, name))
    if own is not None:
        return dict(own)
    inherited = (_defaults(owner, base, name) for owner, base in _bases(module, node))
    return next((defaults for defaults in inherited if defaults), {})


def _bases(module: _Module, node: ast.ClassDef) -> Iterator[tuple[_Module, ast.ClassDef]]:
    for base in node.bases:
        if isinstance(base, ast.Name) and (found := module.find(base.id)):
            yield found


def _parameters(module: _Module, node: ast.ClassDef) -> dict[str, Parameter]:
    """Return a dataclass's fields by name, inherited ones first, the last base's before others."""
    fields: dict[str, Parameter] = {}
    for owner, base in reversed(list(_bases(module, node))):
        fields |= _parameters(owner, base)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotation = ast.unparse(statement.annotation)
            if "ClassVar" not in annotation:
                default = ast.unparse(statement.value) if statement.value else "required"
                comment = module.lines[(statement.end_lineno or 1) - 1].partition("  #")[2].strip()
                name = statement.target.id
                fields[name] = Parameter(name, annotation, default, comment)
    return fields


def _assigned(node: ast.ClassDef, name: str) -> ast.expr | None:
    """Return the expression that a class body assigns to `name`."""
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return value
    return None


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node else None
    except ValueError:
        return None


def _missing_packages(tree: ast.Module) -> str:
    """Return "needs …" for top-level imports that cannot be found, else ""."""
    names: dict[str, None] = {}
    for node in tree.body:  # imports inside functions, `try` and `if` are the plug-in's choice
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names[node.module.partition(".")[0]] = None
    missing = [name for name in names if not _exists(name)]
    return f"needs {', '.join(missing)}: install it beside effbench" if missing else ""


@functools.cache
def _exists(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None
