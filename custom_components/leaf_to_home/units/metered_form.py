"""Which plugs a portable unit hangs on, and what they cannot tell of it."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import PERCENTAGE, STATE_OFF, STATE_ON, Platform, UnitOfPower
from homeassistant.core import State
from homeassistant.data_entry_flow import FlowContext, FlowResult, section
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
)
from homeassistant.helpers.translation import async_translate_state
import voluptuous as vol

from ..const import (
    CONF_CARRIED,
    CONF_FULL_BELOW,
    CONF_IDLE,
    CONF_INPUT_POWER,
    CONF_INPUT_SWITCH,
    CONF_MAX_INPUT,
    CONF_OUTPUT_POWER,
    CONF_PASS_THROUGH,
    CONF_SELF_DISCHARGE,
)
from ..engine.metered_model import PassThrough
from ..flow_unit import UnitSteps
from ..sources.base import power_w

DRIVER = "metered"
SECTION_MORE = "metered_more"


def _number(unit: str, maximum: float) -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=0,
            max=maximum,
            step="any",
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=unit,
        )
    )


_SWITCH = EntitySelector(
    EntitySelectorConfig(domain=[Platform.SWITCH, "input_boolean"])
)
_POWER = EntitySelector(
    EntitySelectorConfig(domain=Platform.SENSOR, device_class=SensorDeviceClass.POWER)
)
SCHEMA = vol.Schema(
    {
        vol.Required(CONF_INPUT_SWITCH): _SWITCH,
        vol.Required(CONF_INPUT_POWER): _POWER,
        vol.Optional(CONF_OUTPUT_POWER): _POWER,
        vol.Required(CONF_PASS_THROUGH, default=PassThrough.NONE.value): SelectSelector(
            SelectSelectorConfig(
                options=[kind.value for kind in PassThrough],
                translation_key="pass_through",
            )
        ),
        vol.Required(CONF_MAX_INPUT, default=75): _number(UnitOfPower.WATT, 10_000),
        vol.Optional(CONF_CARRIED): _number(UnitOfPower.WATT, 10_000),
        vol.Required(SECTION_MORE): section(
            vol.Schema(
                {
                    vol.Required(CONF_IDLE, default=3): _number(UnitOfPower.WATT, 100),
                    vol.Required(CONF_SELF_DISCHARGE, default=3): _number(
                        PERCENTAGE, 100
                    ),
                    vol.Required(CONF_FULL_BELOW, default=10): _number(
                        UnitOfPower.WATT, 1000
                    ),
                }
            ),
            {"collapsed": True},
        ),
    }
)
MORE_KEYS = (CONF_IDLE, CONF_SELF_DISCHARGE, CONF_FULL_BELOW)


class MeteredSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    UnitSteps[ContextT, ResultT, HandlerT]
):
    """Asks for the plugs, then shows what they say."""

    _plugs: dict[str, Any]

    async def async_step_metered(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for the plug at the input, and what is known of the output."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = self._plug_errors(user_input)
            if not errors:
                plugs = dict(user_input)
                self._plugs = plugs | plugs.pop(SECTION_MORE)
                # One plug cannot serve two units, also when it is renamed.
                plug = plugs[CONF_INPUT_SWITCH]
                switch = er.async_get(self.hass).async_get(plug)
                self._unit_unique_id = f"plug:{plug if switch is None else switch.id}"
                if self._unit_is_used():
                    return self.async_abort(reason="unit_already_configured")
                return await self.async_step_metered_check()
        suggested = user_input
        if suggested is None and (known := self._known_unit()) is not None:
            suggested = dict(known)
            suggested[SECTION_MORE] = {
                key: known[key] for key in MORE_KEYS if key in known
            }
        return self.async_show_form(
            step_id=DRIVER,
            data_schema=self.add_suggested_values_to_schema(SCHEMA, suggested or {}),
            errors=errors,
            last_step=False,
        )

    async def async_step_metered_check(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show what the plugs say now; each time it is opened it is what holds then."""
        plugs = self._plugs
        if user_input is not None:
            self._preset = "portable"
            return await self._async_driver_done(DRIVER, plugs)
        state = self.hass.states.get(plugs[CONF_INPUT_SWITCH])
        output = plugs.get(CONF_OUTPUT_POWER)
        return self.async_show_form(
            step_id="metered_check",
            data_schema=vol.Schema({}),
            description_placeholders={
                "switch": "–" if state is None else self._said(state),
                "input": self._shown_w(plugs[CONF_INPUT_POWER]),
                "output": "–" if output is None else self._shown_w(output),
            },
            last_step=False,
        )

    def _plug_errors(self, plugs: Mapping[str, Any]) -> dict[str, str]:
        errors: dict[str, str] = {}
        state = self.hass.states.get(plugs[CONF_INPUT_SWITCH])
        if state is None or state.state not in (STATE_ON, STATE_OFF):
            errors[CONF_INPUT_SWITCH] = "plug_unavailable"
        if self._measured_w(plugs[CONF_INPUT_POWER]) is None:
            errors[CONF_INPUT_POWER] = "not_power"
        output = plugs.get(CONF_OUTPUT_POWER)
        if output is None:
            return errors
        if output == plugs[CONF_INPUT_POWER]:
            errors[CONF_OUTPUT_POWER] = "used_twice"
        elif self.hass.states.get(output) is None:
            # While the unit is off, a plug that it feeds is not available.
            errors[CONF_OUTPUT_POWER] = "not_power"
        return errors

    def _measured_w(self, entity_id: str) -> float | None:
        state = self.hass.states.get(entity_id)
        return power_w(state) if state is not None else None

    def _said(self, state: State) -> str:
        """Return what a switch says, in the language of the house."""
        return async_translate_state(
            self.hass, state.state, state.domain, None, None, None
        )

    def _shown_w(self, entity_id: str) -> str:
        value = self._measured_w(entity_id)
        return "–" if value is None else f"{value:.0f} W"
