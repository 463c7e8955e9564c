"""Errors that a user can act on: the message names what is wrong and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EffbenchError(Exception):
    """Base of every error that is shown to the user without a traceback."""


class SceneError(EffbenchError):
    """A scene that cannot be used: names the file, what is wrong and what to do."""


class PluginError(EffbenchError):
    """A plug-in that cannot be used: duplicate name, missing attribute, failed import."""


class ConfigError(EffbenchError):
    """A parameter, budget, suite or name that does not exist or has no valid value."""


class RecordError(EffbenchError):
    """A record that cannot be read: malformed, wrong schema version, missing field."""


class Diverged(EffbenchError):
    """Training produced a loss that is not finite."""


def unknown(kind: str, name: str, valid: Iterable[str]) -> ConfigError:
    """Return the error for a mistyped `name`, naming the nearest valid ones first: those that are
    near as a whole, and those of which it is nearly the part behind the last `/`."""
    names = sorted(valid)
    ends = {each.rpartition("/")[2] for each in names if "/" in each}
    near = difflib.get_close_matches(name, ends, n=3, cutoff=0.75)
    close = [each for end in near for each in names if each.rpartition("/")[2] == end][:3]
    close = close or difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return ConfigError(f"unknown {kind} '{name}': {hint}(valid: {', '.join(names) or 'none'})")
