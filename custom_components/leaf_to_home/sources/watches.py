"""What tells of outages before they come: a calendar of cuts, a weather warning."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.calendar.const import (
    DOMAIN as CALENDAR_DOMAIN,
    SERVICE_GET_EVENTS,
)
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE, STATE_UNKNOWN
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
from ..engine.outage_model import Watch, WatchSource

CONF_AFTER: Final = "after_h"
CONF_CUTS: Final = "calendar"
CONF_LEAD: Final = "lead_h"
CONF_RESERVE: Final = "reserve_percent"
CONF_WARNING: Final = "warning"
CONF_WORDS: Final = "warning_states"

DEFAULT_AFTER_H: Final = 12.0
DEFAULT_LEAD_H: Final = 24.0
DEFAULT_RESERVE: Final = 80.0

HOUR_S: Final = 3600.0
REFRESH: Final = timedelta(minutes=15)
# Between two readings of the calendar nothing that begins may be missed.
AHEAD_MARGIN: Final = timedelta(hours=1)
COOLDOWN_S: Final = 10.0
ANSWER_S: Final = 60.0
MOST_CUTS: Final = 50
# A calendar in which somebody is away for a year plans no cut.
LONGEST_CUT_S: Final = 3 * 24 * HOUR_S


class WatchSources:
    """The watches of one home; what cannot be read stays as it was known."""

    def __init__(
        self,
        hass: HomeAssistant,
        conf: Mapping[str, Any],
        stored: Mapping[str, Any],
        on_change: CALLBACK_TYPE,
    ) -> None:
        """Read what `conf` names; `stored` is what was known before a restart."""
        self._hass = hass
        self._reserve: float = conf.get(CONF_RESERVE, DEFAULT_RESERVE)
        self._calendar: str | None = conf.get(CONF_CUTS)
        self._lead_s = HOUR_S * conf.get(CONF_LEAD, DEFAULT_LEAD_H)
        self._warning: str | None = conf.get(CONF_WARNING)
        self._words = {word.casefold() for word in conf.get(CONF_WORDS, ())}
        self._after_s = HOUR_S * conf.get(CONF_AFTER, DEFAULT_AFTER_H)
        self._on_change = on_change
        self._cuts = _cuts(stored.get("cuts")) if self._calendar else []
        self._warned_s = _number(stored.get("warned_s")) if self._warning else None
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
        """Read now, when something changes, and from time to time."""
        if self._warning is not None:
            self._stops.append(
                async_track_state_change_event(
                    self._hass, self._warning, self._warning_changed
                )
            )
        if self._calendar is not None:
            self._stops += [
                async_track_state_change_event(
                    self._hass, self._calendar, self._calendar_changed
                ),
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

    def stored(self) -> dict[str, Any]:
        """Return what has to be known after a restart without a network."""
        return {"cuts": [list(cut) for cut in self._cuts], "warned_s": self._warned_s}

    def watches(self, now_s: float) -> tuple[Watch, ...]:
        """Return what is to be watched for at `now_s`."""
        if self._warns():
            self._warned_s = now_s
        elif self._warned_s is not None and self._warned_s > now_s:
            # The clock was set back.
            self._warned_s = now_s
        found = [
            Watch(
                reserve_percent=self._reserve,
                until_s=end_s,
                needed_s=start_s,
                source=WatchSource.CALENDAR,
            )
            for start_s, end_s in self._cuts
            if start_s - self._lead_s <= now_s < end_s
        ]
        warned_s = self._warned_s
        if warned_s is not None and now_s < warned_s + self._after_s:
            found.append(
                Watch(
                    reserve_percent=self._reserve,
                    until_s=warned_s + self._after_s,
                    source=WatchSource.WARNING,
                )
            )
        return tuple(found)

    def _warns(self) -> bool:
        if self._warning is None:
            return False
        state = self._hass.states.get(self._warning)
        return (
            state is not None
            and state.state not in (STATE_UNAVAILABLE, STATE_UNKNOWN)
            and state.state.casefold() in self._words
        )

    @callback
    def _warning_changed(self, _event: Event[EventStateChangedData]) -> None:
        self._on_change()

    @callback
    def _calendar_changed(self, _event: Event[EventStateChangedData]) -> None:
        self._debouncer.async_schedule_call()

    @callback
    def _due(self, _now: datetime) -> None:
        self._debouncer.async_schedule_call()

    async def _async_read(self) -> None:
        assert self._calendar is not None
        state = self._hass.states.get(self._calendar)
        if state is None or state.state == STATE_UNAVAILABLE:
            return
        try:
            events = await self._async_events(self._calendar)
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
        cuts = sorted(cut for event in events if (cut := _cut(event)) is not None)
        if cuts[:MOST_CUTS] != self._cuts:
            self._cuts = cuts[:MOST_CUTS]
            self._on_change()

    async def _async_events(self, calendar: str) -> Sequence[Any] | None:
        """Return the events that matter, None where the calendar said nothing."""
        now = dt_util.now()
        async with asyncio.timeout(ANSWER_S):
            answer = await self._hass.services.async_call(
                CALENDAR_DOMAIN,
                SERVICE_GET_EVENTS,
                {
                    ATTR_ENTITY_ID: calendar,
                    "start_date_time": now,
                    "end_date_time": now
                    + timedelta(seconds=self._lead_s)
                    + AHEAD_MARGIN,
                },
                blocking=True,
                return_response=True,
            )
        found = answer.get(calendar) if answer else None
        events = found.get("events") if isinstance(found, dict) else None
        return events if isinstance(events, list) else None


def _cut(event: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return when a planned cut begins and ends; a whole day counts as one."""
    start_s, end_s = _time_s(event.get("start")), _time_s(event.get("end"))
    if start_s is None or end_s is None or not 0 < end_s - start_s <= LONGEST_CUT_S:
        return None
    return start_s, end_s


def _time_s(text: Any) -> float | None:
    """Return a time, of a day its local midnight; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        if (day := dt_util.parse_date(text)) is not None:
            return dt_util.start_of_local_day(day).timestamp()
        moment = dt_util.parse_datetime(text)
        return None if moment is None else dt_util.as_utc(moment).timestamp()
    except OverflowError, ValueError:
        return None


def _cuts(data: Any) -> list[tuple[float, float]]:
    """Return the cuts that were stored; what cannot be read is read anew."""
    try:
        return [(float(start_s), float(end_s)) for start_s, end_s in data or ()]
    except TypeError, ValueError:
        return []


def _number(data: Any) -> float | None:
    return float(data) if isinstance(data, int | float) else None
