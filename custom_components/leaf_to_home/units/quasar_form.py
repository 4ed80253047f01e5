"""Finds a Wallbox Quasar at its address."""

from types import MappingProxyType
from typing import Any

from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.data_entry_flow import FlowContext, FlowResult
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..const import DOMAIN
from ..flow_unit import UnitSteps

DRIVER = "quasar"
DEFAULT_PORT = 502
# It cannot carry the house in an outage: what is kept is for driving only.
DRIVING_MINIMUM = 20
# It has no meter of its own that would keep it from exporting.
SPEC = MappingProxyType({"min_import_w": 0})
FIRST_SPEC = MappingProxyType({"max_charge_w": 7400, "max_discharge_w": 7400})

SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Required(CONF_PORT, default=DEFAULT_PORT): vol.All(
            NumberSelector(
                NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)
            ),
            vol.Coerce(int),
        ),
    }
)


class QuasarSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    UnitSteps[ContextT, ResultT, HandlerT]
):
    """Asks for the charger's address, and reads it."""

    async def async_step_quasar(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask where the charger is."""
        errors: dict[str, str] = {}
        if user_input is not None:
            # One connection is shared per host and port, so that spelling matters.
            host = user_input[CONF_HOST].strip().lower()
            port = user_input[CONF_PORT]
            module = await async_import_module(
                self.hass, f"custom_components.{DOMAIN}.units.{DRIVER}.probe"
            )
            try:
                identity = await module.async_probe(self.hass, host, port)
            except module.ProbeError as err:
                errors["base" if err.key == "not_a_quasar" else CONF_HOST] = err.key
            else:
                self._unit_unique_id = f"wallbox-{identity.serial}"
                self._default_reserve = DRIVING_MINIMUM
                self._driver_spec, self._first_spec = SPEC, FIRST_SPEC
                return await self._async_driver_done(
                    DRIVER,
                    {
                        CONF_HOST: host,
                        CONF_PORT: port,
                        "serial_number": identity.serial,
                    },
                )
        return self.async_show_form(
            step_id=DRIVER,
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA, user_input or self._known_unit() or {}
            ),
            errors=errors,
            last_step=False,
        )
