"""What is to be run: cells with readable identities, and the plan that lists them in order."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from effbench import files
from effbench.errors import EffbenchError
from effbench.method import config
from effbench.method.budget import Budget
from effbench.scene import SceneRef

FILE = "plan.json"
FILES = "plan*.json"  # of one folder: the last run's, and `plan-<digest>.json` of earlier ones
ALLOWANCE_S = 20.0  # per cell beyond its budget: imports, scene, warm-up, evaluation; a guess
_ID_LENGTH = 100  # leaves room for the folders around it where a path may have 255 characters


@dataclass(frozen=True)
class Cell:
    """One row of a benchmark for one repetition, run in one process.

    params: all resolved parameters of the method, as JSON values; variant: the ones that were
    set for this row or differ from the default, readable; changed: the latter alone, for the
    folder's name, which must not depend on how a row was asked for; scene.params: the scene's
    non-default ones; seed: from (scene, repetition) alone; device: "cpu" or
    "cuda:0"; backend: the kernels'; eval_views: how many test views are evaluated at the end
    (None: all), curve_views: at points of the curve, likewise; role: "parent" if the cell is there
    only because another needs its result; parents: cell ids by role; preset_of: the method whose
    preset `method` is ("" for a method itself); control: the id of the cell that the method calls
    its control, if the plan has it ("" otherwise); ranks: how many processes train it together;
    ignore_time: whether a method that knows no time is trained as if the scene stood still.
    """

    suite: str
    method: str
    scene: SceneRef
    budget: str
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    changed: str = ""
    repetition: int = 0
    seed: int = 0
    device: str = "cpu"
    backend: str = "auto"
    eval_views: int | None = None
    curve_views: int | None = 2
    role: Literal["row", "parent"] = "row"
    parents: Mapping[str, str] = field(default_factory=dict)
    preset_of: str = ""
    control: str = ""
    ranks: int = 1
    ignore_time: bool = False

    @functools.cached_property
    def cell_id(self) -> str:
        """A readable folder name, unique by a hash of everything that can change the result."""
        values = [_short(setting) for setting in self.changed.split(",") if setting]
        several = f"ranks{self.ranks}" if self.ranks > 1 else ""
        parts = [self.method, "-".join(values), several, scene_key(self.scene, family=False)]
        readable = "_".join(_slug(part) for part in parts if part)
        tail = f"_s{self.repetition}-{self.digest}"
        return readable[: _ID_LENGTH - len(tail)] + tail

    @property
    def label(self) -> str:
        """What people call the cell: "nerf-pruned width=64 on a/b downscale=2, repetition 1"."""
        params = [f"{key}={config.show(value)}" for key, value in self.scene.params.items()]
        parts = [self.method, self.variant, "on", self.scene.name, *params]
        repetition = f", repetition {self.repetition}" if self.repetition else ""
        return " ".join(part for part in parts if part) + repetition

    @property
    def estimate_s(self) -> float:
        """Roughly how long the cell takes; a budget of iterations counts as nothing."""
        return (Budget.parse(self.budget).seconds or 0.0) + ALLOWANCE_S

    @functools.cached_property
    def digest(self) -> str:
        """64 bits of a hash of everything that can change the result, as 16 hexadecimal digits."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    @functools.cached_property
    def key(self) -> str:
        """Everything that can change the result, as JSON: cells of one key are one cell."""
        # Neither the role nor which parameters were set explicitly changes the result: a parent
        # and a row with the same parameters are one cell. Nor does what it is compared with.
        unseen = ("role", "variant", "changed", "preset_of", "control")
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in unseen}
        told["scene"] = {"name": self.scene.name, "params": self.scene.params}
        for name, usual in (("ranks", 1), ("ignore_time", False)):
            if told[name] == usual:  # cells that were run before there was that keep their ids
                del told[name]
        return json.dumps(told, sort_keys=True)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cell:
        """Return the cell that `dataclasses.asdict` made `data` of."""
        return cls(**{**data, "scene": SceneRef(**data["scene"])})


