"""What can be downloaded and from where: the facts of `catalogue.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from effbench.errors import ConfigError, unknown

FILE = Path(__file__).with_name("catalogue.toml")
_UNSTATED = "not known here: see its authors' page"


@dataclass(frozen=True)
class Archive:
    """A file to download. scenes: a scene's name to the folder in it that becomes the scene;
    sha256, size in bytes: None where nobody has published them."""

    url: str
    scenes: Mapping[str, str]
    sha256: str | None = None
    size: int | None = None

    @property
    def file(self) -> str:
        """The name of the file."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def host(self) -> str:
        """Whose server it is on."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class Catalogue:
    """archives: in the order in which they are preferred; licences: of scenes."""

    archives: Sequence[Archive]
    licences: Mapping[str, str]

    @property
    def scenes(self) -> list[str]:
        """The names of all scenes, sorted."""
        return sorted({name for archive in self.archives for name in archive.scenes})

    def licence(self, scene: str) -> str:
        """Return under which terms a scene is published, in words."""
        return self.licences.get(scene, _UNSTATED)

    def named(self, names: Iterable[str]) -> list[str]:
        """Return the scenes that are meant, each once; a family means all of its own. Raises
        ConfigError with suggestions."""
        found: list[str] = []
        for name in names:
            own = [each for each in self.scenes if each.partition("/")[0] == name.rstrip("/")]
            if not own and name not in self.scenes:
                raise unknown("scene to download", name, self.scenes)
            found += own or [name]
        return list(dict.fromkeys(found))

    def choices(self, scene: str, wanted: str | None = None) -> list[Archive]:
        """Return the archives that hold a scene; wanted: part of their address. Raises
        ConfigError."""
        there = [archive for archive in self.archives if scene in archive.scenes]
        chosen = [archive for archive in there if wanted is None or wanted in archive.url]
        if not chosen:
            hosts = ", ".join(dict.fromkeys(archive.host for archive in there))
            raise ConfigError(
                f"--from {wanted}: {scene} is to be had from {hosts}: name one of them"
            )
        return chosen


def load(path: Path = FILE) -> Catalogue:
    """Return the catalogue in a file: the one that is shipped, by default."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    archives = [
        Archive(entry["url"], entry["scenes"], entry.get("sha256"), entry.get("bytes"))
        for entry in content["archive"]
    ]
    return Catalogue(archives, content.get("licence", {}))
