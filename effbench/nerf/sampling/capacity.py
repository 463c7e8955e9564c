"""How large the buffers of a fixed-size step are, chosen from what earlier steps needed.

Notation: B, the samples per step that the ray count is steered to.
"""

from __future__ import annotations

from dataclasses import dataclass

_GRAIN = 256  # samples: a multiple of every kernel's block
_LEAST_RAYS = 256
_ROOM = 1.25  # more than the last count of what may grow from one step to the next
_LAG = 1.5  # the ray count at most doubles per step and is read two steps late


@dataclass(frozen=True)
class Capacity:
    """Sizes of a step's buffers: rays; samples marched, before compaction; samples kept, trained
    on; samples drawn, differentiated through (all that are kept, unless a learner chooses)."""

    rays: int
    marched: int
    kept: int
    drawn: int


@dataclass(frozen=True)
class Need:
    """What the next step is expected to fill, by the last one that was looked at."""

    rays: int
    marched: int
    drawn: int


def choose(samples: int, need: Need, most_rays: int, compacts: bool) -> Capacity:
    """Return capacities for B = `samples`; few different ones, so that recordings are used again.

    Kept samples get 1/16 more than B, for what B varies by from step to step. Buffers for marched
    and drawn samples come in quarters and sixteenths of B, those for rays in powers of two.
    Without compaction what is marched is kept.
    """
    kept = _round_up(samples * 17 / 16, _GRAIN)
    marched = kept
    if compacts:
        marched = _round_up(need.marched * _ROOM, max(_round_up(samples / 4, _GRAIN), _GRAIN))
        marched = min(max(marched, kept), most_marched(samples))
    drawn = min(_round_up(need.drawn * _ROOM + 1, max(samples // 16, 1)), kept)
    rays = _LEAST_RAYS
    while rays < min(need.rays * _LAG, most_rays):
        rays *= 2
    return Capacity(min(rays, most_rays), marched, kept, drawn)


def most_marched(samples: int) -> int:
    """Return the largest buffer for samples before compaction, which bounds a step's memory."""
    return _round_up(8 * samples, _GRAIN)


def _round_up(value: float, grain: int) -> int:
    return -(-int(value) // grain) * grain
