"""Progress that is kept, for looking at."""

from __future__ import annotations


class Silent:
    """said: what was told in words; counted: the last number of parts done, by what they are of."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.counted: dict[str, tuple[int, int | None]] = {}

    def say(self, text: str) -> None:
        self.said.append(text)

    def step(self, what: str, done: int, total: int | None) -> None:
        assert total is None or done <= total

    def count(self, what: str, done: int, total: int | None) -> None:
        self.counted[what] = (done, total)
