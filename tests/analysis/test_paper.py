"""Papers: their tables, the rows they speak of, and their figures as they print them."""

from __future__ import annotations

import math

import pytest

from effbench.analysis import claims, paper
from effbench.analysis.equivalence import Region
from effbench.analysis.measures import CLAIMED, MEASURES
from effbench.analysis.paper import Selector
from effbench.errors import ConfigError

NONE = {"compaction": "none"}


def test_papers_are_found_by_name() -> None:
    known = {"hsm", "mobile-nelf", "neuron-pruning", "nerfacc", "published", "pytorch-acceleration"}
    assert known <= set(paper.names())
    with pytest.raises(ConfigError, match="unknown paper 'hms': did you mean hsm"):
        paper.load("hms")


def test_a_table_has_numbers_and_gaps() -> None:
    first, *_, last = paper.load("hsm").rows
    assert (first["scene"], first["minutes"], first["psnr_hsm"]) == ("bonsai", 2.0, 27.9)
    assert first["psnr_repo"] is None
    assert (last["scene"], last["psnr_repo"]) == ("stump", 22.7)


@pytest.mark.parametrize("name", paper.names())
def test_a_paper_says_where_its_figures_are_from(name: str) -> None:
    found = paper.load(name)
    assert found.title
    assert found.authors
    assert "arXiv:" in found.source or "without an arXiv number" in found.source
    assert found.claims or found.figures or found.anchors or found.switches
    assert found.judged == bool(found.claims)
    made = [*found.claims, *(switch.claim for switch in found.switches)]
    assert all(claim.margin > (MEASURES[claim.measure].kind == "ratio") for claim in made)
    assert {claim.measure for claim in found.claims} <= set(CLAIMED)
    assert {claim.measure for claim in made} <= set(MEASURES)
    columns = {column for claim in found.claims for column in claim.columns or ()}
    assert columns | {figure.column for figure in found.figures} <= set(found.rows[0])


def test_a_selector_takes_rows_that_have_its_values() -> None:
    selector = Selector("instant-ngp", NONE)
    assert selector.matches("instant-ngp", {"compaction": "none", "lr": 0.1})
    assert not selector.matches("instant-ngp", {"compaction": "transmittance"})
    assert not selector.matches("instant-ngp", {})
    assert not selector.matches("hsm", NONE)
    assert str(selector) == "instant-ngp compaction=none"


def test_each_row_has_its_baselines() -> None:
    hsm = paper.load("hsm")

    def baselines(method: str, **params: str) -> list[str]:
        found = hsm.comparison(method, params)
        return [] if found is None else [str(baseline) for baseline in found.baselines]

    both = ["instant-ngp compaction=none", "instant-ngp compaction=transmittance"]
    assert baselines("hsm", base="instant-ngp") == both
    assert baselines("hsm", base="nerf") == ["nerf"]
    assert baselines("hsm", base="instant-ngp", sampler="proposal") == ["proposal"]
    assert baselines("nerf") == []
    assert baselines("a-method-of-ones-own") == both


def test_claims_as_the_paper_states_them() -> None:
    hsm = paper.load("hsm")
    found = {claim.measure: claims.published(hsm, claim) for claim in hsm.claims}
    # its text: +0.83, +0.54 and +0.53 dB on average
    gains = {minutes: round(gain, 2) for minutes, gain in found["psnr_gain"].by_minutes}
    assert gains == {2: 0.83, 5: 0.54, 8: 0.53}
    assert (found["psnr_gain"].low, found["psnr_gain"].high) == pytest.approx((0, 1.6))
    # 34 / 64 on counter, 37 / 60 on garden
    assert (found["iter_ratio"].low, found["iter_ratio"].high) == pytest.approx((34 / 64, 37 / 60))
    assert found["iter_ratio"].by_minutes == ()
    assert found["steady_ratio"].mean == 0.57
    # bonsai: 28.4 dB after 8 min, and after 2 + 3 · 0.5 / 1.3 min
    assert found["speedup"].high == pytest.approx(8 / (2 + 1.5 / 1.3))
    assert found["speedup"].scenes == 7


def test_a_scene_of_the_table_is_known_by_its_family_and_name() -> None:
    hsm = paper.load("hsm")
    assert hsm.scene("mipnerf360/bonsai") == "bonsai"
    assert hsm.scene("mipnerf360/bonsai (box=2)") == "bonsai"
    assert hsm.scene("mipnerf360/treehill") == ""
    assert hsm.scene("nerf_synthetic/lego") == ""
    assert hsm.scene("ngp/bonsai") == "", "another capture of the same name"


def test_claims_on_one_scene() -> None:
    hsm = paper.load("hsm")
    found = {claim.measure: claims.published(hsm, claim, "bonsai") for claim in hsm.claims}
    assert dict(found["psnr_gain"].by_minutes) == pytest.approx({2: 1.1, 5: 1.1, 8: 1.3})
    assert (found["psnr_gain"].low, found["psnr_gain"].high) == pytest.approx((1.1, 1.3))
    assert found["iter_ratio"].mean == pytest.approx(31 / 58)
    assert found["speedup"].low == pytest.approx(8 / (2 + 1.5 / 1.3))
    assert found["steady_ratio"].mean == 0.57, "its text says so of all"


def test_a_switch_has_its_words_and_no_figure() -> None:
    guide = paper.load("pytorch-acceleration")
    (mixed,) = [switch for switch in guide.switches if switch.name == "mixed precision"]
    assert mixed.off == Selector("instant-ngp", {"precision": "fp32"})
    assert mixed.claim.says == "training in mixed precision is faster"
    assert not mixed.claim.has_figure
    held = claims.published(guide, mixed.claim)
    assert held.region == Region(1.05, math.inf, "ratio")
    assert math.isnan(held.mean)
    assert (guide.judged, guide.needs_curves) == (False, True)
    assert guide.skipped is not None
    assert guide.skipped.share == 0.98


def test_every_switch_is_claimed_once_and_has_two_sides() -> None:
    guide = paper.load("pytorch-acceleration")
    names = [switch.name for switch in guide.switches]
    assert len(names) == len(set(names))
    assert {row["switch"] for row in guide.rows} - set(names) == {"samples skipped"}
    assert all(switch.on != switch.off for switch in guide.switches)
