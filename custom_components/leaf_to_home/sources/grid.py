"""Grid power in the forms that the Energy dashboard knows, positive importing."""

from collections.abc import Mapping
from typing import Any

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..const import GRID_INVERTED, GRID_TWO, GRID_UNIT
from ..engine.model import Reading, Sample
from .base import Interval, PowerSource, Source, combine, listen_all


class TwoSensors:
    """One sensor for import and one for export, both positive.

    Their difference is known only while both are, and it is new only when both have
    spoken: in between, one half is of the past.
    """

    def __init__(self, imported: Source, exported: Source) -> None:
        self._imported = imported
        self._exported = exported

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return both sources."""
        return (self._imported, self._exported)

    @property
    def interval_s(self) -> float | None:
        """Return the interval of the slower one."""
        known = [source.interval_s for source in self.sources]
        return max((value for value in known if value is not None), default=None)

    def sample(self, now_s: float) -> Sample | None:
        """Return import less export, None while one of them is lost."""
        imported = self._imported.sample(now_s)
        exported = self._exported.sample(now_s)
        if imported is None or exported is None:
            return None
        return combine([imported, exported], imported.value - exported.value)

    @callback
    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Listen to both."""
        return listen_all(self.sources, on_update)


class UnitMeter:
    """The meter that belongs to a unit's own station."""

    def __init__(self) -> None:
        self._interval = Interval()
        self._sample: Sample | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return nothing: the unit brings the value."""
        return ()

    @property
    def interval_s(self) -> float | None:
        """Return how often the unit reports its meter."""
        return self._interval.seconds

    def sample(self, now_s: float) -> Sample | None:
        """Return the latest value."""
        return self._sample

    @callback
    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Do nothing: `take` is called with each reading."""
        return _nothing

    @callback
    def take(self, reading: Reading | None) -> None:
        """Take a unit's latest reading, None when it is lost."""
        if reading is None or reading.grid_w is None:
            self._sample = None
            self._interval.lost()
            return
        self._interval.heard(reading.time_s)
        self._sample = Sample(
            value=reading.grid_w, time_s=reading.time_s, max_age_s=reading.max_age_s
        )


def create_grid(
    hass: HomeAssistant,
    conf: Mapping[str, Any],
    max_age_s: float | None,
    intervals: Mapping[str, float],
) -> PowerSource:
    """Return the home's grid meter as it was set up."""
    kind = conf["kind"]
    if kind == GRID_UNIT:
        return UnitMeter()

    def source(entity_id: str, sign: float = 1.0) -> Source:
        return Source(
            hass,
            entity_id,
            sign=sign,
            max_age_s=max_age_s,
            interval_s=intervals.get(entity_id),
        )

    if kind == GRID_TWO:
        return TwoSensors(source(conf["entity"]), source(conf["entity_export"]))
    return source(conf["entity"], -1.0 if kind == GRID_INVERTED else 1.0)


@callback
def _nothing() -> None:
    """Stop nothing."""
