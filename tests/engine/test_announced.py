"""The trips of a unit that are ahead or under way, whoever told of them."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.absences import absences_of
from custom_components.leaf_to_home.engine.announced import (
    all_trips,
    announced,
    departures_ahead,
    is_late,
    is_over,
    told_departures,
    trips_ahead,
    without_past,
)
from custom_components.leaf_to_home.engine.basis import Change, basis_of, change
from custom_components.leaf_to_home.engine.model import (
    Departure,
    HomeMode,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
    UnitInputs,
)
from custom_components.leaf_to_home.engine.planning import Past
from custom_components.leaf_to_home.engine.requirement import (
    LATE_S,
    SOON_S,
    UNKNOWN_RETURN_S,
    Ask,
    Requirement,
    TripSource,
    WeekdayTrip,
)
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    VehicleMemory,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import LEAF, START_S, Loop, dear_site
from tests.engine.parts import SITE, grid, home, inputs, known, reading, unit

HOUR_S = 3600.0
AWAY = Intent(
    kind=IntentKind.HOLD, power_w=0.0, reason=Reason(code=ReasonCode.DISCONNECTED)
)
FLAT = Tariff.flat(0.30)


def requirement(hours: float, **values: Any) -> Requirement:
    said: dict[str, Any] = {"ask": Ask(soc_percent=70.0), "id": "one"}
    return Requirement(departure_s=START_S + hours * HOUR_S, **said | values)


def car(*requirements: Requirement, **values: Any) -> UnitState:
    return unit(requirements=list(requirements), **values)


# What is over.


@pytest.mark.parametrize(
    ("hours", "connected", "over"),
    [
        (-0.1, True, False),
        (-0.1, False, False),
        # Late, until nobody believes any more that it leaves.
        (0.1, True, False),
        (0.1, None, False),
        (LATE_S / HOUR_S, True, True),
        (LATE_S / HOUR_S, None, True),
        # Under way, until it should be back.
        (LATE_S / HOUR_S, False, False),
        (7.9, False, False),
        (8.0, False, True),
    ],
)
def test_a_trip_is_over(hours: float, connected: bool | None, over: bool) -> None:
    now_s = START_S + hours * HOUR_S
    one = unit(connected=connected)
    assert is_over(one, START_S, START_S + 8 * HOUR_S, now_s) is over


def test_a_trip_without_a_return_is_not_under_way_for_ever() -> None:
    away = unit(connected=False)
    assert not is_over(away, START_S, None, START_S + UNKNOWN_RETURN_S - 1.0)
    assert is_over(away, START_S, None, START_S + UNKNOWN_RETURN_S)


def test_a_car_that_is_back_early_has_made_its_trip() -> None:
    back = unit(arrived_s=START_S + 600.0)
    assert is_over(back, START_S, START_S + 8 * HOUR_S, START_S + 700.0)
    # Home from somewhere else, it is still to leave.
    earlier = unit(arrived_s=START_S - 600.0)
    assert not is_over(earlier, START_S, START_S + 8 * HOUR_S, START_S + 700.0)


def test_a_step_drops_what_is_over_and_keeps_what_is_not() -> None:
    ahead, gone = requirement(3.0), requirement(-3.0, id="gone")
    state = home(units={"leaf": car(gone, ahead)})
    after, _ = step(state, inputs(), START_S)
    assert after.units["leaf"].requirements == [ahead]
    assert state.units["leaf"].requirements == [gone, ahead], "that state stays"


def test_trips_outlive_storing_and_older_stores_are_read() -> None:
    trips = [
        requirement(3.0, back_s=START_S + 9 * HOUR_S, name="Dentist", vehicle="b"),
        requirement(5.0, ask=Ask(distance_km=60.0), source=TripSource.CALENDAR),
    ]
    state = home(units={"leaf": car(*trips)})
    stored = to_dict(state)
    assert from_dict(HomeState, stored) == state
    del stored["units"]["leaf"]["requirements"]
    del stored["units"]["leaf"]["settings"]["kwh_per_100_km"]
    read = from_dict(HomeState, stored).units["leaf"]
    assert read.requirements == []
    assert read.settings.kwh_per_100_km == 18.0
    # A number that went wrong costs the one trip.
    stored["units"]["leaf"]["requirements"] = [{"departure_s": None, "id": "odd"}]
    read = from_dict(HomeState, stored).units["leaf"]
    assert without_past(read, START_S) == []


# Whose they are, and what they ask for.


def test_a_stored_trip_is_a_departure_to_be_ready_for() -> None:
    one = car(requirement(3.0, back_s=START_S + 9 * HOUR_S))
    (departure,) = departures_ahead(one, known(), FLAT, START_S)
    assert departure == Departure(
        time_s=START_S + 3 * HOUR_S,
        soc_percent=70.0,
        back_s=START_S + 9 * HOUR_S,
        until_gone=True,
    )
    assert told_departures(one, known(), START_S) == (departure,)
    assert announced(one, known(), FLAT, START_S) == (departure,)
    beside = known(departures=(Departure(time_s=START_S + 60.0, soc_percent=50.0),))
    assert len(departures_ahead(one, beside, FLAT, START_S)) == 2


def test_kwh_and_distance_follow_reserve_and_consumption() -> None:
    one = car(requirement(3.0, ask=Ask(distance_km=100.0)))
    one.settings = replace(
        first_settings(LEAF), reserve_percent=20.0, kwh_per_100_km=9.0
    )
    (departure,) = departures_ahead(one, known(), FLAT, START_S)
    assert departure.soc_percent == pytest.approx(20.0 + 100.0 * 9.0 / 36.0)


def test_each_car_has_its_own_trips() -> None:
    small = replace(LEAF, usable_kwh=18.0)
    told = known(vehicles={"a": LEAF, "b": small})
    one = car(
        requirement(3.0, vehicle="a", ask=Ask(energy_kwh=9.0)),
        requirement(5.0, vehicle="b", ask=Ask(energy_kwh=9.0)),
        requirement(7.0),
        vehicle="a",
        vehicle_here=True,
        vehicles={
            "b": VehicleMemory(
                settings=replace(first_settings(small), reserve_percent=10.0)
            )
        },
    )
    mine = departures_ahead(one, told, FLAT, START_S)
    assert [each.soc_percent for each in mine] == [30.0 + 25.0, 70.0]
    everyones = list(all_trips(one, told, FLAT, START_S))
    assert [each.soc_percent for each in everyones] == [55.0, 10.0 + 50.0, 70.0]
    # Of a car that is not there nothing is seen, but its trips do not stay for ever.
    other = requirement(0.0, vehicle="b", back_s=START_S + 9 * HOUR_S)
    there = car(other, vehicle="a", vehicle_here=True)
    assert without_past(there, START_S + 5 * HOUR_S) == [other]
    assert without_past(there, START_S + 9 * HOUR_S) == []


def test_ready_by_and_a_trip_at_that_time_are_one() -> None:
    one = car(requirement(7.0, ask=Ask(soc_percent=90.0)))
    minute = FLAT.day_minute(START_S + 6.5 * HOUR_S)[1]
    one.settings = replace(one.settings, ready_by=True, ready_by_minute=minute)
    first, *_ = trips_ahead(one, known(), FLAT, START_S)
    assert first.soc_percent == 90.0
    assert first.sources == (TripSource.ACTION, TripSource.READY_BY)
    (departure, *_) = departures_ahead(one, known(), FLAT, START_S)
    assert departure.time_s == START_S + 6.5 * HOUR_S
    assert departure.back_s is None
    # An unplugged car has the trip alone.
    one.connected = False
    (first,) = trips_ahead(one, known(), FLAT, START_S)
    assert first.departure_s == START_S + 7.0 * HOUR_S


# Weekdays, in local time.


def local(zone: str, text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def usual(minute: int, back_minute: int | None = None) -> UnitInputs:
    each = WeekdayTrip(minute=minute, soc_percent=65.0, back_minute=back_minute)
    return known(patterns={"": dict.fromkeys(range(7), each)})


def test_a_pattern_has_the_next_of_each_weekday() -> None:
    told = known(
        patterns={
            "": {
                0: WeekdayTrip(minute=450, soc_percent=65.0, back_minute=1020),
                4: WeekdayTrip(minute=540),
            }
        }
    )
    tariff = Tariff.flat(0.3, timezone="Europe/Amsterdam")
    # A Thursday.
    now_s = local("Europe/Amsterdam", "2026-11-26T20:00")
    friday, monday = trips_ahead(unit(), told, tariff, now_s)
    assert friday.departure_s == local("Europe/Amsterdam", "2026-11-27T09:00")
    assert friday.back_s is None
    assert friday.soc_percent == 80.0, "the usual"
    assert monday.departure_s == local("Europe/Amsterdam", "2026-11-30T07:30")
    assert monday.back_s == local("Europe/Amsterdam", "2026-11-30T17:00")
    assert monday.soc_percent == 65.0
    assert monday.sources == (TripSource.PATTERN,)


@pytest.mark.parametrize(
    ("now", "minute", "departure"),
    [
        # Summer time begins in the night: it is 7:00 an hour sooner.
        ("2026-03-28T20:00", 420, "2026-03-29T07:00"),
        # What the clock skips is at the moment of the skip.
        ("2026-03-28T20:00", 150, "2026-03-29T03:00"),
        ("2026-10-24T20:00", 420, "2026-10-25T07:00"),
        # Of two times the first, to be ready for both.
        ("2026-10-24T20:00", 150, "2026-10-25T02:30"),
    ],
)
def test_a_pattern_follows_the_local_clock(
    now: str, minute: int, departure: str
) -> None:
    zone = "Europe/Amsterdam"
    tariff = Tariff.flat(0.3, timezone=zone)
    first, *_ = trips_ahead(unit(), usual(minute), tariff, local(zone, now))
    assert first.departure_s == local(zone, departure)


def test_a_night_shift_is_back_on_the_next_day() -> None:
    zone = "Asia/Tokyo"
    tariff = Tariff.flat(0.3, timezone=zone)
    told = usual(22 * 60, 6 * 60)
    away = unit(connected=False)
    now_s = local(zone, "2026-11-26T02:00")
    first, second, *_ = trips_ahead(away, told, tariff, now_s)
    assert first.departure_s == local(zone, "2026-11-25T22:00"), "under way"
    assert first.back_s == local(zone, "2026-11-26T06:00")
    assert second.departure_s == local(zone, "2026-11-26T22:00")


def test_each_car_has_its_own_weekdays() -> None:
    small = replace(LEAF, max_soc_percent=60.0)
    told = known(
        vehicles={"a": LEAF, "b": small},
        patterns={
            "": {0: WeekdayTrip(minute=450)},
            "a": {1: WeekdayTrip(minute=450)},
            "b": {2: WeekdayTrip(minute=450)},
        },
    )
    now_s = local("UTC", "2026-11-29T20:00")
    one = unit(vehicle="a", vehicle_here=True)
    ahead = trips_ahead(one, told, FLAT, now_s)
    assert [each.departure_s for each in ahead] == [
        local("UTC", "2026-11-30T07:30"),
        local("UTC", "2026-12-01T07:30"),
    ]
    everyones = {
        each.vehicle: each.soc_percent for each in all_trips(one, told, FLAT, now_s)
    }
    assert everyones == {None: 80.0, "a": 80.0, "b": 60.0}


# A car that does not leave.


def test_a_car_that_is_late_is_kept_ready() -> None:
    """Goal and charge stand until nobody believes any more that it leaves."""
    one = car(requirement(0.0), stored_kwh=0.6 * 36.0)
    state = home(units={"leaf": one})
    state.settings = HomeSettings(mode=HomeMode.SELF_CONSUMPTION)
    given = inputs(units={"leaf": known(reading=reading(soc_percent=60.0))})
    for minutes in (1.0, 80.0):
        now_s = START_S + minutes * 60.0
        later = replace(
            given,
            grid=replace(given.grid, time_s=now_s) if given.grid else None,
            units={
                "leaf": known(reading=reading(soc_percent=60.0, time_s=now_s)),
            },
        )
        _, decision = step(state, later, now_s)
        leaf = decision.units["leaf"]
        assert leaf.reason.code is ReasonCode.DEPARTURE
        assert leaf.intent is IntentKind.CHARGE
    assert is_late(one, known(), FLAT, START_S + 60.0)
    assert not is_late(one, known(), FLAT, START_S - 60.0)
    assert not is_late(unit(connected=False), known(), FLAT, START_S + 60.0)
    assert departures_ahead(one, known(), FLAT, START_S + LATE_S) == ()


@pytest.mark.parametrize("plan", [None, AWAY])
def test_a_late_car_with_what_it_needs_is_left_alone(plan: Intent | None) -> None:
    """A plan and the rule take it for away; neither says so of a car that is there."""
    one = car(requirement(0.0), stored_kwh=0.75 * 36.0)
    now_s = START_S + 600.0
    state = home(units={"leaf": one}, settings=HomeSettings(mode=HomeMode.AUTOMATIC))
    told = known(reading=reading(soc_percent=75.0, time_s=now_s), plan=plan)
    given = inputs(units={"leaf": told}, grid=grid(500.0, now_s))
    _, decision = step(state, given, now_s)
    leaf = decision.units["leaf"]
    assert leaf.intent is IntentKind.HOLD
    assert leaf.reason.code is ReasonCode.DEPARTURE
    # When nobody believes in the trip any more, it is used again.
    now_s = START_S + LATE_S
    told = known(reading=reading(soc_percent=75.0, time_s=now_s), plan=plan)
    given = inputs(units={"leaf": told}, grid=grid(500.0, now_s))
    _, decision = step(state, given, now_s)
    assert decision.units["leaf"].reason.code is not ReasonCode.DEPARTURE


def test_what_the_unit_itself_said_of_a_past_trip_is_not_charged_for() -> None:
    past = known(departures=(Departure(time_s=START_S - 60.0, soc_percent=90.0),))
    state = home(settings=HomeSettings(mode=HomeMode.SELF_CONSUMPTION))
    _, decision = step(state, inputs(units={"leaf": past}), START_S)
    assert decision.units["leaf"].intent is IntentKind.COVER


# What plans go by.


def test_a_plan_is_made_anew_for_a_new_trip_and_when_one_does_not_happen() -> None:
    state = home(settings=HomeSettings(mode=HomeMode.AUTOMATIC))
    given = inputs(site=SITE)
    before = basis_of(state, given, START_S, "")
    trip = requirement(1.0)
    state.units["leaf"].requirements = [trip]
    made = basis_of(state, given, START_S, "")
    assert change(before, made, START_S) is Change.SETTINGS
    assert change(made, made, START_S) is Change.NONE
    late_s = trip.departure_s + 60.0
    late = basis_of(state, given, late_s, "")
    assert change(made, late, late_s) is Change.NEWS
    over_s = trip.departure_s + LATE_S
    over = basis_of(state, given, over_s, "")
    assert change(late, over, over_s) is Change.NEWS


def test_what_is_days_away_is_nothing_to_plan_for_yet() -> None:
    one = car(requirement(SOON_S / HOUR_S + 1.0), requirement(5.0, id="soon"))
    (absence,) = absences_of(one, known(), None, FLAT, START_S)
    assert absence.departure_s == START_S + 5.0 * HOUR_S


@pytest.mark.parametrize(
    ("hours", "asked"),
    [
        (3.9, [(3.9, 91.0), (4.0, 71.0)]),
        (4.0, [(4.0, 71.0), (4.0, 91.0)]),
        (5.0, [(4.0, 91.0)]),
        (12.9, [(4.0, 91.0)]),
        (13.1, [(4.0, 71.0), (13.1, 91.0)]),
    ],
)
def test_what_is_asked_while_it_is_away_is_asked_before_it_leaves(
    hours: float, asked: list[tuple[float, float]]
) -> None:
    """Nobody said when it is back; only before the trip it can be charged for that."""
    one = car(
        requirement(4.0),
        watch_percent=90.0,
        watch_s=START_S + hours * HOUR_S,
        watch_short=True,
    )
    found = absences_of(one, known(), None, FLAT, START_S)
    assert [(a.departure_s, a.soc_percent) for a in found] == [
        (START_S + at_h * HOUR_S, percent) for at_h, percent in asked
    ]
    trip = next(a for a in found if a.departure_s == START_S + 4.0 * HOUR_S)
    assert trip.back_s in (trip.departure_s, trip.departure_s + UNKNOWN_RETURN_S)


def test_what_is_asked_in_a_later_trip_does_not_depend_on_the_plug() -> None:
    one = car(
        requirement(-1.0, back_s=START_S + HOUR_S),
        requirement(4.0, id="later"),
        connected=False,
        watch_percent=90.0,
        watch_s=START_S + 5.0 * HOUR_S,
        watch_short=True,
    )
    _, later = absences_of(one, known(), None, FLAT, START_S)
    assert (later.departure_s, later.soc_percent) == (START_S + 4.0 * HOUR_S, 91.0)


@pytest.mark.parametrize("late_h", [0.2, 2.0])
def test_of_a_trip_under_way_nothing_is_asked(late_h: float) -> None:
    """One that is late is as good as gone for the plan; the safety rules charge it."""
    one = car(
        requirement(-0.1),
        watch_percent=90.0,
        watch_s=START_S + late_h * HOUR_S,
        watch_short=True,
    )
    (trip,) = absences_of(one, known(), None, FLAT, START_S)
    assert (trip.departure_s, trip.soc_percent) == (START_S - 0.1 * HOUR_S, 71.0)


def test_presence_learns_that_trips_are_announced() -> None:
    past = Past()
    state = home(units={"leaf": car(requirement(1.0))})
    past.hear(state, inputs(), START_S)
    gone = home(units={"leaf": unit(connected=False)})
    past.hear(gone, inputs(), START_S + HOUR_S)
    past.hear(home(), inputs(), START_S + 5.0 * HOUR_S)
    (made,) = past.presence["leaf"].trips
    assert made.notice_h == pytest.approx(1.0)
    assert made.asked_percent == 70.0


# In a house.


@pytest.mark.parametrize(
    "mode", [HomeMode.AUTOMATIC, HomeMode.SELF_CONSUMPTION, HomeMode.BACKUP_READY]
)
def test_a_car_leaves_with_what_was_announced(mode: HomeMode) -> None:
    """The evening is dear and the load high: nothing else would charge it now."""
    loop = Loop(site=dear_site(), tick_s=10.0, meter_s=10.0, mode=mode)
    loop.run(600.0, lambda _: 1500.0)
    loop.leaf.requirements = [
        Requirement(
            departure_s=loop.plant.time_s + 3.0 * HOUR_S, ask=Ask(soc_percent=75.0)
        )
    ]
    rows = loop.run(3.0 * HOUR_S, lambda _: 1500.0)
    assert rows[-1].soc_percent >= 75.0
    # What is late is still kept, and no longer than that.
    rows = loop.run(LATE_S - 60.0, lambda _: 1500.0)
    assert min(row.soc_percent for row in rows) >= 75.0
    loop.run(120.0, lambda _: 1500.0)
    assert loop.leaf.requirements == []
