"""The plan over the websocket, and as the response of an action."""

from typing import Any

from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import websocket_command
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from .const import DOMAIN
from .home import Home, LeafToHomeConfigEntry

ATTR_CONFIG_ENTRY_ID = "config_entry_id"
SERVICE_GET_PLAN = "get_plan"


@callback
def async_setup_plan_access(hass: HomeAssistant) -> None:
    """Register the subscription and the action."""
    async_register_command(hass, async_subscribe_plan)
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_PLAN,
        _async_get_plan,
        schema=vol.Schema({vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string}),
        supports_response=SupportsResponse.ONLY,
    )


def _home(hass: HomeAssistant, entry_id: str) -> Home | None:
    entry: LeafToHomeConfigEntry | None = hass.config_entries.async_get_entry(entry_id)
    if (
        entry is None
        or entry.domain != DOMAIN
        or entry.state is not ConfigEntryState.LOADED
    ):
        return None
    return entry.runtime_data.home


def _shown(home: Home) -> dict[str, Any]:
    plans = home.plans
    return {
        "problem": plans.problem,
        "units": {
            key: {"name": home.units[key].name, **plan.to_dict()}
            for key, plan in plans.plans.items()
            if key in home.units
        },
    }


@websocket_command(
    {
        vol.Required("type"): f"{DOMAIN}/plan/subscribe",
        vol.Required(ATTR_CONFIG_ENTRY_ID): str,
    }
)
@callback
def async_subscribe_plan(
    hass: HomeAssistant,
    connection: ActiveConnection,
    msg: dict[str, Any],
) -> None:
    """Send the plan now and each new one."""
    home = _home(hass, msg[ATTR_CONFIG_ENTRY_ID])
    if home is None:
        connection.send_error(msg["id"], ERR_NOT_FOUND, "No such home is loaded")
        return

    @callback
    def send() -> None:
        connection.send_event(msg["id"], _shown(home))

    connection.subscriptions[msg["id"]] = home.plans.async_subscribe(send)
    connection.send_result(msg["id"])
    send()


async def _async_get_plan(call: ServiceCall) -> ServiceResponse:
    home = _home(call.hass, call.data[ATTR_CONFIG_ENTRY_ID])
    if home is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_home"
        )
    return _shown(home)
