"""What is heard of one emulator on the broker, and whether it still counts."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from ...const import LOGGER
from ...engine.stored import to_dict
from ...mqtt_ready import async_mqtt_ready
from ...sources.base import INTERVALS_OF_AGE, MIN_AGE_S, Interval
from ..pack import PackCondition
from .messages import (
    Info,
    MessageError,
    Pack,
    parse_event,
    parse_info,
    parse_online,
    parse_pack,
)
from .topics import EVENTS, FURTHER, INFO, STATUS, OnMessage, Subscriptions
from .view import Emulator

# The emulator speaks every 5 s, unless somebody set it to another interval.
FIRST_WAIT_S: Final = 20.0


class Hearing:
    """Listens to one emulator; `on_heard` is called with what it says of itself.

    It is also called when the broker says that the emulator has left: what was heard
    before does not count any more then.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        name: str,
        topic: str,
        on_heard: Callable[[Info], None],
    ) -> None:
        self.emulator = Emulator()
        self.topic = topic
        self.heard_s: float | None = None
        self._hass = hass
        self._name = name
        self._on_heard = on_heard
        self._subscriptions: Subscriptions | None = None
        self._further: dict[int, tuple[Pack, float]] = {}
        self._interval = Interval()
        self._offline = False
        self._spoke = asyncio.Event()
        self._refused: dict[str, int] = {}

    @property
    def max_age_s(self) -> float:
        """Return how long what was heard counts; not at all when it has left."""
        if self._offline:
            return 0.0
        return max(MIN_AGE_S, INTERVALS_OF_AGE * (self._interval.seconds or 0.0))

    def lost(self) -> PackCondition | None:
        """Return why nothing is heard, None while what was heard counts."""
        if not self._offline and self._fresh(self.heard_s):
            return None
        if mqtt.DATA_MQTT not in self._hass.data or not mqtt.is_connected(self._hass):
            return PackCondition.NO_BROKER
        return PackCondition.OFFLINE if self._offline else PackCondition.SILENT

    def info(self) -> Info | None:
        """Return what the emulator said last, None where that counts no more."""
        return self.emulator.info if self.lost() is None else None

    def packs(self, info: Info) -> list[Pack]:
        """Return the batteries that are heard of now, the first one first."""
        if info.pack is None:
            return []
        further = [pack for pack, at_s in self._further.values() if self._fresh(at_s)]
        return [info.pack, *further]

    async def async_start(self) -> None:
        """Listen, and wait for a first word where there is none that counts."""
        if not await async_mqtt_ready(self._hass, FIRST_WAIT_S):
            return
        if self._subscriptions is None:
            self._subscriptions = await self._async_subscribe()
        if self._subscriptions is None or self.lost() is None:
            return
        self._spoke.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WAIT_S):
                await self._spoke.wait()

    @callback
    def async_stop(self) -> None:
        """Listen no more."""
        if self._subscriptions is not None:
            self._subscriptions.async_close()
            self._subscriptions = None

    def diagnostics(self) -> dict[str, Any]:
        """Return what was heard."""
        info = self.emulator.info
        return {
            "info": to_dict(info) if info is not None else None,
            "further": {
                str(number): to_dict(pack)
                for number, (pack, _) in self._further.items()
            },
            "events": [to_dict(event) for event in self.emulator.events],
            "interval_s": self._interval.seconds,
            "refused": dict(self._refused),
        }

    async def _async_subscribe(self) -> Subscriptions | None:
        subscriptions = Subscriptions(self._hass)
        topics: dict[str, OnMessage] = {
            INFO: self._on_info,
            STATUS: self._on_status,
            EVENTS: self._on_event,
        }
        topics |= {
            name: partial(self._on_further, number) for number, name in FURTHER.items()
        }
        try:
            for name, on_message in topics.items():
                await subscriptions.async_add(f"{self.topic}/{name}", on_message)
        except HomeAssistantError as err:
            # MQTT went away at this very moment: it is tried again.
            LOGGER.debug("%s: %s", self._name, err)
            subscriptions.async_close()
            return None
        return subscriptions

    def _fresh(self, heard_s: float | None) -> bool:
        return heard_s is not None and abs(_now_s() - heard_s) <= self.max_age_s

    @callback
    def _on_info(self, message: mqtt.ReceiveMessage) -> None:
        if message.retain:
            # Nobody knows how old it is.
            return
        info = self._understood(INFO, parse_info, message)
        if info is None:
            return
        now_s = _now_s()
        self.emulator.hear(info, now_s)
        self._interval.heard(now_s)
        self.heard_s = now_s
        self._offline = False
        self._spoke.set()
        self._on_heard(info)

    @callback
    def _on_further(self, number: int, message: mqtt.ReceiveMessage) -> None:
        if message.retain:
            return
        pack = self._understood(FURTHER[number], parse_pack, message)
        if pack is not None:
            self._further[number] = (pack, _now_s())

    @callback
    def _on_status(self, message: mqtt.ReceiveMessage) -> None:
        # That it is there again shows when it speaks.
        if self._understood(STATUS, parse_online, message) is not False:
            return
        self._offline = True
        self._interval.lost()
        self._spoke.set()
        if (info := self.emulator.info) is not None:
            self._on_heard(info)

    @callback
    def _on_event(self, message: mqtt.ReceiveMessage) -> None:
        if message.retain:
            return
        event = self._understood(EVENTS, parse_event, message)
        if event is not None:
            self.emulator.events.append(event)

    def _understood[ValueT](
        self,
        name: str,
        parse: Callable[[Any], ValueT],
        message: mqtt.ReceiveMessage,
    ) -> ValueT | None:
        """Return what a message says; one that says nothing costs only itself."""
        try:
            return parse(message.payload)
        except MessageError as err:
            if name not in self._refused:
                LOGGER.warning(
                    "%s: a message at %s is not understood: %s",
                    self._name,
                    message.topic,
                    err,
                )
            self._refused[name] = self._refused.get(name, 0) + 1
            return None


def _now_s() -> float:
    return dt_util.utcnow().timestamp()
