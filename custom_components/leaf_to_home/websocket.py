"""The plan over the websocket, now and whenever it changes."""

from typing import Any

from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import websocket_command
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
import voluptuous as vol

from .const import DOMAIN
from .home import LeafToHomeConfigEntry
from .plan_view import plan_of

ATTR_CONFIG_ENTRY_ID = "config_entry_id"


@callback
def async_setup_websocket(hass: HomeAssistant) -> None:
    """Register the commands."""
    async_register_command(hass, async_subscribe_plan)


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
    """Send the plan now and each new one, also after the home was loaded anew.

    Whoever may see the home's entities may see this: it changes nothing.
    """
    entry: LeafToHomeConfigEntry | None = hass.config_entries.async_get_entry(
        msg[ATTR_CONFIG_ENTRY_ID]
    )
    if entry is None or entry.domain != DOMAIN:
        connection.send_error(msg["id"], ERR_NOT_FOUND, "There is no such home")
        return
    feed = _Feed(connection, msg["id"], entry)
    connection.subscriptions[msg["id"]] = feed.async_end
    connection.send_result(msg["id"])
    feed.async_begin()


class _Feed:
    """One subscription, which outlives reloads of its home."""

    def __init__(
        self, connection: ActiveConnection, msg_id: int, entry: LeafToHomeConfigEntry
    ) -> None:
        self._connection = connection
        self._msg_id = msg_id
        self._entry = entry
        self._loaded: bool | None = None
        self._stop_state = entry.async_on_state_change(self._state_changed)
        self._stop_plans: CALLBACK_TYPE | None = None

    @callback
    def async_begin(self) -> None:
        """Send what there is, and follow the home while it is loaded."""
        self._state_changed()

    @callback
    def async_end(self) -> None:
        """Send nothing more."""
        self._stop_state()
        self._leave()

    @callback
    def _state_changed(self) -> None:
        loaded = self._entry.state is ConfigEntryState.LOADED
        if loaded is self._loaded:
            return
        self._loaded = loaded
        self._leave()
        if loaded:
            plans = self._entry.runtime_data.home.plans
            self._stop_plans = plans.async_subscribe(self._send)
        self._send()

    @callback
    def _leave(self) -> None:
        if self._stop_plans is not None:
            self._stop_plans()
            self._stop_plans = None

    @callback
    def _send(self) -> None:
        self._connection.send_event(self._msg_id, plan_of(self._entry))
