"""Radiance fields: encodings, networks, densities and colours."""

from effbench.nerf.fields.field import (
    HashField,
    NetworkField,
    RadianceField,
    resolve_precision,
)

__all__ = ["HashField", "NetworkField", "RadianceField", "resolve_precision"]
