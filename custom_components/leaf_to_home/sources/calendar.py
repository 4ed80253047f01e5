"""A calendar, read again when it changes, and every quarter-hour."""

import asyncio
from collections.abc import Callable, Sequence
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

REFRESH: Final = timedelta(minutes=15)
# A calendar that changes all the time is read this often.
COOLDOWN_S: Final = 10.0
ANSWER_S: Final = 60.0


class Calendar:
    """Reads the events ahead; while it cannot, nobody is told anything else."""

    def __init__(
        self,
        hass: HomeAssistant,
        entity_id: str,
        *,
        ahead: timedelta,
        took: Callable[[Sequence[Any]], None],
    ) -> None:
        """Watch the calendar; `took` gets the events that begin within `ahead`."""
        self._hass = hass
        self._entity_id = entity_id
        self._ahead = ahead
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
            async_track_state_change_event(self._hass, self._entity_id, self._changed),
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
        state = self._hass.states.get(self._entity_id)
        if state is None or state.state == STATE_UNAVAILABLE:
            return
        try:
            events = await self._async_events()
        except (HomeAssistantError, TimeoutError, vol.Invalid) as err:
            if not self._failed:
                LOGGER.warning("%s cannot be read: %r", self._entity_id, err)
            self._failed = True
            return
        if events is None or not self._stops:
            return
        if self._failed:
            LOGGER.info("%s can be read again", self._entity_id)
        self._failed = False
        self._took(events)

    async def _async_events(self) -> Sequence[Any] | None:
        """Return the events from now on, None where the calendar said nothing."""
        now = dt_util.now()
        async with asyncio.timeout(ANSWER_S):
            answer = await self._hass.services.async_call(
                CALENDAR_DOMAIN,
                SERVICE_GET_EVENTS,
                {
                    ATTR_ENTITY_ID: self._entity_id,
                    "start_date_time": now,
                    "end_date_time": now + self._ahead,
                },
                blocking=True,
                return_response=True,
            )
        found = answer.get(self._entity_id) if answer else None
        events = found.get("events") if isinstance(found, dict) else None
        return events if isinstance(events, list) else None


def event_time_s(text: Any) -> float | None:
    """Return a time of an event, of a day its local midnight.

    None for what is none, or lies at the end of all calendars.
    """
    if not isinstance(text, str):
        return None
    try:
        if (day := dt_util.parse_date(text)) is not None:
            return dt_util.start_of_local_day(day).timestamp()
        moment = dt_util.parse_datetime(text)
        return None if moment is None else dt_util.as_utc(moment).timestamp()
    except OverflowError, ValueError:
        return None
