"""Looks for stations where they are sold, without loading their protocol elsewhere."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.importlib import async_import_module

from ..const import CONF_DRIVER, DOMAIN
from .echonet_lite_form import CONF_LOCAL_ADDRESS, DRIVER

# ECHONET Lite is spoken in Japanese homes; elsewhere only who has a station has it.
COUNTRY = "JP"


async def async_offer_stations(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Offer stations that appear on the home's networks, until it is unloaded."""
    networks: set[str | None] = {
        subentry.data.get(CONF_LOCAL_ADDRESS)
        for subentry in entry.subentries.values()
        if subentry.data.get(CONF_DRIVER) == DRIVER
    }
    if not networks:
        if hass.config.country != COUNTRY:
            return
        networks = {None}
    module = await async_import_module(
        hass, f"custom_components.{DOMAIN}.units.{DRIVER}.watch"
    )
    for network in networks:
        entry.async_on_unload(module.async_watch(hass, network))
