"""Papers whose claims are tested: what they report, and which rows of a run to compare.

A paper is `papers/<name>.toml` and `papers/<name>.csv`, its own table, of one of four kinds. One
with claims has a row per scene and training time (columns `scene`, `minutes`, then figures), and
rows of a run are judged against baselines. One with `figure` entries has a row per method (column
`method`, then figures), and rows of a run are set beside them. One of `anchors` has a row per
system and scene with what it reached there (columns: `anchors.PUBLISHED`), and rows of a run on
the same scenes are set beside those. One with `switch` entries alone has a row per switch (columns
`switch`, `source`, `says`, `figure`), and rows of a run that have it on are judged against those
that have it off; one with figures may have such entries besides, which then say it all themselves.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from effbench.errors import unknown

FOLDER = Path(__file__).with_name("papers")


@dataclass(frozen=True)
class Selector:
    """Rows of a method whose parameters have the given values."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, method: str, params: Mapping[str, Any]) -> bool:
        return method == self.method and all(
            key in params and params[key] == value for key, value in self.params.items()
        )

    def __str__(self) -> str:
        params = ",".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.method} {params}".strip()


@dataclass(frozen=True)
class Comparison:
    """Which rows are compared with which baselines; without subjects: all rows. The first baseline
    is the one that the paper used: claims are judged against it alone."""

    baselines: tuple[Selector, ...]
    subjects: tuple[Selector, ...] = ()
    claimed: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One claim, in terms of a measure of `measures.CLAIMED`: computed from two columns of the
    paper's table (of the method, of its baseline) or stated in its text; of one that has neither
    only the direction is claimed, that of the measure's better side.

    margin: how far an effect may be from the paper's and still be the claimed one, or how far
    beyond no effect it must be where only its direction is claimed: a factor for ratios, else in
    the measure's unit. gpu: a claim about memory of a GPU, judged on one only.
    """

    measure: str
    says: str
    margin: float
    columns: tuple[str, str] | None = None
    stated: float | None = None
    gpu: bool = False

    @property
    def has_figure(self) -> bool:
        return self.columns is not None or self.stated is not None


@dataclass(frozen=True)
class Switch:
    """A switch that a source claims something of: rows that have it `on` are held against rows
    that have it `off`, each the one of a run that differs least from the run's baseline. Its words
    are its own, or in the row of that name in the source's table (column `switch`). found: a
    column of `tables.cells` in which the two must differ, or nothing was switched ("" for none)."""

    name: str
    on: Selector
    off: Selector
    claim: Claim
    found: str = ""
    source: str = "the paper"


@dataclass(frozen=True)
class Figure:
    """One figure that a paper reports per method: its column in the paper's table and the column
    of the leaderboard that measures the same; `per`: paper's units in one of the leaderboard's;
    difference: it is compared by differences, not by ratios."""

    column: str
    title: str
    measured: str
    per: float = 1
    difference: bool = False


@dataclass(frozen=True)
class Match:
    """Rows of a run that are a row of the paper's table, by its `method` there. Papers without any
    name their methods as effbench does."""

    row: str
    selector: Selector


@dataclass(frozen=True)
class Note:
    """A remark on a paper's figures. cannot: it says why one of them cannot be."""

    text: str
    cannot: bool = False


@dataclass(frozen=True)
class Skipped:
    """A reported share of the samples of an even march that are skipped at most, in [0, 1], and the
    scene that it is of."""

    share: float
    scene: str


@dataclass(frozen=True)
class Paper:
    """A paper. rows: its table, figures as numbers, None where a field is empty; family: of the
    scenes in it; figures: what is set beside a run's rows, which `matches` find, relative to the
    row `reference`, and how `ours` are measured; anchors: whether its table is of systems and
    scenes; skipped: the share of samples that it says are skipped; switches: what is held against
    what; else comparisons and claims."""

    name: str
    title: str
    authors: str
    source: str
    setting: str
    comparisons: tuple[Comparison, ...]
    claims: tuple[Claim, ...]
    rows: tuple[Mapping[str, Any], ...]
    figures: tuple[Figure, ...] = ()
    reference: str = ""
    notes: tuple[Note, ...] = ()
    family: str = ""
    matches: tuple[Match, ...] = ()
    anchors: bool = False
    ours: str = ""
    switches: tuple[Switch, ...] = ()
    skipped: Skipped | None = None

    @property
    def judged(self) -> bool:
        """Whether it makes claims, on which there is a verdict by scene and row."""
        return bool(self.claims)

    @property
    def needs_curves(self) -> bool:
        """Whether verdicts are read off training curves."""
        claims = (*self.claims, *(switch.claim for switch in self.switches))
        return any(claim.measure == "speedup" for claim in claims)

    def scene(self, label: str) -> str:
        """Return what the paper's table calls the scene of a run ("mipnerf360/room (box=2)"), empty
        if it has no figures of it."""
        family, _, scene = label.partition(" ")[0].partition("/")
        known = family == self.family and any(row.get("scene") == scene for row in self.rows)
        return scene if known else ""

    def comparison(self, method: str, params: Mapping[str, Any]) -> Comparison | None:
        """Return the first comparison that this row is a subject of, if there is one."""
        for comparison in self.comparisons:
            subjects = comparison.subjects
            if not subjects or any(subject.matches(method, params) for subject in subjects):
                return comparison
        return None


def names() -> list[str]:
    """Return the names of the papers there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Paper:
    """Return a paper. Raises ConfigError naming the nearest ones if there is none of that name."""
    if name not in names():
        raise unknown("paper", name, names())
    data = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        rows = tuple({key: _number(v) for key, v in row.items()} for row in csv.DictReader(stream))
    return Paper(
        name=name,
        title=data["title"],
        authors=data["authors"],
        source=data["source"],
        setting=data["setting"],
        comparisons=tuple(_comparison(entry) for entry in data.get("comparison", ())),
        claims=tuple(Claim(**_tupled(entry)) for entry in data.get("claim", ())),
        rows=rows,
        figures=tuple(Figure(**entry) for entry in data.get("figure", ())),
        reference=data.get("reference", ""),
        notes=tuple(Note(**entry) for entry in data.get("note", ())),
        family=data.get("family", ""),
        matches=tuple(_match(entry) for entry in data.get("match", ())),
        anchors=data.get("anchors", False),
        ours=data.get("ours", ""),
        switches=tuple(_switch(entry, rows) for entry in data.get("switch", ())),
        skipped=Skipped(**data["skipped"]) if "skipped" in data else None,
    )


def _switch(entry: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Switch:
    said = next((row for row in rows if row.get("switch") == entry["name"]), entry)
    claim = Claim(entry["measure"], said["says"], entry["margin"], stated=entry.get("stated"))
    on, off = Selector(**entry["on"]), Selector(**entry["off"])
    source = said.get("source", Switch.source)
    return Switch(entry["name"], on, off, claim, entry.get("found", ""), source)


def _comparison(entry: Mapping[str, Any]) -> Comparison:
    return Comparison(
        **{key: tuple(Selector(**one) for one in selectors) for key, selectors in entry.items()}
    )


def _match(entry: Mapping[str, Any]) -> Match:
    return Match(entry["row"], Selector(entry["method"], entry.get("params", {})))


def _tupled(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}


def _number(text: str) -> Any:
    try:
        return float(text) if text else None
    except ValueError:
        return text
