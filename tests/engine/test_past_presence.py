"""Trips out of a recorder's changes."""

from datetime import date

import pytest

from custom_components.leaf_to_home.engine.past_presence import past_presence
from custom_components.leaf_to_home.engine.tariff import Tariff

FLAT = Tariff.flat(0.30)
MONDAY = date(2026, 11, 23).toordinal()
MONDAY_S = 1_795_392_000.0
DAY_S = 86400.0
HOUR_S = 3600.0


def at(day: int, hour: float) -> float:
    return MONDAY_S + day * DAY_S + hour * HOUR_S


def test_a_trip_takes_what_the_charge_lacks_after_it() -> None:
    past = past_presence(
        FLAT,
        [(at(0, 0), True), (at(0, 8), False), (at(0, 17.5), True)],
        # It is told some minutes after the plug.
        [(at(0, 5), 80.0), (at(0, 8), None), (at(0, 17.6), 55.0)],
        capacity_kwh=40.0,
        end_s=at(1, 12),
    )
    (trip,) = past.trips
    assert (trip.day, trip.minute) == (MONDAY, 480)
    assert trip.lasted_s == 9.5 * HOUR_S
    assert trip.energy_kwh == pytest.approx(10.0)
    assert list(past.days) == [MONDAY, MONDAY + 1]


def test_what_nobody_saw_is_no_trip_and_no_day() -> None:
    past = past_presence(
        FLAT,
        [(at(0, 8), None), (at(2, 8), True), (at(2, 9), None), (at(4, 9), True)],
        [(at(0, 5), 80.0)],
        capacity_kwh=40.0,
        end_s=at(4, 10),
    )
    assert past.trips == []
    assert list(past.days) == [MONDAY + 2, MONDAY + 4]


def test_a_trip_goes_on_while_the_station_is_out_of_reach() -> None:
    past = past_presence(
        FLAT,
        [
            (at(0, 8), False),
            (at(0, 10), None),
            (at(0, 11), False),
            (at(0, 12), True),
        ],
        [(at(0, 7), 80.0), (at(0, 12), 60.0)],
        capacity_kwh=40.0,
        end_s=at(0, 13),
    )
    (trip,) = past.trips
    assert trip.lasted_s == 4 * HOUR_S


def test_a_trip_without_a_charge_before_it_is_left_out() -> None:
    past = past_presence(
        FLAT,
        [(at(0, 8), False), (at(0, 12), True)],
        [(at(0, 12), 60.0)],
        capacity_kwh=40.0,
        end_s=at(0, 13),
    )
    assert past.trips == []
    assert list(past.days) == [MONDAY]
