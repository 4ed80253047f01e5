"""Finds a Battery-Emulator on the broker and asks how far it may be limited."""

from typing import TYPE_CHECKING, Any

from homeassistant.const import UnitOfElectricCurrent
from homeassistant.data_entry_flow import FlowContext, FlowResult
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..const import DOMAIN
from ..flow_unit import UnitSteps

if TYPE_CHECKING:
    from .battery_emulator.finding import Found

DRIVER = "battery_emulator"

CONF_TOPIC = "topic"
CONF_CHARGE_A = "emulator_charge_a"
CONF_DISCHARGE_A = "emulator_discharge_a"

WHERE_SCHEMA = vol.Schema({vol.Optional(CONF_TOPIC): TextSelector()})


class BatteryEmulatorSteps[
    ContextT: FlowContext,
    ResultT: FlowResult[Any, Any],
    HandlerT,
](UnitSteps[ContextT, ResultT, HandlerT]):
    """Listens to the broker, lets choose what was heard, then asks for the inverter."""

    _emulators: list[Found]
    _emulator_data: dict[str, Any]

    async def async_step_battery_emulator(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask where the emulator publishes, and listen there."""
        errors: dict[str, str] = {}
        if user_input is not None:
            module = await self._async_finding_module()
            topic = module.clean_topic(user_input.get(CONF_TOPIC, ""))
            if topic is None:
                errors[CONF_TOPIC] = "not_a_topic"
            else:
                try:
                    self._emulators = await module.async_search(
                        self.hass, topic or None
                    )
                except module.SearchError as err:
                    errors["base"] = err.key
                else:
                    return await self.async_step_emulator()
        return self.async_show_form(
            step_id=DRIVER,
            data_schema=self.add_suggested_values_to_schema(
                WHERE_SCHEMA, user_input or self._known_unit() or {}
            ),
            errors=errors,
            last_step=False,
        )

    async def async_step_emulator(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which of them it is, and whether its limits may be lowered."""
        labels = {each.topic: each.label for each in self._emulators}
        if user_input is not None:
            topic = user_input[CONF_TOPIC]
            self._unit_unique_id = f"{DRIVER}-{topic}"
            if self._unit_is_used():
                return self.async_abort(reason="unit_already_configured")
            self._emulator_data = dict(user_input)
            return await self._async_emulator_chosen()
        known = self._known_unit() or {}
        suggested = dict(known)
        if known.get(CONF_TOPIC) not in labels:
            suggested[CONF_TOPIC] = next(iter(labels))
        return self.async_show_form(
            step_id="emulator",
            data_schema=self.add_suggested_values_to_schema(
                _emulator_schema(labels), suggested
            ),
            last_step=False,
        )

    async def _async_emulator_chosen(self) -> ResultT:
        return await self._async_driver_done(DRIVER, self._emulator_data)

    async def _async_finding_module(self) -> Any:
        """Load MQTT when somebody wants it."""
        return await async_import_module(
            self.hass, f"custom_components.{DOMAIN}.units.{DRIVER}.finding"
        )


def _emulator_schema(labels: dict[str, str]) -> vol.Schema:
    current = NumberSelector(
        NumberSelectorConfig(
            min=0.1,
            max=1000,
            step="any",
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        )
    )
    return vol.Schema(
        {
            vol.Required(CONF_TOPIC): SelectSelector(
                SelectSelectorConfig(
                    options=[
                        SelectOptionDict(value=value, label=label)
                        for value, label in labels.items()
                    ],
                    mode=SelectSelectorMode.LIST,
                )
            ),
            vol.Optional(CONF_CHARGE_A): current,
            vol.Optional(CONF_DISCHARGE_A): current,
        }
    )
