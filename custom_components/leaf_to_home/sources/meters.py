"""All that is measured of a home, as it was set up in the config entry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import sun
from homeassistant.util import dt as dt_util

from ..const import (
    CONF_GRID,
    CONF_MAX_AGE,
    CONF_OTHER,
    CONF_PHASES,
    CONF_SOLAR,
    GRID_INVERTED,
)
from ..engine.model import Sample
from .base import PowerSource, Source
from .grid import UnitMeter, create_grid
from .mains import Mains
from .solar import SumOfSources

DAYLIGHT_KEPT_S = 60.0


class Daylight:
    """Whether the sun is down at the home."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass
        self._known_s: float | None = None
        self._dark = False

    def dark(self, now_s: float) -> bool:
        """Return whether the sun is down; near the poles it may never be."""
        if self._known_s is None or abs(now_s - self._known_s) >= DAYLIGHT_KEPT_S:
            self._known_s = now_s
            try:
                self._dark = not sun.is_up(
                    self._hass, dt_util.utc_from_timestamp(now_s)
                )
            except ValueError:
                self._dark = False
        return self._dark


@dataclass(frozen=True, kw_only=True, slots=True)
class Meters:
    """The sources of one home."""

    grid: PowerSource
    phases: tuple[Source, ...]
    solar: SumOfSources | None
    other: SumOfSources | None
    mains: Mains | None
    daylight: Daylight

    @classmethod
    def create(
        cls,
        hass: HomeAssistant,
        data: Mapping[str, Any],
        options: Mapping[str, Any],
        intervals: Mapping[str, float],
    ) -> Self:
        """Return the sources that the entry names; `intervals` were learnt before."""
        max_age_s: float | None = options.get(CONF_MAX_AGE)
        daylight = Daylight(hass)
        inverted = data[CONF_GRID]["kind"] == GRID_INVERTED

        def sources(key: str, sign: float = 1.0) -> tuple[Source, ...]:
            return tuple(
                Source(
                    hass,
                    entity_id,
                    sign=sign,
                    max_age_s=max_age_s,
                    interval_s=intervals.get(entity_id),
                )
                for entity_id in data.get(key, ())
            )

        solar, other = sources(CONF_SOLAR), sources(CONF_OTHER)
        return cls(
            grid=create_grid(hass, data[CONF_GRID], max_age_s, intervals),
            phases=sources(CONF_PHASES, -1.0 if inverted else 1.0),
            solar=SumOfSources(solar, asleep=daylight.dark) if solar else None,
            other=SumOfSources(other) if other else None,
            mains=Mains.create(hass, data),
            daylight=daylight,
        )

    @property
    def unit_meter(self) -> UnitMeter | None:
        """Return the meter that a unit brings, if that is what measures the grid."""
        return self.grid if isinstance(self.grid, UnitMeter) else None

    def sources(self) -> Iterator[Source]:
        """Return every single power sensor."""
        yield from self.grid.sources
        yield from self.phases
        for group in (self.solar, self.other):
            if group is not None:
                yield from group.sources

    def intervals(self) -> dict[str, float]:
        """Return how often each sensor reports, to be known again after a restart."""
        return {
            source.entity_id: source.interval_s
            for source in self.sources()
            if source.interval_s is not None
        }

    def silent(self, now_s: float) -> Iterator[str]:
        """Return the sensors that say nothing and should."""
        asleep = self.daylight.dark(now_s)
        for source in self.sources():
            if source.speaks(now_s):
                continue
            if asleep and self.solar is not None and source in self.solar.sources:
                continue
            yield source.entity_id

    def phase_samples(self, now_s: float) -> tuple[Sample | None, ...]:
        """Return the power of each phase."""
        return tuple(phase.sample(now_s) for phase in self.phases)

    @callback
    def async_start(
        self, *, on_grid: CALLBACK_TYPE, on_mains: CALLBACK_TYPE
    ) -> CALLBACK_TYPE:
        """Listen to everything; the grid and the mains cannot wait for a timer."""

        @callback
        def later() -> None:
            """Leave the rest to the next step."""

        stops = [self.grid.async_start(on_grid)]
        stops += [phase.async_start(later) for phase in self.phases]
        stops += [
            group.async_start(later)
            for group in (self.solar, self.other)
            if group is not None
        ]
        if self.mains is not None:
            stops.append(self.mains.async_start(on_mains))

        @callback
        def stop() -> None:
            for each in stops:
                each()

        return stop
