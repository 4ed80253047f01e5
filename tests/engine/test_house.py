"""The made-up house and its commuter: pure functions of seed and time."""

from datetime import datetime
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.house import EVENING_MINUTE, SimulatedHouse
from custom_components.leaf_to_home.engine.trips import Commuter

MADRID = ZoneInfo("Europe/Madrid")
HOUR = 3600


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=MADRID).timestamp()


def mean_w(house: SimulatedHouse, start_s: float, seconds: int) -> float:
    return sum(house.load_w(start_s + s) for s in range(seconds)) / seconds


def test_any_moment_can_be_asked_in_any_order() -> None:
    start_s = at("2026-11-18T00:00")
    times_s = [start_s + 977.0 * k for k in range(800)]
    house = SimulatedHouse(7, MADRID)
    forward = [(house.load_w(t), house.solar_w(t)) for t in times_s]
    shuffled = list(enumerate(times_s))
    Random(1).shuffle(shuffled)
    for place, time_s in shuffled:
        assert (house.load_w(time_s), house.solar_w(time_s)) == forward[place]
    other = SimulatedHouse(8, MADRID)
    assert [other.load_w(t) for t in times_s] != [pair[0] for pair in forward]


def test_it_has_the_texture_of_a_house() -> None:
    house = SimulatedHouse(7, MADRID)
    for day in ("2026-11-18", "2026-11-21", "2026-03-29", "2026-10-25"):
        start_s = at(f"{day}T00:00")
        loads_w = [house.load_w(start_s + s) for s in range(23 * HOUR)]
        assert min(loads_w) > 100.0
        assert 3500.0 < max(loads_w) < 10_000.0
        daily_kwh = sum(loads_w) / 3.6e6
        assert 6.0 < daily_kwh < 20.0
    # Kettles and ovens switch hundreds of times a day, the fridge on and off.
    start_s = at("2026-11-18T00:00")
    loads_w = [house.load_w(start_s + s) for s in range(24 * HOUR)]
    jumps = sum(abs(b - a) > 1000.0 for a, b in pairwise(loads_w))
    assert jumps > 40
    night = loads_w[2 * HOUR : 5 * HOUR]
    assert max(night) - min(night) > 60.0
    assert sum(night) / len(night) < 500.0


def test_the_evening_begins_when_it_is_asked_to() -> None:
    day_s = at("2026-11-18T00:00")
    for minute in (EVENING_MINUTE, 9 * 60 + 12, 23 * 60 + 50, 3):
        house = SimulatedHouse(7, MADRID, evening_minute=minute)
        begin_s = day_s + minute * 60.0
        before_w = mean_w(house, begin_s - 300.0, 300)
        assert mean_w(house, begin_s + 60.0, 600) > before_w + 900.0
        assert mean_w(house, begin_s, HOUR) > 1200.0


def test_the_sun_shines_by_day_and_moves_with_the_evening() -> None:
    house = SimulatedHouse(3, MADRID, solar_peak_w=4000.0)
    for day in ("2026-06-21", "2026-12-21"):
        start_s = at(f"{day}T00:00")
        solar_w = [house.solar_w(start_s + 60.0 * k) for k in range(24 * 60)]
        assert max(solar_w[: 4 * 60] + solar_w[22 * 60 :]) == 0.0
        assert 300.0 < max(solar_w) <= 4000.0
        assert min(solar_w) == 0.0
    # Clouds: neighbouring minutes differ, seconds hardly do.
    noon_s = at("2026-06-21T13:00")
    shades = {round(house.solar_w(noon_s + 60.0 * k)) for k in range(60)}
    assert len(shades) > 20
    assert abs(house.solar_w(noon_s) - house.solar_w(noon_s + 1.0)) < 100.0
    shifted = SimulatedHouse(3, MADRID, evening_minute=EVENING_MINUTE + 360)
    assert shifted.solar_w(noon_s - 8 * HOUR) == 0.0
    assert (
        shifted.solar_w(at("2026-06-21T22:00"))
        > 0.0
        == house.solar_w(at("2026-06-21T22:00"))
    )
    assert SimulatedHouse(3, MADRID, solar_peak_w=0.0).solar_w(noon_s) == 0.0


@pytest.mark.parametrize("month", range(1, 13))
def test_the_sun_has_set_when_an_evening_begins_that_was_asked_for(month: int) -> None:
    """Where it shines until ten, a battery could not show that it carries the house."""
    noon_s = at(f"2026-{month:02}-21T12:00")
    house = SimulatedHouse(3, MADRID, evening_minute=12 * 60)
    assert all(house.solar_w(noon_s + 60.0 * k) == 0.0 for k in range(5 * 60))
    day_w = [house.solar_w(noon_s - 60.0 * k) for k in range(18 * 60)]
    usual = SimulatedHouse(3, MADRID)
    usual_w = [usual.solar_w(noon_s + 60.0 * k) for k in range(-12 * 60, 12 * 60)]
    assert max(day_w) == pytest.approx(max(usual_w), rel=0.5)
    assert max(day_w) > 100.0


@pytest.mark.parametrize("seed", range(5))
def test_the_commuter_drives_on_workdays_and_now_and_then(seed: int) -> None:
    commuter = Commuter(seed, MADRID, capacity_kwh=36.0)
    from_s, until_s = at("2026-10-19T00:00"), at("2026-12-14T00:00")
    trips = commuter.between(from_s, until_s)
    days = [datetime.fromtimestamp(trip.departure_s, MADRID) for trip in trips]
    assert sum(day.weekday() < 5 for day in days) == 40
    assert 4 <= sum(day.weekday() >= 5 for day in days) <= 15
    assert {trip.known_hours_before for trip in trips} == {24.0, 12.0, None}
    for trip, day in zip(trips, days, strict=True):
        assert 6 <= day.hour <= 14
        assert 1.0 <= (trip.return_s - trip.departure_s) / HOUR <= 10.0
        assert 4.0 <= trip.energy_kwh <= 0.4 * 36.0
        assert trip.departure_s % 60 == trip.return_s % 60 == 0
    # The same trips, whatever part of them is asked for.
    middle_s = at("2026-11-16T08:00")
    again = Commuter(seed, MADRID, capacity_kwh=36.0)
    assert again.between(middle_s, until_s) + again.between(from_s, middle_s) == [
        *(trip for trip in trips if trip.departure_s >= middle_s),
        *(trip for trip in trips if trip.departure_s < middle_s),
    ]


def test_where_the_car_is() -> None:
    commuter = Commuter(1, MADRID, capacity_kwh=20.0, shift_s=5 * HOUR)
    from_s = at("2026-11-16T00:00")
    trips = commuter.between(from_s, from_s + 5 * 86400.0)
    assert len(trips) == 5
    for trip in trips:
        assert trip.energy_kwh <= 8.0
        assert commuter.away(trip.departure_s - 1.0) is None
        assert commuter.away(trip.departure_s) == trip
        assert commuter.away(trip.return_s - 1.0) == trip
        assert commuter.away(trip.return_s) is None
        assert 11 <= datetime.fromtimestamp(trip.departure_s, MADRID).hour <= 14
