"""One decision: who comes first, who is left alone, and what is shown."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
import json
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.control import START_GAP_S
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Decision,
    Departure,
    Guard,
    HomeMode,
    Intent,
    IntentKind,
    IslandingStart,
    Reading,
    Reason,
    ReasonCode,
    Sample,
    UnitDecision,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.silence import ELSEWHERE_S
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import (
    LEAF,
    START_S,
    Late,
    Loop,
    Row,
    commands,
    dear_site,
    reversals_s,
    site_with,
    starts_s,
)
from tests.engine.parts import grid, home, inputs, known, reading, unit

PLAN = Reason(code=ReasonCode.PLAN)
FREE = replace(LEAF, min_import_w=0.0)
FLAT = site_with(Tariff.flat(0.30))


def plan(kind: IntentKind, power_w: float = 6000.0, **values: Any) -> Intent:
    return Intent(kind=kind, power_w=power_w, reason=PLAN, **values)


COVER, CHARGE = plan(IntentKind.COVER), plan(IntentKind.CHARGE, 3000.0)
ABSORB, HOLD = plan(IntentKind.ABSORB), plan(IntentKind.HOLD)


def automatic(*, mode: HomeMode = HomeMode.AUTOMATIC, **values: Any) -> HomeState:
    return home(settings=HomeSettings(mode=mode), **values)


def covering(power_w: float = 2000.0, **values: Any) -> UnitState:
    """Return a unit that has been covering the house for long."""
    told: dict[str, Any] = {
        "command_w": power_w,
        "command_s": START_S - 900.0,
        "started_s": START_S - 900.0,
        "direction": 1,
        "direction_s": START_S - 900.0,
        "power_w": power_w,
        "least_w": power_w,
        "most_w": power_w,
        "intent": IntentKind.COVER,
        "heard_s": START_S - 1.0,
    }
    return unit(**told | values)


def decide(
    state: HomeState, now_s: float = START_S, **values: Any
) -> tuple[HomeState, Decision]:
    return step(state, inputs(**values), now_s)


def leaf_of(
    one: UnitState, *, now_s: float = START_S, grid_w: float = 500.0, **told: Any
) -> tuple[UnitState, UnitDecision]:
    """Decide on a home with one unit; return the unit and the decision on it."""
    mode = told.pop("mode", HomeMode.AUTOMATIC)
    site = told.pop("site", dear_site())
    state, decision = decide(
        automatic(mode=mode, units={"leaf": one}, time_s=now_s - 1.0),
        now_s,
        site=site,
        units={"leaf": known(**told)},
        grid=grid(grid_w, now_s),
    )
    return state.units["leaf"], decision.units["leaf"]


# What is shown.


def test_a_decision_tells_what_it_is_made_of() -> None:
    state, decision = decide(
        automatic(units={"leaf": covering(stored_kwh=21.6, anchor_soc_percent=60.0)}),
        site=dear_site(window_min=15),
        units={"leaf": known(reading=reading(power_w=2000.0, soc_percent=60.0))},
        grid=grid(60.0),
        solar=Sample(value=100.0, time_s=START_S),
        has_solar=True,
    )
    assert decision.guard is Guard.CLEAR
    assert (decision.grid_w, decision.solar_w, decision.load_w) == (60.0, 100.0, 2160.0)
    assert (decision.import_price, decision.export_price) == (0.40, 0.0)
    assert decision.month_peak_w is None
    assert state.time_s == START_S
    one = decision.units["leaf"]
    assert one.send
    assert not one.park
    assert one.setpoint is not None
    assert one.setpoint.power_w == 2000.0
    assert one.setpoint.until_soc_percent == 31.0
    assert one.intent is IntentKind.COVER
    assert one.next_action is not None
    assert one.next_action.kind is IntentKind.CHARGE
    assert one.status is UnitStatus.IDLE
    assert one.soc_percent == pytest.approx(60.0, abs=0.01)
    assert one.stored_kwh == pytest.approx(21.6, abs=0.01)
    assert one.above_reserve_kwh == pytest.approx(0.3 * 36.0, abs=0.01)
    assert one.flags == ()


def test_without_a_price_none_is_shown() -> None:
    tariff = Tariff.flat(0.3)
    unknown = type("Unknown", (), {"at": lambda *_: None, "known": lambda *_: ()})()
    for name in ("day_minute", "month"):
        setattr(unknown, name, getattr(tariff, name))
    _, decision = decide(automatic(), site=site_with(unknown))
    assert decision.import_price is decision.export_price is None
    assert decision.units["leaf"].reason.code is ReasonCode.NO_PRICE


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (None, UnitStatus.UNREACHABLE),
        ({"time_s": START_S - 61.0}, UnitStatus.UNREACHABLE),
        ({"islanding": True, "status": UnitStatus.IDLE}, UnitStatus.ISLANDING),
        ({"status": UnitStatus.STARTING}, UnitStatus.STARTING),
        ({"status": None, "connected": False}, UnitStatus.DISCONNECTED),
        ({"status": None, "power_w": 500.0}, UnitStatus.DISCHARGING),
        ({"status": None, "power_w": -500.0}, UnitStatus.CHARGING),
        ({"status": None, "power_w": 0.0}, UnitStatus.IDLE),
        ({"status": None, "power_w": None}, None),
    ],
)
def test_the_status_is_what_the_unit_says_or_does(
    said: dict[str, Any] | None, status: UnitStatus | None
) -> None:
    given = None if said is None else reading(**said)
    assert leaf_of(unit(), reading=given)[1].status is status


def test_a_new_unit_begins_with_its_first_settings() -> None:
    state, decision = decide(HomeState())
    assert state.units["leaf"].settings.reserve_percent == 30.0
    assert decision.units["leaf"].stored_kwh == pytest.approx(0.505 * 36.0)


def test_a_new_day_and_the_end_of_a_manual_mode_are_noticed() -> None:
    held = unit()
    held.settings = replace(held.settings, mode=UnitMode.HOLD, until_s=START_S)
    state, _ = decide(automatic(units={"leaf": held}))
    assert state.ledger.day == "2026-11-23"
    assert state.units["leaf"].settings.mode is UnitMode.AUTOMATIC
    assert held.settings.mode is UnitMode.HOLD, "the old state stays as it was"


# Who is left alone.


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (None, ReasonCode.NO_READING),
        ({"time_s": START_S - 61.0}, ReasonCode.NO_READING),
        ({"status": UnitStatus.FAULT}, ReasonCode.FAULT),
        ({"status": UnitStatus.NOT_CONTROLLABLE}, ReasonCode.NOT_CONTROLLABLE),
        ({"status": UnitStatus.FORCED_CHARGE}, ReasonCode.FORCED_CHARGE),
        ({"status": UnitStatus.DISCONNECTED}, ReasonCode.DISCONNECTED),
        ({"connected": False}, ReasonCode.DISCONNECTED),
        ({"changed_elsewhere": True}, ReasonCode.CHANGED_ELSEWHERE),
        ({"islanding": True}, ReasonCode.GUARD_ISLANDING),
    ],
)
def test_who_cannot_be_told_anything_is_told_nothing(
    said: dict[str, Any] | None, code: ReasonCode
) -> None:
    given = None if said is None else reading(**said)
    one, decision = leaf_of(covering(), reading=given, plan=COVER)
    assert decision.setpoint is None
    assert not decision.send
    assert decision.reason.code is code
    kept = code is ReasonCode.NO_READING
    assert (one.command_w is not None) is kept, "it does what it does by itself"


def test_a_unit_whose_charge_was_never_heard_is_told_nothing() -> None:
    _, decision = leaf_of(
        unit(stored_kwh=None, anchor_soc_percent=None),
        reading=reading(soc_percent=None),
    )
    assert decision.reason.code is ReasonCode.SOC_UNKNOWN
    assert decision.setpoint is None
    assert decision.above_reserve_kwh is None


def test_a_car_that_left_while_covering_does_not_come_home_covering() -> None:
    """Its charge is not known until it says it: the old command is no licence."""
    away = reading(connected=False, soc_percent=None, time_s=START_S)
    one, _ = leaf_of(covering(), reading=away, plan=COVER)
    for since_s in range(3600, 3700, 5):
        now_s = START_S + since_s
        back = reading(soc_percent=None, time_s=now_s)
        one, decision = leaf_of(
            one, now_s=now_s, grid_w=2000.0, reading=back, plan=COVER
        )
        assert decision.setpoint is None
        assert decision.reason.code is ReasonCode.SOC_UNKNOWN
    now_s = START_S + 3700.0
    told = reading(time_s=now_s, soc_percent=40.0)
    one, decision = leaf_of(one, now_s=now_s, grid_w=2000.0, reading=told, plan=COVER)
    assert decision.soc_percent == 40.5
    assert decision.setpoint is not None


def test_a_fault_that_comes_and_goes_does_not_start_it_again_and_again() -> None:
    """Start and stop cycling latched a car's fault (SEM#763)."""
    begun: list[float] = []

    def said(said: Reading) -> Reading:
        broken = said.time_s % 60.0 < 20.0
        return replace(said, status=UnitStatus.FAULT if broken else said.status)

    loop = Loop(site=dear_site(), spec=FREE, reading=said)
    before_w = 0.0
    for row in loop.run(1800.0, lambda _: 2000.0):
        command_w = row.command_w or 0.0
        if command_w and not before_w:
            begun.append(row.time_s)
        before_w = command_w
    assert len(begun) > 2
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert min(gaps) >= START_GAP_S


