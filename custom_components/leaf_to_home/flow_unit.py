"""The steps that ask for a unit's battery; each driver brings its own before them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from homeassistant.const import CONF_NAME, PERCENTAGE, UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import (
    AbortFlow,
    FlowContext,
    FlowHandler,
    FlowResult,
    section,
)
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from .const import CONF_DRIVER, CONF_PRESET, CONF_SOH, CONF_SPEC, DOMAIN
from .engine.formats import FormatError, parse_unit
from .presets import Presets, async_load_presets

CONF_RESERVE = "reserve_percent"
SECTION_SPEC = CONF_SPEC

DEFAULT_NAME = "LEAF"
DEFAULT_PRESET = "leaf-40"
DEFAULT_RESERVE = 30

# The presets' wear fits money of which one unit buys a few kWh.
WEAR_PER_KWH = {"JPY": 3.0}

# Where an error of the engine is shown, and in which words.
_ERRORS = {
    "max_soc_percent": "min_soc_above_max",
    "min_power_w": "min_power_above_max",
    "remaining_cycles": "price_and_cycles",
}


class UnitSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Asks for name and battery of a unit.

    A driver's form is a subclass with a step of the driver's name. It fills
    `_driver_data`, and `_unit_unique_id` where the device has an address, and ends in
    `_async_driver_done`. The home flow and the unit's own flow share these steps.
    """

    _driver: str
    _driver_data: dict[str, Any]
    # What the driver's hardware makes of the battery: always, and to begin with.
    _driver_spec: Mapping[str, float] = MappingProxyType({})
    _first_spec: Mapping[str, float] = MappingProxyType({})
    _default_reserve: int = DEFAULT_RESERVE
    _unit_unique_id: str | None = None
    _preset: str = DEFAULT_PRESET
    # What a driver has heard of the battery, to begin with for a new unit.
    _battery_proposal: Mapping[str, Any] = {}

    async def _async_unit_done(
        self, name: str, data: dict[str, Any], unique_id: str | None
    ) -> ResultT:
        """Go on with the new or changed unit."""
        raise NotImplementedError

    def _known_unit(self) -> Mapping[str, Any] | None:
        """Return the data of the unit that is changed, None for a new one."""
        raise NotImplementedError

    def _known_unit_name(self) -> str:
        """Return the name to begin with."""
        return DEFAULT_NAME

    def _known_unit_id(self) -> str | None:
        """Return the subentry of the unit that is changed, None for a new one."""
        return None

    async def _async_driver_done(self, driver: str, data: dict[str, Any]) -> ResultT:
        """Go on to the battery when a driver has asked what it needs."""
        if self._unit_unique_id is not None and self._unit_is_used():
            raise AbortFlow("unit_already_configured")
        self._driver = driver
        self._driver_data = data
        return await self.async_step_battery()

    async def async_step_battery(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which battery it is and how much of it is left."""
        presets = await async_load_presets(self.hass)
        known = self._known_unit()
        errors: dict[str, str] = {}
        if user_input is not None:
            battery = _to_battery(user_input, presets, known, self._driver_spec)
            errors = _errors(presets, battery)
            name = user_input[CONF_NAME].strip()
            if not name:
                errors[CONF_NAME] = "name_missing"
            if not errors:
                return await self._async_unit_done(
                    name,
                    {CONF_DRIVER: self._driver, **battery, **self._driver_data},
                    self._unit_unique_id,
                )
        suggested = user_input
        if suggested is None:
            suggested = {CONF_NAME: self._known_unit_name(), SECTION_SPEC: {}}
            if known is None:
                suggested[SECTION_SPEC] = dict(self._first_spec)
                suggested |= self._battery_proposal
                wear = WEAR_PER_KWH.get(self.hass.config.currency)
                if wear is not None:
                    suggested[SECTION_SPEC]["wear_per_kwh"] = wear
            else:
                suggested |= known
        return self.async_show_form(
            step_id="battery",
            data_schema=self.add_suggested_values_to_schema(
                _schema(
                    self.hass,
                    list(presets),
                    reserve=self._default_reserve if known is None else None,
                    preset=self._preset,
                    collapsed=SECTION_SPEC not in errors,
                ),
                suggested,
            ),
            errors=errors,
        )

    def _unit_is_used(self) -> bool:
        """Return whether any home has a unit at this address already."""
        return any(
            subentry.unique_id == self._unit_unique_id
            and subentry.subentry_id != self._known_unit_id()
            for entry in self.hass.config_entries.async_entries(
                DOMAIN, include_ignore=False
            )
            for subentry in entry.subentries.values()
        )


def _schema(
    hass: HomeAssistant,
    presets: list[str],
    *,
    reserve: int | None,
    preset: str,
    collapsed: bool,
) -> vol.Schema:
    fields: dict[vol.Marker, Any] = {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_PRESET, default=preset): SelectSelector(
            SelectSelectorConfig(
                options=presets,
                mode=SelectSelectorMode.DROPDOWN,
                translation_key="preset",
            )
        ),
        vol.Required(CONF_SOH, default=100): _number(PERCENTAGE, 20, 110),
    }
    if reserve is not None:
        # An entity changes it from then on; a later form must not take that back.
        fields[vol.Required(CONF_RESERVE, default=reserve)] = _number(
            PERCENTAGE, 0, 100
        )
    power = _number(UnitOfPower.WATT)
    percent = _number(PERCENTAGE, 0, 100)
    fields[vol.Required(SECTION_SPEC)] = section(
        vol.Schema(
            {
                vol.Optional("usable_kwh"): _number(UnitOfEnergy.KILO_WATT_HOUR),
                vol.Optional("max_charge_w"): power,
                vol.Optional("max_discharge_w"): power,
                vol.Optional("min_power_w"): power,
                vol.Optional("standby_w"): power,
                vol.Optional("min_soc_percent"): percent,
                vol.Optional("max_soc_percent"): percent,
                vol.Optional("wear_per_kwh"): _number(f"{hass.config.currency}/kWh"),
                vol.Optional("purchase_price"): _number(hass.config.currency),
                vol.Optional("remaining_cycles"): _number("", 1, 100_000),
                vol.Optional("max_c_rate"): _number("kW/kWh", 0.01, 10),
            }
        ),
        {"collapsed": collapsed},
    )
    return vol.Schema(fields)


def _number(
    unit: str, minimum: float = 0, maximum: float | None = None
) -> NumberSelector:
    config = NumberSelectorConfig(min=minimum, step="any", mode=NumberSelectorMode.BOX)
    if unit:
        config["unit_of_measurement"] = unit
    if maximum is not None:
        config["max"] = maximum
    return NumberSelector(config)


def _to_battery(
    user_input: Mapping[str, Any],
    presets: Presets,
    known: Mapping[str, Any] | None,
    driver_spec: Mapping[str, float],
) -> dict[str, Any]:
    """Return the form's values in the shape of the unit's data."""
    preset = presets[user_input[CONF_PRESET]]
    spec = user_input[SECTION_SPEC] | driver_spec
    if known is None:
        spec[CONF_RESERVE] = user_input[CONF_RESERVE]
    elif CONF_RESERVE in known[CONF_SPEC]:
        # Without effect by now, but it has to fit limits that have changed since.
        low = spec.get("min_soc_percent", preset["min_soc_percent"])
        high = spec.get("max_soc_percent", preset["max_soc_percent"])
        spec[CONF_RESERVE] = max(low, min(high, known[CONF_SPEC][CONF_RESERVE]))
    return {
        CONF_PRESET: user_input[CONF_PRESET],
        CONF_SOH: user_input[CONF_SOH],
        CONF_SPEC: {
            key: value for key, value in spec.items() if preset.get(key) != value
        },
    }


def _errors(presets: Presets, battery: Mapping[str, Any]) -> dict[str, str]:
    """Return what the engine does not accept, at the field or at its section."""
    preset = presets[battery[CONF_PRESET]]
    try:
        parse_unit(
            {**preset, **battery[CONF_SPEC], CONF_SOH: battery[CONF_SOH]},
            battery[CONF_PRESET],
        )
    except FormatError as err:
        field = str(err).split(": ")[1]
        if field == CONF_RESERVE:
            return {field: "reserve_outside"}
        return {SECTION_SPEC: _ERRORS.get(field, "out_of_range")}
    return {}
