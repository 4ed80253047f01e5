"""Whether a plan is followed: not when old, not when made for something else."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.basis import basis_of
from custom_components.leaf_to_home.engine.following import (
    GRACE_S,
    PLAN_MAX_AGE_S,
    Following,
)
from custom_components.leaf_to_home.engine.model import (
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    NextAction,
    Reason,
    ReasonCode,
    UnitMode,
)
from custom_components.leaf_to_home.engine.plan import Plan, PlannedStep, PriceBasis
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import START_S
from tests.engine.parts import home, inputs, known, reading, unit

QUARTER_S = 900.0
KINDS = [IntentKind.COVER, IntentKind.COVER, IntentKind.HOLD, IntentKind.CHARGE]


def plan(*, away: int | None = None) -> Plan:
    """Return an hour: cover, cover, hold, charge; away in one of the steps."""
    return Plan(
        made_s=START_S,
        steps=tuple(
            PlannedStep(
                start_s=START_S + i * QUARTER_S,
                end_s=START_S + (i + 1) * QUARTER_S,
                intent=Intent(
                    kind=kind,
                    power_w=0.0 if kind is IntentKind.HOLD else 3000.0,
                    reason=Reason(code=ReasonCode.PLAN, values={"price": 0.1 * i}),
                ),
                soc_percent=50.0 - i,
                unit_w=0.0,
                grid_w=500.0,
                import_price=0.1 * i,
                cost=0.1 * (i + 1),
                home=i != away,
            )
            for i, kind in enumerate(KINDS)
        ),
        expected_cost=1.0,
        stored_value=0.2,
    )


def at_home(**settings: Any) -> HomeState:
    """Return a home in automatic mode whose LEAF has these settings."""
    leaf = unit()
    leaf.settings = replace(leaf.settings, **settings)
    state = home(units={"leaf": leaf})
    state.settings = HomeSettings(mode=HomeMode.AUTOMATIC)
    return state


def following(made: Plan | None = None) -> Following:
    made_for = basis_of(at_home(), inputs(), START_S, "contract")
    return Following({"leaf": made or plan()}, made_for)


def wanted(
    plans: Following, state: HomeState, now_s: float, known_now: Inputs | None = None
) -> Intent | None:
    return plans.wanted(state, known_now or inputs(), now_s).units["leaf"].plan


def test_a_plan_is_followed_step_by_step() -> None:
    plans, state = following(), at_home()
    for i, kind in enumerate(KINDS[:2]):
        intent = wanted(plans, state, START_S + i * QUARTER_S)
        assert intent is not None
        assert intent.kind is kind
        assert intent.reason.values == {"price": 0.1 * i}
    told = plans.wanted(state, inputs(), START_S).units["leaf"]
    assert told.plan_next == NextAction(
        kind=IntentKind.HOLD, time_s=START_S + 2 * QUARTER_S
    )


def test_the_step_decides_with_the_plan_s_reason_and_next_action() -> None:
    told = following().wanted(at_home(), inputs(), START_S)
    _, decision = step(at_home(), told, START_S)
    leaf = decision.units["leaf"]
    assert leaf.intent is IntentKind.COVER
    assert leaf.next_action == NextAction(
        kind=IntentKind.HOLD, time_s=START_S + 2 * QUARTER_S
    )
    # What the user commands by hand is no part of any plan.
    _, decision = step(at_home(mode=UnitMode.HOLD), told, START_S)
    leaf = decision.units["leaf"]
    assert leaf.reason.code is ReasonCode.USER_HOLD
    assert leaf.next_action is None


def test_under_a_plan_savings_know_what_stored_energy_is_worth() -> None:
    told = following().wanted(at_home(), inputs(), START_S)
    after, _ = step(at_home(), told, START_S)
    # One flat price of 0.30, which has to be bought with losses.
    assert 0.30 < after.ledger.value_per_kwh < 0.40


@pytest.mark.parametrize("age_s", [-1.0, PLAN_MAX_AGE_S + 1.0])
def test_neither_an_old_plan_nor_one_of_the_future_is_followed(age_s: float) -> None:
    plans = following()
    assert wanted(plans, at_home(), START_S + age_s) is None
    # A clock that jumped and came back has not harmed it.
    assert wanted(plans, at_home(), START_S + 1.0) is not None


def test_a_unit_that_is_away_and_the_end_of_the_plan() -> None:
    plans = following(plan(away=1))
    assert wanted(plans, at_home(), START_S + QUARTER_S) is None
    one = replace(plan(), steps=plan().steps[:1])
    assert wanted(following(one), at_home(), START_S + QUARTER_S) is None
    assert one.next_action(START_S) is None
    assert one.next_action(START_S + QUARTER_S) is None


def test_a_changed_number_has_a_moment_of_grace_and_no_more() -> None:
    plans, raised = following(), at_home(reserve_percent=40.0)
    assert wanted(plans, raised, START_S + 10.0) is not None
    assert wanted(plans, raised, START_S + 10.0 + GRACE_S) is not None
    assert wanted(plans, raised, START_S + 10.1 + GRACE_S) is None
    assert not plans.current
    # Once left, it is left for good.
    assert wanted(plans, at_home(), START_S + 20.0) is None


def test_a_changed_price_has_a_moment_of_grace_and_no_more() -> None:
    """A forecast of prices changes every few minutes: no start is lost over that."""
    plans = following()
    dearer = inputs(site=replace(inputs().site, tariff=Tariff.flat(0.90)))
    assert wanted(plans, at_home(), START_S + 10.0, dearer) is not None
    assert wanted(plans, at_home(), START_S + 10.1 + GRACE_S, dearer) is None
    assert wanted(plans, at_home(), START_S + 20.0) is None


def test_nobody_goes_by_a_price_that_comes_from_nowhere() -> None:
    steps = plan().steps
    for basis, followed in (
        (PriceBasis.ESTIMATED, True),
        (PriceBasis.UNKNOWN, False),
    ):
        made = replace(plan(), steps=(replace(steps[0], price_basis=basis), *steps[1:]))
        assert (wanted(following(made), at_home(), START_S) is not None) is followed


def test_within_the_grace_the_new_reserve_holds_already() -> None:
    """The plan covers; the reserve was just raised above what is stored."""
    raised = at_home(reserve_percent=60.0)
    told = following().wanted(raised, inputs(), START_S)
    assert told.units["leaf"].plan is not None
    _, decision = step(raised, told, START_S)
    setpoint = decision.units["leaf"].setpoint
    assert setpoint is not None
    assert setpoint.power_w <= 0.0


@pytest.mark.parametrize(
    "leaf",
    [unit(connected=False), unit(stored_kwh=None)],
    ids=["unplugged", "unknown"],
)
def test_another_car_is_never_driven_by_the_plan_of_the_last(leaf: UnitState) -> None:
    plans, state = following(), at_home()
    state.units["leaf"] = leaf
    assert wanted(plans, state, START_S + 1.0) is None
    assert wanted(plans, at_home(), START_S + 2.0) is None


@pytest.mark.parametrize(
    "mode", [HomeMode.SELF_CONSUMPTION, HomeMode.BACKUP_READY, HomeMode.OFF]
)
def test_modes_that_do_not_plan(mode: HomeMode) -> None:
    plans, state = following(), at_home()
    state.settings = HomeSettings(mode=mode)
    assert wanted(plans, state, START_S + 1.0) is None


def test_a_unit_more_or_less_ends_the_plan() -> None:
    state = at_home()
    state.units["other"] = unit()
    two = inputs(units={"leaf": known(), "other": known(reading=reading())})
    assert wanted(following(), state, START_S + 1.0, two) is None


def test_what_a_plan_expects() -> None:
    made = plan()
    assert made.soc_percent_at(START_S) is None
    assert made.soc_percent_at(START_S + QUARTER_S) == 50.0
    assert made.soc_percent_at(START_S + QUARTER_S + 1.0) == 49.0
    assert made.soc_percent_at(START_S + 4 * QUARTER_S + 1.0) is None
    assert made.cost(START_S, START_S + 9e9) == pytest.approx(1.0)
    assert made.cost(START_S + 450.0, START_S + 900.0) == pytest.approx(0.05)
    assert made.cost(START_S - 900.0, START_S) == 0.0


def test_a_plan_comes_back_from_what_is_stored() -> None:
    made = plan(away=1)
    assert Plan.from_dict(made.to_dict()) == made


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("made_s",), "soon"),
        (("steps",), None),
        (("steps", 0), "x"),
        (("steps", 0, "start_s"), "x"),
        (("steps", 0, "intent"), None),
        (("steps", 0, "intent", "kind"), "fly"),
        (("steps", 0, "intent", "reason", "values"), 5),
        (("steps", 0, "soc_percent"), None),
        (("problems",), ["hunger"]),
    ],
    ids=str,
)
def test_what_is_no_plan_is_said_to_be_none(path: tuple[Any, ...], value: Any) -> None:
    data: Any = plan().to_dict()
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(ValueError):  # noqa: PT011 - which one says what does not fit
        Plan.from_dict(data)
