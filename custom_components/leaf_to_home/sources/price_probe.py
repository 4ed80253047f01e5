"""Looks for prices in this Home Assistant, and tries a source at once."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..engine.local_clock import LocalClock
from .price_actions import TibberReader
from .price_book import Offer
from .price_readers import (
    CONF_SOURCE,
    CONF_SOURCE_KIND,
    CONF_TIBBER_HOME,
    KIND_EASYENERGY,
    KIND_ENERGYZERO,
    KIND_NORD_POOL,
    KIND_TIBBER,
    async_create_reader,
)
from .price_schedule import PriceSchedule
from .price_shapes.entities import shape_of
from .price_shapes.values import PriceError

INTEGRATIONS: Final = {
    KIND_NORD_POOL: "Nord Pool",
    KIND_TIBBER: "Tibber",
    KIND_EASYENERGY: "easyEnergy",
    KIND_ENERGYZERO: "EnergyZero",
}
# So many entities are named to the user.
MOST_NAMED: Final = 8


@callback
def async_loaded_integrations(hass: HomeAssistant) -> dict[str, str]:
    """Return domain and title of those that can be asked for prices now."""
    return {
        domain: title
        for domain, title in INTEGRATIONS.items()
        if hass.config_entries.async_loaded_entries(domain)
    }


@callback
def async_nord_pool_areas(hass: HomeAssistant) -> list[str]:
    """Return the areas that Nord Pool is set up with."""
    entries = hass.config_entries.async_loaded_entries(KIND_NORD_POOL)
    return [str(area) for area in entries[0].data["areas"]] if entries else []


@callback
def async_priced_entities(hass: HomeAssistant) -> dict[str, str]:
    """Return the entities that have prices in a known shape, with its name."""
    found = {}
    for state in hass.states.async_all(("event", "sensor")):
        shape = shape_of(state.attributes)
        if shape is not None:
            found[state.entity_id] = shape
    return dict(sorted(found.items())[:MOST_NAMED])


async def async_tibber_homes(hass: HomeAssistant) -> list[str]:
    """Return the homes that Tibber has prices of; raises `PriceError`."""
    tariff = {CONF_SOURCE: {CONF_SOURCE_KIND: KIND_TIBBER, CONF_TIBBER_HOME: ""}}
    reader = await async_create_reader(hass, tariff)
    assert isinstance(reader, TibberReader)
    return sorted(await reader.async_homes())


async def async_probe(
    hass: HomeAssistant, tariff: Mapping[str, Any], name: str
) -> Offer:
    """Return what the source of a tariff's options has now.

    Raises `PriceError`, also where it has no price for this moment.
    """
    reader = await async_create_reader(hass, tariff)
    now_s = dt_util.utcnow().timestamp()
    schedule = PriceSchedule(
        clock=LocalClock(reader.zone), published_minute=reader.published_minute
    )
    offer = await reader.async_read(schedule.dates(now_s, now_s))
    if not any(quote.start_s <= now_s < quote.end_s for quote in offer.imported):
        raise PriceError("price_source_empty", source=name)
    return offer
