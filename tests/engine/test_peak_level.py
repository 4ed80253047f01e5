"""The month's peak that a plan pays for: chosen once, paid once, within every limit."""

from dataclasses import replace

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.leaf_to_home.engine.limits import (
    allowed_import_w,
    plan_level,
    soft_limit_w,
)
from custom_components.leaf_to_home.engine.model import (
    CapacityTariff,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
    Site,
    UnitInputs,
)
from custom_components.leaf_to_home.engine.peak_level import at_best_level
from custom_components.leaf_to_home.engine.plan import Absence, Plan, Task
from custom_components.leaf_to_home.engine.planner import make_plan
from custom_components.leaf_to_home.engine.planning import plan_together
from custom_components.leaf_to_home.engine.program import Program
from custom_components.leaf_to_home.engine.state import HomeSettings, HomeState
from custom_components.leaf_to_home.engine.tariff import Tariff

from .loop import START_S
from .test_planner import CHEAP, LINEAR, stretch, task_of

FLANDERS = CapacityTariff(price_per_kw_month=4.2, free_kw=2.5)
# So long a load above what the battery gives that it would be empty before the end.
LONG = [9000.0] * 8 + [500.0] * 4


def capacity_task(draws_w: list[float], **fields: object) -> Task:
    near = stretch([CHEAP] * len(draws_w), draws_w)
    base: dict[str, object] = {
        "soft_limit_w": 2500.0,
        "peak_price": 4.2,
        "end_price": CHEAP,
    }
    return task_of(near, **(base | fields))  # type: ignore[arg-type]


def total(task: Task, level_w: float) -> float:
    """Return what a level comes to, by the program alone."""
    program = Program(replace(task, soft_limit_w=level_w))
    near, _ = program.solve()
    return program.worth(near) + 4.2 * (level_w - 2500.0) / 1e3


def test_an_unavoidable_peak_is_paid_once_and_not_at_each_step() -> None:
    """23 kWh above the reserve carry 8 hours of 9 kW down to about 6.3 kW, not to 3."""
    plan = make_plan(capacity_task(LONG, stored_kwh=34.0), 0.0)
    level_w = plan.import_level_w
    assert level_w is not None
    assert 6000.0 < level_w < 7000.0
    highest_w = max(step.grid_w for step in plan.steps[:8])
    assert highest_w == pytest.approx(level_w, abs=150.0)


@pytest.mark.parametrize(
    ("peaks_w", "rises"),
    [((0.0, 0.0, 0.0), False), ((9000.0, 9000.0, 0.0), True)],
    ids=["all three reach it", "two have been there"],
)
def test_a_level_costs_what_each_window_that_is_averaged_does(
    peaks_w: tuple[float, ...], rises: bool
) -> None:
    """Two windows above it cost less than three at it, and more than the third one."""
    task = capacity_task(
        [9000.0, 9000.0, *[500.0] * 6],
        stored_kwh=11.16,
        peak_price=1.4,
        peaks_w=peaks_w,
    )
    best = at_best_level(task)
    assert best.soft_limit_w is not None
    assert (best.soft_limit_w > 6000.0) is rises


def test_a_departure_that_needs_more_raises_the_peak_as_little_as_may_be() -> None:
    """12 kWh more in 4 hours are 3.2 kW beside the house's own, not 6."""
    trip = Absence(departure_s=4 * 3600.0, back_s=20 * 3600.0, soc_percent=80.0)
    task = capacity_task([1000.0] * 8, stored_kwh=16.8, absences=(trip,))
    plan = make_plan(task, 0.0)
    assert plan.problems == ()
    assert plan.steps[3].soc_percent >= 79.0
    assert plan.import_level_w is not None
    assert 4000.0 < plan.import_level_w < 4500.0


@pytest.mark.parametrize("limit_w", [2000.0, 3000.0])
def test_a_departure_goes_before_an_import_limit_beside_a_peak(limit_w: float) -> None:
    """No level is above the limit, and the departure is met all the same."""
    trip = Absence(departure_s=4 * 3600.0, back_s=20 * 3600.0, soc_percent=80.0)
    task = capacity_task(
        [1000.0] * 8,
        stored_kwh=16.8,
        absences=(trip,),
        soft_limit_w=min(limit_w, 2500.0),
        most_level_w=limit_w,
    )
    plan = make_plan(task, 0.0)
    assert plan.problems == (ReasonCode.IMPORT_LIMIT,)
    assert 79.0 <= plan.steps[3].soc_percent <= 84.0
    assert (plan.import_level_w or 0.0) <= limit_w
    bounded = make_plan(replace(task, main_limit_w=3500.0), 0.0)
    assert max(step.grid_w for step in bounded.steps) <= 3501.0