# Modes set elsewhere.


def test_a_mode_of_the_panel_stands_until_the_plan_wants_something_new() -> None:
    panel = reading(changed_elsewhere=True)
    one, decision = leaf_of(covering(), reading=panel, plan=COVER)
    assert one.elsewhere_since_s == START_S
    now_s = START_S + 60.0
    panel = replace(panel, time_s=now_s)
    one, decision = leaf_of(one, now_s=now_s, reading=panel, plan=CHARGE)
    assert decision.reason.code is not ReasonCode.CHANGED_ELSEWHERE
    assert decision.setpoint is not None
    # Said once, it is not taken back while the unit has not followed yet.
    now_s += 1.0
    panel = replace(panel, time_s=now_s)
    one, decision = leaf_of(one, now_s=now_s, reading=panel, plan=CHARGE)
    assert decision.setpoint is not None
    now_s += 1.0
    obeyed = reading(time_s=now_s)
    one, _ = leaf_of(one, now_s=now_s, reading=obeyed, plan=CHARGE)
    assert one.elsewhere_since_s is None
    now_s += 1.0
    again = replace(panel, time_s=now_s)
    _, decision = leaf_of(one, now_s=now_s, reading=again, plan=CHARGE)
    assert decision.reason.code is ReasonCode.CHANGED_ELSEWHERE


