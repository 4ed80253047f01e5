"""The user's mode, departures, the plan, else the rule."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.announced import departures_ahead
from custom_components.leaf_to_home.engine.control import START_GAP_S
from custom_components.leaf_to_home.engine.model import (
    Departure,
    HomeMode,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
    UnitMode,
)
from custom_components.leaf_to_home.engine.policy import (
    MANUAL_S,
    Choice,
    charge_ceiling_w,
    choose,
    discharge_ceiling_w,
    end_manual,
)
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import EVENING_PEAK, LEAF, START_S, dear_site, site_with
from tests.engine.parts import home, inputs, known, reading, unit

HOUR_S = 3600.0
PLAN = Intent(
    kind=IntentKind.EXPORT, power_w=3000.0, reason=Reason(code=ReasonCode.PLAN)
)


def car(**settings: Any) -> UnitState:
    """Return a half full LEAF with some settings changed."""
    return unit(settings=replace(first_settings(LEAF), **settings))


def chosen(
    one: UnitState | None = None,
    *,
    mode: HomeMode = HomeMode.AUTOMATIC,
    state: HomeState | None = None,
    site: Any = None,
    now_s: float = START_S,
    draw_w: float = 1000.0,
    **told: Any,
) -> Choice:
    one = one or car()
    state = state or home()
    state.settings = HomeSettings(mode=mode)
    state.units = {"leaf": one}
    leaf = known(**told)
    given = inputs(site=site or dear_site(), units={"leaf": leaf})
    return choose(state, one, leaf, given, draw_w, now_s)


# Manual modes.


def test_a_manual_mode_without_an_end_gets_one() -> None:
    one = car(mode=UnitMode.HOLD)
    end_manual(one, LEAF, START_S)
    assert one.settings.until_s == START_S + MANUAL_S
    end_manual(one, LEAF, START_S + MANUAL_S - 1.0)
    assert one.settings.until_s is not None
    end_manual(one, LEAF, START_S + MANUAL_S)
    assert one.settings == first_settings(LEAF)


def test_an_end_that_a_wrong_clock_gave_is_given_anew() -> None:
    one = car(mode=UnitMode.HOLD, until_s=START_S + 1e9)
    end_manual(one, LEAF, START_S)
    assert one.settings.until_s == START_S + MANUAL_S


@pytest.mark.parametrize("mode", [UnitMode.AUTOMATIC, UnitMode.OFF])
def test_other_modes_have_no_end(mode: UnitMode) -> None:
    one = car(mode=mode, until_s=START_S - 1.0)
    end_manual(one, LEAF, START_S)
    assert one.settings.mode is mode


@pytest.mark.parametrize(
    ("settings", "remembered", "over"),
    [
        ({"mode": UnitMode.CHARGE, "until_soc_percent": 50.0}, {}, True),
        ({"mode": UnitMode.CHARGE, "until_soc_percent": 50.1}, {}, False),
        ({"mode": UnitMode.CHARGE}, {"stored_kwh": 0.9499 * 36.0}, True),
        ({"mode": UnitMode.CHARGE}, {"stored_kwh": 0.949 * 36.0}, False),
        ({"mode": UnitMode.CHARGE}, {"stored_kwh": None}, False),
        ({"mode": UnitMode.CHARGE, "until_kwh": 7.0}, {"charged_kwh": 7.0}, True),
        ({"mode": UnitMode.CHARGE, "until_kwh": 7.0}, {"discharged_kwh": 7.0}, False),
        ({"mode": UnitMode.DISCHARGE, "until_soc_percent": 49.0}, {}, True),
        ({"mode": UnitMode.DISCHARGE, "until_soc_percent": 48.0}, {}, False),
        ({"mode": UnitMode.DISCHARGE}, {"stored_kwh": 0.31 * 36.0}, True),
        ({"mode": UnitMode.DISCHARGE}, {"stored_kwh": None}, False),
        ({"mode": UnitMode.DISCHARGE, "until_kwh": 2.0}, {"discharged_kwh": 2.0}, True),
        ({"mode": UnitMode.HOLD, "until_kwh": 0.0}, {"charged_kwh": 9.0}, False),
        ({"mode": UnitMode.HOLD}, {"connected": False}, True),
        ({"mode": UnitMode.CHARGE}, {"connected": False}, True),
    ],
)
def test_a_manual_mode_ends_by_itself(
    settings: dict[str, Any], remembered: dict[str, Any], over: bool
) -> None:
    one = car(**settings)
    for name, value in remembered.items():
        setattr(one, name, value)
    end_manual(one, LEAF, START_S)
    assert (one.settings.mode is UnitMode.AUTOMATIC) is over
    if over:
        assert one.settings == first_settings(LEAF)


@pytest.mark.parametrize(
    ("mode", "kind", "code"),
    [
        (UnitMode.CHARGE, IntentKind.CHARGE, ReasonCode.USER_CHARGE),
        (UnitMode.DISCHARGE, IntentKind.COVER, ReasonCode.USER_DISCHARGE),
        (UnitMode.HOLD, IntentKind.HOLD, ReasonCode.USER_HOLD),
    ],
)
def test_the_users_command_outranks_departure_home_mode_and_plan(
    mode: UnitMode, kind: IntentKind, code: ReasonCode
) -> None:
    soon = (Departure(time_s=START_S + 600.0, soc_percent=90.0),)
    choice = chosen(
        car(mode=mode), mode=HomeMode.BACKUP_READY, plan=PLAN, departures=soon
    )
    assert choice.by_user
    assert not choice.for_departure
    assert (choice.intent.kind, choice.intent.reason.code) == (kind, code)
    bounded = chosen(car(mode=mode, power_w=1500.0))
    assert bounded.intent.power_w == (0.0 if mode is UnitMode.HOLD else 1500.0)


# Limits of device and user.


def test_the_smallest_of_all_limits_counts() -> None:
    told = known(reading=reading(max_charge_w=3300.0, max_discharge_w=2500.0))
    settings = first_settings(LEAF)
    assert charge_ceiling_w(told, settings) == 3300.0
    assert discharge_ceiling_w(told, settings) == 2500.0
    settings = replace(settings, charge_limit_w=1000.0, discharge_limit_w=-5.0)
    assert charge_ceiling_w(told, settings) == 1000.0
    assert discharge_ceiling_w(told, settings) == 0.0
    assert charge_ceiling_w(known(reading=None), first_settings(LEAF)) == 6000.0
    assert discharge_ceiling_w(known(reading=None), first_settings(LEAF)) == 6000.0


# Modes of the home, the plan and the rule.


def test_self_consumption_covers_and_absorbs() -> None:
    intent = chosen(mode=HomeMode.SELF_CONSUMPTION, plan=PLAN).intent
    assert intent.kind is IntentKind.COVER
    assert intent.absorb_surplus
    assert intent.reason.code is ReasonCode.SELF_CONSUMPTION


def test_backup_ready_charges() -> None:
    intent = chosen(mode=HomeMode.BACKUP_READY, plan=PLAN).intent
    assert intent.kind is IntentKind.CHARGE
    assert intent.reason.code is ReasonCode.BACKUP_READY


def test_a_plan_is_followed_and_without_one_the_rule_decides() -> None:
    assert chosen(plan=PLAN).intent is PLAN
    state = home()
    choice = chosen(state=state)
    assert choice.intent.kind is IntentKind.COVER
    assert choice.intent.reason.code is ReasonCode.DEAR_PRICE
    assert choice.next_action is not None
    assert choice.next_action.time_s == START_S + 5.0 * HOUR_S
    assert state.ledger.value_per_kwh == choice.intent.stored_value


def test_what_is_not_known_to_be_worth_anything_keeps_its_old_worth() -> None:
    state = home()
    state.ledger.value_per_kwh = 0.25
    choice = chosen(car(charge_limit_w=0.0), state=state)
    assert choice.intent.reason.code is ReasonCode.NO_PROFIT
    assert state.ledger.value_per_kwh == 0.25


def test_shortly_before_a_change_an_idle_unit_is_not_started() -> None:
    at_s = START_S + 5.0 * HOUR_S - START_GAP_S + 1.0
    choice = chosen(now_s=at_s)
    assert choice.intent.kind is IntentKind.HOLD
    assert choice.intent.reason.code is ReasonCode.DWELL
    running = car()
    running.command_w = 2000.0
    assert chosen(running, now_s=at_s).intent.kind is IntentKind.COVER


# Departures.


def test_departures_come_in_order_with_the_users_own_among_them() -> None:
    early = Departure(time_s=START_S + 5.0 * HOUR_S, soc_percent=50.0)
    late = Departure(time_s=START_S + 20.0 * HOUR_S, soc_percent=60.0)
    told = known(departures=(late, early))
    assert departures_ahead(car(), told, EVENING_PEAK, START_S) == (early, late)
    assert departures_ahead(car(), known(), EVENING_PEAK, START_S) == ()
    ready = car(ready_by=True)
    due_s = START_S + 13.0 * HOUR_S
    between = Departure(time_s=due_s, soc_percent=80.0, back_s=due_s)
    ahead = departures_ahead(ready, told, EVENING_PEAK, START_S)
    assert ahead == (early, between, late)
    ready.connected = False
    assert departures_ahead(ready, told, EVENING_PEAK, START_S) == (early, late)


def need_s(percent: float, power_w: float = 4800.0) -> float:
    """Return how long charging from a half to `percent` and one step more takes."""
    missing_kwh = (percent + 1.0 - 50.0) / 100.0 * LEAF.capacity_kwh
    return missing_kwh * 3.6e6 / LEAF.stored_w(-power_w)


# Until the relay has closed, and after the longest wait between two starts.
BEFORE_S = LEAF.start_delay_s + 1.0 + START_GAP_S


def leaving(left_s: float, percent: float = 80.0) -> dict[str, Any]:
    return {"departures": (Departure(time_s=START_S + left_s, soc_percent=percent),)}


def test_the_rule_uses_a_full_car_that_takes_no_more_now() -> None:
    """Some stations say of a full car that it cannot be charged."""
    one = car()
    one.stored_kwh = 0.95 * 36.0
    said = reading(soc_percent=95.0, max_charge_w=0.0)
    choice = chosen(one, reading=said)
    assert choice.intent.kind is IntentKind.COVER
    assert choice.intent.reason.code is ReasonCode.DEAR_PRICE


def test_the_latest_start_assumes_less_power_and_one_step_more() -> None:
    latest_s = need_s(80.0) + BEFORE_S
    assert not chosen(**leaving(latest_s + 1.0)).for_departure
    one = car()
    choice = chosen(one, **leaving(latest_s))
    assert choice.for_departure
    assert choice.intent.kind is IntentKind.CHARGE
    assert choice.intent.power_w == 6000.0
    values = choice.intent.reason.values
    assert values["soc_percent"] == 80.0
    assert values["left_s"] == pytest.approx(latest_s)
    assert values["missing_kwh"] == pytest.approx(0.31 * 36.0)
    assert one.departure_latch_s == START_S + latest_s
    assert not choice.unreachable_departure


def test_who_charges_already_need_not_wait_for_a_start() -> None:
    one = car()
    one.command_w = -6000.0
    latest_s = need_s(80.0) + BEFORE_S - START_GAP_S
    assert not chosen(one, **leaving(latest_s + 1.0)).for_departure
    assert chosen(one, **leaving(latest_s)).for_departure


def test_measured_charging_counts_where_it_is_slower() -> None:
    slow = car()
    slow.charging_w = 3000.0
    latest_s = need_s(80.0, 2400.0) + BEFORE_S
    assert not chosen(slow, **leaving(latest_s + 1.0)).for_departure
    assert chosen(slow, **leaving(latest_s)).for_departure


def test_once_begun_it_goes_on_until_the_goal_or_the_departure() -> None:
    one = car()
    latest_s = need_s(80.0) + BEFORE_S
    chosen(one, **leaving(latest_s))
    one.stored_kwh = 0.6 * 36.0
    assert chosen(one, **leaving(latest_s)).for_departure, "though there is time now"
    one.stored_kwh = 0.8099 * 36.0
    assert not chosen(one, **leaving(latest_s)).for_departure
    assert one.departure_latch_s is None
    one.stored_kwh = 0.8 * 36.0
    assert not chosen(one, **leaving(latest_s)).for_departure
    one.departure_latch_s = START_S - 1.0
    assert not chosen(one, **leaving(-1.0)).for_departure
    assert one.departure_latch_s is None


def test_a_departure_that_is_met_leaves_the_latch_of_another() -> None:
    one = car()
    one.departure_latch_s = START_S + 9000.0
    chosen(one, **leaving(5.0 * HOUR_S, 20.0))
    assert one.departure_latch_s == START_S + 9000.0


def test_the_next_departure_that_presses_is_charged_for() -> None:
    both = (
        Departure(time_s=START_S + 600.0, soc_percent=40.0),
        Departure(time_s=START_S + 2.0 * HOUR_S, soc_percent=90.0),
    )
    choice = chosen(departures=both)
    assert choice.for_departure
    assert choice.intent.reason.values["soc_percent"] == 90.0


def test_what_cannot_be_reached_is_flagged_and_tried() -> None:
    full_s = 0.3 * 36.0 * 3.6e6 / LEAF.stored_w(-6000.0)
    assert not chosen(**leaving(full_s + 1.0)).unreachable_departure
    choice = chosen(**leaving(full_s - 1.0))
    assert choice.for_departure
    assert choice.unreachable_departure
    unable = chosen(car(charge_limit_w=0.0), **leaving(5.0 * HOUR_S))
    assert unable.for_departure
    assert unable.unreachable_departure


def test_the_last_reported_step_is_not_unreachable() -> None:
    one = car()
    one.stored_kwh = 0.8 * 36.0
    choice = chosen(one, **leaving(10.0))
    assert choice.for_departure
    assert not choice.unreachable_departure


def test_the_latest_start_leaves_room_for_the_house_below_the_main_limit() -> None:
    """The evening before, the house left 2 kW from six to eight."""
    state = home()
    hour = int(START_S // HOUR_S)
    state.load_peaks_w = [(hour - 24 + i, 1000.0) for i in range(25)]
    state.load_peaks_w[14:16] = [(hour - 10, 7000.0), (hour - 9, 7000.0)]
    site = site_with(Tariff.flat(0.3), main_limit_w=9000.0)
    asked = leaving(16.0 * HOUR_S, 95.0)

    def presses(left_s: float) -> bool:
        now_s = START_S + 16.0 * HOUR_S - left_s
        one = car()
        return chosen(one, state=state, site=site, now_s=now_s, **asked).for_departure

    # 1,910 W in two of the hours, 4.8 kW in the others.
    less = 2.0 * LEAF.stored_w(-1910.0) / LEAF.stored_w(-4800.0)
    latest_s = need_s(95.0) + (2.0 - less) * HOUR_S + BEFORE_S
    assert latest_s > 4.0 * HOUR_S
    assert not presses(latest_s + 60.0)
    assert presses(latest_s - 1.0)


@pytest.mark.parametrize("measured", [True, False])
def test_the_latest_start_leaves_room_on_the_fullest_phase(*, measured: bool) -> None:
    """Where phases are not measured yet, everything may be on one."""
    state = home()
    hour = int(START_S // HOUR_S)
    state.load_peaks_w = [
        (hour - 24 + i, 4000.0 if measured else 2500.0) for i in range(25)
    ]
    if measured:
        state.phase_peaks_w = [(hour - 24 + i, 2500.0) for i in range(25)]
    site = site_with(Tariff.flat(0.3), main_limit_w=13_500.0, phase_limit_w=4500.0)
    asked = leaving(16.0 * HOUR_S, 95.0)

    def presses(left_s: float) -> bool:
        now_s = START_S + 16.0 * HOUR_S - left_s
        one = car()
        return chosen(one, state=state, site=site, now_s=now_s, **asked).for_departure

    latest_s = need_s(95.0) * LEAF.stored_w(-4800.0) / LEAF.stored_w(-1955.0)
    latest_s += BEFORE_S
    assert not presses(latest_s + 60.0)
    assert presses(latest_s - 1.0)


def test_hours_that_are_not_known_are_taken_for_the_worst() -> None:
    state = home()
    state.load_peaks_w = [(int(START_S // HOUR_S), 8600.0)]
    site = site_with(Tariff.flat(0.3), main_limit_w=9000.0)
    choice = chosen(state=state, site=site, **leaving(20.0 * HOUR_S))
    assert choice.for_departure
    assert choice.unreachable_departure


def test_the_plan_is_not_asked_while_a_departure_presses() -> None:
    choice = chosen(mode=HomeMode.SELF_CONSUMPTION, plan=PLAN, **leaving(0.5 * HOUR_S))
    assert choice.for_departure


def test_a_long_step_before_a_departure_leaves_what_it_needs() -> None:
    """A decision that stands for half an hour must not cover into the trip."""
    one = car()
    one.stored_kwh = 0.74 * 36.0
    state = home()
    leaf = known(**leaving(1800.0, 70.0), plan=PLAN)
    given = inputs(site=dear_site(), units={"leaf": leaf}, interval_s=1800.0)
    choice = choose(state, one, leaf, given, 1000.0, START_S)
    assert not choice.for_departure
    assert choice.spare_kwh == pytest.approx((0.74 - 0.71) * 36.0)
    # With ten minutes to charge again there is more to spare.
    before_s = BEFORE_S + 1799.0
    leaf = known(**leaving(before_s + 600.0, 70.0), plan=PLAN)
    given = inputs(site=dear_site(), units={"leaf": leaf}, interval_s=1800.0)
    choice = choose(state, one, leaf, given, 1000.0, START_S)
    charged_kwh = LEAF.stored_w(-4800.0) * 600.0 / 3.6e6
    assert choice.spare_kwh == pytest.approx(0.03 * 36.0 + charged_kwh)
    assert chosen(**leaving(5.0 * HOUR_S, 70.0)).spare_kwh == float("inf")
    assert chosen(plan=PLAN).spare_kwh == float("inf")
