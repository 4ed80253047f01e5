"""Entities of any other integration that know a car."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Final, override

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_OFF,
    STATE_ON,
    UnitOfLength,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util.unit_conversion import DistanceConverter

from .car import ODOMETER, PLUGGED, CarSource

PLUG: Final = {STATE_ON: 1.0, STATE_OFF: 0.0}


class EntitySource(CarSource):
    """One entity for each value.

    A value is as old as its last change: many cloud services say the same again for
    hours while the car is somewhere else. What comes back after an outage of the
    service with the value of before is no news.
    """

    def __init__(
        self, hass: HomeAssistant, *, vehicle: str, entities: Mapping[str, str]
    ) -> None:
        super().__init__(", ".join(entities.values()), vehicle)
        self._hass = hass
        self._names = {entity_id: name for name, entity_id in entities.items()}
        self._said: dict[str, float] = {}
        self._stop: CALLBACK_TYPE | None = None

    @override
    async def async_start(self, on_update: Callable[[], None]) -> None:
        """Listen, and take what they say now."""
        await super().async_start(on_update)
        for entity_id in self._names:
            if (state := self._hass.states.get(entity_id)) is not None:
                self._take(state)
        self._stop = async_track_state_change_event(
            self._hass, list(self._names), self._changed
        )

    @override
    async def async_stop(self) -> None:
        """Listen no more."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        await super().async_stop()

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        if (state := event.data["new_state"]) is not None and self._take(state):
            self.updated()

    @callback
    def _take(self, state: State) -> bool:
        """Take a state; return whether it is news."""
        name = self._names[state.entity_id]
        value = PLUG.get(state.state) if name == PLUGGED else _number(state)
        if name == PLUGGED:
            return self._take_plug(value, state)
        if value is None or self._said.get(name) == value:
            return False
        self._said[name] = value
        if name == ODOMETER:
            unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
            if unit in DistanceConverter.VALID_UNITS:
                value = DistanceConverter.convert(value, unit, UnitOfLength.KILOMETERS)
        self.take(name, value, state.last_changed.timestamp())
        return True

    @callback
    def _take_plug(self, value: float | None, state: State) -> bool:
        """Take what a plug says, which holds as long as it is said."""
        if value is None:
            return self.values.pop(PLUGGED, None) is not None
        self.take(PLUGGED, value, state.last_changed.timestamp(), inf)
        return True


def _number(state: State) -> float | None:
    try:
        return float(state.state)
    except ValueError:
        return None
