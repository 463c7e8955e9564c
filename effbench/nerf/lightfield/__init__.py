"""Light fields of one network pass per image, distilled from a radiance field."""