def test_of_user_and_panel_the_later_one_counts() -> None:
    one = covering()
    one.settings = replace(one.settings, mode=UnitMode.DISCHARGE)
    one, decision = leaf_of(one)
    assert decision.setpoint is not None
    now_s = START_S + 5.0
    panel = reading(time_s=now_s, changed_elsewhere=True)
    one, decision = leaf_of(one, now_s=now_s, reading=panel)
    assert decision.reason.code is ReasonCode.CHANGED_ELSEWHERE
    one.settings = replace(one.settings, mode=UnitMode.CHARGE)
    one, decision = leaf_of(one, now_s=now_s, reading=panel)
    assert decision.setpoint is not None
    assert decision.setpoint.power_w == -6000.0


def test_half_an_hour_later_it_is_asserted() -> None:
    panel = reading(changed_elsewhere=True, time_s=START_S + ELSEWHERE_S)
    one = covering(elsewhere_since_s=START_S)
    late = leaf_of(one, now_s=START_S + ELSEWHERE_S, reading=panel, plan=COVER)
    assert late[1].setpoint is not None
    soon = replace(panel, time_s=START_S + ELSEWHERE_S - 1.0)
    early = leaf_of(one, now_s=soon.time_s, reading=soon, plan=COVER)
    assert early[1].setpoint is None


def test_a_panel_that_was_used_while_nothing_was_known_is_respected() -> None:
    panel = reading(changed_elsewhere=True, soc_percent=None)
    one = unit(stored_kwh=None, anchor_soc_percent=None)
    _, decision = leaf_of(one, reading=panel, plan=COVER)
    assert decision.reason.code is ReasonCode.CHANGED_ELSEWHERE


# Off, and only looking on.


@pytest.mark.parametrize("off", ["home", "unit"])
def test_off_is_one_safe_write_and_then_silence(off: str) -> None:
    one = covering()
    mode = HomeMode.OFF if off == "home" else HomeMode.AUTOMATIC
    if off == "unit":
        one.settings = replace(one.settings, mode=UnitMode.OFF)
    panel = reading(power_w=2000.0, changed_elsewhere=True)
    one, decision = leaf_of(one, mode=mode, reading=panel)
    assert decision.park
    assert decision.send
    assert decision.setpoint is None
    assert decision.reason.code is ReasonCode.OFF
    assert (one.parked, one.command_w) == (True, None)
    one, decision = leaf_of(one, mode=mode, now_s=START_S + 1.0)
    assert not decision.park
    assert not decision.send
    one.settings = replace(one.settings, mode=UnitMode.AUTOMATIC)
    one, decision = leaf_of(one, now_s=START_S + 2.0, plan=HOLD)
    assert decision.setpoint is not None
    assert not one.parked


def test_off_waits_for_a_grid_that_was_seen() -> None:
    one = covering()
    one.settings = replace(one.settings, mode=UnitMode.OFF)
    state = automatic(units={"leaf": one}, lost_s=START_S - 130.0, grid_seen_s=None)
    state, decision = decide(state, grid=None)
    assert decision.guard is Guard.CLEAR
    assert not decision.units["leaf"].park
    now_s = START_S + 1.0
    _, decision = decide(state, now_s, grid=grid(0.0, now_s))
    assert decision.units["leaf"].park


