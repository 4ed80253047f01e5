"""The steps that ask which sensors measure the home."""

from collections.abc import Iterable, Mapping
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    CONF_NAME,
    STATE_UNAVAILABLE,
    Platform,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
from homeassistant.util.unit_conversion import PowerConverter
import voluptuous as vol

from .const import (
    CONF_AGREEING,
    CONF_GRID,
    CONF_MAINS,
    CONF_MAINS_SENSORS,
    CONF_METER_AT_GRID,
    CONF_OTHER,
    CONF_PHASES,
    CONF_SOLAR,
    GRID_INVERTED,
    GRID_SENSOR,
    GRID_TWO,
    GRID_UNIT,
)
from .flow_energy import Proposal, async_propose, is_own
from .sources.base import power_w

CONF_ENTITY = "entity"
CONF_ENTITY_EXPORT = "entity_export"
CONF_KIND = "kind"

# Below this a meter's noise may show either sign.
BALANCED_W = 20.0
MAX_PHASES = 3
# What other steps ask for.
_KEPT = (CONF_GRID, CONF_MAINS_SENSORS, CONF_AGREEING, CONF_METER_AT_GRID)

_POWER = EntitySelector(
    EntitySelectorConfig(domain=Platform.SENSOR, device_class=SensorDeviceClass.POWER)
)
_POWERS = EntitySelector(
    EntitySelectorConfig(
        domain=Platform.SENSOR, device_class=SensorDeviceClass.POWER, multiple=True
    )
)
_KIND = SelectSelector(
    SelectSelectorConfig(
        options=[GRID_SENSOR, GRID_INVERTED, GRID_TWO, GRID_UNIT],
        mode=SelectSelectorMode.LIST,
        translation_key="grid_kind",
    )
)
KIND_SCHEMA = vol.Schema({vol.Required(CONF_KIND): _KIND})
HOME_SCHEMA = vol.Schema(
    {vol.Required(CONF_NAME): TextSelector(), vol.Required(CONF_KIND): _KIND}
)
ONE_SENSOR_SCHEMA = vol.Schema({vol.Required(CONF_ENTITY): _POWER})
TWO_SENSORS_SCHEMA = vol.Schema(
    {vol.Required(CONF_ENTITY): _POWER, vol.Required(CONF_ENTITY_EXPORT): _POWER}
)
SENSORS_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_PHASES): _POWERS,
        vol.Optional(CONF_SOLAR): _POWERS,
        vol.Optional(CONF_OTHER): _POWERS,
    }
)
# Where mains sensors have steps of their own, this one would contradict them.
SENSORS_AND_MAINS_SCHEMA = SENSORS_SCHEMA.extend(
    {
        vol.Optional(CONF_MAINS): EntitySelector(
            EntitySelectorConfig(domain=Platform.BINARY_SENSOR)
        ),
    }
)


