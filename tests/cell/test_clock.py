"""Budgets are read strictly; the clock counts only while it runs, device work included."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effbench.cell.clock import Clock
from effbench.errors import ConfigError
from effbench.method.budget import Budget


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", Budget(seconds=30)),
        ("0.5s", Budget(seconds=0.5)),
        ("5m", Budget(seconds=300)),
        ("2min", Budget(seconds=120)),
        ("1.5h", Budget(seconds=5400)),
        (" 30 S ", Budget(seconds=30)),
        ("500it", Budget(iterations=500)),
        ("1its", Budget(iterations=1)),
        ("20 iterations", Budget(iterations=20)),
        ("20.0it", Budget(iterations=20)),
    ],
)
def test_budget_is_read_from_text(text: str, expected: Budget) -> None:
    assert Budget.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "s", "30x", "-30s", "1e3s", "30s 5m", "1.5it", "nan s", ".5s", "3 0s"]
)
def test_unreadable_budget_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="write 30s, 5m, 1h or 500it") as refused:
        Budget.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", ["0s", "0it", f"1{'0' * 400}s"])
def test_budget_without_an_end_or_a_beginning_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="positive number of seconds or of iterations"):
        Budget.parse(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(),
        lambda: Budget(seconds=1, iterations=1),
        lambda: Budget(seconds=-1),
        lambda: Budget(seconds=math.nan),
        lambda: Budget(seconds=math.inf),
        lambda: Budget(iterations=-1),
    ],
)
def test_budget_is_exactly_one_positive_number(make: Callable[[], Budget]) -> None:
    with pytest.raises(ConfigError, match="positive number"):
        make()


def test_progress_counts_in_the_unit_of_the_budget() -> None:
    assert Budget(seconds=20).progress(seconds=5, iterations=999) == 0.25
    assert Budget(iterations=20).progress(seconds=999, iterations=5) == 0.25


@given(
    total=st.integers(1, 10**7),
    spent=st.integers(0, 10**7),
    more=st.integers(0, 10**7),
)
def test_progress_grows_and_reaches_one_exactly_when_spent(
    total: int, spent: int, more: int
) -> None:
    by_steps, by_time = Budget(iterations=total), Budget(seconds=total)
    now = by_steps.progress(0.0, spent)
    assert 0 <= now <= by_steps.progress(0.0, spent + more)
    assert (now >= 1) == (spent >= total)
    assert by_time.progress(float(spent), 0) == now


@given(st.integers(1, 10**9))
def test_printed_budget_reads_back_as_itself(number: int) -> None:
    for budget in (Budget(iterations=number), Budget(seconds=number / 1000)):
        assert Budget.parse(str(budget)) == budget


def test_budgets_print_as_users_write_them() -> None:
    assert str(Budget.parse("2m")) == "120s"
    assert str(Budget.parse("0.5s")) == "0.5s"
    assert str(Budget.parse("1000000s")) == "1000000s"
    assert str(Budget.parse("500it")) == "500it"


class Device:
    """A fake device with a queue: work takes no time until it is waited for.

    `now` is the wall clock; `queue` the seconds that synchronising would take.
    """

    def __init__(self) -> None:
        self.now = 100.0  # a stopwatch must not depend on where its timer begins
        self.queue = 0.0
        self.events: list[str] = []

    def synchronize(self) -> None:
        self.events.append("synchronize")
        self.now += self.queue
        self.queue = 0.0

    def read(self) -> float:
        self.events.append("read")
        return self.now

    def clock(self) -> Clock:
        return Clock(self.synchronize, self.read)


@pytest.fixture
def device() -> Device:
    return Device()


def test_device_is_synchronised_before_every_reading(device: Device) -> None:
    clock = device.clock()
    clock.start()
    clock.read()
    clock.pause()
    assert device.events == ["synchronize", "read"] * 3


def test_counts_the_time_between_start_and_reading(device: Device) -> None:
    clock = device.clock()
    assert clock.read() == 0
    clock.start()
    device.now += 2
    assert clock.read() == 2
    device.now += 3
    assert clock.read() == 5


def test_queued_work_belongs_to_whoever_queued_it(device: Device) -> None:
    clock = device.clock()
    device.queue = 50  # set-up's work, still running when training begins
    clock.start()
    device.queue = 4  # training's work, still running when the clock is read
    assert clock.read() == 4
    device.queue = 1
    clock.pause()
    device.queue = 50
    assert clock.read() == 5


def test_paused_time_is_not_counted(device: Device) -> None:
    clock = device.clock()
    clock.start()
    device.now += 2
    with clock.paused():
        running_inside = clock.running
        device.now += 100
        assert clock.read() == 2
    assert (running_inside, clock.running) == (False, True)
    device.now += 3
    assert clock.read() == 5


def test_reading_while_paused_leaves_the_device_alone(device: Device) -> None:
    clock = device.clock()
    clock.start()
    clock.pause()
    device.events.clear()
    clock.read()
    assert device.events == []


def test_stopwatch_goes_on_after_an_error_in_a_pause(device: Device) -> None:
    clock = device.clock()
    clock.start()
    with pytest.raises(OSError, match="disk full"), clock.paused():
        raise OSError("disk full")
    device.now += 1
    assert clock.read() == 1


def test_a_pause_leaves_a_stopped_clock_stopped(device: Device) -> None:
    clock = device.clock()
    with clock.paused():
        device.now += 1
    assert not clock.running
    assert clock.read() == 0


def test_pauses_add_up(device: Device) -> None:
    clock = device.clock()
    for _ in range(3):
        clock.start()
        device.now += 1
        clock.pause()
        device.now += 10
    assert clock.read() == 3


def test_starting_twice_is_an_error(device: Device) -> None:
    clock = device.clock()
    clock.start()
    with pytest.raises(RuntimeError, match="running already"):
        clock.start()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6))))
def test_counted_time_is_what_passed_while_running(spans: list[tuple[bool, int]]) -> None:
    device = Device()
    clock = device.clock()
    for running, seconds in spans:
        if running:
            clock.start()
        device.now += seconds
        if running:
            clock.pause()
    assert clock.read() == sum(seconds for running, seconds in spans if running)