def test_who_only_looks_on_takes_back_what_was_told() -> None:
    """Whatever was written stays written: stopping is not undoing (Predbat#2846)."""
    one, decision = leaf_of(covering(), mode=HomeMode.OBSERVE, plan=COVER)
    assert (decision.park, decision.send) == (True, True)
    assert not one.told
    for since_s in range(1, 60):
        now_s = START_S + since_s
        one, decision = leaf_of(
            one,
            mode=HomeMode.OBSERVE,
            now_s=now_s,
            grid_w=2500.0,
            reading=reading(time_s=now_s),
            plan=COVER,
        )
        assert not decision.send
        assert not decision.park
        assert decision.setpoint is not None
    assert decision.setpoint is not None
    assert decision.setpoint.power_w == 2440.0, "shown, as if it were told"
    one.settings = replace(one.settings, mode=UnitMode.OFF)
    one, decision = leaf_of(one, mode=HomeMode.OBSERVE, now_s=START_S + 60.0)
    assert (decision.send, decision.park) == (False, False)


def test_what_was_only_shown_is_not_taken_for_done() -> None:
    shown = covering(told=False, suspect_since_s=START_S, started_s=START_S - 5.0)
    shown.suspect_soc_percent = 90.0
    told = reading(soc_percent=90.0)
    one, decision = leaf_of(shown, grid_w=2500.0, reading=told, plan=COVER)
    assert decision.setpoint is not None
    assert decision.setpoint.power_w == 0.0
    assert decision.reason.code is not ReasonCode.PLAN
    assert one.started_s is None


# Without a meter.


def test_what_stands_goes_on_blindly_down_to_the_reserve() -> None:
    one = covering()
    lost = START_S - 200.0
    state = automatic(units={"leaf": one}, lost_s=lost, grid_seen_s=lost)
    given = {"leaf": known(reading=reading(power_w=2000.0), plan=COVER)}
    state, decision = decide(state, units=given, grid=None)
    assert decision.units["leaf"].setpoint is None
    assert decision.units["leaf"].reason.code is ReasonCode.METER_STALE
    assert state.units["leaf"].command_w == 2000.0
    state.units["leaf"].stored_kwh = 0.31 * 36.0
    low = known(reading=reading(power_w=2000.0, soc_percent=31.0), plan=COVER)
    state, decision = decide(state, START_S + 1.0, units={"leaf": low}, grid=None)
    setpoint = decision.units["leaf"].setpoint
    assert setpoint is not None
    assert (setpoint.power_w, setpoint.reason.code) == (0.0, ReasonCode.RESERVE)


def test_a_plan_that_needs_no_meter_is_followed_without_one() -> None:
    state = automatic(lost_s=START_S - 200.0, grid_seen_s=START_S - 230.0)
    for kind, power_w in ((CHARGE, -3000.0), (HOLD, 0.0)):
        given = {"leaf": known(plan=kind)}
        _, decision = decide(state, units=given, grid=None, interval_s=60.0, means=True)
        setpoint = decision.units["leaf"].setpoint
        assert setpoint is not None
        assert setpoint.power_w == power_w


# Several units.


def pair(**units: UnitState) -> HomeState:
    return automatic(units=units)


def powers(decision: Decision) -> dict[str, float | None]:
    return {
        key: one.setpoint.power_w if one.setpoint else None
        for key, one in decision.units.items()
    }


def share(
    state: HomeState, grid_w: float, *, site: Any = None, **told: Mapping[str, Any]
) -> dict[str, float | None]:
    """Decide on several units at once; each has its plan and reading."""
    _, decision = decide(
        state,
        site=site or dear_site(),
        units={key: known(**{"spec": FREE, **given}) for key, given in told.items()},
        grid=grid(grid_w),
        interval_s=60.0,
        means=True,
    )
    return powers(decision)


def full(percent: float, **values: Any) -> UnitState:
    stored = {"stored_kwh": 0.36 * percent, "anchor_soc_percent": percent}
    return unit(**stored | values)


def says(percent: float, **values: Any) -> Reading:
    return reading(soc_percent=percent, **values)


def test_the_fullest_covers_first() -> None:
    low, high = full(50.0), full(80.0)
    told = {
        "low": {"reading": says(50.0), "plan": COVER},
        "high": {"reading": says(80.0), "plan": COVER},
    }
    assert share(pair(low=low, high=high), 3000.0, **told) == {
        "high": 3000.0,
        "low": 0.0,
    }
    both = share(pair(low=low, high=high), 8000.0, **told)
    assert both == {"high": 6000.0, "low": 2000.0}


