"""Bricks that methods share: rays, encodings, fields, samplers, rendering and the training step.

All of it lives in the unit cube: `Aabb` maps the scene's box into [0, 1]³ by one scale, so that
directions keep unit length and densities are per unit-cube length.
"""
