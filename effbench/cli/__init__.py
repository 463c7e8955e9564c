"""The `effbench` command."""