@pytest.mark.parametrize("averaged", [1, 3, 5, 12])
def test_a_departure_soon_is_met_however_many_peaks_are_averaged(averaged: int) -> None:
    """Half an hour pays for no level that all windows reach, but for a departure."""
    trip = Absence(departure_s=1800.0, back_s=20 * 3600.0, soc_percent=80.0)
    task = task_of(
        stretch([CHEAP] * 16, [1000.0] * 16, step_s=900.0),
        stored_kwh=26.8,
        absences=(trip,),
        soft_limit_w=2500.0,
        peak_price=4.2 / averaged,
        peaks_w=(2500.0,) * averaged,
        end_price=CHEAP,
    )
    plan = make_plan(task, 0.0)
    assert ReasonCode.DEPARTURE not in plan.problems
    assert plan.steps[1].soc_percent >= 79.0


def test_what_the_battery_can_carry_raises_no_peak() -> None:
    plan = make_plan(capacity_task([500.0, 5000.0, 5000.0, 500.0]), 0.0)
    assert plan.import_level_w is None
    assert max(step.grid_w for step in plan.steps[:4]) <= 2501.0


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from([400.0, 3000.0, 7000.0, 9500.0]), min_size=6, max_size=10),
    st.sampled_from([12.0, 20.0, 30.0]),
)
def test_no_other_level_is_cheaper(draws_w: list[float], stored_kwh: float) -> None:
    task = capacity_task(draws_w, stored_kwh=stored_kwh)
    best = at_best_level(task)
    assert best.soft_limit_w is not None
    found = total(task, best.soft_limit_w)
    others = [total(task, 2500.0 + 500.0 * i) for i in range(15)]
    # The golden section leaves less than 40 W of 7 kW, at 4.2 a kW.
    assert found <= min(others) + 0.25


def test_a_peak_that_later_days_need_too_comes_cheaper() -> None:
    """A month that has just begun makes a higher level worth more than its last day."""
    whole = at_best_level(capacity_task(LONG, stored_kwh=20.0))
    early = at_best_level(capacity_task(LONG, stored_kwh=20.0, peak_share=0.05))
    assert early.soft_limit_w is not None
    assert whole.soft_limit_w is not None
    assert early.soft_limit_w >= whole.soft_limit_w


@pytest.mark.parametrize("bound", ["main_limit_w", "most_level_w"])
def test_no_level_is_above_a_limit(bound: str) -> None:
    plan = make_plan(capacity_task(LONG, stored_kwh=12.0, **{bound: 4000.0}), 0.0)
    assert plan.import_level_w is not None
    assert plan.import_level_w <= 4000.0


def test_a_task_without_a_price_on_peaks_stays_as_it_is() -> None:
    for fields in ({"peak_price": None}, {"soft_limit_w": None}):
        task = capacity_task(LONG, **fields)
        assert at_best_level(task) is task
    quiet = capacity_task([500.0] * 6)
    assert at_best_level(quiet) is quiet


def test_units_that_plan_together_mean_the_same_peak() -> None:
    tasks = {
        "car": capacity_task(LONG, stored_kwh=20.0),
        "box": capacity_task(
            LONG, spec=replace(LINEAR, usable_kwh=6.0), stored_kwh=4.0
        ),
    }
    plans = plan_together(tasks, 0.0)
    level_w = max(plan.import_level_w or 0.0 for plan in plans.values())
    assert level_w > 2500.0
    together_w = [
        9000.0 - sum(plan.steps[i].unit_w for plan in plans.values()) for i in range(8)
    ]
    assert max(together_w) <= level_w + 200.0


def test_a_level_survives_storing() -> None:
    plan = make_plan(capacity_task(LONG, stored_kwh=20.0), 0.0)
    assert Plan.from_dict(plan.to_dict()) == plan
    older = plan.to_dict()
    del older["import_level_w"]
    assert Plan.from_dict(older).import_level_w is None


