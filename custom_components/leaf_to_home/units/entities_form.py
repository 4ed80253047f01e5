"""Asks which entities make a battery, and shows what they say."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    Platform,
    UnitOfTime,
)
from homeassistant.data_entry_flow import FlowContext, FlowResult
from homeassistant.helpers import entity_registry as er
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
)
from homeassistant.util.unit_conversion import PowerConverter
import voluptuous as vol

from ..engine.model import IslandingStart
from ..flow_energy import is_own
from ..sources.base import power_w
from .entities import (
    CONF_CHARGED,
    CONF_DISCHARGED,
    CONF_FAULT,
    CONF_INVERTED,
    CONF_ISLANDING,
    CONF_ISLANDING_START,
    CONF_MAX_AGE,
    CONF_MAX_CHARGE,
    CONF_MAX_DISCHARGE,
    CONF_PLUGGED,
    CONF_POWER,
    CONF_READ,
    CONF_SOC,
    CONF_SOH,
    READ_KEYS,
)
from .mapped.form import SetpointSteps
from .mapped.form_checks import as_list
from .mapped.mapping import CONF_SETPOINT, SetpointMap
from .mappings import Proposal, async_propose_mappings

DRIVER: Final = "entities"

CONF_MAPPING: Final = "mapping"
# Below this a battery's power may be noise of either sign.
RESTING_W: Final = 20.0

_PERCENT = EntitySelector(
    EntitySelectorConfig(domain=[Platform.SENSOR, Platform.NUMBER, "input_number"])
)
_ON_OFF = EntitySelector(
    EntitySelectorConfig(domain=[Platform.BINARY_SENSOR, "input_boolean"])
)
_POWER = EntitySelector(
    EntitySelectorConfig(domain=Platform.SENSOR, device_class=SensorDeviceClass.POWER)
)
_LIMIT = EntitySelector(
    EntitySelectorConfig(domain=[Platform.SENSOR, Platform.NUMBER, "input_number"])
)
_ENERGY = EntitySelector(
    EntitySelectorConfig(domain=Platform.SENSOR, device_class=SensorDeviceClass.ENERGY)
)
SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_SOC): _PERCENT,
        vol.Optional(CONF_POWER): _POWER,
        vol.Optional(CONF_MAX_AGE): NumberSelector(
            NumberSelectorConfig(
                min=30,
                max=86_400,
                mode=NumberSelectorMode.BOX,
                unit_of_measurement=UnitOfTime.SECONDS,
            )
        ),
        vol.Optional(CONF_PLUGGED): _ON_OFF,
        vol.Optional(CONF_ISLANDING): _ON_OFF,
        vol.Required(
            CONF_ISLANDING_START, default=IslandingStart.NEVER.value
        ): SelectSelector(
            SelectSelectorConfig(
                options=list(IslandingStart), translation_key="islanding_start"
            )
        ),
        vol.Optional(CONF_FAULT): _ON_OFF,
        vol.Optional(CONF_SOH): _PERCENT,
        vol.Optional(CONF_MAX_CHARGE): _LIMIT,
        vol.Optional(CONF_MAX_DISCHARGE): _LIMIT,
        vol.Optional(CONF_CHARGED): _ENERGY,
        vol.Optional(CONF_DISCHARGED): _ENERGY,
    }
)


class EntitiesSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    SetpointSteps[ContextT, ResultT, HandlerT]
):
    """Proposes what is there, asks what reads, confirms the sign, asks what acts."""

    _read: dict[str, Any]
    _islanding_start: str
    _proposals: Mapping[str, Proposal]
    _read_proposal: Mapping[str, Any] = {}
    _acts_proposal: Mapping[str, Any] = {}

    async def async_step_entities(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Offer the mappings of integrations that are there."""
        if user_input is None:
            known = self._known_unit() is not None
            self._proposals = {} if known else await async_propose_mappings(self.hass)
            if not self._proposals:
                return await self.async_step_entities_read()
        else:
            proposal = self._proposals.get(user_input.get(CONF_MAPPING, ""))
            self._read_proposal = {} if proposal is None else proposal.read
            self._acts_proposal = {} if proposal is None else proposal.setpoint
            return await self.async_step_entities_read()
        options = [
            SelectOptionDict(value=key, label=proposal.title)
            for key, proposal in self._proposals.items()
        ]
        select = SelectSelector(
            SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN)
        )
        return self.async_show_form(
            step_id=DRIVER,
            data_schema=vol.Schema({vol.Optional(CONF_MAPPING): select}),
            last_step=False,
        )

    async def async_step_entities_read(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask what tells of the battery."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = self._read_errors(user_input)
            if not errors:
                self._islanding_start = user_input[CONF_ISLANDING_START]
                inverted = self._known_read().get(CONF_INVERTED, False)
                self._read = {
                    key: user_input[key]
                    for key in (*READ_KEYS, CONF_MAX_AGE)
                    if key in user_input
                } | {CONF_INVERTED: inverted}
                if CONF_POWER in self._read:
                    return await self.async_step_entities_sign()
                return await self.async_step_entities_acts()
        known = self._known_unit() or {}
        return self.async_show_form(
            step_id="entities_read",
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA,
                user_input
                or {
                    CONF_ISLANDING_START: known.get(
                        CONF_ISLANDING_START, IslandingStart.NEVER
                    ),
                    **self._known_read(),
                },
            ),
            errors=errors,
            last_step=False,
        )

    async def async_step_entities_sign(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show what the power says now, and have its sign confirmed."""
        entity_id = self._read[CONF_POWER]
        state = self.hass.states.get(entity_id)
        value_w = None if state is None else power_w(state)
        placeholders = {"sensor": as_list(self.hass, [entity_id]).removeprefix("- ")}
        if value_w is None:
            return self.async_show_menu(
                step_id="entities_silent",
                menu_options=["entities_sign", "entities_acts", "entities_read"],
                description_placeholders=placeholders,
            )
        if self._read[CONF_INVERTED]:
            value_w = -value_w
        if abs(value_w) < RESTING_W:
            step_id = "entities_resting"
        else:
            step_id = "entities_discharging" if value_w > 0.0 else "entities_charging"
        return self.async_show_menu(
            step_id=step_id,
            menu_options=[
                "entities_acts",
                "entities_flip",
                "entities_sign",
                "entities_read",
            ],
            description_placeholders={
                **placeholders,
                "power": f"{abs(value_w):.0f}",
                "way": "−" if self._read[CONF_INVERTED] else "+",
            },
        )

    # One question in four wordings, which only translations of their own can give.
    async_step_entities_charging = async_step_entities_sign
    async_step_entities_discharging = async_step_entities_sign
    async_step_entities_resting = async_step_entities_sign
    async_step_entities_silent = async_step_entities_sign

    async def async_step_entities_flip(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Take the power the other way around and show it again."""
        self._read[CONF_INVERTED] = not self._read[CONF_INVERTED]
        return await self.async_step_entities_sign()

    async def async_step_entities_acts(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Go on to what acts."""
        return await self._async_ask_setpoint(
            self._async_entities_done,
            proposal=self._acts_proposal,
            shown=[self._read[key] for key in READ_KEYS if key in self._read],
        )

    def _known_read(self) -> Mapping[str, Any]:
        known = self._known_unit()
        if known is None:
            return self._read_proposal
        read: Mapping[str, Any] = known[CONF_READ]
        return read

    async def _async_entities_done(self) -> ResultT:
        self._unit_unique_id = self._identity()
        data: dict[str, Any] = {
            CONF_READ: self._read,
            CONF_ISLANDING_START: self._islanding_start,
        }
        if SetpointMap.from_data(self._setpoint).entities:
            data[CONF_SETPOINT] = self._setpoint
        return await self._async_driver_done(DRIVER, data)

    def _identity(self) -> str:
        """Return what keeps a battery from being added twice, also when renamed."""
        entity_id: str = self._read[CONF_SOC]
        entry = er.async_get(self.hass).async_get(entity_id)
        return f"{DRIVER}_{entity_id if entry is None else entry.id}"

    def _read_errors(self, chosen: Mapping[str, Any]) -> dict[str, str]:
        """Return the first error of each field."""
        errors: dict[str, str] = {}
        seen: set[str] = set()
        for key in READ_KEYS:
            if (entity_id := chosen.get(key)) is None:
                continue
            if is_own(self.hass, entity_id):
                errors[key] = "own_entity"
            elif entity_id in seen:
                errors[key] = "used_twice"
            elif key in (
                CONF_POWER,
                CONF_MAX_CHARGE,
                CONF_MAX_DISCHARGE,
            ) and not self._is_power(entity_id):
                errors[key] = "not_power"
            seen.add(entity_id)
        start = chosen[CONF_ISLANDING_START]
        if start == IslandingStart.NEVER and CONF_ISLANDING in chosen:
            errors.setdefault(CONF_ISLANDING_START, "islands_after_all")
        return errors

    def _is_power(self, entity_id: str) -> bool:
        """Return whether the unit is one of power, or not to be known now."""
        state = self.hass.states.get(entity_id)
        if state is None or state.state == STATE_UNAVAILABLE:
            return True
        return (
            state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) in PowerConverter.VALID_UNITS
        )
