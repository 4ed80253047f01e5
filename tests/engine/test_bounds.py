"""The limits that a wish has to pass."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.bounds import (
    RESUME_PERCENT,
    Room,
    above_allowed,
    bound,
    ceiling_percent,
    fits,
    floor_percent,
)
from custom_components.leaf_to_home.engine.control import (
    LEAST_START_W,
    START_GAP_S,
    Wish,
)
from custom_components.leaf_to_home.engine.model import (
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
    Sample,
)
from custom_components.leaf_to_home.engine.policy import Choice
from custom_components.leaf_to_home.engine.state import UnitState, first_settings
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import LEAF, START_S, site_with
from tests.engine.parts import inputs, known, reading, unit

PLAN = Reason(code=ReasonCode.PLAN)
FREE = replace(LEAF, min_import_w=0.0)
TARGET_W = 60.0


def choice(**values: Any) -> Choice:
    intent = Intent(kind=IntentKind.CHARGE, power_w=6000.0, reason=PLAN)
    return Choice(**{"intent": intent} | values)


DEPARTURE = choice(
    intent=Intent(
        kind=IntentKind.CHARGE,
        power_w=6000.0,
        reason=Reason(code=ReasonCode.DEPARTURE, values={"soc_percent": 98.0}),
    ),
    for_departure=True,
)
BY_USER = choice(by_user=True)


def room(**values: Any) -> Room:
    told: dict[str, Any] = {
        "now_s": START_S,
        "draw_w": 2000.0,
        "worst_draw_w": None,
        "charging_w": 0.0,
        "more_w": 0.0,
        "allowed_w": None,
    }
    return Room(**told | values)


def bounded(
    power_w: float,
    one: UnitState | None = None,
    *,
    who: Choice | None = None,
    interval_s: float = 1.0,
    limits: dict[str, Any] | None = None,
    spec: Any = FREE,
    said: dict[str, Any] | None = None,
    phases: tuple[Sample, ...] = (),
    **left: Any,
) -> Wish:
    return bound(
        Wish(power_w=power_w, reason=PLAN),
        who or choice(),
        one or unit(),
        known(spec=spec, reading=reading(**(said or {}))),
        inputs(
            site=site_with(Tariff.flat(0.3), **(limits or {})),
            interval_s=interval_s,
            means=interval_s >= 60.0,
            phases=phases,
        ),
        room(**left),
    )


def at(percent: float, **values: Any) -> UnitState:
    return unit(stored_kwh=FREE.capacity_kwh * percent / 100.0, **values)


# How deep, how full.


def test_where_charging_and_discharging_end() -> None:
    car, leaf = unit(), known()
    assert floor_percent(car, leaf) == 31.0
    car.settings = replace(first_settings(LEAF), reserve_percent=5.0)
    assert floor_percent(car, leaf) == 11.0, "the device does not go lower"
    assert ceiling_percent(car, leaf, choice()) == 95.0
    assert ceiling_percent(car, leaf, DEPARTURE) == 95.0, "nor higher"
    roomy = known(spec=replace(LEAF, max_soc_percent=100.0))
    assert ceiling_percent(car, roomy, DEPARTURE) == 99.0
    low = replace(DEPARTURE.intent.reason, values={"soc_percent": 60.0})
    modest = choice(intent=replace(DEPARTURE.intent, reason=low), for_departure=True)
    assert ceiling_percent(car, leaf, modest) == 95.0
    car.settings = replace(car.settings, until_soc_percent=70.0)
    assert ceiling_percent(car, leaf, BY_USER) == 70.0
    assert ceiling_percent(car, leaf, choice()) == 95.0


def test_the_reserve_stops_at_once_and_resumes_two_points_above() -> None:
    car = at(31.0)
    wish = bounded(3000.0, car)
    assert (wish.power_w, wish.firm) == (0.0, True)
    assert wish.reason.code is ReasonCode.RESERVE
    assert wish.reason.values == {"reserve_percent": 31.0, "soc_percent": 31.0}
    car.stored_kwh = FREE.capacity_kwh * (31.0 + RESUME_PERCENT - 0.1) / 100.0
    assert bounded(3000.0, car).power_w == 0.0
    car.stored_kwh = FREE.capacity_kwh * (31.0 + RESUME_PERCENT + 0.1) / 100.0
    assert bounded(3000.0, car).power_w == 3000.0
    car.stored_kwh = FREE.capacity_kwh * 0.315
    assert bounded(3000.0, car).power_w == 3000.0, "it had not stopped"


def test_a_discharge_ends_at_the_reserve_while_the_command_stands() -> None:
    """A command stands for one step and the dead time, whatever comes."""
    car = at(31.001)
    left_wh = FREE.capacity_kwh * 1e3 * 0.00001
    wish = bounded(6000.0, car, spec=replace(FREE, min_power_w=0.0))
    assert -FREE.stored_w(wish.power_w) * 6.0 / 3600.0 == pytest.approx(left_wh)
    assert bounded(6000.0, car).power_w == 0.0, "below what the unit can"
    mean = bounded(6000.0, at(31.2), interval_s=900.0)
    assert 0.0 < mean.power_w < FREE.min_power_w, "as a mean it can"


def test_no_discharge_begins_on_an_unknown_charge_but_a_running_one_goes_on() -> None:
    car = at(50.0, suspect_since_s=START_S)
    wish = bounded(3000.0, car)
    assert (wish.power_w, wish.reason.code) == (0.0, ReasonCode.SOC_UNKNOWN)
    car.command_w = 2000.0
    assert bounded(3000.0, car).power_w == 3000.0


def test_a_full_battery_charges_again_two_points_below() -> None:
    wish = bounded(-3000.0, at(94.0))
    assert (wish.power_w, wish.reason.code) == (0.0, ReasonCode.FULL)
    assert bounded(-3000.0, at(92.9)).power_w == -3000.0
    assert bounded(-3000.0, at(94.0, command_w=-3000.0)).power_w == -3000.0
    assert bounded(-3000.0, at(94.0), who=BY_USER).power_w == -3000.0
    assert bounded(-3000.0, at(94.0), who=DEPARTURE).power_w == -3000.0
    assert bounded(-3000.0, at(94.99), who=BY_USER).power_w == 0.0


def test_the_last_bit_is_charged_at_the_least_power() -> None:
    car = at(94.975, command_w=-6000.0)
    assert bounded(-6000.0, car).power_w == pytest.approx(-6000.0, abs=400.0)
    slow = replace(FREE, usable_kwh=1.0)
    small = unit(spec=slow, stored_kwh=0.9497, command_w=-6000.0)
    assert bounded(-6000.0, small, spec=slow).power_w == -300.0
    mean = bounded(-6000.0, small, spec=slow, interval_s=900.0)
    assert -300.0 < mean.power_w < 0.0


def test_the_units_and_the_users_limits() -> None:
    said = {"max_charge_w": 3300.0, "max_discharge_w": 2500.0}
    assert bounded(-6000.0, said=said).power_w == -3300.0
    assert bounded(6000.0, said=said).power_w == 2500.0
    car = at(50.0)
    car.settings = replace(car.settings, charge_limit_w=1000.0, discharge_limit_w=0.0)
    assert bounded(-6000.0, car).power_w == -1000.0
    assert bounded(6000.0, car).power_w == 0.0


# The demand window.


def test_charging_leaves_the_window_its_share() -> None:
    wish = bounded(-6000.0, allowed_w=5000.0)
    assert (wish.power_w, wish.reason.code) == (-3000.0, ReasonCode.IMPORT_LIMIT)
    assert bounded(-6000.0, allowed_w=5000.0, charging_w=1000.0).power_w == -2000.0
    assert bounded(-6000.0, allowed_w=2200.0).power_w == 0.0, "below what it can"
    assert bounded(-2000.0, allowed_w=5000.0).reason is PLAN


def test_what_is_above_the_window_is_carried() -> None:
    wish = bounded(0.0, allowed_w=500.0)
    assert (wish.power_w, wish.firm) == (1500.0, False)
    assert bounded(0.0, allowed_w=1900.0).power_w == FREE.min_power_w
    assert bounded(1800.0, allowed_w=500.0).reason is PLAN
    assert bounded(0.0, draw_w=9000.0, allowed_w=500.0).power_w == 6000.0


def test_a_spent_window_is_no_reason_to_export() -> None:
    assert bounded(0.0, allowed_w=-90_000.0).power_w == 2000.0 - TARGET_W
    assert bounded(0.0, draw_w=300.0, allowed_w=-90_000.0).power_w == 0.0


@pytest.mark.parametrize("who", [BY_USER, DEPARTURE], ids=["user", "departure"])
def test_user_and_departure_outrank_the_window_and_it_is_flagged(who: Choice) -> None:
    assert bounded(-6000.0, who=who, allowed_w=1000.0).power_w == -6000.0
    assert above_allowed(-6000.0, room(allowed_w=1000.0))


def test_what_will_miss_the_window() -> None:
    left = room(allowed_w=1000.0)
    assert above_allowed(0.0, left)
    assert above_allowed(900.0, left)
    assert not above_allowed(1000.0, left)
    assert not above_allowed(-90_000.0, room())
    assert not above_allowed(0.0, room(allowed_w=1.0, draw_w=None))
    spent = room(allowed_w=-5000.0)
    assert not above_allowed(2000.0 - TARGET_W, spent), "more cannot be done"


def test_a_silent_meter_leaves_the_window_alone() -> None:
    assert bounded(-6000.0, allowed_w=1000.0, draw_w=None).power_w == -6000.0


# The main limit.

MAIN = {"main_limit_w": 8000.0 / 0.99}


def test_charging_keeps_the_main_limit() -> None:
    wish = bounded(-6000.0, limits=MAIN, draw_w=5000.0)
    assert wish.power_w == pytest.approx(-3000.0)
    assert (wish.firm, wish.reason.code) == (False, ReasonCode.MAIN_LIMIT)
    stop = bounded(-6000.0, limits=MAIN, draw_w=7800.0)
    assert (stop.power_w, stop.firm) == (0.0, True)
    beside = bounded(-6000.0, limits=MAIN, draw_w=5000.0, charging_w=2000.0)
    assert beside.power_w == pytest.approx(-1000.0)
    assert bounded(-3000.0, limits=MAIN, draw_w=5000.0).reason is PLAN


@pytest.mark.parametrize("who", [BY_USER, DEPARTURE], ids=["user", "departure"])
def test_nobody_outranks_the_main_limit(who: Choice) -> None:
    wish = bounded(-6000.0, who=who, limits=MAIN, draw_w=5000.0)
    assert wish.power_w == pytest.approx(-3000.0)


def test_a_house_above_its_main_limit_is_helped() -> None:
    wish = bounded(0.0, limits=MAIN, draw_w=9500.0)
    assert wish.power_w == pytest.approx(1500.0)
    assert (wish.firm, wish.reason.code) == (True, ReasonCode.MAIN_LIMIT)
    assert bounded(2000.0, limits=MAIN, draw_w=9500.0).reason is PLAN
    assert bounded(0.0, at(31.0), limits=MAIN, draw_w=9500.0).power_w == 0.0


def test_who_helps_goes_on_for_a_while() -> None:
    helping = at(50.0, helps=True, command_w=500.0, started_s=START_S - 30.0)
    wish = bounded(0.0, helping, limits=MAIN, draw_w=7000.0)
    assert wish.power_w == max(LEAST_START_W, FREE.min_power_w)
    helping.started_s = START_S - START_GAP_S
    assert bounded(0.0, helping, limits=MAIN, draw_w=7000.0).power_w == 0.0
    assert bounded(0.0, helping, draw_w=7000.0).reason is PLAN


def test_without_a_meter_the_worst_of_the_last_day_counts() -> None:
    blind: dict[str, Any] = {"limits": MAIN, "draw_w": None}
    assert bounded(-6000.0, worst_draw_w=5500.0, **blind).power_w == pytest.approx(
        -2500.0
    )
    assert bounded(-6000.0, worst_draw_w=9000.0, **blind).power_w == 0.0
    assert bounded(-6000.0, **blind).power_w == 0.0
    assert bounded(700.0, worst_draw_w=9500.0, **blind).power_w == 700.0, (
        "and starts no discharge"
    )
    assert bounded(0.0, worst_draw_w=9500.0, **blind).power_w == 0.0


def test_what_other_units_will_draw_is_free_on_no_phase() -> None:
    phases = (Sample(value=1000.0, time_s=START_S),)
    told: dict[str, Any] = {
        "limits": {"phase_limit_w": 5000.0 / 0.99},
        "phases": phases,
        "draw_w": 1000.0,
    }
    assert bounded(-6000.0, **told).power_w == pytest.approx(-4000.0)
    assert bounded(-6000.0, more_w=1500.0, **told).power_w == pytest.approx(-2500.0)
    charging = unit(assumed_w=-1000.0)
    assert bounded(-6000.0, charging, **told).power_w == pytest.approx(-5000.0)


def test_a_full_phase_beside_an_empty_one_is_no_reason_to_export() -> None:
    phases = (
        Sample(value=8000.0, time_s=START_S),
        Sample(value=-7500.0, time_s=START_S),
    )
    limits = {"phase_limit_w": 5000.0}
    wish = bounded(0.0, limits=limits, phases=phases, draw_w=500.0)
    assert wish.power_w == 500.0 - TARGET_W


# What stands.


def test_a_standing_command_is_kept_only_within_the_hard_limits() -> None:
    def kept(power_w: float, car: UnitState, **left: Any) -> bool:
        given = inputs(site=site_with(Tariff.flat(0.3), **MAIN))
        return fits(power_w, choice(), car, known(spec=FREE), given, room(**left))

    assert kept(3000.0, at(50.0))
    assert not kept(3000.0, at(31.0))
    assert not kept(6500.0, at(50.0))
    assert kept(-6000.0, at(50.0))
    assert not kept(-6000.0, at(50.0), draw_w=5000.0)
    assert kept(0.0, at(50.0))
    assert not kept(0.0, at(50.0), draw_w=9000.0)
    assert kept(-6000.0, at(50.0), allowed_w=100.0), "the window is a soft one"


def test_what_a_departure_needs_is_not_discharged() -> None:
    spare = choice(spare_kwh=0.5)
    wish = bounded(6000.0, at(80.0), who=spare, interval_s=1795.0)
    assert -FREE.stored_w(wish.power_w) * 1800.0 / 3.6e6 == pytest.approx(0.5)
    none = choice(spare_kwh=0.0)
    assert bounded(6000.0, at(80.0), who=none, interval_s=1795.0).power_w == 0.0
    assert bounded(6000.0, at(80.0), who=spare).power_w == 6000.0
