"""Finds emulators on the broker, for the form."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from ...mqtt_ready import async_mqtt_ready
from .messages import Info, MessageError, parse_info, parse_online
from .topics import INFO, STATUS, Subscriptions

# The emulator speaks every 5 s, unless somebody set it to another interval.
WAIT_S: Final = 20.0
# Once one is heard, the others have had their turn after this.
OTHERS_S: Final = 6.0
MOST: Final = 16
LONGEST_TOPIC: Final = 128


class SearchError(HomeAssistantError):
    """Nothing was found; `key` says why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An emulator that speaks."""

    topic: str
    info: Info

    @property
    def label(self) -> str:
        """Return what it says of itself and its battery, in a line."""
        parts = []
        if (pack := self.info.pack) is not None:
            for name, value, digits, unit in (
                ("SoC ", pack.soc_percent, 1, " %"),
                ("SoH ", pack.soh_percent, 1, " %"),
                ("", pack.voltage_v, 0, " V"),
                ("", _kwh(pack.capacity_wh), 1, " kWh"),
                ("Δ ", _spread(pack.cell_min_mv, pack.cell_max_mv), 0, " mV"),
                ("", pack.temperature_max_c, 0, " °C"),
            ):
                if value is not None:
                    parts.append(f"{name}{value:.{digits}f}{unit}")
        parts += [part for part in (self.info.bms, self.info.software) if part]
        return f"{self.topic}: {', '.join(parts)}"


def clean_topic(text: str) -> str | None:
    """Return the topic that a person means, None for what cannot be one."""
    topic = text.strip().strip("/")
    for name in (INFO, STATUS):
        topic = topic.removesuffix(f"/{name}")
    if not topic.isprintable() or set(topic) & set("+#") or len(topic) > LONGEST_TOPIC:
        return None
    return topic


async def async_search(hass: HomeAssistant, topic: str | None) -> list[Found]:
    """Return the emulator at `topic`, or all of them."""
    if not await async_mqtt_ready(hass, WAIT_S):
        raise SearchError("no_broker")
    found: dict[str, Found] = {}
    offline = False
    changed = asyncio.Event()

    @callback
    def on_info(message: mqtt.ReceiveMessage) -> None:
        name = message.topic.removesuffix(f"/{INFO}")
        with suppress(MessageError):
            info = parse_info(message.payload)
            if not message.retain and len(found) < MOST and clean_topic(name) == name:
                found[name] = Found(topic=name, info=info)
                changed.set()

    @callback
    def on_status(message: mqtt.ReceiveMessage) -> None:
        nonlocal offline
        with suppress(MessageError):
            offline = not parse_online(message.payload)

    subscriptions = Subscriptions(hass)
    try:
        await subscriptions.async_add(f"{topic or '+'}/{INFO}", on_info)
        if topic is not None:
            await subscriptions.async_add(f"{topic}/{STATUS}", on_status)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await changed.wait()
        if found and topic is None:
            await asyncio.sleep(OTHERS_S)
    except HomeAssistantError as err:
        raise SearchError("no_broker") from err
    finally:
        subscriptions.async_close()
    if found:
        return sorted(found.values(), key=lambda each: each.topic)
    if not mqtt.is_connected(hass):
        raise SearchError("broker_unreachable")
    raise SearchError("emulator_offline" if offline else "no_emulator")


def _kwh(capacity_wh: float | None) -> float | None:
    return None if capacity_wh is None else capacity_wh / 1000.0


def _spread(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else high - low
