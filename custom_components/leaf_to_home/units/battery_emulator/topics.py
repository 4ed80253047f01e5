"""Where an emulator publishes, and listening to it."""

from collections.abc import Callable
from functools import partial
from typing import Final

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

INFO: Final = "info"
# Further batteries of one emulator, by their number.
FURTHER: Final = {2: "info_2", 3: "info_3"}
STATUS: Final = "status"
EVENTS: Final = "events"
SET_LIMITS: Final = "command/SET_LIMITS"

type OnMessage = Callable[[mqtt.ReceiveMessage], None]


class Subscriptions:
    """Several topics that are heard until they are closed."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass
        self._stops: list[CALLBACK_TYPE] = []
        self._closed = False

    async def async_add(self, topic: str, on_message: OnMessage) -> None:
        """Listen to a topic; payloads come as bytes, since they may be anything."""
        self._stops.append(
            await mqtt.async_subscribe(
                self._hass, topic, partial(self._heard, on_message), encoding=None
            )
        )

    @callback
    def async_close(self) -> None:
        """Listen no more.

        Where MQTT was loaded anew meanwhile, it goes on to deliver.
        """
        self._closed = True
        while self._stops:
            self._stops.pop()()

    @callback
    def _heard(self, on_message: OnMessage, message: mqtt.ReceiveMessage) -> None:
        if not self._closed:
            on_message(message)
