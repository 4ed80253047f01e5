"""Finds a Battery-Emulator on the broker and asks how far it may be limited."""

from typing import TYPE_CHECKING, Any

from homeassistant.const import Platform, UnitOfElectricCurrent
from homeassistant.data_entry_flow import FlowContext, FlowResult
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
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

from ..const import CONF_PRESET, CONF_SOH, DOMAIN
from ..engine.model import IslandingStart
from ..flow_energy import is_own
from ..presets import async_load_presets
from .mapped.form import SetpointSteps
from .mapped.mapping import CONF_SETPOINT, SetpointMap
from .mappings import async_propose_mappings

if TYPE_CHECKING:
    from .battery_emulator.finding import Found

DRIVER = "battery_emulator"

CONF_TOPIC = "topic"
CONF_CHARGE_A = "emulator_charge_a"
CONF_DISCHARGE_A = "emulator_discharge_a"
CONF_ISLANDING = "islanding"
CONF_ISLANDING_START = "islanding_start"

# Batteries that stand behind an inverter, and what their presets begin with.
PACKS = "pack-"
# What the form of the battery takes.
SOH_PERCENT = (20.0, 110.0)

WHERE_SCHEMA = vol.Schema({vol.Optional(CONF_TOPIC): TextSelector()})


class BatteryEmulatorSteps[
    ContextT: FlowContext,
    ResultT: FlowResult[Any, Any],
    HandlerT,
](SetpointSteps[ContextT, ResultT, HandlerT]):
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
        """Ask which of them it is, and what is known of its inverter."""
        labels = {each.topic: each.label for each in self._emulators}
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = self._emulator_errors(user_input)
            if not errors:
                return await self._async_emulator_chosen(user_input)
        suggested = user_input
        if suggested is None:
            suggested = dict(self._known_unit() or {})
            if suggested.get(CONF_TOPIC) not in labels:
                suggested[CONF_TOPIC] = next(iter(labels))
        return self.async_show_form(
            step_id="emulator",
            data_schema=self.add_suggested_values_to_schema(
                _emulator_schema(labels), suggested
            ),
            errors=errors,
            last_step=False,
        )

    async def _async_emulator_chosen(self, chosen: dict[str, Any]) -> ResultT:
        topic: str = chosen[CONF_TOPIC]
        self._unit_unique_id = f"{DRIVER}-{topic}"
        if self._unit_is_used():
            return self.async_abort(reason="unit_already_configured")
        self._emulator_data = chosen
        await self._async_propose_battery(topic)
        found = await async_propose_mappings(self.hass)
        inverters = [each.setpoint for each in found.values() if each.setpoint]
        return await self._async_ask_setpoint(
            self._async_inverter_known,
            proposal=inverters[0] if len(inverters) == 1 else {},
            shown=(),
        )

    async def _async_inverter_known(self) -> ResultT:
        data = dict(self._emulator_data)
        if SetpointMap.from_data(self._setpoint).entities:
            data[CONF_SETPOINT] = self._setpoint
        return await self._async_driver_done(DRIVER, data)

    async def _async_propose_battery(self, topic: str) -> None:
        """Begin with the battery that the emulator has told of."""
        pack = next(each.info.pack for each in self._emulators if each.topic == topic)
        if pack is None:
            return
        self._battery_proposal = proposal = dict[str, Any]()
        if pack.soh_percent is not None:
            low, high = SOH_PERCENT
            proposal[CONF_SOH] = round(min(high, max(low, pack.soh_percent)), 1)
        if (capacity_wh := pack.capacity_wh) is not None:
            presets = await async_load_presets(self.hass)
            packs = [name for name in presets if name.startswith(PACKS)]
            proposal[CONF_PRESET] = min(
                packs,
                key=lambda name: abs(presets[name]["usable_kwh"] * 1000 - capacity_wh),
            )

    def _emulator_errors(self, chosen: dict[str, Any]) -> dict[str, str]:
        entity_id = chosen.get(CONF_ISLANDING)
        if entity_id is None:
            return {}
        if is_own(self.hass, entity_id):
            return {CONF_ISLANDING: "own_entity"}
        if chosen[CONF_ISLANDING_START] == IslandingStart.NEVER:
            return {CONF_ISLANDING_START: "islands_after_all"}
        return {}

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
            vol.Required(
                CONF_ISLANDING_START, default=IslandingStart.NEVER.value
            ): SelectSelector(
                SelectSelectorConfig(
                    options=list(IslandingStart), translation_key="islanding_start"
                )
            ),
            vol.Optional(CONF_ISLANDING): EntitySelector(
                EntitySelectorConfig(domain=[Platform.BINARY_SENSOR, "input_boolean"])
            ),
            vol.Optional(CONF_CHARGE_A): current,
            vol.Optional(CONF_DISCHARGE_A): current,
        }
    )
