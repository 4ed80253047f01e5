"""Waiting for Home Assistant's MQTT, which may come long after us, or not at all.

Its own `async_wait_for_mqtt_client` gives up after 50 s and leaves a cancelled future
behind, which ends the task of whoever asks again before MQTT is there.
"""

import asyncio
from typing import Any, Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect

MQTT: Final = "mqtt"


async def async_mqtt_loaded(hass: HomeAssistant) -> None:
    """Wait until MQTT is there, however long that takes."""
    loaded = asyncio.Event()

    @callback
    def changed(_change: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        if entry.domain == MQTT and entry.state is ConfigEntryState.LOADED:
            loaded.set()

    stop = async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    try:
        if not hass.config_entries.async_loaded_entries(MQTT):
            await loaded.wait()
    finally:
        stop()


async def async_mqtt_ready(hass: HomeAssistant, within_s: float) -> bool:
    """Return whether MQTT is there in time; at once where nobody has set it up."""
    entries = hass.config_entries.async_entries(
        MQTT, include_ignore=False, include_disabled=False
    )
    if not entries:
        return False
    try:
        async with asyncio.timeout(within_s):
            await async_mqtt_loaded(hass)
    except TimeoutError:
        return False
    return True
