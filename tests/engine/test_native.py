"""Following the load by the station's own meter: when, how long, and how well."""

from dataclasses import replace
from itertools import pairwise
import json
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    NativeMode,
    Outcome,
    OutcomeKind,
    Reason,
    ReasonCode,
    UnitMode,
)
from custom_components.leaf_to_home.engine.native import AGAIN_S, RETRY_S
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import LEAF, START_S, Loop, Row, commands, dear_site, starts_s
from tests.engine.test_closed_loop import noise

PLAN = Reason(code=ReasonCode.PLAN)
COVER = Intent(kind=IntentKind.COVER, power_w=6000.0, reason=PLAN)
BOTH = replace(COVER, absorb_surplus=True)
# It gives what it is told and does not look at the house.
BLUNT = replace(LEAF, min_import_w=0.0)


def kettles(since_s: float) -> float:
    """Return a restless load: two kilowatts that come and go."""
    on = since_s % 300.0 < 120.0 or since_s % 97.0 < 12.0
    return 900.0 + (2200.0 if on else 0.0)


def evening(*, native: bool, **values: Any) -> Loop:
    return Loop(site=dear_site(), native=native, **values)


def bought_kwh(rows: list[Row]) -> float:
    return sum(max(0.0, row.grid_w) for row in rows) / 3.6e6


def sold_kwh(rows: list[Row]) -> float:
    return sum(max(0.0, -row.grid_w) for row in rows) / 3.6e6


def adjusted(loop: Loop, **values: Any) -> None:
    """Let the leaf's inputs be other than they are."""

    def adjust(given: Inputs) -> Inputs:
        leaf = replace(given.units["leaf"], **values)
        return replace(given, units={**given.units, "leaf": leaf})

    loop.adjust = adjust


def follow_from_the_start(loop: Loop, load_w: float = 2000.0) -> None:
    rows = loop.run(60.0, lambda _: load_w)
    assert rows[-1].follows
    assert rows[-1].unit_w == pytest.approx(load_w - 50.0, abs=1.0)


@pytest.mark.parametrize("meter_s", [1.0, 10.0])
@pytest.mark.parametrize("dead_time_s", [1.0, 5.0, 20.0])
def test_it_is_no_worse_than_set_points(dead_time_s: float, meter_s: float) -> None:
    """The same hour, led by our meter and by the station's own."""
    led, follows = (
        evening(
            native=native, dead_time_s=dead_time_s, meter_s=meter_s, noise_w=noise(5)
        )
        for native in (False, True)
    )
    led_rows, rows = (loop.run(3600.0, kettles) for loop in (led, follows))
    assert bought_kwh(rows) <= bought_kwh(led_rows)
    assert sold_kwh(rows) <= sold_kwh(led_rows)
    assert [row.follows for row in rows].count(True) > 3500
    assert commands(rows) == [(0.0, 0.0), (20.0, 6000.0)], "told once, and left to it"
    assert len(commands(led_rows)) > 50
    # Both end up with the same in the battery, but for what was bought meanwhile.
    gained_kwh = led.plant.stored_kwh - follows.plant.stored_kwh
    spared_kwh = bought_kwh(led_rows) - bought_kwh(rows)
    assert gained_kwh == pytest.approx(1.05 * spared_kwh, abs=0.05)


@pytest.mark.parametrize("dead_time_s", [1.0, 5.0, 20.0])
def test_it_stops_at_the_reserve(dead_time_s: float) -> None:
    spec = replace(LEAF, usable_kwh=10.0, initial_soc_percent=36.0)
    loop = evening(native=True, spec=spec, dead_time_s=dead_time_s)
    rows = loop.run(3600.0, kettles)
    assert any(row.follows for row in rows)
    assert min(row.soc_percent for row in rows) >= 30.0
    last = rows[-1]
    assert last.decision.units["leaf"].reason.code is ReasonCode.RESERVE
    assert last.command_w == 0.0
    assert last.unit_w == 0.0
    setpoints = [row.decision.units["leaf"].setpoint for row in rows if row.follows]
    assert {setpoint.until_soc_percent for setpoint in setpoints if setpoint} == {31.0}


def test_a_small_battery_is_led_on_the_last_bit() -> None:
    """Where a step of the charge is gone before anybody could stop it."""
    spec = replace(LEAF, usable_kwh=1.0, initial_soc_percent=34.0)
    loop = evening(native=True, spec=spec, dead_time_s=20.0)
    rows = loop.run(900.0, lambda _: 2000.0)
    assert not any(row.follows for row in rows)
    assert min(row.soc_percent for row in rows) >= 30.0
    assert starts_s(rows)


