"""What a trip asks for, and when several tell of the same one."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.requirement import (
    LATE_S,
    SAME_TRIP_S,
    UNKNOWN_RETURN_S,
    Ask,
    Requirement,
    Trip,
    TripSource,
    asked_percent,
    merged,
)
from tests.engine.loop import LEAF, START_S
from tests.engine.parts import thorough

HOUR_S = 3600.0
SPEC = replace(LEAF, usable_kwh=40.0, soh_percent=90.0, max_soc_percent=95.0)


def trip(
    departure_h: float,
    soc_percent: float = 80.0,
    back_h: float | None = None,
    source: TripSource = TripSource.CALENDAR,
    *,
    stays: bool = False,
    name: str | None = None,
) -> Trip:
    return Trip(
        departure_s=START_S + departure_h * HOUR_S,
        back_s=None if back_h is None else START_S + back_h * HOUR_S,
        soc_percent=soc_percent,
        sources=(source,),
        stays=stays,
        name=name,
    )


@pytest.mark.parametrize(
    ("ask", "percent"),
    [
        (Ask(), 75.0),
        (Ask(soc_percent=60.0), 60.0),
        # On top of the reserve: 9 of 36 kWh.
        (Ask(energy_kwh=9.0), 30.0 + 25.0),
        (Ask(distance_km=100.0), 30.0 + 50.0),
        # No more than the battery takes.
        (Ask(soc_percent=100.0), 95.0),
        (Ask(energy_kwh=30.0), 95.0),
        # A state of charge that is said is what counts.
        (Ask(soc_percent=60.0, distance_km=100.0), 60.0),
    ],
)
def test_every_ask_becomes_a_state_of_charge(ask: Ask, percent: float) -> None:
    assert asked_percent(
        ask, SPEC, usual_percent=75.0, reserve_percent=30.0, kwh_per_100_km=18.0
    ) == pytest.approx(percent)


def test_a_trip_expires_whether_or_not_it_is_made() -> None:
    known = Requirement(departure_s=START_S, back_s=START_S + 5 * HOUR_S)
    assert known.expires_s == START_S + 5 * HOUR_S
    assert trip(0.0, back_h=0.5).expires_s == START_S + LATE_S
    assert trip(0.0).expires_s == START_S + UNKNOWN_RETURN_S
    assert Requirement().expires_s <= UNKNOWN_RETURN_S, "one without a time is over"


def test_trips_come_in_order() -> None:
    first, second = trip(1.0, back_h=2.0), trip(20.0)
    assert merged([second, first]) == (first, second)
    assert merged([]) == ()


def test_what_several_tell_of_one_trip_is_the_strictest_of_it() -> None:
    ready = trip(7.0, 60.0, source=TripSource.READY_BY, stays=True)
    usual = trip(7.25, 70.0, 16.0, source=TripSource.PATTERN)
    said = trip(7.5, 90.0, source=TripSource.ACTION, name="Airport")
    (one,) = merged([said, usual, ready])
    assert one.departure_s == ready.departure_s
    assert one.soc_percent == 90.0
    assert one.back_s == usual.back_s
    assert not one.stays
    assert one.name == "Airport"
    assert one.sources == (TripSource.ACTION, TripSource.PATTERN, TripSource.READY_BY)


def test_a_unit_that_only_has_to_be_ready_stays() -> None:
    ready = trip(7.0, 60.0, source=TripSource.READY_BY, stays=True)
    (one,) = merged([ready, replace(ready, soc_percent=70.0)])
    assert one.stays
    assert one.soc_percent == 70.0
    (one,) = merged([ready, trip(7.5)])
    assert not one.stays
    assert one.back_s is None, "nobody knows when it is back"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (trip(7.0), trip(7.0 + SAME_TRIP_S / HOUR_S + 0.01)),
        # Back before the next one leaves: these are two trips.
        (trip(7.0, back_h=7.3), trip(7.5)),
    ],
)
def test_different_trips_stay_different(first: Trip, second: Trip) -> None:
    assert merged([first, second]) == (first, second)


def test_an_hour_is_counted_from_the_first_that_tells() -> None:
    """Or a chain of trips would become one that leaves at the earliest of them."""
    chain = [trip(7.0), trip(7.9), trip(8.8)]
    assert [each.departure_s for each in merged(chain)] == [
        chain[0].departure_s,
        chain[2].departure_s,
    ]


TRIPS = st.lists(
    st.builds(
        trip,
        st.floats(0.0, 60.0),
        st.floats(1.0, 100.0),
        st.none() | st.floats(0.0, 80.0),
        st.sampled_from(TripSource),
    ),
    max_size=12,
)


@thorough(300)
@given(TRIPS)
def test_whoever_told_of_a_trip_is_served(told: list[Trip]) -> None:
    trips = merged(told)
    departures = [each.departure_s for each in trips]
    assert departures == sorted(departures)
    for one in told:
        assert any(
            each.departure_s <= one.departure_s <= each.departure_s + SAME_TRIP_S
            and each.soc_percent >= one.soc_percent
            and one.sources[0] in each.sources
            for each in trips
        )
    assert merged(trips) == trips