class SourceSteps(ConfigFlow):
    """Asks for the grid meter, shows what it says, and asks for the other sensors.

    The home flow and the entry's reconfiguration share these steps: what is known
    already is in `_data`.
    """

    _data: dict[str, Any]
    _proposal: Proposal = Proposal()
    _kind: str = GRID_SENSOR

    async def _async_sources_done(self) -> ConfigFlowResult:
        """Go on when `_data` holds all sensors that this flow asks for."""
        raise NotImplementedError

    async def async_step_grid_kind(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask in which form grid power is measured."""
        if user_input is not None:
            return await self._async_kind_chosen(user_input[CONF_KIND])
        return self.async_show_form(
            step_id="grid_kind",
            data_schema=self.add_suggested_values_to_schema(
                KIND_SCHEMA, self._data[CONF_GRID]
            ),
        )

    async def _async_kind_chosen(self, kind: str) -> ConfigFlowResult:
        self._kind = kind
        if kind == GRID_UNIT:
            self._data[CONF_GRID] = {CONF_KIND: kind}
            return await self.async_step_grid_done()
        return await self.async_step_grid()

    async def async_step_grid(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the sensor or the two sensors of grid power."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = _sensor_errors(
                self.hass,
                {key: [sensor] for key, sensor in user_input.items()},
                taken=_other_sensors(self._data),
            )
            if not errors:
                self._data[CONF_GRID] = {CONF_KIND: self._kind, **user_input}
                self._abort_if_meter_is_used()
                return await self.async_step_confirm()
        return self.async_show_form(
            step_id="grid",
            data_schema=self.add_suggested_values_to_schema(
                TWO_SENSORS_SCHEMA if self._kind == GRID_TWO else ONE_SENSOR_SCHEMA,
                user_input or self._data.get(CONF_GRID) or self._proposal.grid,
            ),
            errors=errors,
            last_step=False,
        )

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what the meter says now and have import's sign confirmed."""
        grid = self._data[CONF_GRID]
        power = grid_power_w(self.hass, grid)
        placeholders = {"sensors": _as_shown(self.hass, grid_sensors(grid))}
        if power is None:
            return self.async_show_menu(
                step_id="grid_unavailable",
                menu_options=["confirm", "grid", "grid_done"],
                description_placeholders=placeholders,
            )
        if abs(power) < BALANCED_W:
            step_id = "grid_balanced"
        else:
            step_id = "grid_importing" if power > 0 else "grid_exporting"
        return self.async_show_menu(
            step_id=step_id,
            menu_options=["grid_done", "flip", "confirm", "grid"],
            description_placeholders={
                **placeholders,
                "power": f"{abs(power):.0f}",
            },
        )

    # One question in four wordings, which only translations of their own can give.
    async_step_grid_importing = async_step_confirm
    async_step_grid_exporting = async_step_confirm
    async_step_grid_balanced = async_step_confirm
    async_step_grid_unavailable = async_step_confirm

    async def async_step_flip(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take the meter's sign the other way around and show it again."""
        grid = self._data[CONF_GRID]
        if grid[CONF_KIND] == GRID_TWO:
            grid = {
                **grid,
                CONF_ENTITY: grid[CONF_ENTITY_EXPORT],
                CONF_ENTITY_EXPORT: grid[CONF_ENTITY],
            }
        else:
            self._kind = (
                GRID_SENSOR if grid[CONF_KIND] == GRID_INVERTED else GRID_INVERTED
            )
            grid = {**grid, CONF_KIND: self._kind}
        self._data[CONF_GRID] = grid
        return await self.async_step_confirm()

    async def async_step_grid_done(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on with the meter as it is."""
        if self.source == SOURCE_RECONFIGURE:
            before = self._get_reconfigure_entry().data[CONF_GRID]
            if {*grid_sensors(before)} != {*grid_sensors(self._data[CONF_GRID])}:
                # Where another meter sits nobody has said.
                self._data.pop(CONF_METER_AT_GRID, None)
            return await self._async_sources_done()
        return await self.async_step_sensors()

    async def async_step_sensors(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for everything else that measures, all of it optional."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = _sensor_errors(
                self.hass,
                {
                    key: user_input.get(key, [])
                    for key in (CONF_PHASES, CONF_SOLAR, CONF_OTHER)
                },
                taken=grid_sensors(self._data[CONF_GRID]),
            )
            if len(user_input.get(CONF_PHASES, [])) > MAX_PHASES:
                errors[CONF_PHASES] = "too_many_phases"
            mains = user_input.get(CONF_MAINS)
            if mains and is_own(self.hass, mains):
                errors[CONF_MAINS] = "own_entity"
            if not errors:
                self._data = {
                    key: self._data[key] for key in _KEPT if key in self._data
                } | {key: value for key, value in user_input.items() if value}
                return await self._async_sources_done()
        known = user_input
        if known is None:
            known = {
                CONF_SOLAR: list(self._proposal.solar),
                CONF_OTHER: list(self._proposal.other_batteries),
            } | self._data
        return self.async_show_form(
            step_id="sensors",
            data_schema=self.add_suggested_values_to_schema(
                SENSORS_SCHEMA
                if CONF_MAINS_SENSORS in self._data
                else SENSORS_AND_MAINS_SCHEMA,
                known,
            ),
            errors=errors,
        )

    async def _async_load_proposal(self) -> None:
        self._proposal = await async_propose(self.hass)
        if self._proposal.grid:
            self._kind = self._proposal.grid[CONF_KIND]

    def _abort_if_meter_is_used(self) -> None:
        """Abort when another home has one of these sensors as its grid meter.

        Two homes on one meter would both correct the same error, in whatever form
        they read it; so a comparison of whole dictionaries is not enough.
        """
        sensors = set(grid_sensors(self._data[CONF_GRID]))
        for entry in self._async_current_entries(include_ignore=False):
            if entry.entry_id != self.context.get(
                "entry_id"
            ) and not sensors.isdisjoint(grid_sensors(entry.data[CONF_GRID])):
                raise AbortFlow("already_configured", {"home": entry.title})


def grid_sensors(grid: Mapping[str, str]) -> tuple[str, ...]:
    """Return the entities that a grid meter is made of."""
    return tuple(grid[key] for key in (CONF_ENTITY, CONF_ENTITY_EXPORT) if key in grid)


def grid_power_w(hass: HomeAssistant, grid: Mapping[str, str]) -> float | None:
    """Return what the meter says now, positive importing; None when it is silent."""
    values: list[float] = []
    for sensor in grid_sensors(grid):
        state = hass.states.get(sensor)
        value = None if state is None else power_w(state)
        if value is None:
            return None
        values.append(value)
    if grid[CONF_KIND] == GRID_TWO:
        return values[0] - values[1]
    return -values[0] if grid[CONF_KIND] == GRID_INVERTED else values[0]


def _other_sensors(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        sensor
        for key in (CONF_PHASES, CONF_SOLAR, CONF_OTHER)
        for sensor in data.get(key, [])
    )


def _sensor_errors(
    hass: HomeAssistant, fields: Mapping[str, list[str]], *, taken: Iterable[str]
) -> dict[str, str]:
    """Return the first error of each field."""
    errors: dict[str, str] = {}
    seen = set(taken)
    for field, sensors in fields.items():
        for sensor in sensors:
            if sensor in seen:
                error = "used_twice"
            elif is_own(hass, sensor):
                error = "own_entity"
            elif not _measures_power(hass, sensor):
                error = "not_power"
            else:
                error = None
            seen.add(sensor)
            if error:
                errors.setdefault(field, error)
    return errors


def _measures_power(hass: HomeAssistant, sensor: str) -> bool:
    """Return whether the sensor's unit is one of power, or not to be known now."""
    if state := hass.states.get(sensor):
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        if unit is None and state.state == STATE_UNAVAILABLE:
            return True
        return unit in PowerConverter.VALID_UNITS
    entry = er.async_get(hass).async_get(sensor)
    unit = entry.unit_of_measurement if entry else None
    return unit is None or unit in PowerConverter.VALID_UNITS


def _as_shown(hass: HomeAssistant, sensors: Iterable[str]) -> str:
    """Return each sensor with its raw state, as the user may look for it."""
    lines: list[str] = []
    for sensor in sensors:
        state = hass.states.get(sensor)
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) if state else None
        value = state.state if state else STATE_UNAVAILABLE
        lines.append(f"`{sensor}`: {value}{f' {unit}' if unit else ''}")
    return " · ".join(lines)