def test_it_goes_on_when_our_meter_dies() -> None:
    loop = evening(native=True, grid_fails=lambda s: s >= 120.0)
    loop.run(120.0, kettles)
    rows = loop.run(3600.0, kettles)
    assert not commands(rows[40:]), "lost data means no new command"
    assert rows[-1].decision.units["leaf"].reason.code is ReasonCode.METER_STALE
    assert all(row.grid_w >= 49.0 for row in rows)
    assert bought_kwh(rows) < 0.15, "and the house is covered all the same"


def test_it_is_stopped_without_our_meter_where_it_must_be() -> None:
    spec = replace(LEAF, usable_kwh=10.0, initial_soc_percent=38.0)
    loop = evening(native=True, spec=spec, grid_fails=lambda s: s >= 120.0)
    rows = loop.run(3600.0, lambda _: 2000.0)
    assert rows[-1].command_w is None or rows[-1].command_w == 0.0
    assert rows[-1].unit_w == 0.0
    assert min(row.soc_percent for row in rows) >= 30.0


@pytest.mark.parametrize(
    "change",
    [
        {"discharge_limit_w": 1000.0},
        {"mode": UnitMode.DISCHARGE, "power_w": 1000.0},
    ],
    ids=["limit", "power"],
)
@pytest.mark.parametrize("blind", [False, True])
def test_what_asks_for_less_than_all_is_led(
    change: dict[str, Any], *, blind: bool
) -> None:
    loop = evening(native=True)
    follow_from_the_start(loop)
    if blind:
        loop.grid_fails = lambda _: True
        loop.run(200.0, lambda _: 2000.0)
    loop.change(**change)
    rows = loop.run(30.0, lambda _: 2000.0)
    assert rows[0].command_w == 1000.0
    assert not any(row.follows for row in rows)
    assert rows[-1].unit_w == 1000.0


def test_after_it_was_led_it_follows_again_later() -> None:
    loop = evening(native=True)
    follow_from_the_start(loop)
    loop.change(discharge_limit_w=1000.0)
    loop.run(60.0, lambda _: 2000.0)
    loop.change(discharge_limit_w=None)
    rows = loop.run(600.0, lambda _: 2000.0)
    again = next(row.time_s for row in rows if row.follows)
    assert again == 60.0 + AGAIN_S
    assert all(row.follows for row in rows if row.time_s >= again)
    # Neither hand-over was a start.
    assert len(starts_s(loop.rows)) == 1


def test_the_user_may_prefer_set_points() -> None:
    loop = evening(native=True)
    adjusted(loop, native=False)
    rows = loop.run(120.0, lambda _: 2000.0)
    assert not any(row.follows for row in rows)
    assert rows[-1].command_w == pytest.approx(1940.0)


def test_a_station_that_takes_a_ceiling_follows_up_to_it() -> None:
    loop = evening(native=True)
    adjusted(
        loop,
        capabilities=Capabilities(native_follow=True, follow_ceiling=True),
    )
    loop.change(discharge_limit_w=1500.0)
    rows = loop.run(300.0, kettles)
    assert rows[-1].follows
    assert rows[-1].command_w == 1500.0
    assert max(row.unit_w for row in rows) == 1500.0


def test_a_device_that_can_do_more_than_it_may_is_led() -> None:
    """What it says of itself counts, and not only what is known of it."""
    loop = evening(native=True)
    loop.reading = lambda reading: replace(reading, max_discharge_w=9000.0)
    assert not any(row.follows for row in loop.run(120.0, lambda _: 2000.0))