def test_who_covers_goes_on_until_the_other_is_much_fuller() -> None:
    busy = covering(3000.0, stored_kwh=0.36 * 50.0)
    for percent, first in ((52.0, "busy"), (56.0, "idle")):
        state = pair(busy=busy, idle=full(percent))
        told = {
            "busy": {"reading": says(50.0, power_w=3000.0), "plan": COVER},
            "idle": {"reading": says(percent), "plan": COVER},
        }
        given = share(state, 0.0, **told)
        assert given[first] == 3000.0
        assert sum(power_w or 0.0 for power_w in given.values()) == 3000.0


def test_two_batteries_do_not_absorb_the_same_sun() -> None:
    told = {
        "a": {"reading": says(50.0), "plan": ABSORB},
        "b": {"reading": says(60.0), "plan": ABSORB},
    }
    given = share(pair(a=full(50.0), b=full(60.0)), -8000.0, **told)
    assert given == {"b": -6000.0, "a": -2000.0}
    given = share(pair(a=full(50.0), b=full(60.0)), -3000.0, **told)
    assert given == {"b": -3000.0, "a": 0.0}


def test_two_batteries_do_not_export_the_same_allowance() -> None:
    export = plan(IntentKind.EXPORT)
    told = {
        "a": {"reading": says(50.0), "plan": export},
        "b": {"reading": says(60.0), "plan": export},
    }
    site = dear_site(battery_export_limit_w=2000.0)
    given = share(pair(a=full(50.0), b=full(60.0)), 1000.0, site=site, **told)
    assert given == {"b": 3000.0, "a": 0.0}
    given = share(pair(a=full(50.0), b=full(60.0)), 5000.0, site=site, **told)
    assert given == {"b": 6000.0, "a": 1000.0}


def test_batteries_export_only_without_the_sun_where_that_is_the_rule() -> None:
    site = dear_site(battery_export_limit_w=2000.0, export_only_without_solar=True)
    told = {"plan": plan(IntentKind.EXPORT), "reading": reading()}
    for solar_w, power_w in ((0.0, 3000.0), (10.0, 1000.0)):
        _, decision = decide(
            automatic(),
            site=site,
            units={"leaf": known(spec=FREE, **told)},
            grid=grid(1000.0),
            solar=Sample(value=solar_w, time_s=START_S),
            interval_s=60.0,
            means=True,
        )
        assert powers(decision) == {"leaf": power_w}


def test_one_battery_does_not_fill_the_other() -> None:
    told = {
        "a": {"reading": says(80.0), "plan": CHARGE},
        "b": {"reading": says(60.0), "plan": COVER},
    }
    given = share(pair(a=full(80.0), b=full(60.0)), 1000.0, **told)
    assert given == {"a": -3000.0, "b": 1000.0}


@pytest.mark.parametrize(
    "other",
    [
        {"reading": says(20.0, power_w=2000.0, changed_elsewhere=True)},
        {"reading": says(20.0, power_w=2000.0, status=UnitStatus.NOT_CONTROLLABLE)},
        {"reading": says(20.0, power_w=2000.0)},
    ],
    ids=["panel", "not ours", "off"],
)
def test_what_another_gives_by_itself_is_not_covered_again(
    other: dict[str, Any],
) -> None:
    quiet = full(20.0, power_w=2000.0, least_w=2000.0, most_w=2000.0)
    quiet.settings = replace(quiet.settings, mode=UnitMode.OFF)
    if other["reading"].changed_elsewhere or other["reading"].status is not (
        UnitStatus.IDLE
    ):
        quiet.settings = replace(quiet.settings, mode=UnitMode.AUTOMATIC)
    state = pair(ours=full(80.0), other=quiet)
    told = {"ours": {"reading": says(80.0), "plan": COVER}, "other": other}
    assert share(state, 1000.0, **told)["ours"] == 1000.0


def test_what_another_charges_by_itself_takes_its_part_of_the_main_limit() -> None:
    site = dear_site(main_limit_w=9000.0 / 0.99)
    forced = full(8.0, power_w=-6000.0, least_w=-6000.0, most_w=-6000.0)
    told: dict[str, dict[str, Any]] = {
        "ours": {"reading": says(50.0), "plan": CHARGE},
        "other": {
            "reading": says(8.0, power_w=-6000.0, status=UnitStatus.FORCED_CHARGE)
        },
    }
    state = pair(ours=full(50.0), other=forced)
    # One kilowatt for the house, six for the other: two are left.
    given = share(state, 7000.0, site=site, **told)
    assert given["ours"] == pytest.approx(-2000.0)


