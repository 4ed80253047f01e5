"""The closed loop, piece by piece; the whole of it is in test_closed_loop."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.control import (
    DEADBAND_W,
    LATE_S,
    START_AFTER_S,
    START_GAP_S,
    Moment,
    Wish,
    assume,
    begin_afresh,
    commanded,
    follow,
    forget,
    settled,
    steady,
    target_export_w,
    target_import_w,
    wish,
)
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
)
from custom_components.leaf_to_home.engine.state import UnitState
from tests.engine.loop import LEAF, START_S
from tests.engine.parts import known, unit

PLAN = Reason(code=ReasonCode.PLAN)
FREE = replace(LEAF, min_import_w=0.0)
DEAD = Capabilities(dead_time_s=5.0)


def moment(**values: Any) -> Moment:
    told: dict[str, Any] = {
        "now_s": START_S,
        "means": False,
        "draw_w": 2000.0,
        "assumed_draw_w": values.get("draw_w", 2000.0),
        "grid_w": 2000.0,
        "charging_w": 0.0,
        "export_w": 0.0,
        "import_price": 0.40,
    }
    return Moment(**told | values)


def wished(
    kind: IntentKind,
    one: UnitState | None = None,
    *,
    power_w: float = 6000.0,
    surplus: bool = False,
    value: float | None = None,
    spec: Any = FREE,
    **now: Any,
) -> Wish:
    intent = Intent(
        kind=kind,
        power_w=power_w,
        reason=PLAN,
        absorb_surplus=surplus,
        stored_value=value,
    )
    return wish(intent, one or unit(), spec, moment(**now))


def running(power_w: float, **values: Any) -> UnitState:
    """Return a unit that has been doing the same for long."""
    way = 1 if power_w > 0.0 else -1
    told: dict[str, Any] = {
        "command_w": power_w,
        "command_s": START_S - 900.0,
        "started_s": START_S - 900.0,
        "direction": way,
        "direction_s": START_S - 900.0,
    }
    return unit(**told | values)


# What an intent means.


def test_a_charge_and_a_hold_need_no_meter() -> None:
    assert wished(IntentKind.CHARGE, power_w=3000.0, draw_w=None).power_w == -3000.0
    assert wished(IntentKind.HOLD, draw_w=None).power_w == 0.0


def test_covering_leaves_a_small_import() -> None:
    covered = wished(IntentKind.COVER)
    assert (covered.power_w, covered.reason) == (1940.0, PLAN)
    assert wished(IntentKind.COVER, spec=LEAF).power_w == 1940.0
    picky = replace(LEAF, min_import_w=200.0)
    assert wished(IntentKind.COVER, spec=picky).power_w == 1790.0
    assert wished(IntentKind.COVER, export_w=500.0).power_w == 2000.0
    assert wished(IntentKind.COVER, power_w=1000.0).power_w == 1000.0


def test_means_need_no_distance_from_noise() -> None:
    assert target_import_w(LEAF, 0.0, means=True) == 50.0
    assert target_import_w(FREE, 0.0, means=True) == 0.0
    assert target_import_w(LEAF, 500.0, means=True) == 0.0
    assert target_export_w(means=True) == 0.0
    assert target_export_w(means=False) > 0.0


def test_a_unit_is_not_started_for_what_it_can_hardly_do() -> None:
    small = wished(IntentKind.COVER, draw_w=440.0)
    assert small.power_w == 0.0
    assert small.reason.code is ReasonCode.BELOW_MIN_POWER
    assert small.reason.values == {"wanted_w": 380.0}
    assert wished(IntentKind.COVER, draw_w=460.0).power_w == 400.0
    assert wished(IntentKind.COVER, running(500.0), draw_w=400.0).power_w == 340.0
    anything = replace(FREE, min_power_w=0.0)
    assert wished(IntentKind.COVER, spec=anything, draw_w=150.0).power_w == 0.0
    assert wished(IntentKind.COVER, spec=anything, draw_w=170.0).power_w == 110.0
    stop = wished(IntentKind.COVER, running(500.0), spec=anything, draw_w=60.0)
    assert stop.power_w == 0.0


def test_a_running_unit_stays_at_its_least_power_while_that_exports_nothing() -> None:
    assert wished(IntentKind.COVER, running(500.0), draw_w=310.0).power_w == 300.0
    assert wished(IntentKind.COVER, running(500.0), draw_w=299.0).power_w == 0.0
    kept = wished(IntentKind.COVER, running(500.0), draw_w=250.0, export_w=50.0)
    assert kept.power_w == 300.0


def test_covering_that_costs_more_than_buying_is_refused() -> None:
    """80 W of loss weigh more at half a kilowatt than at five."""
    dear = 0.34
    assert wished(IntentKind.COVER, value=dear, draw_w=5000.0).power_w == 4940.0
    refused = wished(IntentKind.COVER, value=dear, draw_w=700.0)
    assert (refused.power_w, refused.reason.code) == (0.0, ReasonCode.NO_PROFIT)
    going_on = wished(IntentKind.COVER, running(640.0), value=dear, draw_w=700.0)
    assert going_on.power_w == 640.0
    less = wished(IntentKind.COVER, running(640.0), value=dear, draw_w=500.0)
    assert less.power_w == 0.0
    unknown = wished(IntentKind.COVER, value=dear, draw_w=700.0, import_price=None)
    assert unknown.power_w == 640.0


def test_the_surplus_is_absorbed_but_for_a_little() -> None:
    absorbed = wished(IntentKind.ABSORB, draw_w=-2000.0)
    assert absorbed.power_w == -1970.0
    assert absorbed.reason.code is ReasonCode.SOLAR_SURPLUS
    assert wished(IntentKind.ABSORB, draw_w=-9000.0).power_w == -6000.0
    assert wished(IntentKind.ABSORB, draw_w=500.0).power_w == 0.0
    assert wished(IntentKind.ABSORB, draw_w=-410.0).power_w == 0.0
    assert wished(IntentKind.ABSORB, running(-900.0), draw_w=-310.0).power_w == -300.0
    assert wished(IntentKind.ABSORB, running(-900.0), draw_w=-299.0).power_w == 0.0


def test_what_another_unit_takes_of_the_sun_is_no_longer_there() -> None:
    assert (
        wished(IntentKind.ABSORB, draw_w=-3000.0, charging_w=2000.0).power_w == -970.0
    )
    both = wished(IntentKind.COVER, surplus=True, draw_w=-3000.0, charging_w=2970.0)
    assert both.power_w == 0.0
    # But nobody discharges into another's battery.
    assert wished(IntentKind.COVER, draw_w=500.0, charging_w=2000.0).power_w == 440.0


def test_a_surplus_below_the_converters_loss_is_left() -> None:
    weak = replace(FREE, min_power_w=0.0)
    one = running(-100.0)
    assert wished(IntentKind.ABSORB, one, spec=weak, draw_w=-105.0).power_w == 0.0


def test_covering_may_absorb_what_is_left_over() -> None:
    assert wished(IntentKind.COVER, draw_w=-2000.0).power_w == 0.0
    assert wished(IntentKind.COVER, surplus=True, draw_w=-2000.0).power_w == -1970.0
    small = wished(IntentKind.COVER, surplus=True, draw_w=-200.0)
    assert small.reason.code is ReasonCode.BELOW_MIN_POWER
    assert wished(IntentKind.COVER, surplus=True).power_w == 1940.0


def test_export_is_what_the_house_takes_and_what_is_allowed() -> None:
    assert wished(IntentKind.EXPORT, export_w=1500.0).power_w == 3500.0
    assert wished(IntentKind.EXPORT, power_w=3000.0, export_w=1500.0).power_w == 3000.0
    sunny = wished(IntentKind.EXPORT, draw_w=-4000.0, export_w=1500.0)
    assert sunny.power_w == 1500.0


# While a unit is on its way.


def test_on_the_way_the_command_stays() -> None:
    for kind in (IntentKind.COVER, IntentKind.ABSORB, IntentKind.EXPORT):
        kept = wished(kind, running(1500.0), draw_w=None, assumed_draw_w=5000.0)
        assert kept.power_w == 1500.0 or kind is IntentKind.ABSORB
    waiting = wished(IntentKind.COVER, draw_w=None, assumed_draw_w=5000.0)
    assert (waiting.power_w, waiting.reason.code) == (0.0, ReasonCode.SETTLING)
    blind = wished(IntentKind.COVER, running(900.0), draw_w=None, assumed_draw_w=None)
    assert blind.power_w == 900.0


@pytest.mark.parametrize(
    ("kind", "command_w", "surplus", "stays"),
    [
        (IntentKind.COVER, -3000.0, False, False),
        (IntentKind.EXPORT, -3000.0, False, False),
        (IntentKind.ABSORB, 3000.0, False, False),
        (IntentKind.COVER, -3000.0, True, True),
        (IntentKind.COVER, 3000.0, False, True),
        (IntentKind.ABSORB, -3000.0, False, True),
    ],
)
def test_on_the_way_the_wrong_way_it_turns_back(
    kind: IntentKind, command_w: float, surplus: bool, stays: bool
) -> None:
    """A charge that has just begun does not go on while the load is to be covered."""
    waiting = wished(
        kind,
        running(command_w),
        surplus=surplus,
        draw_w=None,
        assumed_draw_w=None,
    )
    assert waiting.power_w == (command_w if stays else 0.0)
    assert waiting.reason.code is ReasonCode.SETTLING


def test_on_the_way_what_is_surely_too_much_is_taken_back() -> None:
    less = wished(IntentKind.COVER, running(3000.0), draw_w=None, assumed_draw_w=1060.0)
    assert (less.power_w, less.reason) == (1000.0, PLAN)
    none = wished(IntentKind.COVER, running(3000.0), draw_w=None, assumed_draw_w=100.0)
    assert none.power_w == 0.0
    sun = wished(
        IntentKind.ABSORB, running(-3000.0), draw_w=None, assumed_draw_w=-1030.0
    )
    assert sun.power_w == -1000.0
    turned = wished(
        IntentKind.COVER,
        running(3000.0),
        surplus=True,
        draw_w=None,
        assumed_draw_w=-2000.0,
    )
    assert turned.power_w == 3000.0, "to turn round it waits"


def test_a_command_takes_dead_time_start_and_ramp() -> None:
    slow = replace(FREE, ramp_w_per_s=500.0, start_delay_s=10.0)
    leaf = known(spec=slow, capabilities=DEAD)
    one = unit(power_w=0.0)
    commanded(one, leaf, 0.0, START_S, told=True)
    done = one.settled_s is None
    assert done, "it is there already"
    commanded(one, leaf, 3000.0, START_S, told=True)
    assert one.settled_s == START_S + 5.0 + 10.0 + 6.0
    assert (one.least_w, one.most_w) == (0.0, 3000.0)
    # A second one, while the relay still closes.
    commanded(one, leaf, 2000.0, START_S + 4.0, told=True)
    assert one.settled_s == START_S + 15.0 + 4.0
    assert (one.least_w, one.most_w) == (0.0, 3000.0)
    # Running, it only ramps: from wherever it is by then.
    follow(one, 2000.0, still=True)
    one.power_w = 2000.0
    commanded(one, leaf, 1000.0, START_S + 60.0, told=True)
    assert one.settled_s == START_S + 60.0 + 5.0 + 2.0
    commanded(one, leaf, -1000.0, START_S + 120.0, told=True)
    assert one.settled_s == START_S + 120.0 + 15.0 + 6.0


def test_a_unit_of_unknown_ramp_is_there_after_its_dead_time() -> None:
    leaf = known(spec=replace(FREE, ramp_w_per_s=0.0, start_delay_s=0.0))
    one = unit(power_w=None)
    commanded(one, leaf, 3000.0, START_S, told=True)
    assert one.settled_s == START_S + 5.0


def test_how_far_a_unit_can_be() -> None:
    slow = replace(FREE, ramp_w_per_s=100.0)
    one = running(3000.0, least_w=0.0, most_w=3000.0)
    assume(one, slow, 500.0, 2.0)
    assert one.assumed_w == 500.0 + 100.0 * (LATE_S + 2.0)
    assume(one, FREE, 500.0, 2.0)
    assert one.assumed_w == 3000.0
    one = running(-3000.0, least_w=-3000.0, most_w=0.0)
    assume(one, slow, -500.0, 0.0)
    assert one.assumed_w == -500.0 - 100.0 * LATE_S
    assume(one, replace(FREE, ramp_w_per_s=0.0), -500.0, 0.0)
    assert one.assumed_w == -3000.0


def test_what_is_only_shown_moves_nobody() -> None:
    one = unit(told=False)
    commanded(one, known(), 3000.0, START_S, told=False)
    assert (one.command_w, one.told, one.told_w) == (3000.0, False, 0.0)
    assert one.settled_s is None
    assert one.most_w == 0.0


# What is remembered of commands.


def test_starts_and_reversals_are_remembered() -> None:
    one = unit()
    leaf = known()
    for since_s, power_w in ((0, 2000.0), (10, 2500.0), (20, 0.0), (400, 1000.0)):
        commanded(one, leaf, power_w, START_S + since_s, told=True)
    assert one.started_s == START_S + 400.0
    assert (one.direction, one.direction_s) == (1, START_S)
    assert one.reversals_s == []
    commanded(one, leaf, -500.0, START_S + 500.0, told=True)
    assert one.reversals_s == [START_S + 500.0]
    assert one.started_s == START_S + 500.0, "a reversal is a start as well"
    commanded(one, leaf, 0.0, START_S + 600.0, told=True)
    commanded(one, leaf, 700.0, START_S + 4200.0, told=True)
    assert one.reversals_s == [START_S + 4200.0], "older ones do not matter"
    before = replace(one)
    commanded(one, leaf, 700.0, START_S + 4300.0, told=True)
    assert one == before


def test_forgetting_and_beginning_afresh() -> None:
    one = running(2000.0, reversals_s=[START_S], wanted_since_s=START_S)
    forget(one)
    assert (one.command_w, one.told, one.wanted_since_s) == (None, False, None)
    kept = one.started_s == START_S - 900.0
    assert kept, "the relay does not forget"
    begin_afresh(one)
    assert one.started_s is None
    assert one.direction_s is None
    assert one.direction == 0
    assert one.reversals_s == []


def test_a_command_settles_in_two_dead_times() -> None:
    assert settled(unit(), DEAD, START_S)
    one = running(2000.0, command_s=START_S)
    assert not settled(one, DEAD, START_S + 9.9)
    assert settled(one, DEAD, START_S + 10.0)
    assert not settled(one, DEAD, START_S + 19.9, factor=4.0)


# Dwell times.


def held(
    power_w: float,
    one: UnitState,
    *,
    fits: bool = True,
    firm: bool = False,
    urgent: bool = False,
    **now: Any,
) -> Wish:
    wanted = Wish(power_w=power_w, reason=PLAN, firm=firm, urgent=urgent)
    return steady(wanted, one, DEAD, moment(**now), lambda _: fits)


def test_a_start_waits_to_see_whether_the_wish_lasts() -> None:
    one = unit(command_w=0.0)
    wait = held(2000.0, one)
    assert (wait.power_w, wait.reason.code) == (0.0, ReasonCode.DWELL)
    assert held(2000.0, one, now_s=START_S + START_AFTER_S - 1.0).power_w == 0.0
    assert held(2000.0, one, now_s=START_S + START_AFTER_S).power_w == 2000.0
    held(0.0, one, now_s=START_S + 5.0)
    assert held(2000.0, one, now_s=START_S + START_AFTER_S).power_w == 0.0
    assert held(2000.0, unit(command_w=0.0), urgent=True).power_w == 2000.0
    assert held(2000.0, unit(command_w=0.0), means=True).power_w == 2000.0


def test_a_start_keeps_its_distance_from_the_last_one() -> None:
    one = unit(command_w=0.0, started_s=START_S, wanted_since_s=START_S)
    late = START_S + START_GAP_S
    assert held(2000.0, one, now_s=late - 1.0).power_w == 0.0
    assert held(2000.0, one, now_s=late - 1.0, urgent=True).power_w == 0.0
    assert held(2000.0, one, now_s=late - 1.0, firm=True).power_w == 2000.0
    assert held(2000.0, one, now_s=late).power_w == 2000.0


def test_a_reversal_keeps_its_distance() -> None:
    one = running(2000.0, direction_s=START_S - 59.0)
    assert held(-2000.0, one).power_w == 0.0
    assert held(-2000.0, one, urgent=True).power_w == 0.0
    assert held(-2000.0, one, firm=True).power_w == -2000.0
    assert held(-2000.0, one, now_s=START_S + 1.0).power_w == -2000.0
    again = running(2000.0, direction_s=None, reversals_s=[START_S - 59.0])
    assert held(-2000.0, again).power_w == 0.0
    assert held(-2000.0, again, now_s=START_S + 1.0).power_w == -2000.0


def test_there_are_two_reversals_an_hour_and_one_that_is_urgent() -> None:
    turned = [START_S - 3500.0, START_S - 1000.0]
    one = running(2000.0, reversals_s=turned)
    assert held(-2000.0, one).reason.code is ReasonCode.DWELL
    assert held(-2000.0, one, urgent=True).power_w == -2000.0
    assert held(-2000.0, one, now_s=START_S + 100.0).power_w == -2000.0


# Corrections.


def test_a_correction_waits_and_must_be_worth_it() -> None:
    fresh = running(2000.0, command_s=START_S - 9.0)
    assert held(3000.0, fresh).power_w == 2000.0
    assert held(3000.0, running(2000.0)).power_w == 3000.0
    assert held(2000.0 + DEADBAND_W, running(2000.0)).power_w == 2000.0
    assert held(2001.0 + DEADBAND_W, running(2000.0)).power_w == 2041.0
    assert held(2001.0, running(2000.0), means=True).power_w == 2001.0


def test_less_comes_at_once_while_the_meter_exports() -> None:
    fresh = running(2000.0, command_s=START_S - 1.0)
    assert held(1000.0, fresh, grid_w=-900.0).power_w == 1000.0
    assert held(1000.0, fresh, grid_w=-900.0, export_w=900.0).power_w == 2000.0
    assert held(1000.0, fresh, grid_w=-30.0).power_w == 2000.0, "that is noise"
    assert held(1990.0, fresh, grid_w=-900.0).power_w == 2000.0
    charging = running(-2000.0, command_s=START_S - 1.0)
    assert held(-1000.0, charging).power_w == -1000.0
    assert held(-3000.0, charging).power_w == -2000.0


def test_a_stop_and_what_no_longer_fits_come_at_once() -> None:
    fresh = running(2000.0, command_s=START_S - 1.0)
    assert held(0.0, fresh).power_w == 0.0
    assert held(1990.0, fresh, fits=False).power_w == 1990.0
    assert held(3000.0, unit(command_w=None), urgent=True).power_w == 3000.0


def test_while_the_draw_is_not_known_nothing_grows() -> None:
    unsure: dict[str, Any] = {"draw_w": None, "assumed_draw_w": 9000.0}
    assert held(3000.0, running(2000.0), **unsure).power_w == 2000.0
    assert held(1000.0, running(2000.0), **unsure).power_w == 1000.0
    assert held(3000.0, running(-2000.0), firm=True, **unsure).power_w == 0.0
    assert held(3000.0, unit(command_w=0.0), firm=True, **unsure).power_w == 0.0
    assert held(-3000.0, running(-2000.0), **unsure).power_w == -2000.0
    assert held(-3000.0, running(2000.0), **unsure).power_w == -3000.0
    blind: dict[str, Any] = {"draw_w": None, "assumed_draw_w": None, "grid_w": None}
    assert held(-3000.0, running(-2000.0), **blind).power_w == -3000.0


@pytest.mark.parametrize("power_w", [0.0, 2000.0, -2000.0])
def test_what_stands_stands(power_w: float) -> None:
    assert held(power_w, running(power_w)).power_w == power_w
