"""The training loop under a fake timer: budgets, points on the curve, divergence, accounting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.cell import loop as train_module
from effbench.cell.clock import Clock
from effbench.cell.loop import CURVE_FRACTIONS, Point, TrainLog, point_fractions, train
from effbench.errors import Diverged
from effbench.method import Method
from effbench.method.budget import Budget
from effbench.scene import Intrinsics


class Timer:
    """A clock on the wall that only moves when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Steps(Method):
    """A method whose steps take given times and return given losses (the last one repeats)."""

    name = "steps"
    Config = dict

    def __init__(
        self, timer: Timer, seconds: Sequence[float] = (1,), losses: Sequence[float] = (0.5,)
    ) -> None:
        self.timer = timer
        self.seconds = seconds
        self.losses = losses
        self.progress: list[float] = []

    def step(self, progress: float) -> torch.Tensor:
        done = len(self.progress)
        self.timer.now += self.seconds[min(done, len(self.seconds) - 1)]
        self.progress.append(progress)
        return torch.tensor(self.losses[min(done, len(self.losses) - 1)])

    def render(self, pose: torch.Tensor, intrinsics: Intrinsics) -> torch.Tensor:
        raise NotImplementedError

    def state(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None: ...

    def parameters(self) -> Iterable[torch.Tensor]:
        return ()


class Run:
    """One call of `train` with everything it left behind. `evaluation_s`: cost of a point."""

    def __init__(
        self,
        budget: Budget,
        seconds: Sequence[float] = (1,),
        losses: Sequence[float] = (0.5,),
        evaluation_s: float = 0.0,
        fractions: Sequence[float] = CURVE_FRACTIONS,
    ) -> None:
        self.timer = Timer()
        self.points: list[Point] = []
        self.running_at_points: list[bool] = []
        self.method = Steps(self.timer, seconds, losses)
        clock = Clock(now=self.timer.perf_counter)

        def on_point(point: Point) -> None:
            self.points.append(point)
            self.running_at_points.append(clock.running)
            self.timer.now += evaluation_s

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train_module, "time", self.timer)
            self.log: TrainLog = train(self.method, budget, clock, on_point, fractions)
        self.stopped = not clock.running


def test_iteration_budget_is_kept_exactly() -> None:
    run = Run(Budget(iterations=20))
    assert run.log.iterations == len(run.method.progress) == 20
    assert run.log.train_s == 20
    assert run.log.overshoot_s == 0
    assert run.stopped


def test_what_does_not_train_takes_no_step_and_has_one_point() -> None:
    timer = Timer()
    method = Steps(timer)
    method.trains = False  # type: ignore[misc]
    points: list[Point] = []
    log = train(method, Budget(seconds=10), Clock(now=timer.perf_counter), points.append)
    assert (log.iterations, log.train_s, log.step_s, method.progress) == (0, 0, [], [])
    (point,) = points
    assert (point.fraction, point.train_s, point.iteration) == (1, 0, 0)
    assert math.isnan(point.loss)


def test_time_budget_ends_with_the_step_that_reaches_it() -> None:
    run = Run(Budget(seconds=10), seconds=[3])
    assert run.log.iterations == 4
    assert run.log.train_s == 12
    assert run.log.overshoot_s == 2


def test_budget_reached_exactly_is_not_overshot() -> None:
    run = Run(Budget(seconds=10), seconds=[2.5])
    assert (run.log.iterations, run.log.overshoot_s) == (4, 0)


@given(
    budget=st.floats(0.01, 100),
    seconds=st.lists(st.floats(0.001, 10), min_size=1, max_size=20),
)
def test_time_budget_is_overshot_by_less_than_one_step(budget: float, seconds: list[float]) -> None:
    run = Run(Budget(seconds=budget), seconds=[*seconds, budget])
    assert run.log.train_s >= budget
    assert run.log.overshoot_s == run.log.train_s - budget
    assert run.log.train_s - run.log.step_s[-1] < budget + 1e-9
    assert sum(run.log.step_s) == pytest.approx(run.log.train_s)


def test_method_is_told_the_spent_fraction() -> None:
    assert Run(Budget(iterations=4)).method.progress == [0, 0.25, 0.5, 0.75]
    assert Run(Budget(seconds=8), seconds=[1, 3, 4]).method.progress == [0, 0.125, 0.5]


@pytest.mark.parametrize("budget", [Budget(iterations=100), Budget(seconds=100)])
def test_every_fraction_gets_one_point(budget: Budget) -> None:
    points = Run(budget).points
    assert [point.fraction for point in points] == list(CURVE_FRACTIONS)
    assert [point.iteration for point in points] == [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert [point.train_s for point in points] == [point.iteration for point in points]


def test_curves_of_long_budgets_have_points_at_fixed_times() -> None:
    assert point_fractions(Budget(iterations=400)) == CURVE_FRACTIONS
    assert point_fractions(Budget(seconds=5)) == CURVE_FRACTIONS
    minute = point_fractions(Budget(seconds=60))
    assert {5 / 60, 10 / 60, 20 / 60, 0.5, 1.0} | set(CURVE_FRACTIONS) == set(minute)
    assert list(minute) == sorted(minute)
    assert {120 / 600, 300 / 600, 480 / 600} <= set(point_fractions(Budget(seconds=600)))


def test_fractions_passed_in_one_step_share_the_last_of_their_points() -> None:
    points = Run(Budget(iterations=3)).points
    assert [(point.fraction, point.iteration) for point in points] == [(0.3, 1), (0.6, 2), (1, 3)]


def test_budget_of_one_step_gets_the_final_point_alone() -> None:
    for budget in (Budget(iterations=1), Budget(seconds=0.001)):
        assert [(p.fraction, p.iteration) for p in Run(budget).points] == [(1.0, 1)]


@given(steps=st.integers(1, 300))
def test_points_are_in_order_and_the_last_is_the_end(steps: int) -> None:
    points = Run(Budget(iterations=steps)).points
    fractions = [point.fraction for point in points]
    assert fractions == sorted(set(fractions))
    assert (points[-1].fraction, points[-1].iteration) == (1.0, steps)
    assert all(point.iteration / steps >= point.fraction for point in points)
    assert all((point.iteration - 1) / steps < point.fraction for point in points)


def test_point_carries_the_loss_of_its_step() -> None:
    run = Run(Budget(iterations=4), losses=[4, 3, 2, 1], fractions=(0.5, 1.0))
    assert [point.loss for point in run.points] == [3, 1]


def test_points_are_made_outside_the_clock() -> None:
    run = Run(Budget(seconds=100), evaluation_s=1000)
    assert not any(run.running_at_points)
    assert run.log.train_s == run.log.iterations == 100
    assert run.log.step_s == [1] * 100
    assert run.log.overhead_s == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_loss_that_is_not_finite_at_a_point_ends_training(value: float) -> None:
    with pytest.raises(Diverged, match=f"the loss is {value} after 10 iterations"):
        Run(Budget(iterations=100), losses=[0.5] * 5 + [value])


def test_loss_is_checked_between_points() -> None:
    with pytest.raises(Diverged, match="after 16 iterations"):
        Run(Budget(iterations=1000), losses=[math.nan])


def test_loss_is_checked_on_the_last_step() -> None:
    with pytest.raises(Diverged, match="after 3 iterations"):
        Run(Budget(iterations=3), losses=[0.5, 0.5, math.nan], fractions=())
