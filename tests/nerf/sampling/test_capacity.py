"""Buffer sizes: enough room, and few different sizes."""

from __future__ import annotations

import pytest

from effbench.nerf.sampling.capacity import Capacity, Need, choose, most_marched

B = 1 << 18
MOST = 1 << 18


def test_every_buffer_has_more_room_than_was_needed() -> None:
    found = choose(B, Need(rays=40_000, marched=700_000, drawn=50_000), MOST, compacts=True)
    assert found == Capacity(rays=65_536, marched=917_504, kept=278_528, drawn=65_536)


def test_without_compaction_what_is_marched_is_kept() -> None:
    found = choose(B, Need(40_000, 900_000, 2 * B), MOST, compacts=False)
    assert found.marched == found.kept == found.drawn == 278_528


def test_sizes_are_bounded() -> None:
    least = choose(B, Need(0, 0, 0), MOST, compacts=True)
    assert least == Capacity(256, 278_528, 278_528, B // 16)
    most = choose(B, Need(10**9, 10**9, 10**9), MOST, compacts=True)
    assert most == Capacity(MOST, most_marched(B), 278_528, 278_528)


@pytest.mark.parametrize("samples", [2048, 24_576, B])
def test_few_sizes_serve_all_needs(samples: int) -> None:
    needs = [Need(100 + 97 * i, samples * i // 100, samples * i // 500) for i in range(500)]
    found = [choose(samples, need, MOST, compacts=True) for need in needs]
    assert len({capacity.drawn for capacity in found}) <= 20
    assert len({capacity.marched for capacity in found}) <= 32
    assert len({capacity.rays for capacity in found}) <= 11
    assert all(c.kept % 256 == c.marched % 256 == 0 for c in found)