def test_a_load_that_is_not_worth_it_stops_it_when_it_lasts() -> None:
    loop = evening(native=True)
    follow_from_the_start(loop)
    # The fridge rests for a few seconds: no reason.
    rows = loop.run(300.0, lambda s: 100.0 if s % 60.0 < 15.0 else 2000.0)
    assert all(row.follows for row in rows)
    rows = loop.run(1800.0, lambda _: 100.0)
    stopped = next(row.time_s for row in rows if row.command_w == 0.0)
    assert stopped - rows[0].time_s < 60.0
    assert rows[-1].unit_w == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_a_restless_small_load_does_not_wear_the_relay(seed: int) -> None:
    loop = evening(native=True, noise_w=noise(seed))
    rows = loop.run(
        3600.0, lambda s: 150.0 + 400.0 * ((int(s // 50) * (seed + 7)) % 3 == 0)
    )
    begun = starts_s(rows)
    assert all(later - earlier >= 300.0 for earlier, later in pairwise(begun))


@pytest.mark.parametrize(
    "intent",
    [
        replace(COVER, kind=IntentKind.HOLD, power_w=0.0),
        replace(COVER, kind=IntentKind.CHARGE, power_w=3000.0),
        replace(COVER, kind=IntentKind.EXPORT),
        replace(COVER, kind=IntentKind.ABSORB),
    ],
    ids=["hold", "charge", "export", "absorb"],
)
@pytest.mark.parametrize("blind", [False, True])
def test_another_intent_ends_it(intent: Intent, *, blind: bool) -> None:
    loop = evening(native=True, plan=COVER)
    follow_from_the_start(loop)
    if blind:
        loop.grid_fails = lambda _: True
        loop.run(200.0, lambda _: 2000.0)
    loop.plan = intent
    rows = loop.run(120.0, lambda _: 2000.0)
    assert not any(row.follows for row in rows)
    assert not loop.leaf.native
    assert rows[0].command_w is not None


def test_a_surplus_that_lasts_is_absorbed_instead() -> None:
    loop = evening(native=True, plan=BOTH)
    follow_from_the_start(loop)
    rows = loop.run(600.0, lambda _: 1000.0, lambda _: 4000.0)
    turned = next(row.time_s for row in rows if (row.command_w or 0.0) < 0.0)
    assert 60.0 + 30.0 <= turned <= 60.0 + 120.0
    assert rows[-1].unit_w == pytest.approx(-2970.0, abs=50.0)
    rows = loop.run(900.0, lambda _: 2000.0)
    assert rows[-1].follows


def test_a_charge_for_the_departure_begins_as_soon_as_the_relay_may() -> None:
    loop = evening(native=True)
    follow_from_the_start(loop)
    loop.change(
        ready_by=True,
        ready_by_minute=18 * 60 + 45,
        ready_by_soc_percent=80.0,
    )
    rows = loop.run(400.0, lambda _: 2000.0)
    assert rows[0].command_w == 0.0
    assert starts_s(loop.rows) == [20.0, 320.0]
    assert rows[-1].unit_w == -6000.0


def test_the_main_limit_and_the_demand_window_are_kept() -> None:
    loop = Loop(
        site=dear_site(main_limit_w=7000.0, window_min=30),
        native=True,
        import_limit_w=2000.0,
    )
    follow_from_the_start(loop)
    rows = loop.run(1700.0, lambda s: 6500.0 if s % 600.0 < 500.0 else 2000.0)
    assert all(row.follows for row in rows)
    assert max(row.grid_w for row in rows[10:]) < 7000.0
    assert loop.state.window.missed == 0


# Stations that do not do what they say.


def test_one_that_gives_all_it_can_is_led_until_the_next_day() -> None:
    loop = evening(native=True, truth=BLUNT)
    rows = loop.run(600.0, lambda _: 2000.0)
    exported = [row.time_s for row in rows if row.grid_w < -100.0]
    # A minute after it was there, and the way back.
    assert exported[-1] < 20.0 + 25.0 + 60.0 + 15.0
    assert rows[-1].command_w == pytest.approx(1940.0)
    assert loop.leaf.native_failed_s is not None
    loop.leaf.native_failed_s -= RETRY_S
    assert loop.run(60.0, lambda _: 2000.0)[-1].follows


def test_one_that_gives_nothing_is_led_until_the_next_day() -> None:
    loop = evening(native=True, truth=replace(LEAF, max_discharge_w=200.0))
    rows = loop.run(300.0, lambda _: 2000.0)
    assert loop.leaf.native_failed_s == pytest.approx(START_S + 160.0, abs=30.0)
    assert not rows[-1].follows


def test_one_that_gives_nothing_while_the_breaker_is_at_its_limit() -> None:
    """Then nobody waits two minutes to see."""
    loop = Loop(
        site=dear_site(main_limit_w=3000.0),
        native=True,
        truth=replace(LEAF, max_discharge_w=200.0),
    )
    rows = loop.run(120.0, lambda _: 4000.0)
    left = next(row for row in rows if row.time_s > 20.0 and not row.follows)
    assert left.time_s < 20.0 + 25.0 + 10.0 + 15.0
    assert left.command_w is not None
    assert left.command_w > 1000.0


def test_one_that_refuses_is_led() -> None:
    loop = evening(native=True, truth=replace(LEAF, max_discharge_w=200.0))
    adjusted(
        loop,
        outcome=Outcome(kind=OutcomeKind.REFUSED, time_s=START_S + 1000.0),
    )
    rows = loop.run(60.0, lambda _: 2000.0)
    assert not rows[-1].follows
    assert rows[-1].command_w == pytest.approx(1940.0)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(kind=OutcomeKind.PENDING, time_s=START_S + 1000.0),
        Outcome(kind=OutcomeKind.UNREACHABLE, time_s=START_S + 1000.0),
        # What became of an earlier command.
        Outcome(kind=OutcomeKind.APPLIED, time_s=START_S),
    ],
)
def test_one_that_was_not_reached_is_not_judged(outcome: Outcome) -> None:
    loop = evening(native=True, truth=replace(LEAF, max_discharge_w=200.0))
    adjusted(loop, outcome=outcome)
    rows = loop.run(600.0, lambda _: 2000.0)
    assert rows[-1].follows
    assert loop.leaf.native_failed_s is None


def test_one_that_does_not_tell_its_power_counts_for_all_it_can() -> None:
    spec = replace(LEAF, usable_kwh=10.0)
    loop = evening(native=True, spec=spec)
    follow_from_the_start(loop)
    loop.reading = lambda reading: replace(
        reading, power_w=None, charged_kwh=None, discharged_kwh=None
    )
    before_kwh = loop.leaf.stored_kwh
    rows = loop.run(60.0, lambda _: 2000.0)
    assert before_kwh is not None
    assert loop.leaf.stored_kwh is not None
    assert before_kwh - loop.leaf.stored_kwh >= 6000.0 * 59.0 / 3.6e6
    assert all(row.decision.load_w is None for row in rows[5:] if row.time_s > 125.0)


# More than one unit, and nobody who is told.


def test_who_is_not_alone_is_led() -> None:
    """Two that cover would each take what the other gives for the house."""
    loop = evening(native=True, more={"pack": replace(LEAF, initial_soc_percent=50.0)})
    rows = loop.run(300.0, lambda _: 2000.0)
    assert not any(row.follows for row in rows)
    loop.state.units["pack"].settings = replace(
        loop.state.units["pack"].settings, mode=UnitMode.HOLD
    )
    loop.state.units["pack"].settings = replace(
        loop.state.units["pack"].settings, until_s=START_S + 86_400.0
    )
    rows = loop.run(300.0, lambda _: 2000.0)
    assert rows[-1].follows
    loop.state.units["pack"].settings = replace(
        loop.state.units["pack"].settings, mode=UnitMode.CHARGE, power_w=1000.0
    )
    rows = loop.run(300.0, lambda _: 2000.0)
    assert not any(row.follows for row in rows)
    # What the other one charges comes from the grid, as it was meant.
    assert rows[-1].grid_w == pytest.approx(1060.0, abs=45.0)


def test_a_unit_that_charges_by_itself_is_not_fed() -> None:
    loop = evening(native=True, more={"pack": LEAF})
    loop.state.units["pack"].settings = replace(
        loop.state.units["pack"].settings, mode=UnitMode.OFF
    )
    follow_from_the_start(loop)
    loop.plants["pack"].command(-1500.0, loop.plant.time_s)
    rows = loop.run(120.0, lambda _: 2000.0)
    assert not rows[-1].follows
    assert rows[-1].grid_w == pytest.approx(1560.0, abs=60.0)


def test_observing_shows_it_and_tells_nobody() -> None:
    loop = evening(native=True, mode=HomeMode.OBSERVE)
    rows = loop.run(600.0, lambda _: 2000.0)
    setpoint = rows[-1].decision.units["leaf"].setpoint
    assert setpoint is not None
    assert setpoint.native is NativeMode.FOLLOW
    assert not any(row.decision.units["leaf"].send for row in rows)
    assert loop.leaf.native_failed_s is None
    loop.change_home(mode=HomeMode.AUTOMATIC)
    rows = loop.run(60.0, lambda _: 2000.0)
    assert rows[-1].follows
    assert rows[-1].unit_w == pytest.approx(1950.0, abs=1.0)
    # And taken back at once when it is only to look on again.
    loop.change_home(mode=HomeMode.OBSERVE)
    assert loop.run(5.0, lambda _: 2000.0)[0].decision.units["leaf"].park
    assert not loop.leaf.native


def test_a_restart_changes_nothing() -> None:
    loop = evening(native=True)
    follow_from_the_start(loop)
    stored = json.loads(json.dumps(to_dict(loop.state)))
    loop.state = from_dict(HomeState, stored)
    rows = loop.run(120.0, kettles)
    assert all(row.follows for row in rows)
    assert len(starts_s(loop.rows)) == 1


def test_a_mode_of_the_panel_ends_it() -> None:
    loop = evening(native=True)
    follow_from_the_start(loop)
    loop.reading = lambda reading: replace(reading, changed_elsewhere=True)
    loop.plant.command(0.0, loop.plant.time_s)
    loop.run(60.0, lambda _: 2000.0)
    assert not loop.leaf.native


def test_a_dear_battery_does_not_follow_a_small_load() -> None:
    """Losses eat what a small load would save."""
    worth = replace(COVER, stored_value=0.25)
    loop = Loop(
        site=replace(dear_site(), tariff=Tariff.flat(0.30)), native=True, plan=worth
    )
    follow_from_the_start(loop)
    rows = loop.run(300.0, lambda _: 500.0)
    assert rows[-1].unit_w == 0.0
    assert rows[-1].decision.units["leaf"].reason.code is ReasonCode.NO_PROFIT
