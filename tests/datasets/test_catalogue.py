"""The catalogue that is shipped can be used, and a mistyped name is answered with near ones."""

from __future__ import annotations

import re

import pytest

from effbench.datasets import catalogue
from effbench.errors import ConfigError
from effbench.planning.planner import scene_names
from effbench.planning.registry import discover

SHIPPED = catalogue.load()


def test_every_archive_is_reached_by_plain_http() -> None:
    for archive in SHIPPED.archives:
        assert re.fullmatch(r"https?://[a-z0-9.-]+/\S+\.(zip|tar|tar\.gz|tgz)", archive.url)
        assert archive.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", archive.sha256)
        assert archive.size is None or archive.size > 0


def test_every_standard_scene_of_a_family_can_be_had() -> None:
    standard = {name for name in scene_names(discover(), None) if "procedural/" not in name}
    assert standard - set(SHIPPED.scenes) == {"colmap/your-scene"}
    assert {name.partition("/")[0] for name in SHIPPED.scenes} <= set(discover().scenes)


def test_archives_with_a_published_checksum_come_first() -> None:
    for scene in SHIPPED.scenes:
        known = [archive.sha256 is not None for archive in SHIPPED.choices(scene)]
        assert known == sorted(known, reverse=True)


def test_a_family_means_all_its_scenes() -> None:
    assert len(SHIPPED.named(["llff", "llff/fern", "ngp/fox"])) == 9


def test_mistyped_names_are_answered() -> None:
    with pytest.raises(ConfigError, match=r"did you mean .*nerf_synthetic/lego"):
        SHIPPED.named(["lego"])
    with pytest.raises(ConfigError, match=r"is to be had from github\.com, huggingface\.co: name"):
        SHIPPED.choices("nerf_synthetic/lego", "example.org")
    (one,) = SHIPPED.choices("nerf_synthetic/lego", "huggingface")
    assert one.scenes == {"nerf_synthetic/lego": "lego"}


def test_licences_are_told_as_far_as_they_are_known() -> None:
    assert SHIPPED.licence("nerf_synthetic/lego") == "CC BY-NC"
    assert SHIPPED.licence("mipnerf360/bonsai").startswith("not known here")
