"""One rule of freshness for everything that is measured.

A sample may be used for three of its source's own intervals, at least 30 s. Reports
count, not only changes: a steady sensor is alive. A source that says `unavailable` or
`unknown` is lost at once; one that says nonsense is not heard.
"""

from collections import deque
from collections.abc import Callable
import math
from typing import Protocol

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfPower,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    EventStateReportedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_state_report_event,
)
from homeassistant.util.unit_conversion import PowerConverter

from ..engine.model import Sample

MIN_AGE_S = 30.0
INTERVALS_OF_AGE = 3.0
INTERVALS_KEPT = 15
ABSURD_W = 1e6


class PowerSource(Protocol):
    """Something that measures a power, from one entity or several."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return its single sources."""

    @property
    def interval_s(self) -> float | None:
        """Return how often it speaks, as far as that is known."""

    def sample(self, now_s: float) -> Sample | None:
        """Return the latest measurement, None where there is none."""

    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Listen, and call back when something was heard or lost; return the stop."""


class Interval:
    """Learns how often a source speaks from when it spoke."""

    def __init__(self, known_s: float | None = None) -> None:
        self._known_s = known_s
        self._last_s: float | None = None
        self._gaps_s: deque[float] = deque(maxlen=INTERVALS_KEPT)

    @property
    def seconds(self) -> float | None:
        """Return the usual interval, None before two reports were heard."""
        if not self._gaps_s:
            return self._known_s
        # The lower median: one long silence among few reports must not stretch it.
        return sorted(self._gaps_s)[(len(self._gaps_s) - 1) // 2]

    def heard(self, time_s: float) -> None:
        """Learn from a report at `time_s`."""
        if self._last_s is not None and time_s > self._last_s:
            self._gaps_s.append(time_s - self._last_s)
        self._last_s = time_s

    def lost(self) -> None:
        """Take the silence that follows for none of the source's habits."""
        self._last_s = None


class Source:
    """One power sensor as a stream of samples in W."""

    def __init__(
        self,
        hass: HomeAssistant,
        entity_id: str,
        *,
        sign: float = 1.0,
        max_age_s: float | None = None,
        interval_s: float | None = None,
    ) -> None:
        self._hass = hass
        self.entity_id = entity_id
        self._sign = sign
        self._max_age_s = max_age_s
        self._interval = Interval(interval_s)
        self._value: float | None = None
        self._time_s = 0.0

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return itself: it is a single source."""
        return (self,)

    @property
    def interval_s(self) -> float | None:
        """Return how often the sensor reports, as far as that is known."""
        return self._interval.seconds

    @property
    def max_age_s(self) -> float:
        """Return how long a sample of this source may be used."""
        if self._max_age_s is not None:
            return self._max_age_s
        return max(MIN_AGE_S, INTERVALS_OF_AGE * (self.interval_s or 0.0))

    def sample(self, now_s: float) -> Sample | None:
        """Return the latest sample, which may have become too old for `now_s`."""
        if self._value is None:
            return None
        return Sample(value=self._value, time_s=self._time_s, max_age_s=self.max_age_s)

    def speaks(self, now_s: float) -> bool:
        """Return whether the source has a sample that still counts."""
        return self._value is not None and now_s - self._time_s <= self.max_age_s

    @callback
    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Listen to changes and reports, and take what the sensor says now."""

        @callback
        def changed(event: Event[EventStateChangedData]) -> None:
            self._take(event.data["new_state"])
            on_update()

        @callback
        def reported(event: Event[EventStateReportedData]) -> None:
            self._take(event.data["new_state"])
            on_update()

        self._take(self._hass.states.get(self.entity_id))
        stops = (
            async_track_state_change_event(self._hass, self.entity_id, changed),
            async_track_state_report_event(self._hass, self.entity_id, reported),
        )

        @callback
        def stop() -> None:
            for each in stops:
                each()

        return stop

    @callback
    def _take(self, state: State | None) -> None:
        if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
            self._value = None
            self._interval.lost()
            return
        if (value := power_w(state)) is None:
            return
        self._value = self._sign * value
        # A report changes the time of the very object that an earlier event carried.
        self._time_s = state.last_reported_timestamp
        self._interval.heard(self._time_s)


def power_w(state: State) -> float | None:
    """Return what a power sensor says in W, None for what cannot be a power."""
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    if unit not in PowerConverter.VALID_UNITS:
        return None
    try:
        value = float(state.state)
    except ValueError:
        return None
    value = PowerConverter.convert(value, unit, UnitOfPower.WATT)
    return value if math.isfinite(value) and abs(value) <= ABSURD_W else None


def combine(samples: list[Sample], value: float) -> Sample:
    """Return `value` made of all `samples`, as old and as short-lived as the worst."""
    time_s = min(sample.time_s for sample in samples)
    expires_s = min(sample.time_s + sample.max_age_s for sample in samples)
    return Sample(value=value, time_s=time_s, max_age_s=expires_s - time_s)


def listen_all(
    sources: tuple[Source, ...], on_update: Callable[[], None]
) -> CALLBACK_TYPE:
    """Start every source; return what stops them all."""
    stops = [source.async_start(on_update) for source in sources]

    @callback
    def stop() -> None:
        for each in stops:
            each()

    return stop
