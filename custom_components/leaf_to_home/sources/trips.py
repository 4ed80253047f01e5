"""Trips from a calendar: read again when it changes, and every quarter-hour."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.calendar.const import (
    DOMAIN as CALENDAR_DOMAIN,
    SERVICE_GET_EVENTS,
)
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_time_interval,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from ..const import LOGGER
from ..engine.requirement import Ask, Requirement, TripSource
from ..engine.trip_text import ask_of

REFRESH: Final = timedelta(minutes=15)
AHEAD: Final = timedelta(days=7)
# A calendar that changes all the time is read this often.
COOLDOWN_S: Final = 10.0
ANSWER_S: Final = 60.0
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
        self._hass = hass
        self._calendar = calendar
        self._cars = cars
        self._ready_by_minute = ready_by_minute
        self._took = took
        self._failed = False
        self._debouncer = Debouncer(
            hass,
            LOGGER,
            cooldown=COOLDOWN_S,
            immediate=True,
            function=self._async_read,
            background=True,
        )
        self._stops: list[CALLBACK_TYPE] = []

    @callback
    def async_start(self) -> None:
        """Read now, when the calendar changes, and from time to time."""
        self._stops = [
            async_track_state_change_event(self._hass, self._calendar, self._changed),
            async_track_time_interval(
                self._hass, self._due, REFRESH, cancel_on_shutdown=True
            ),
        ]
        self._debouncer.async_schedule_call()

    @callback
    def async_stop(self) -> None:
        """Read no more."""
        while self._stops:
            self._stops.pop()()
        self._debouncer.async_shutdown()

    @callback
    def _changed(self, _event: Event[EventStateChangedData]) -> None:
        self._debouncer.async_schedule_call()

    @callback
    def _due(self, _now: datetime) -> None:
        self._debouncer.async_schedule_call()

    async def _async_read(self) -> None:
        state = self._hass.states.get(self._calendar)
        if state is None or state.state == STATE_UNAVAILABLE:
            return
        try:
            events = await self._async_events()
        except (HomeAssistantError, TimeoutError, vol.Invalid) as err:
            if not self._failed:
                LOGGER.warning("%s cannot be read: %r", self._calendar, err)
            self._failed = True
            return
        if events is None or not self._stops:
            return
        if self._failed:
            LOGGER.info("%s can be read again", self._calendar)
        self._failed = False
        # Not every calendar tells its events in order.
        trips = sorted(self._trips(events), key=lambda trip: trip.departure_s)
        self._took(trips[:MOST_TRIPS])

    async def _async_events(self) -> Sequence[Any] | None:
        """Return the events from now on, None where the calendar said nothing."""
        now = dt_util.now()
        async with asyncio.timeout(ANSWER_S):
            answer = await self._hass.services.async_call(
                CALENDAR_DOMAIN,
                SERVICE_GET_EVENTS,
                {
                    ATTR_ENTITY_ID: self._calendar,
                    "start_date_time": now,
                    "end_date_time": now + AHEAD,
                },
                blocking=True,
                return_response=True,
            )
        found = answer.get(self._calendar) if answer else None
        events = found.get("events") if isinstance(found, dict) else None
        return events if isinstance(events, list) else None

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
    departure_s = _time_s(start)
    return None if departure_s is None else (departure_s, _time_s(end), ask or Ask())


def _time_s(text: str) -> float | None:
    """Return a time; None for what is none, or lies at the end of all calendars."""
    try:
        moment = dt_util.parse_datetime(text)
        return None if moment is None else dt_util.as_utc(moment).timestamp()
    except OverflowError, ValueError:
        return None


def _texts(event: Mapping[str, Any]) -> Iterator[str]:
    for field in ("summary", "description", "location"):
        text = event.get(field)
        if isinstance(text, str):
            yield text
