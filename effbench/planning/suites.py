"""Suites: TOML files that name methods, grids of their parameters, scenes and budgets.

See `suites/pruning.toml` beside this file for a complete one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from effbench.analysis import paper
from effbench.errors import ConfigError, unknown
from effbench.method.budget import Budget
from effbench.planning.registry import Registry

CUSTOM = "custom"  # the suite of a run that names only methods
DEFAULT_SCENES = ("procedural/blocks",)
DEFAULT_BUDGET = {"cpu": "60s", "cuda": "300s"}
_KEYS = {"name", "description", "scenes", "seeds", "budget", "paper", "baseline", "entry"}
_DEVICES = ("cpu", "cuda")  # device types that an entry may have parameters for
_ENTRY_KEYS = {"method", "params", "grid", "ranks", "ignore_time", *_DEVICES}


@dataclass(frozen=True)
class Entry:
    """Rows of one method: fixed parameters, and a grid of every combination of others; cpu, cuda:
    parameters on a device of that type, in place of what `params` says of the same ones; ranks:
    how many processes train a cell of it together; ignore_time: whether it is trained on scenes
    that move although it knows no time."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, list[Any]] = field(default_factory=dict)
    cpu: Mapping[str, Any] = field(default_factory=dict)
    cuda: Mapping[str, Any] = field(default_factory=dict)
    ranks: int = 1
    ignore_time: bool = False

    def params_on(self, device_type: str) -> dict[str, Any]:
        """Return the fixed parameters on a device type; one that has none of its own gets those of
        every device."""
        own = {"cpu": self.cpu, "cuda": self.cuda}.get(device_type, {})
        return {**self.params, **own}


@dataclass(frozen=True)
class Suite:
    """A declared benchmark. scenes: names, or patterns such as "ngp/*" of what is present; budget:
    per device type ("cpu", "cuda"), per cell; paper: whose claims
    a run ends with (see `effbench.analysis.paper`), or none; baseline: the row that others are
    compared with, "method" or "method variant", by default what `analysis.reference` chooses."""

    name: str
    description: str = ""
    scenes: tuple[str, ...] = DEFAULT_SCENES
    seeds: int = 1
    budget: Mapping[str, str] = field(default_factory=lambda: DEFAULT_BUDGET)
    paper: str = ""
    baseline: str = ""
    entries: tuple[Entry, ...] = ()

    @property
    def curve_views(self) -> int:
        """Return how many views a point of the curve looks at: more where a paper's claims are
        judged by curves, since two views alone can say otherwise than the rest."""
        return 8 if self.paper and paper.load(self.paper).needs_curves else 2

    def budget_for(self, device_type: str) -> str:
        """Return the budget on a device type; one that the suite does not name trains as "cpu"."""
        return self.budget.get(device_type) or self.budget["cpu"]


def find(name: str, registry: Registry) -> Suite:
    """Return the suite called `name`. Raises ConfigError naming the nearest ones."""
    suites = load_all(registry)
    if name not in suites:
        raise unknown("suite", name, suites)
    return suites[name]


def load_all(registry: Registry) -> dict[str, Suite]:
    """Read every suite. Raises ConfigError for a malformed file or two of one name."""
    suites: dict[str, Suite] = {}
    files: dict[str, Path] = {}
    for path in registry.suites():
        suite = load(path)
        if suite.name in suites:
            raise ConfigError(
                f"two suites are called '{suite.name}': {files[suite.name]} and {path}: "
                "rename one of them"
            )
        suites[suite.name], files[suite.name] = suite, path
    return suites


def load(path: Path) -> Suite:
    """Read one suite's file. Raises ConfigError naming the file, the fault and the remedy."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        _check(data)
        return Suite(
            name=data["name"],
            description=data.get("description", ""),
            scenes=tuple(data.get("scenes", DEFAULT_SCENES)),
            seeds=data.get("seeds", 1),
            budget=data.get("budget", DEFAULT_BUDGET),
            paper=data.get("paper", ""),
            baseline=data.get("baseline", ""),
            entries=tuple(Entry(**entry) for entry in data["entry"]),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _check(data: dict[str, Any]) -> None:
    """Raise ConfigError for a key that is unknown, missing or of the wrong type."""
    _known(data, _KEYS, "key of a suite")
    _typed(data, "name", str, "the suite's name", required=True)
    _typed(data, "scenes", list, "a list of family/name")
    if data.get("paper", "") not in ("", *paper.names()):
        raise unknown("paper", data["paper"], paper.names())
    _typed(data, "baseline", str, "a row's name: a method, or a method and its variant")
    _typed(data, "budget", dict, 'a table such as cpu = "60s", cuda = "300s"')
    _typed(data, "entry", list, "tables [[entry]]", required=True)
    _positive(data, "seeds")
    if "cpu" not in data.get("budget", DEFAULT_BUDGET):
        raise ConfigError("[budget] names no cpu budget, which other devices fall back to: add it")
    for text in data.get("budget", {}).values():
        Budget.parse(str(text))
    for entry in data["entry"]:
        _known(entry, _ENTRY_KEYS, "key of an entry")
        _typed(entry, "method", str, "a method's name", required=True)
        _typed(entry, "params", dict, "a table of parameters")
        _typed(entry, "grid", dict, "a table of lists of values")
        _positive(entry, "ranks")
        _typed(entry, "ignore_time", bool, "true or false")
        for key in entry.get("grid", {}):
            _typed(entry["grid"], key, list, "a list of values")
        for kind in _DEVICES:
            _typed(entry, kind, dict, f"a table of parameters on {kind}")
            if twice := entry.get(kind, {}).keys() & entry.get("grid", {}).keys():
                raise ConfigError(
                    f"'{min(twice)}' is in '{kind}' and in 'grid': give its values in one of them"
                )
    methods = {entry["method"] for entry in data["entry"]}
    if (baseline := data.get("baseline", "")) and baseline.partition(" ")[0] not in methods:
        raise unknown("method in 'baseline'", baseline.partition(" ")[0], methods)


def _positive(table: dict[str, Any], key: str) -> None:
    value = table.get(key, 1)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"'{key}' is {value!r}: write a positive integer")


def _known(table: dict[str, Any], valid: set[str], kind: str) -> None:
    for key in table:
        if key not in valid:
            raise unknown(kind, key, valid)


def _typed(
    table: dict[str, Any], key: str, kind: type, words: str, *, required: bool = False
) -> None:
    if key not in table:
        if required:
            raise ConfigError(f"'{key}' is missing: write {words}")
    elif not isinstance(table[key], kind):
        raise ConfigError(f"'{key}' is {table[key]!r}: write {words}")
