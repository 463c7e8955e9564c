"""From what a user asks for to a plan: grids expanded, scenes found, parents added and shared."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.errors import ConfigError, PluginError, SceneError, unknown
from effbench.method import config
from effbench.method.budget import Budget
from effbench.method.config import Setting
from effbench.planning import suites
from effbench.planning.plan import Cell, Plan, seed
from effbench.planning.suites import Entry, Suite
from effbench.scene import SceneRef

if TYPE_CHECKING:
    from effbench.method import Method
    from effbench.planning.registry import Registry


@dataclass(frozen=True)
class Request:
    """What to run: a suite, methods, or both (methods are added to the suite's rows).

    None and empty mean the suite's own, or the default; settings replace what the suite says of
    the same parameter, and never touch a cell that is there only as a parent. device, backend:
    what this machine has, as `machine.placement` names it. curve_views: -1 for all of them.
    profile: profile the cells that are run; ranks: how many processes train each row together;
    ignore_time: train methods that know no time on scenes that move, as if these stood still.
    """

    suite: str | None = None
    methods: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    budget: str | None = None
    seeds: int | None = None
    downscale: int | None = None
    device: str = "cpu"
    backend: str = "auto"
    eval_views: int | None = None
    curve_views: int | None = None
    split: str = "test"
    profile: bool = False
    ranks: int | None = None
    ignore_time: bool = False


@dataclass(frozen=True)
class _Row:
    """A method with parameters, and how it is trained on each scene."""

    method: str
    params: Mapping[str, Any]
    ranks: int = 1
    ignore_time: bool = False


def make_plan(
    request: Request,
    registry: Registry,
    scenes_root: Path | None = None,
    plugins: Sequence[Path] = (),
    command: Sequence[str] = (),
) -> Plan:
    """Return the cells of a request, parents before those that need them.

    Raises ConfigError, PluginError or SceneError for whatever could not be run, before anything
    is: unknown names and parameters, unavailable plug-ins and scenes, methods in a circle.
    """
    suite = _suite(request, registry)
    scenes = _scenes(request, suite, registry, scenes_root)
    planner = _Planner(request, suite, registry, scenes_root)
    rows = [row for entry in suite.entries for row in _rows(entry, request, planner)]
    _check_settings(request.settings, suite, scenes, planner)
    for repetition in range(suite.seeds if request.seeds is None else request.seeds):
        for scene in scenes:
            for row in rows:
                planner.add(row, scene, repetition, "row")
    return Plan(
        suite=suite.name,
        cells=planner.with_controls(),
        plugins=tuple(map(str, plugins)),
        scenes_root=str(scenes_root) if scenes_root else None,
        command=tuple(command),
        paper=suite.paper,
        baseline=suite.baseline,
        profile=request.profile,
    )


class _Planner:
    """Collects cells, each once, in an order in which parents come first."""

    def __init__(
        self, request: Request, suite: Suite, registry: Registry, scenes_root: Path | None = None
    ) -> None:
        self.cells: dict[str, Cell] = {}  # by key
        self._ids: dict[str, str] = {}  # a cell's id to its key
        self._request = request
        self._suite = suite
        self._registry = registry
        self._scenes_root = scenes_root
        self._device, self._backend = request.device, request.backend
        self.device_type = self._device.partition(":")[0]
        budget = request.budget or suite.budget_for(self.device_type)
        self._budget = str(Budget.parse(budget))
        asked = suite.curve_views if request.curve_views is None else request.curve_views
        self._curve_views = None if asked < 0 else asked
        self._moving: dict[str, set[str]] = {}  # names of a family's scenes that move
        self._path: list[tuple[str, str]] = []  # from a row through its parents' parents

    def method(self, name: str) -> type[Method]:
        return self._registry.method(name)

    def parameters(self, method: str) -> list[str]:
        """Return the names of a method's parameters, former ones last."""
        config_class = self.method(method).Config
        former = getattr(config_class, "former_names", {})
        return [*(f.name for f in fields(config_class)), *former]

    def resolve(self, method: str, params: Mapping[str, Any], scene: str = "") -> tuple[Any, Any]:
        """Return the method's config with `params`, and its defaults on the run's device, for a
        scene if one is named."""
        captured = bool(scene) and self._registry.source(scene.partition("/")[0]).captures
        return resolve(self.method(method), params, self._device, captured=captured)

    def add(self, row: _Row, scene: SceneRef, repetition: int, role: Any) -> str:
        """Add a cell and, before it, its parents, which one rank trains; return its id."""
        method, params = row.method, row.params
        resolved, defaults = self.resolve(method, params, scene.name)
        values = config.to_dict(resolved)
        self._check_ranks(method, resolved, values, row.ranks)
        ignore_time = self._ignores_time(row, values, scene.name)
        self._enter(method, values)
        parents = {}
        for name, needed in self.method(method).specialised(values).requires(resolved).items():
            if needed.method not in self._registry.methods:
                raise PluginError(
                    f"method '{method}' requires method '{needed.method}', which is not there: "
                    "add its plug-in folder with --plugins"
                )
            where = self._other_scene(needed.scene) if needed.scene else scene
            behind = _Row(needed.method, needed.params, ignore_time=row.ignore_time)
            parents[name] = self.add(behind, where, repetition, "parent")
        self._path.pop()
        variant = config.variant(resolved, defaults, params if role == "row" else ())
        cell = Cell(
            suite=self._suite.name,
            method=method,
            scene=scene,
            budget=self._budget,
            params=values,
            variant=_completed(variant, row.ranks, ignore_time),
            changed=config.variant(resolved, defaults),
            repetition=repetition,
            seed=seed(scene.name, repetition),
            device=self._device,
            backend=self._backend,
            eval_views=self._request.eval_views,
            curve_views=self._curve_views,
            role=role,
            parents=parents,
            preset_of=self.method(method).preset_of,
            ranks=row.ranks,
            ignore_time=ignore_time,
        )
        key, cell_id = cell.key, cell.cell_id
        present = self.cells.setdefault(key, cell)
        if self._ids.setdefault(cell_id, key) != key:
            raise ConfigError(
                f"two different cells have the id {cell_id}: change a parameter of one of them a "
                "little, or run them into folders of their own"
            )
        if role == "row" and present.role == "parent":
            self.cells[key] = replace(present, role="row", variant=cell.variant)
        return cell_id

    def _ignores_time(self, row: _Row, values: Mapping[str, Any], scene: str) -> bool:
        """Return whether a row is trained as if a scene stood still. Raises ConfigError for a
        method that knows no time, unless it is asked for."""
        if not self._moves(scene) or self.method(row.method).specialised(values).takes_time:
            return False
        if not row.ignore_time:
            raise ConfigError(
                f"scene '{scene}' moves, and method '{row.method}' knows no time: use one that "
                "does ('effbench list methods'), or --ignore-time to train it on all frames as if "
                "they were of one moment"
            )
        return True

    def _moves(self, scene: str) -> bool:
        family, _, name = scene.partition("/")
        if family not in self._moving:
            entries = self._registry.source(family).entries(self._scenes_root)
            self._moving[family] = {entry.name for entry in entries if entry.moves}
        return name in self._moving[family]

    def _other_scene(self, name: str) -> SceneRef:
        """Return a scene that a parent is trained on, at the resolution that was asked for."""
        return scene_refs(name, (), self._registry, self._scenes_root, self._request.downscale)[0]

    def with_controls(self) -> tuple[Cell, ...]:
        """Return the cells in order; one whose control is among them knows its id."""
        ids = {
            _content(cell.preset_of or cell.method, cell.params, cell): cell.cell_id
            for cell in self.cells.values()
        }
        found = []
        for cell in self.cells.values():
            control = ids.get(self._control(cell), "")
            found.append(replace(cell, control="" if control == cell.cell_id else control))
        return tuple(found)

    def _control(self, cell: Cell) -> str:
        """Return the content of a cell's control, "" for none."""
        method = self.method(cell.method).specialised(cell.params)
        needed = method.control(config.build(method.Config, cell.params, method.name))
        if needed is None or needed.method not in self._registry.methods:
            return ""
        resolved, _ = self.resolve(needed.method, needed.params, cell.scene.name)
        base = self.method(needed.method).preset_of or needed.method
        return _content(base, config.to_dict(resolved), cell)

    def _check_ranks(
        self, method: str, resolved: Any, values: Mapping[str, Any], ranks: int
    ) -> None:
        """Raise ConfigError for a number of ranks that cannot train a method."""
        if ranks < 1:
            raise ConfigError(f"--ranks is {ranks}: write a positive number")
        if ranks == 1:
            return
        if reason := self.method(method).specialised(values).why_one_rank(resolved):
            raise ConfigError(
                f"method '{method}' cannot be trained by {ranks} ranks: {reason}: run it without "
                "--ranks, or with ranks of its own in an entry of a suite"
            )

    def _enter(self, method: str, values: Mapping[str, Any]) -> None:
        step = (method, json.dumps(values))
        if step in self._path:
            circle = " → ".join([*(name for name, _ in self._path), method])
            raise PluginError(f"methods require each other in a circle: {circle}: break it")
        self._path.append(step)


def _content(method: str, params: Mapping[str, Any], cell: Cell) -> str:
    """Return what tells a method with parameters on a cell's scene, repetition and ranks from
    others."""
    scene = [cell.scene.name, cell.scene.params]
    return json.dumps([method, params, scene, cell.repetition, cell.ranks], sort_keys=True)


def _completed(variant: str, ranks: int, ignore_time: bool) -> str:
    """Return what tells a row from others of its method, the way it is trained included where that
    is not the usual one."""
    several = f"ranks={ranks}" if ranks > 1 else ""
    return ",".join(filter(None, (variant, several, "time=ignored" if ignore_time else "")))


def resolve(
    method: type[Method], params: Mapping[str, Any], device: str, *, captured: bool = False
) -> tuple[Any, Any]:
    """Return a method's config with `params`, and its defaults on `device` ("cpu", "cuda:0");
    captured: for a scene that goes on beyond its middle.

    A preset's parameters are defaults of the preset.
    """
    preset = method.preset
    method = method.specialised({**preset, **params})
    kind = device.partition(":")[0]
    own = dict(method.device_defaults.get(kind, {}))
    if captured:
        own |= method.capture_defaults.get(kind, {})
    own |= preset
    defaults = config.build(method.Config, own, method.name)
    return config.build(method.Config, {**own, **params}, method.name), defaults


def _suite(request: Request, registry: Registry) -> Suite:
    """Return the request's suite with the rows of its methods. Raises ConfigError."""
    if not (request.suite or request.methods):
        raise ConfigError("nothing to run: name a --suite or a --method")
    if request.seeds is not None and request.seeds < 1:
        raise ConfigError(f"--seeds is {request.seeds}: write a positive number")
    base = suites.find(request.suite, registry) if request.suite else Suite(suites.CUSTOM)
    entries = base.entries + tuple(Entry(name) for name in request.methods)
    for entry in entries:
        if entry.method not in registry.methods:
            raise unknown("method", entry.method, registry.methods)
    return replace(base, entries=entries)


def _rows(entry: Entry, request: Request, planner: _Planner) -> Iterator[_Row]:
    """Yield each row of an entry, what is asked for in place of what it says itself.

    A preset keeps what it is named for, unless it is set by its own name.
    """
    known = planner.parameters(entry.method)
    kept = planner.method(entry.method).preset
    params = entry.params_on(planner.device_type)
    axes: dict[str, Any] = {key: [value] for key, value in params.items()}
    axes |= entry.grid
    for setting in request.settings:
        owners = {entry.method, planner.method(entry.method).preset_of}
        key = config.current_name(planner.method(entry.method).Config, setting.key)
        if key in kept and setting.owner != entry.method:
            continue
        if setting.owner in owners or (setting.owner is None and key in known):
            axes[key] = setting.values
    ranks = entry.ranks if request.ranks is None else request.ranks
    for row in config.grid(axes):
        planner.resolve(entry.method, row)  # a mistake is told before anything is planned
        yield _Row(entry.method, row, ranks, request.ignore_time or entry.ignore_time)


def _scenes(
    request: Request, suite: Suite, registry: Registry, root: Path | None
) -> list[SceneRef]:
    return [
        scene
        for name in _named(request.scenes, suite.scenes, registry, root)
        for scene in scene_refs(
            name, request.settings, registry, root, request.downscale, request.split
        )
    ]


def scene_refs(
    name: str,
    settings: Sequence[Setting],
    registry: Registry,
    root: Path | None,
    downscale: int | None = None,
    split: str = "test",
) -> list[SceneRef]:
    """Return a scene with its non-default parameters, once for each combination of what the
    settings of its family say. Raises ConfigError or SceneError."""
    family = name.partition("/")[0]
    if family not in registry.scenes:
        raise unknown("scene", name, scene_names(registry, root))
    source = registry.source(family)
    _check_scene(name, registry, root)
    axes: dict[str, Any] = {s.key: s.values for s in settings if s.owner == family}
    if downscale is not None:
        axes["downscale"] = [downscale]
    if split != "test":
        if "split" not in {f.name for f in fields(source.Config)}:
            raise ConfigError(f"scene '{name}' has no split '{split}': use --split test")
        axes["split"] = [split]
    found = []
    for params in config.grid(axes):
        resolved = config.build(source.Config, params, f"scene family {family}")
        found.append(SceneRef(name, config.changes(resolved, source.Config())))
    return found


def _named(
    asked: Sequence[str], usual: Sequence[str], registry: Registry, root: Path | None
) -> list[str]:
    """Return the names of scenes, each once; of a pattern with * or ? those that are present.

    asked: by the user, else the suite's usual ones are taken. Raises SceneError for a pattern of
    the user's that no scene which is present fits, or if no scene fits any of the suite's.
    """
    names: dict[str, None] = {}
    for name in asked or usual:
        fits = re.compile(fnmatch.translate(name)).fullmatch
        is_pattern = "*" in name or "?" in name
        found = list(filter(fits, _present(registry, root))) if is_pattern else [name]
        if asked and not found:
            raise _absent([name])
        names |= dict.fromkeys(found)
    if not names:
        raise _absent(usual)
    return list(names)


def _absent(patterns: Sequence[str]) -> SceneError:
    return SceneError(
        f"no scene is present that fits {' or '.join(patterns)}: see 'effbench list scenes' for "
        "why, set EFFBENCH_SCENES or pass --scenes-root, or get one by 'effbench scenes get'"
    )


def _present(registry: Registry, root: Path | None) -> list[str]:
    return [
        f"{family}/{entry.name}"
        for family, plugin in registry.scenes.items()
        if plugin.available
        for entry in registry.source(family).entries(root)
        if entry.available
    ]


def _check_scene(name: str, registry: Registry, root: Path | None) -> None:
    family, _, short = name.partition("/")
    entries = {entry.name: entry for entry in registry.source(family).entries(root)}
    if short not in entries:
        raise unknown("scene", name, scene_names(registry, root))
    if not entries[short].available:
        get = f"'effbench scenes get {name}' downloads it, if it is a published one"
        raise SceneError(f"scene '{name}' is not available: {entries[short].reason}. {get}")


def scene_names(registry: Registry, root: Path | None) -> list[str]:
    """Return the names, family/name, of all scenes of the available families."""
    return [
        f"{family}/{entry.name}"
        for family, plugin in registry.scenes.items()
        if plugin.available
        for entry in registry.source(family).entries(root)
    ]


def _check_settings(
    settings: Sequence[Setting], suite: Suite, scenes: Sequence[SceneRef], planner: _Planner
) -> None:
    """Raise ConfigError for a setting that changes nothing of what is to be run."""
    methods = list(dict.fromkeys(entry.method for entry in suite.entries))
    bases = [base for method in methods if (base := planner.method(method).preset_of)]
    families = [scene.name.partition("/")[0] for scene in scenes]
    known = {key for method in methods for key in planner.parameters(method)}
    for setting in settings:
        if setting.owner is None and setting.key not in known:
            raise unknown("parameter", setting.key, known)
        if setting.owner is not None and setting.owner not in {*methods, *bases, *families}:
            raise unknown(
                "method or scene family in this run", setting.owner, methods + bases + families
            )
