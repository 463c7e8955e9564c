"""Instant-NGP (Müller et al. 2022): the baseline that everything else is measured against."""

from __future__ import annotations

from typing import Any, ClassVar

from effbench.nerf.training.hash_method import HashConfig, HashMethod


class InstantNGP(HashMethod):
    """Hash encoding, tiny MLPs and an occupancy grid."""

    name = "instant-ngp"
    Config = HashConfig
    published: ClassVar[dict[str, Any]] = {**HashMethod.published, "compaction": "none"}
