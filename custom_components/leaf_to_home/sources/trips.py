"""Trips from a calendar of the user's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..engine.requirement import Ask, Requirement, TripSource
from ..engine.trip_text import ask_of
from .calendar import Calendar, event_time_s

AHEAD: Final = timedelta(days=7)
MOST_TRIPS: Final = 100
LONGEST_NAME: Final = 64

type Took = Callable[[Sequence[Requirement]], None]


class CalendarTrips:
    """The trips of one unit's calendar; what cannot be read stays as it was known."""

    def __init__(
        self,
        hass: HomeAssistant,
        calendar: str,
        *,
        cars: Mapping[str, str],
        ready_by_minute: Callable[[], int],
        took: Took,
    ) -> None:
        """Watch `calendar`; `cars` are names by key, and `took` gets what it holds.

        A trip that takes all day begins at `ready_by_minute`.
        """
        self._calendar = calendar
        self._cars = cars
        self._ready_by_minute = ready_by_minute
        self._took = took
        self._reader = Calendar(hass, calendar, ahead=AHEAD, took=self._read)

    @callback
    def async_start(self) -> None:
        """Read now, and again whenever there may be something new."""
        self._reader.async_start()

    @callback
    def async_stop(self) -> None:
        """Read no more."""
        self._reader.async_stop()

    def _read(self, events: Sequence[Any]) -> None:
        # Not every calendar tells its events in order.
        trips = sorted(self._trips(events), key=lambda trip: trip.departure_s)
        self._took(trips[:MOST_TRIPS])

    def _trips(self, events: Sequence[Any]) -> Iterator[Requirement]:
        for event in events:
            trip = _trip(event, self._ready_by_minute())
            if trip is not None:
                departure_s, back_s, ask = trip
                known = back_s is not None and back_s > departure_s
                yield Requirement(
                    departure_s=departure_s,
                    back_s=back_s if known else None,
                    ask=ask,
                    source=TripSource.CALENDAR,
                    id=self._calendar,
                    name=(event.get("summary") or "")[:LONGEST_NAME] or None,
                    vehicle=self._car(event),
                )

    def _car(self, event: Mapping[str, Any]) -> str | None:
        """Return the car that an event names, the longest name first."""
        text = "\n".join(_texts(event)).casefold()
        names = sorted(self._cars.items(), key=lambda car: -len(car[1]))
        return next((key for key, name in names if name.casefold() in text), None)


def _trip(
    event: Mapping[str, Any], ready_by_minute: int
) -> tuple[float, float | None, Ask] | None:
    """Return when an event leaves and returns and what it asks for; None: no trip.

    What takes whole days is a trip only if it holds a number: birthdays do not.
    """
    ask = ask_of(_texts(event))
    start, end = event.get("start"), event.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return None
    day, last = dt_util.parse_date(start), dt_util.parse_date(end)
    if day is not None and last is not None:
        if ask is None:
            return None
        hour, minute = divmod(ready_by_minute, 60)
        midnight = dt_util.start_of_local_day(day)
        departure = midnight.replace(hour=hour, minute=minute)
        back = dt_util.start_of_local_day(last)
        return departure.timestamp(), back.timestamp(), ask
    departure_s = event_time_s(start)
    return (
        None if departure_s is None else (departure_s, event_time_s(end), ask or Ask())
    )


def _texts(event: Mapping[str, Any]) -> Iterator[str]:
    for field in ("summary", "description", "location"):
        text = event.get(field)
        if isinstance(text, str):
            yield text
