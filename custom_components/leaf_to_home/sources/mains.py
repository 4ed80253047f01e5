"""A sensor that knows whether the grid is there."""

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event

STATES = {STATE_ON: True, STATE_OFF: False}


class MainsSensor:
    """A binary sensor: on, the grid is there; anything but on and off says nothing."""

    def __init__(self, hass: HomeAssistant, entity_id: str) -> None:
        self._hass = hass
        self.entity_id = entity_id

    @property
    def present(self) -> bool | None:
        """Return whether the grid is there, None where the sensor does not say."""
        state = self._hass.states.get(self.entity_id)
        return None if state is None else STATES.get(state.state)

    @callback
    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call back on each change."""

        @callback
        def changed(event: Event[EventStateChangedData]) -> None:
            on_update()

        return async_track_state_change_event(self._hass, self.entity_id, changed)
