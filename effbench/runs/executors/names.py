"""Which executors there are, and what a user asks of one: nothing heavy, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from effbench.errors import ConfigError

NAMES = ("local", "ray", "slurm")


@dataclass(frozen=True)
class Wanted:
    """An executor as a user names it.

    jobs: cells at once; threads: processors of each (None: the executor's default); address: of
    the cluster; options: KEY=VALUE for the cluster; allowance: time beyond a cell's budget, as
    budgets are written.
    """

    name: str = "local"
    jobs: int | None = None
    threads: int | None = None
    address: str | None = None
    options: tuple[str, ...] = ()
    allowance: str = "30m"

    def __post_init__(self) -> None:
        """Raises ConfigError for what does not go together."""
        if self.name == "ray" and not self.address:
            raise ConfigError(
                "--executor ray needs --address HOST:PORT, of the cluster's head: `ray start "
                "--head` prints it"
            )
        if self.name == "local" and (self.address or self.options):
            raise ConfigError(
                "--address and --cluster-option belong to a cluster: add --executor ray or slurm"
            )
        if self.name == "slurm" and self.address not in (None, "local", "slurm"):
            raise ConfigError(
                "--executor slurm runs where sbatch is: leave out --address, or try a run "
                "without Slurm with --address local"
            )

    def parsed(self) -> Mapping[str, str]:
        """Return the options by key. Raises ConfigError for one that has no value."""
        found = {}
        for text in self.options:
            key, equals, value = text.partition("=")
            if not (key and equals and value):
                raise ConfigError(f"--cluster-option {text}: write KEY=VALUE")
            found[key] = value
        return found