def led(
    mode: HomeMode, level_w: float | None, *, planned: bool = True
) -> tuple[HomeState, Site]:
    """Return a home after it has heard of a plan that means to pay for `level_w`."""
    state = HomeState(settings=HomeSettings(mode=mode))
    where = Site(tariff=Tariff.flat(0.30), capacity=FLANDERS)
    intent = Intent(
        kind=IntentKind.HOLD, power_w=0.0, reason=Reason(code=ReasonCode.PLAN)
    )
    unit = UnitInputs(
        spec=LINEAR, plan=intent if planned else None, plan_level_w=level_w
    )
    plan_level(state, Inputs(site=where, units={"car": unit}))
    return state, where


@pytest.mark.parametrize(
    ("mode", "planned", "limit_w"),
    [
        (HomeMode.AUTOMATIC, True, 5000.0),
        (HomeMode.OBSERVE, True, 5000.0),
        (HomeMode.SELF_CONSUMPTION, True, 2500.0),
        (HomeMode.BACKUP_READY, True, 2500.0),
        (HomeMode.AUTOMATIC, False, 2500.0),
    ],
)
def test_the_loop_keeps_the_planned_peak_while_the_plan_leads(
    mode: HomeMode, planned: bool, limit_w: float
) -> None:
    state, where = led(mode, 5000.0, planned=planned)
    assert soft_limit_w(state, where, START_S) == limit_w
    assert allowed_import_w(state, where, START_S) == pytest.approx(0.99 * limit_w)
    assert state.copy().window.planned_w == state.window.planned_w


def test_the_peak_that_the_plan_of_a_car_on_the_road_pays_for_is_kept() -> None:
    """The other unit's plan stands on it."""
    state, where = led(HomeMode.AUTOMATIC, None)
    box = UnitInputs(
        spec=LINEAR,
        plan=Intent(
            kind=IntentKind.HOLD, power_w=0.0, reason=Reason(code=ReasonCode.PLAN)
        ),
    )
    car = UnitInputs(spec=LINEAR, plan=None, plan_level_w=5000.0)
    plan_level(state, Inputs(site=where, units={"car": car, "box": box}))
    assert soft_limit_w(state, where, START_S) == 5000.0


def test_the_users_limit_is_below_every_plan() -> None:
    state, where = led(HomeMode.AUTOMATIC, 5000.0)
    state.settings = replace(state.settings, import_limit_w=3000.0)
    assert soft_limit_w(state, where, START_S) == 3000.0


@pytest.mark.parametrize("level_w", [None, 3000.0])
def test_last_months_peak_is_kept_only_where_no_plan_knows_better(
    level_w: float | None,
) -> None:
    """Else a month that was dear once would make all that follow as dear."""
    state, where = led(HomeMode.AUTOMATIC, level_w)
    state.window.peaks_w = {"2000-01": [8000.0]}
    assert soft_limit_w(state, where, START_S) == (level_w or 2500.0)
    state.window.planned_w = None
    assert soft_limit_w(state, where, START_S) == 8000.0
    # What was stored of a month may have been nothing.
    state.window.peaks_w["2000-02"] = []
    assert soft_limit_w(state, where, START_S) == 8000.0


def test_a_month_that_begins_before_its_first_plan_keeps_last_months_peak() -> None:
    state, where = led(HomeMode.AUTOMATIC, None)
    where = replace(where, capacity=replace(FLANDERS, free_kw=0.0))
    state.window.peaks_w = {"2000-01": [4000.0]}
    assert soft_limit_w(state, where, START_S) == 4000.0


def test_the_first_window_of_a_month_keeps_what_is_planned() -> None:
    state, where = led(HomeMode.AUTOMATIC, 3000.0)
    where = replace(where, capacity=replace(FLANDERS, free_kw=0.0))
    assert soft_limit_w(state, where, START_S) == 3000.0


def test_a_month_that_was_dearer_than_the_plan_is_free() -> None:
    state, where = led(HomeMode.AUTOMATIC, 3000.0)
    state.window.peaks_w = {where.tariff.month(START_S): [4000.0]}
    assert soft_limit_w(state, where, START_S) == 4000.0
