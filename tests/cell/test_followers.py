"""Other ranks as rank 0 sees them: told, watched and ended; here they are small scripts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from effbench.cell.followers import Followers
from effbench.errors import EffbenchError

PATIENCE_S = 30.0
stuck = threading.Event()  # set when rank 0 is given up
told: list[str] = []  # why
READY = "import json, sys; say = lambda **w: print(json.dumps(w), flush=True); say(ready=True); "
OBEDIENT = READY + "heard = [line.strip() for line in iter(input, 'stop')]; say(heard=heard)"


@contextmanager
def started(script: str, ranks: int = 2, notice_s: float = PATIENCE_S) -> Iterator[Followers]:
    stuck.clear()
    told.clear()

    def note(reason: str) -> None:
        told.append(reason)
        stuck.set()

    command = [sys.executable, "-S", "-c", script]
    followers = Followers(command, ranks, os.environ, note, notice_s)
    pids = followers.pids
    try:
        yield followers
    finally:
        followers.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_every_rank_hears_every_step_and_tells_what_it_knows_in_the_end() -> None:
    with started(OBEDIENT, ranks=3) as followers:
        followers.gather()
        followers.announce(0.25)
        assert followers.fault() == ""
        heard = [each["heard"] for each in followers.stop()]
    assert heard == [["0.0", "0.25"]] * 2
    assert followers.fault() == "", "an end that was asked for is none"


def test_a_rank_is_told_its_number() -> None:
    hello = "print('a library says hello'); "
    with started(hello + READY + "say(argv=sys.argv[1:]); input(); input()") as followers:
        followers.gather()
        (known,) = followers.stop()
    assert known["argv"] == ["--rank", "1"]


def test_a_rank_that_is_killed_is_named_with_its_signal() -> None:
    with started(READY + "[input() for _ in range(9)]") as followers:
        followers.gather()
        os.kill(followers.pids[0], signal.SIGKILL)
        assert followers.fault(PATIENCE_S) == "rank 1 was killed by SIGKILL"
        with pytest.raises(EffbenchError, match="rank 1 was killed by SIGKILL"):
            followers.announce(0.5)


def test_a_rank_that_ends_is_named_with_its_status() -> None:
    with (
        started("raise SystemExit(7)") as followers,
        pytest.raises(EffbenchError, match="rank 1 ended with exit status 7"),
    ):
        followers.gather()


def test_what_a_rank_says_of_its_end_is_the_reason() -> None:
    with started(READY + "say(error='ValueError: no'); input(); input()") as followers:
        assert followers.fault(PATIENCE_S) == "rank 1: ValueError: no"


def test_a_rank_that_was_killed_is_the_cause_of_what_another_says() -> None:
    script = READY + "say(error='RuntimeError: connection closed') if sys.argv[-1] == '1' else 0; "
    with started(script + "[input() for _ in range(9)]", ranks=3) as followers:
        assert followers.fault(PATIENCE_S) == "rank 1: RuntimeError: connection closed"
        os.kill(followers.pids[1], signal.SIGKILL)
        while followers.fault().startswith("rank 1"):
            pass
        assert followers.fault() == "rank 2 was killed by SIGKILL"


def test_rank_0_is_given_up_where_it_does_not_notice() -> None:
    with started("raise SystemExit(7)", notice_s=0.05):
        assert stuck.wait(PATIENCE_S)
    assert told == ["rank 1 ended with exit status 7"]


def test_rank_0_that_notices_is_not_given_up() -> None:
    with started(READY + "[input() for _ in range(9)]", notice_s=0.5) as followers:
        followers.gather()
        os.kill(followers.pids[0], signal.SIGKILL)
        assert followers.fault(PATIENCE_S)
        assert not stuck.wait(0.6)
