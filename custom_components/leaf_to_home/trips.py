"""The trips of a running home: its weekly patterns, its calendars, and who may tell."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import CONF_CALENDAR, CONF_CAR_PATTERNS, CONF_PATTERN
from .engine.requirement import Pattern, Requirement, TripSource, WeekdayTrip
from .sources.trips import CalendarTrips

if TYPE_CHECKING:
    from .home import Home, LeafToHomeConfigEntry

CONF_BACK: Final = "back"
CONF_DEPARTURE: Final = "departure"
CONF_ON: Final = "on"
CONF_SOC: Final = "soc_percent"

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def build_patterns(data: Mapping[str, Any]) -> dict[str, Pattern]:
    """Return the weekly patterns of a unit's data by car, "" for whichever."""
    patterns = {"": build_pattern(data.get(CONF_PATTERN, {}))} | {
        car: build_pattern(week)
        for car, week in data.get(CONF_CAR_PATTERNS, {}).items()
    }
    return {car: pattern for car, pattern in patterns.items() if pattern}


def build_pattern(week: Mapping[str, Any]) -> Pattern:
    """Return a week as it was filled in; days that are off are not in it."""
    pattern: dict[int, WeekdayTrip] = {}
    for weekday, trip in week.items():
        minute = _minute(trip.get(CONF_DEPARTURE))
        if trip[CONF_ON] and minute is not None:
            pattern[WEEKDAYS.index(weekday)] = WeekdayTrip(
                minute=minute,
                soc_percent=trip.get(CONF_SOC),
                back_minute=_minute(trip.get(CONF_BACK)),
            )
    return pattern


def _minute(text: str | None) -> int | None:
    clock = dt_util.parse_time(text) if text else None
    return None if clock is None else clock.hour * 60 + clock.minute


@callback
def async_watch_calendars(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry
) -> CALLBACK_TYPE:
    """Take the trips of each unit's calendar; return what ends that."""
    home = entry.runtime_data.home
    watched = []
    for key, unit in home.units.items():
        calendar = entry.subentries[key].data.get(CONF_CALENDAR)
        _forget_gone(home, key, calendar)
        if calendar is None:
            continue
        trips = CalendarTrips(
            hass,
            calendar,
            cars={car: vehicle.name for car, vehicle in unit.vehicles.items()},
            ready_by_minute=partial(_ready_by_minute, home, key),
            took=partial(_take, home, key),
        )
        trips.async_start()
        watched.append(trips)

    @callback
    def stop() -> None:
        for trips in watched:
            trips.async_stop()

    return stop


def _ready_by_minute(home: Home, key: str) -> int:
    return home.state.units[key].settings.ready_by_minute


@callback
def _take(home: Home, key: str, trips: Sequence[Requirement]) -> None:
    """Replace what the calendar said before, and act on it if that is news."""
    stored = home.state.units[key].requirements
    others = [trip for trip in stored if trip.source is not TripSource.CALENDAR]
    home.async_change_trips(key, [*others, *trips])


@callback
def _forget_gone(home: Home, key: str, calendar: str | None) -> None:
    """Drop the trips of a calendar or a car that is no longer the unit's."""
    kept = [
        trip
        for trip in home.state.units[key].requirements
        if (trip.source is not TripSource.CALENDAR or trip.id == calendar)
        and (trip.vehicle is None or trip.vehicle in home.units[key].vehicles)
    ]
    home.async_change_trips(key, kept)