@dataclass(frozen=True)
class Plan:
    """Cells in an order in which parents come first, where to find plug-ins and scenes, and the
    paper whose claims they test and the row that others are compared with ("" for none).

    profile: whether cells that are run are profiled at their end, which changes no result.
    """

    suite: str
    cells: tuple[Cell, ...]
    plugins: tuple[str, ...] = ()
    scenes_root: str | None = None
    command: tuple[str, ...] = ()
    paper: str = ""
    baseline: str = ""
    profile: bool = False

    @property
    def digest(self) -> str:
        """The plan's identity: a hash of its cells, in whatever order."""
        ids = "\n".join(sorted(cell.cell_id for cell in self.cells))
        return hashlib.sha256(ids.encode()).hexdigest()[:16]

    def cell(self, cell_id: str) -> Cell:
        """Return a cell by its id. Raises EffbenchError if the plan does not have it."""
        found = self._by_id.get(cell_id)
        if found is None:
            raise EffbenchError(f"the plan has no cell '{cell_id}': see `cells` in its {FILE}")
        return found

    def needed(self, cell_id: str) -> tuple[Cell, ...]:
        """Return what a cell starts from, directly or not, in the order in which it can run, and
        last the cell itself. Raises EffbenchError as `cell` does."""
        found: dict[str, Cell] = {}

        def add(name: str) -> None:
            cell = self.cell(name)
            for parent in cell.parents.values():
                add(parent)
            found.setdefault(name, cell)

        add(cell_id)
        return tuple(found.values())

    @functools.cached_property
    def _by_id(self) -> dict[str, Cell]:
        return {cell.cell_id: cell for cell in self.cells}

    def write(self, folder: Path) -> None:
        """Write the plan to `folder`/plan.json, atomically; another plan that is there stays beside
        it under its digest, for the cells that were run for it."""
        path = folder / FILE
        try:
            before = read_file(path).digest
        except EffbenchError:
            before = self.digest
        if before != self.digest:
            path.rename(folder / f"plan-{before}.json")
        files.write_json(path, {"digest": self.digest, **asdict(self)})
        (folder / f"plan-{self.digest}.json").unlink(missing_ok=True)


def read(folder: Path) -> Plan:
    """Read `folder`/plan.json. Raises EffbenchError if there is none that can be read."""
    return read_file(folder / FILE)


def find(folder: Path, cell_id: str) -> Plan | None:
    """Return the plan that a folder's cell was run for; None where no plan names it."""
    for path in sorted(folder.glob(FILES)):
        try:
            planned = read_file(path)
        except EffbenchError:
            continue
        if any(cell.cell_id == cell_id for cell in planned.cells):
            return planned
    return None


def read_file(path: Path) -> Plan:
    """Read a plan. Raises EffbenchError if it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Plan(
            suite=data["suite"],
            cells=tuple(Cell.from_dict(cell) for cell in data["cells"]),
            plugins=tuple(data["plugins"]),
            scenes_root=data["scenes_root"],
            command=tuple(data["command"]),
            paper=data.get("paper", ""),
            baseline=data.get("baseline", ""),
            profile=data.get("profile", False),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EffbenchError(f"{path} is no plan that can be read ({error}): run anew") from error


def seed(scene: str, repetition: int) -> int:
    """Return a seed in [0, 2³¹) from what is named alone: adding a row changes no other's.

    All rows of a repetition have it in common, so that what initialisation and order of pixels do
    to all of them falls out of their differences.
    """
    text = json.dumps([scene, repetition])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def scene_key(scene: SceneRef, *, family: bool = True) -> str:
    """Return a folder name for a scene and its parameters: "nerf_synthetic-lego-downscale4"."""
    name = scene.name if family else scene.name.rpartition("/")[2]
    params = [f"{key}{config.show(value)}" for key, value in sorted(scene.params.items())]
    return _slug("-".join([name, *params]))


def _short(setting: str) -> str:
    """Return "coreset" for "selection=coreset", but "ema-true" for "ema=true"."""
    key, _, value = setting.partition("=")
    return f"{key}-{value}" if value in ("true", "false", "none") else value


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
