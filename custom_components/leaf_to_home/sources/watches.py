"""What tells of outages before they come: a calendar of cuts, a weather warning."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event

from ..engine.outage_model import Watch, WatchSource
from .calendar import Calendar, event_time_s

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
# Between two readings of the calendar nothing that begins may be missed.
AHEAD_MARGIN: Final = timedelta(hours=1)
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
        self._lead_s = HOUR_S * conf.get(CONF_LEAD, DEFAULT_LEAD_H)
        self._warning: str | None = conf.get(CONF_WARNING)
        self._words = {word.casefold() for word in conf.get(CONF_WORDS, ())}
        self._after_s = HOUR_S * conf.get(CONF_AFTER, DEFAULT_AFTER_H)
        self._on_change = on_change
        self._calendar: Calendar | None = None
        if calendar := conf.get(CONF_CUTS):
            self._calendar = Calendar(
                hass,
                calendar,
                ahead=timedelta(seconds=self._lead_s) + AHEAD_MARGIN,
                took=self._took,
            )
        self._cuts = _cuts(stored.get("cuts")) if self._calendar else []
        self._warned_s = _number(stored.get("warned_s")) if self._warning else None
        self._stop_warning: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Hear the warning, and read the calendar from now on."""
        if self._warning is not None:
            self._stop_warning = async_track_state_change_event(
                self._hass, self._warning, self._warning_changed
            )
        if self._calendar is not None:
            self._calendar.async_start()

    @callback
    def async_stop(self) -> None:
        """Hear and read no more."""
        if self._stop_warning is not None:
            self._stop_warning()
            self._stop_warning = None
        if self._calendar is not None:
            self._calendar.async_stop()

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

    def _took(self, events: Sequence[Any]) -> None:
        cuts = sorted(cut for event in events if (cut := _cut(event)) is not None)
        if cuts[:MOST_CUTS] != self._cuts:
            self._cuts = cuts[:MOST_CUTS]
            self._on_change()


def _cut(event: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return when a planned cut begins and ends; a whole day counts as one."""
    start_s, end_s = event_time_s(event.get("start")), event_time_s(event.get("end"))
    if start_s is None or end_s is None or not 0 < end_s - start_s <= LONGEST_CUT_S:
        return None
    return start_s, end_s


def _cuts(data: Any) -> list[tuple[float, float]]:
    """Return the cuts that were stored; what cannot be read is read anew."""
    try:
        return [(float(start_s), float(end_s)) for start_s, end_s in data or ()]
    except TypeError, ValueError:
        return []


def _number(data: Any) -> float | None:
    return float(data) if isinstance(data, int | float) else None
