"""Solar power and other batteries: any number of sensors, one sum.

The sum is known only while every part is. An inverter that is asleep at night, with
its sensor unavailable or silent, counts as 0 W while the sun is down: that is known
without it. By day an unknown part makes solar unknown, and with it the home's load;
control then runs on the grid meter alone.
"""

from collections.abc import Callable

from homeassistant.core import CALLBACK_TYPE, callback

from ..engine.model import Sample
from .base import MIN_AGE_S, Source, combine, listen_all


class SumOfSources:
    """Several power sensors as one."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        *,
        asleep: Callable[[float], bool] | None = None,
    ) -> None:
        self._sources = sources
        self._asleep = asleep

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the single sources."""
        return self._sources

    @property
    def interval_s(self) -> float | None:
        """Return the interval of the slowest one."""
        known = [source.interval_s for source in self._sources]
        return max((value for value in known if value is not None), default=None)

    def sample(self, now_s: float) -> Sample | None:
        """Return the sum, as old as its oldest part; None where a part is missing."""
        parts: list[Sample] = []
        for source in self._sources:
            part = source.sample(now_s)
            if not source.speaks(now_s) and self._asleep and self._asleep(now_s):
                part = Sample(value=0.0, time_s=now_s, max_age_s=MIN_AGE_S)
            if part is None:
                return None
            parts.append(part)
        if not parts:
            return None
        return combine(parts, sum(part.value for part in parts))

    @callback
    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Listen to all."""
        return listen_all(self._sources, on_update)
