"""A second-life battery that Battery-Emulator tells of, over Home Assistant's MQTT."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from ...const import LOGGER
from ...engine.battery import UnitSpec
from ...engine.model import (
    Capabilities,
    Outcome,
    OutcomeKind,
    Reading,
    Setpoint,
    UnitStatus,
)
from ...engine.state import to_dict
from ...sources.base import INTERVALS_OF_AGE, MIN_AGE_S, Interval
from ..base import UnitContext, UnitInfo, UnitUnreachable
from ..pack import PackCondition, PackView
from .messages import (
    Info,
    MessageError,
    Pack,
    parse_event,
    parse_info,
    parse_online,
    parse_pack,
)
from .notices import Notices
from .topics import EVENTS, FURTHER, INFO, STATUS, OnMessage, Subscriptions
from .view import Emulator, together

CONF_TOPIC: Final = "topic"
MANUFACTURER: Final = "Battery-Emulator"
# The emulator speaks every 5 s, unless somebody set it to another interval.
FIRST_WAIT_S: Final = 20.0
# A battery that runs nothing but its own electronics is at rest.
REST_W: Final = 50.0

_FAULTY: Final = (PackCondition.FAULT, PackCondition.CONTACTORS_OPEN)
_WHY: Final = {
    PackCondition.NO_BROKER: "Home Assistant has no connection to an MQTT broker",
    PackCondition.OFFLINE: "the emulator has left the broker",
    PackCondition.SILENT: "nothing is heard",
}


class BatteryEmulatorUnit:
    """One emulator and all batteries behind it."""

    poll_interval = None

    def __init__(self, hass: HomeAssistant, context: UnitContext) -> None:
        self.capabilities = Capabilities(set_power=False)
        self._hass = hass
        self._context = context
        self._topic: str = context.data[CONF_TOPIC]
        self._notices = Notices(hass, context, self._topic)
        self._subscriptions: Subscriptions | None = None
        self._listeners: list[Callable[[Reading], None]] = []
        self._emulator = Emulator()
        self._further: dict[int, tuple[Pack, float]] = {}
        self._interval = Interval()
        self._heard_s: float | None = None
        self._offline = False
        self._spoke = asyncio.Event()
        self._refused: dict[str, int] = {}

    @property
    def pack(self) -> PackView:
        """Return what is going on inside the battery, as far as it is heard of."""
        lost = self._lost(_now_s())
        return self._emulator.view() if lost is None else PackView(condition=lost)

    async def connect(self) -> UnitInfo:
        """Listen, and wait for the first word."""
        if await mqtt.async_wait_for_mqtt_client(self._hass):
            await self._async_subscribe()
            if self._lost(_now_s()) is not None:
                self._spoke.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(FIRST_WAIT_S):
                        await self._spoke.wait()
        info = self._there()
        return UnitInfo(
            manufacturer=MANUFACTURER, model=info.hardware, sw_version=info.software
        )

    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back with each message."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Return what was heard last."""
        return self._reading(self._there())

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Refuse: nothing here sets a power."""
        return Outcome(
            kind=OutcomeKind.REFUSED, time_s=_now_s(), detail="observed_only"
        )

    async def park(self) -> Outcome:
        """Refuse: nothing here sets a power."""
        return Outcome(
            kind=OutcomeKind.REFUSED, time_s=_now_s(), detail="observed_only"
        )

    async def detach(self) -> None:
        """Listen no more; the caps that were set lapse by themselves."""
        if self._subscriptions is not None:
            self._subscriptions.async_close()
            self._subscriptions = None
        self._notices.async_heard()

    def diagnostics(self) -> dict[str, Any]:
        """Return what else is known of the emulator."""
        info = self._emulator.info
        return {
            "pack": to_dict(self.pack),
            "info": to_dict(info) if info is not None else None,
            "further": {
                number: to_dict(pack) for number, (pack, _) in self._further.items()
            },
            "events": [to_dict(event) for event in self._emulator.events],
            "interval_s": self._interval.seconds,
            "refused": self._refused,
        }

    async def _async_subscribe(self) -> None:
        if self._subscriptions is not None:
            return
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
                await subscriptions.async_add(f"{self._topic}/{name}", on_message)
        except HomeAssistantError as err:
            subscriptions.async_close()
            raise UnitUnreachable(str(err)) from err
        self._subscriptions = subscriptions

    @property
    def _max_age_s(self) -> float:
        return max(MIN_AGE_S, INTERVALS_OF_AGE * (self._interval.seconds or 0.0))

    def _fresh(self, heard_s: float | None, now_s: float) -> bool:
        return heard_s is not None and abs(now_s - heard_s) <= self._max_age_s

    def _lost(self, now_s: float) -> PackCondition | None:
        """Return why nothing is heard, None while what was heard counts."""
        if not self._offline and self._fresh(self._heard_s, now_s):
            return None
        if mqtt.DATA_MQTT not in self._hass.data or not mqtt.is_connected(self._hass):
            return PackCondition.NO_BROKER
        return PackCondition.OFFLINE if self._offline else PackCondition.SILENT

    def _there(self) -> Info:
        """Return what was heard last; raise UnitUnreachable when it counts no more."""
        now_s = _now_s()
        lost, info = self._lost(now_s), self._emulator.info
        if lost is None and info is not None:
            return info
        lost = lost or PackCondition.SILENT
        self._notices.async_lost(lost, now_s)
        raise UnitUnreachable(f"{self._topic}: {_WHY[lost]}")

    @callback
    def _on_info(self, message: mqtt.ReceiveMessage) -> None:
        if message.retain:
            # Nobody knows how old it is.
            return
        info = self._understood(INFO, parse_info, message)
        if info is None:
            return
        now_s = _now_s()
        self._emulator.hear(info, now_s)
        self._interval.heard(now_s)
        self._heard_s = now_s
        self._offline = False
        self._spoke.set()
        self._notices.async_heard()
        self._push(info)

    @callback
    def _on_further(self, number: int, message: mqtt.ReceiveMessage) -> None:
        if message.retain:
            return
        pack = self._understood(FURTHER[number], parse_pack, message)
        if pack is not None:
            self._further[number] = (pack, _now_s())

    @callback
    def _on_status(self, message: mqtt.ReceiveMessage) -> None:
        online = self._understood(STATUS, parse_online, message)
        if online is not False:
            return
        self._offline = True
        self._interval.lost()
        self._spoke.set()
        if (info := self._emulator.info) is not None:
            # What it said before it went does not count any more.
            self._push(info)

    @callback
    def _on_event(self, message: mqtt.ReceiveMessage) -> None:
        if message.retain:
            return
        event = self._understood(EVENTS, parse_event, message)
        if event is not None:
            self._emulator.events.append(event)

    def _understood[ValueT](
        self,
        name: str,
        parse: Callable[[Any], ValueT],
        message: mqtt.ReceiveMessage,
    ) -> ValueT | None:
        """Return what a message says; one that says nothing costs only itself."""
        try:
            value = parse(message.payload)
        except MessageError as err:
            if name not in self._refused:
                LOGGER.warning(
                    "%s: a message at %s is not understood: %s",
                    self._context.name,
                    message.topic,
                    err,
                )
            self._refused[name] = self._refused.get(name, 0) + 1
            return None
        return value

    @callback
    def _push(self, info: Info) -> None:
        reading = self._reading(info)
        for listener in list(self._listeners):
            listener(reading)

    def _reading(self, info: Info) -> Reading:
        now_s, heard_s = _now_s(), self._heard_s or 0.0
        reading = Reading(
            time_s=heard_s,
            max_age_s=0.0 if self._offline else self._max_age_s,
            status=self._status(),
            fault=self._emulator.fault_code(),
            restarts=self._emulator.restarts,
        )
        if info.pack is None:
            return reading
        packs = [info.pack]
        packs += [
            pack for pack, at_s in self._further.values() if self._fresh(at_s, now_s)
        ]
        battery, spec = together(packs), self._context.spec
        max_discharge_w = battery.max_discharge_w
        return replace(
            reading,
            connected=True,
            soc_percent=battery.soc_percent,
            soh_percent=battery.soh_percent,
            power_w=_ac_w(spec, battery.power_w),
            max_charge_w=battery.max_charge_w,
            max_discharge_w=(
                None
                if max_discharge_w is None
                else spec.discharge_w_for(max_discharge_w)
            ),
            cell_min_mv=battery.cell_min_mv,
            cell_max_mv=battery.cell_max_mv,
            temperature_min_c=battery.temperature_min_c,
            temperature_max_c=battery.temperature_max_c,
        )

    def _status(self) -> UnitStatus:
        condition = self._emulator.view().condition
        if condition in _FAULTY:
            return UnitStatus.FAULT
        return UnitStatus.NOT_CONTROLLABLE


def _ac_w(spec: UnitSpec, dc_w: float | None) -> float | None:
    """Return the power at the inverter's AC side for one at the battery's terminals."""
    if dc_w is None:
        return None
    if dc_w >= 0.0:
        return spec.discharge_w_for(dc_w)
    return -spec.charge_w_for(-dc_w)


def _now_s() -> float:
    return dt_util.utcnow().timestamp()


async def async_create(
    hass: HomeAssistant, context: UnitContext
) -> BatteryEmulatorUnit:
    """Make the unit; nothing is heard yet."""
    return BatteryEmulatorUnit(hass, context)