def test_two_batteries_do_not_charge_on_the_same_room() -> None:
    told = {
        "a": {"reading": says(60.0), "plan": plan(IntentKind.CHARGE)},
        "b": {"reading": says(50.0), "plan": plan(IntentKind.CHARGE)},
    }
    site = dear_site(main_limit_w=9000.0 / 0.99)
    given = share(pair(a=full(60.0), b=full(50.0)), 1000.0, site=site, **told)
    assert given == {"a": -6000.0, "b": pytest.approx(-2000.0)}
    phase = dear_site(phase_limit_w=9000.0 / 0.99)
    given = share(pair(a=full(60.0), b=full(50.0)), 1000.0, site=phase, **told)
    assert given == {"a": -6000.0, "b": pytest.approx(-2000.0)}
    _, decision = decide(
        pair(a=full(60.0), b=full(50.0)),
        site=phase,
        units={key: known(spec=FREE, **one) for key, one in told.items()},
        grid=grid(2500.0),
        phases=(Sample(value=1000.0, time_s=START_S),) * 2,
        interval_s=60.0,
        means=True,
    )
    assert powers(decision) == {"a": -6000.0, "b": pytest.approx(-2000.0)}


def test_a_blind_charge_takes_its_part_of_the_main_limit() -> None:
    absorbing = full(
        90.0,
        command_w=-3000.0,
        direction=-1,
        intent=IntentKind.ABSORB,
        power_w=-3000.0,
        least_w=-3000.0,
        most_w=-3000.0,
    )
    lost = START_S - 200.0
    state = automatic(
        units={"a": absorbing, "b": full(50.0)},
        lost_s=lost,
        grid_seen_s=lost,
        load_peaks_w=[(int(START_S // 3600) - 23, 2000.0)],
    )
    _, decision = decide(
        state,
        site=dear_site(main_limit_w=9000.0 / 0.99),
        units={
            "a": known(reading=says(90.0, power_w=-3000.0), plan=ABSORB),
            "b": known(reading=says(50.0), plan=plan(IntentKind.CHARGE)),
        },
        grid=None,
        interval_s=60.0,
        means=True,
    )
    assert powers(decision) == {"a": None, "b": pytest.approx(-4000.0)}


def test_two_cars_share_an_evening_without_taking_turns() -> None:
    loop = Loop(
        site=dear_site(),
        spec=FREE,
        more={"pack": replace(FREE, initial_soc_percent=70.4, usable_kwh=20.0)},
    )
    rows = loop.run(
        3600.0, lambda s: 1500.0 if s < 1200.0 else 8000.0 if s < 2400.0 else 1500.0
    )
    for key in ("leaf", "pack"):
        assert len(starts_s(rows, key)) <= 3
        assert not reversals_s(rows, key)
    settled = [row for row in rows if row.time_s % 1200.0 > 100.0]
    assert all(abs(row.grid_w - 60.0) < 100.0 for row in settled)


# What is learnt.


def charging(power_w: float, **values: Any) -> UnitState:
    told: dict[str, Any] = {
        "command_w": -6000.0,
        "command_s": START_S - 20.0,
        "settled_s": START_S - 5.0,
        "power_w": power_w,
        "least_w": power_w,
        "most_w": power_w,
        "direction": -1,
        "heard_s": START_S - 1.0,
    }
    return unit(**told | values)


def learnt(one: UnitState, **said: Any) -> float | None:
    told = {"power_w": -3300.0, "status": UnitStatus.CHARGING} | said
    slow = replace(LEAF, ramp_w_per_s=0.0)
    after, _ = leaf_of(
        one, spec=slow, reading=reading(**told), plan=plan(IntentKind.CHARGE)
    )
    return after.charging_w


def test_what_a_full_charge_really_gives_is_learnt() -> None:
    late = {"settled_s": START_S - 60.0}
    assert learnt(charging(-3300.0, **late)) == pytest.approx(3300.0)
    known_before = charging(-3300.0, charging_w=6000.0, **late)
    assert learnt(known_before) == pytest.approx(0.95 * 6000.0 + 0.05 * 3300.0)


@pytest.mark.parametrize(
    ("remembered", "said"),
    [
        ({"command_w": -3000.0}, {}),
        ({"command_s": START_S - 19.0}, {}),
        ({"settled_s": START_S + 1.0}, {}),
        ({"power_w": 0.0, "least_w": 0.0, "most_w": 0.0}, {"power_w": 0.0}),
        ({}, {"status": UnitStatus.STARTING}),
        ({"stored_kwh": 0.85 * 36.0}, {"soc_percent": 85.0}),
        ({"command_w": None}, {}),
    ],
    ids=["less", "new", "on its way", "nothing", "starting", "tapering", "not told"],
)
def test_nothing_else_is_learnt_from(
    remembered: dict[str, Any], said: dict[str, Any]
) -> None:
    one = charging(**{"power_w": -3300.0, "settled_s": START_S - 60.0} | remembered)
    assert learnt(one, **said) is None


def test_a_ramp_is_not_taken_for_the_charging_power() -> None:
    """A premature departure charge would latch at the dearest hour."""
    loop = Loop(
        site=FLAT,
        spec=replace(FREE, ramp_w_per_s=100.0, initial_soc_percent=40.0),
        dead_time_s=1.0,
        plan=plan(IntentKind.CHARGE),
    )
    loop.run(400.0, lambda _: 500.0)
    assert loop.leaf.charging_w == pytest.approx(6000.0, rel=0.01)


# Flags, departures, restarts and clocks.


def test_a_departure_out_of_reach_is_flagged() -> None:
    soon = (Departure(time_s=START_S + 600.0, soc_percent=90.0),)
    _, decision = leaf_of(unit(), departures=soon, grid_w=500.0)
    assert decision.flags == (ReasonCode.DEPARTURE,)
    assert decision.setpoint is not None
    assert decision.setpoint.power_w == -6000.0


def test_a_departure_that_takes_more_than_the_window_bears_is_flagged() -> None:
    soon = (Departure(time_s=START_S + 2600.0, soc_percent=60.0),)
    state = automatic(units={"leaf": unit()})
    state.settings = replace(state.settings, import_limit_w=2000.0)
    _, decision = decide(state, units={"leaf": known(departures=soon)})
    one = decision.units["leaf"]
    assert one.reason.code is ReasonCode.DEPARTURE
    assert one.flags == (ReasonCode.IMPORT_LIMIT,)


@pytest.mark.parametrize(("limit_w", "carries"), [(4000.0, True), (9000.0, False)])
def test_a_demand_window_is_kept_by_a_unit_that_has_turned_often(
    limit_w: float, *, carries: bool
) -> None:
    """It charged up to now, and may not turn for money a third time in the hour."""
    turned = covering(
        -1000.0,
        direction=-1,
        intent=IntentKind.CHARGE,
        reversals_s=[START_S - 2400.0, START_S - 1200.0],
        stored_kwh=25.0,
    )
    state = automatic(units={"leaf": turned}, time_s=START_S - 1.0)
    state.settings = replace(state.settings, import_limit_w=limit_w)
    wanted = CHARGE if carries else COVER
    _, decision = decide(
        state,
        site=FLAT,
        units={"leaf": known(reading=reading(power_w=-1000.0), plan=wanted)},
        grid=grid(7000.0),
    )
    setpoint = decision.units["leaf"].setpoint
    assert setpoint is not None
    assert (setpoint.power_w > 0.0) is carries


def test_a_manual_charge_ends_where_it_should() -> None:
    loop = Loop(site=dear_site(), spec=replace(FREE, usable_kwh=3.0), plan=HOLD)
    loop.change(mode=UnitMode.CHARGE, until_soc_percent=75.0)
    rows = loop.run(600.0, lambda _: 500.0)
    assert loop.leaf.settings.mode is UnitMode.AUTOMATIC
    assert loop.plant.soc_percent == pytest.approx(75.0, abs=0.6)
    untils = {
        row.decision.units["leaf"].setpoint.until_soc_percent  # type: ignore[union-attr]
        for row in rows
        if row.command_w
    }
    assert untils == {75.0}


def test_a_charge_to_the_top_ends_and_writes_little() -> None:
    loop = Loop(
        site=dear_site(),
        spec=replace(FREE, initial_soc_percent=93.5),
        dead_time_s=20.0,
        plan=HOLD,
    )
    loop.change(mode=UnitMode.CHARGE)
    rows = loop.run(900.0, lambda _: 500.0)
    assert loop.leaf.settings.mode is UnitMode.AUTOMATIC
    assert loop.plant.soc_percent == pytest.approx(95.0, abs=0.1)
    assert len(commands(rows)) <= 20


def test_a_unit_that_tells_neither_power_nor_charge_stops_at_the_reserve() -> None:
    """Empty registers are normal for minutes (V2G Liberty #48)."""

    def mute(said: Reading) -> Reading:
        if said.time_s < START_S + 60.0:
            return said
        return replace(
            said, power_w=None, soc_percent=None, charged_kwh=None, discharged_kwh=None
        )

    loop = Loop(
        site=dear_site(),
        spec=replace(FREE, usable_kwh=3.0, initial_soc_percent=50.0),
        reading=mute,
    )
    rows = loop.run(1800.0, lambda _: 3000.0)
    assert loop.plant.soc_percent >= 30.0
    assert rows[-1].command_w == 0.0


@pytest.mark.parametrize("back_s", [5.0, 3600.0, 86400.0])
def test_a_clock_that_is_set_back_stops_nothing(back_s: float) -> None:
    """Whatever was remembered of the future must not hold the loop up."""
    loop = Loop(site=dear_site(), spec=FREE)
    loop.run(120.0, lambda _: 2000.0)
    state, power_w = loop.state, loop.plant.power_w
    imports_w: list[float] = []
    for second in range(400):
        now_s = START_S + 120.0 - back_s + second
        load_w = 2000.0 if second < 100 else 700.0
        said = reading(time_s=now_s, power_w=power_w, soc_percent=69.0)
        state, decision = step(
            state,
            inputs(
                site=loop.site,
                units={"leaf": known(spec=FREE, reading=said)},
                grid=grid(load_w - power_w, now_s),
            ),
            now_s,
        )
        one = decision.units["leaf"].setpoint
        assert one is not None
        power_w = one.power_w
        imports_w.append(load_w - power_w)
    assert all(abs(import_w - 60.0) <= 41.0 for import_w in imports_w[:100])
    assert all(abs(import_w - 60.0) <= 41.0 for import_w in imports_w[120:])


def test_a_restart_in_the_middle_changes_nothing_that_follows() -> None:
    def run(restart_s: float | None) -> list[Row]:
        loop = Loop(site=dear_site(main_limit_w=9000.0), reading=Late(3.0))

        def load(since_s: float) -> float:
            if since_s == restart_s:
                stored = json.dumps(to_dict(loop.state))
                loop.state = from_dict(HomeState, json.loads(stored))
            return 500.0 + 37.0 * (since_s % 90.0)

        return loop.run(600.0, load)

    whole = run(None)
    for restart_s in (23.0, 301.0, 555.0):
        assert [row.decision for row in run(restart_s)] == [
            row.decision for row in whole
        ]


def test_a_units_capabilities_set_its_pace() -> None:
    slow = covering(command_s=START_S - 30.0)
    for dead_time_s, power_w in ((5.0, 2940.0), (20.0, 2000.0)):
        _, decision = leaf_of(
            replace(slow),
            grid_w=1000.0,
            reading=reading(power_w=2000.0),
            plan=COVER,
            capabilities=Capabilities(dead_time_s=dead_time_s),
        )
        assert decision.setpoint is not None
        assert decision.setpoint.power_w == power_w


def test_a_unit_that_may_island_unseen_is_told_nothing_while_the_meter_is_lost() -> (
    None
):
    lost = START_S - 4000.0
    given = known(
        plan=HOLD,
        reading=reading(islanding=None),
        capabilities=Capabilities(islanding=IslandingStart.BY_ITSELF),
    )
    state = automatic(lost_s=lost, grid_seen_s=lost, units={"leaf": covering()})
    _, decision = decide(state, units={"leaf": given}, grid=None)
    assert decision.guard is Guard.CLEAR
    one = decision.units["leaf"]
    assert (one.setpoint, one.reason.code) == (None, ReasonCode.GUARD_METER_LOST)
    _, decision = decide(state, units={"leaf": given})
    assert decision.units["leaf"].setpoint is not None


@pytest.mark.parametrize(
    ("spec", "power_w", "blind_s", "stands"),
    [
        (FREE, 2000.0, 119.0, True),
        (FREE, 2000.0, 120.0, False),
        (LEAF, 2000.0, 4000.0, True),
        (LEAF, -2000.0, 119.0, True),
        (LEAF, -2000.0, 120.0, False),
    ],
)
def test_what_nobody_watches_ends_after_two_minutes(
    spec: Any, power_w: float, blind_s: float, stands: bool
) -> None:
    """A station that always imports a little has a meter of its own."""
    lost = START_S - blind_s
    kind = COVER if power_w > 0.0 else ABSORB
    one = covering(power_w, direction=1 if power_w > 0.0 else -1, intent=kind.kind)
    state = automatic(
        lost_s=lost - 200.0,
        grid_seen_s=lost - 230.0,
        blind_since_s=lost,
        units={"leaf": one},
    )
    told = known(spec=spec, plan=kind, reading=reading(power_w=power_w))
    state, decision = decide(state, units={"leaf": told}, grid=None)
    setpoint = decision.units["leaf"].setpoint
    if stands:
        assert setpoint is None
        assert state.units["leaf"].command_w == power_w
    else:
        assert setpoint is not None
        assert setpoint.power_w == 0.0
