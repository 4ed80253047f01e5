"""Actions on a home's recorded past: what a LEAF would have saved, and its export."""

from typing import Final

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_register_admin_service,
)
import voluptuous as vol

from .const import (
    CONF_PRESET,
    CONF_SOH,
    CONF_TARIFF,
    CONF_TRIPS,
    DOMAIN,
    TRIPS_COMMUTER,
    TRIPS_NONE,
)
from .flow_unit import DEFAULT_PRESET
from .home import LeafToHomeConfigEntry
from .replaying import DEFAULT_DAYS, LEAST_DAYS, MOST_DAYS, Ask, async_replay
from .services import ATTR_CONFIG_ENTRY_ID

SERVICE_EXPORT: Final = "export_history"
SERVICE_REPLAY: Final = "replay"

ATTR_DAYS: Final = "days"
ATTR_FOLDER: Final = "folder"
# The longest that is exported: ten years.
MOST_EXPORTED: Final = 3660

REPLAY_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_DAYS, default=DEFAULT_DAYS): vol.All(
            vol.Coerce(int), vol.Range(min=LEAST_DAYS, max=MOST_DAYS)
        ),
        vol.Optional(CONF_PRESET, default=DEFAULT_PRESET): cv.string,
        vol.Optional(CONF_SOH, default=100.0): vol.All(
            vol.Coerce(float), vol.Range(min=1, max=120)
        ),
        vol.Optional(CONF_TRIPS, default=TRIPS_COMMUTER): vol.In(
            [TRIPS_COMMUTER, TRIPS_NONE]
        ),
        vol.Optional(CONF_TARIFF): dict,
    }
)
EXPORT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_DAYS, default=MOST_DAYS): vol.All(
            vol.Coerce(int), vol.Range(min=1, max=MOST_EXPORTED)
        ),
        vol.Optional(ATTR_FOLDER): cv.string,
    }
)


@callback
def async_setup_history_services(hass: HomeAssistant) -> None:
    """Register the actions; one takes long, the other writes files."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_REPLAY,
        _async_replay,
        schema=REPLAY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT,
        _async_export,
        schema=EXPORT_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


def _entry(call: ServiceCall) -> LeafToHomeConfigEntry:
    entry: LeafToHomeConfigEntry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    return entry


async def _async_replay(call: ServiceCall) -> ServiceResponse:
    """Return what a unit would have saved; without an id in the only home."""
    return await async_replay(
        call.hass,
        _entry(call),
        Ask(
            days=call.data[ATTR_DAYS],
            preset=call.data[CONF_PRESET],
            soh_percent=call.data[CONF_SOH],
            trips=call.data[CONF_TRIPS],
            tariff=call.data.get(CONF_TARIFF),
        ),
    )


async def _async_export(call: ServiceCall) -> ServiceResponse:
    """Write the past of a home as files that a replay reads."""
    # numpy comes with it.
    module = await async_import_module(call.hass, f"{__package__}.history_export")
    written: ServiceResponse = await module.async_export(
        call.hass, _entry(call), call.data[ATTR_DAYS], call.data.get(ATTR_FOLDER)
    )
    return written
