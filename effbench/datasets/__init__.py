"""Scenes on the user's disk: downloaded, imported, described, checked. Never imports torch."""
