"""OVMS, a module in the car that publishes what it reads over MQTT."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.importlib import async_import_module
from homeassistant.util import dt as dt_util

from ..const import LOGGER
from ..mqtt_ready import async_mqtt_loaded, async_mqtt_ready
from .car import ODOMETER, PLUGGED, SOC, SOH, CarSource

MQTT: Final = "homeassistant.components.mqtt"
# A client of this name raises how often the module sends, as long as it is active.
CLIENT: Final = "client/leaf_to_home"
# The module forgets a client that has not said so for two minutes.
SAY_AGAIN: Final = timedelta(seconds=50)
# After this a person is told what is missing. It is waited for all the same.
PATIENCE_S: Final = 60.0
METRICS: Final = {"v/b/soc": SOC, "v/b/soh": SOH, "v/p/odometer": ODOMETER}
# Whatever moves through the plug, it is plugged in; nothing says that it is not.
MOVES: Final = ("v/c/charging", "v/g/generating")
CONNECTED: Final = "s/v3/connected"
AWAITED: Final = "v/b/soc"
QOS: Final = 0
LONGEST: Final = 32


class OvmsSource(CarSource):
    """The module of one car; `prefix` is where its topics begin."""

    def __init__(self, hass: HomeAssistant, *, vehicle: str, prefix: str) -> None:
        super().__init__("OVMS", vehicle)
        self._hass = hass
        self._prefix = prefix
        self._mqtt: Any = None
        self._stops: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    @override
    async def async_start(self, on_update: Callable[[], None]) -> None:
        """Subscribe, and ask for everything as it is then."""
        await super().async_start(on_update)
        # A broker that is away keeps nobody waiting.
        self._task = self._hass.async_create_background_task(
            self._async_listen(), "OVMS"
        )

    async def _async_listen(self) -> None:
        mqtt = await async_import_module(self._hass, MQTT)
        if not await async_mqtt_ready(self._hass, PATIENCE_S):
            LOGGER.warning("OVMS cannot be heard: MQTT is not set up")
            await async_mqtt_loaded(self._hass)
        self._mqtt = mqtt
        try:
            for metric in (*METRICS, *MOVES, CONNECTED):
                self._stops.append(
                    await mqtt.async_subscribe(
                        self._hass,
                        f"{self._prefix}metric/{metric}",
                        self._heard_of(metric),
                        QOS,
                    )
                )
            self._stops.append(
                async_track_time_interval(
                    self._hass, self._async_stay, SAY_AGAIN, cancel_on_shutdown=True
                )
            )
        except HomeAssistantError as err:
            LOGGER.warning("OVMS cannot be heard: %s", err)
            return
        # An answer that comes before we listen is a retained message by then. This is
        # also called when MQTT was away.
        self._stops.append(
            mqtt.async_on_subscribe_done(
                self._hass, f"{self._prefix}metric/{AWAITED}", QOS, self._listens
            )
        )

    @override
    async def async_stop(self) -> None:
        """Let the module send more rarely again."""
        if self._task is not None:
            self._task.cancel()
        while self._stops:
            self._stops.pop()()
        if self._mqtt is not None:
            await self._async_publish(f"{CLIENT}/active", "0")
        await super().async_stop()

    async def _async_ask(self) -> None:
        """Say that somebody listens, and ask: what does not change is not sent."""
        await self._async_publish(f"{CLIENT}/active", "1")
        wanted = " ".join(metric.replace("/", ".") for metric in (*METRICS, *MOVES))
        await self._async_publish(f"{CLIENT}/request/metric", wanted)

    @callback
    def _listens(self) -> None:
        self._hass.async_create_task(self._async_ask(), "OVMS is asked")

    async def _async_stay(self, _now: datetime) -> None:
        """Go on to be a client that listens."""
        await self._async_publish(f"{CLIENT}/active", "1")

    async def _async_publish(self, topic: str, payload: str) -> None:
        """Publish; without a broker nobody hears of it."""
        if not self._mqtt.is_connected(self._hass):
            return
        try:
            await self._mqtt.async_publish(
                self._hass, f"{self._prefix}{topic}", payload
            )
        except HomeAssistantError as err:
            LOGGER.debug("OVMS was not told: %s", err)

    def _heard_of(self, metric: str) -> Callable[[Any], None]:
        @callback
        def heard(message: Any) -> None:
            self._take(metric, str(message.payload).strip(), retained=message.retain)

        return heard

    @callback
    def _take(self, metric: str, payload: str, *, retained: bool) -> None:
        if metric == CONNECTED:
            if payload == "yes" and not retained:
                self._hass.async_create_task(self._async_ask(), "OVMS is back")
            return
        # Nobody knows how old a retained message is. Health does not age that fast.
        if retained and metric != "v/b/soh":
            return
        now_s = dt_util.utcnow().timestamp()
        if metric in MOVES:
            if payload != "yes":
                return
            self.take(PLUGGED, 1.0, now_s)
        else:
            if len(payload) > LONGEST:
                return
            try:
                self.take(METRICS[metric], float(payload), now_s)
            except ValueError:
                return
        self.updated()
