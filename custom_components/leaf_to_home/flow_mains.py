"""The steps that ask which sensors tell whether the grid is there."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import (
    ATTR_DEVICE_CLASS,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    Platform,
)
from homeassistant.core import State, split_entity_id
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .const import CONF_AGREEING, CONF_MAINS, CONF_MAINS_SENSORS, CONF_METER_AT_GRID
from .flow_energy import is_own
from .sources.mains import MainsKind, MainsSpec, mains_specs

CONF_HIGH = "high"
CONF_HYSTERESIS = "hysteresis"
CONF_KIND = "kind"
CONF_LOW = "low"
CONF_SENSORS = "sensors"
CONF_UNIT = "unit"

# What these steps leave in the entry's data.
_OWN = (CONF_MAINS, CONF_MAINS_SENSORS, CONF_AGREEING, CONF_METER_AT_GRID)
MOST_SENSORS = 9
# What a grid has, what is left of it where it is still one, and what noise may be.
NOMINAL = {
    SensorDeviceClass.FREQUENCY: (50.0, 60.0),
    SensorDeviceClass.VOLTAGE: (100.0, 120.0, 230.0),
}
FREQUENCY_MARGIN_HZ = 2.0
FREQUENCY_HYSTERESIS_HZ = 0.2
VOLTAGE_LOW = 0.8
VOLTAGE_HIGH = 1.15
VOLTAGE_HYSTERESIS = 0.03

_NUMBER = NumberSelector(NumberSelectorConfig(step="any", mode=NumberSelectorMode.BOX))


class MainsSteps(ConfigFlow):
    """Asks for the mains sensors, and of each how it is read; it shows what it says.

    What is known already is in `_data`.
    """

    _data: dict[str, Any]
    _mains: dict[str, dict[str, Any]]
    _agreeing: int
    _meter_at_grid: bool
    _asked: list[str]

    async def _async_sources_done(self) -> ConfigFlowResult:
        """Go on when `_data` holds all sensors that this flow asks for."""
        raise NotImplementedError

    async def async_step_mains(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for all of them, and how many have to agree."""
        errors: dict[str, str] = {}
        if user_input is not None:
            sensors: list[str] = list(dict.fromkeys(user_input.get(CONF_SENSORS, [])))
            agreeing = int(user_input[CONF_AGREEING])
            if any(is_own(self.hass, sensor) for sensor in sensors):
                errors[CONF_SENSORS] = "own_entity"
            elif len(sensors) > MOST_SENSORS:
                errors[CONF_SENSORS] = "too_many_mains"
            elif agreeing > max(1, len(sensors)):
                errors[CONF_AGREEING] = "agreeing_too_many"
            if not errors:
                known = {spec.entity: _conf(spec) for spec in mains_specs(self._data)}
                self._mains = {sensor: known.get(sensor, {}) for sensor in sensors}
                self._agreeing = agreeing
                self._meter_at_grid = user_input[CONF_METER_AT_GRID]
                self._asked = list(sensors)
                return await self._async_next_sensor()
        specs = mains_specs(self._data)
        return self.async_show_form(
            step_id="mains",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Optional(CONF_SENSORS): EntitySelector(
                            EntitySelectorConfig(
                                domain=[Platform.BINARY_SENSOR, Platform.SENSOR],
                                multiple=True,
                            )
                        ),
                        vol.Required(CONF_AGREEING, default=1): NumberSelector(
                            NumberSelectorConfig(
                                min=1, max=MOST_SENSORS, mode=NumberSelectorMode.BOX
                            )
                        ),
                        vol.Required(
                            CONF_METER_AT_GRID, default=False
                        ): BooleanSelector(),
                    }
                ),
                user_input
                or {
                    CONF_SENSORS: [spec.entity for spec in specs],
                    CONF_AGREEING: self._data.get(CONF_AGREEING, 1),
                    CONF_METER_AT_GRID: self._data.get(CONF_METER_AT_GRID, False),
                },
            ),
            errors=errors,
            description_placeholders={"sensors": self._shown(specs)},
            last_step=False,
        )

    async def _async_next_sensor(self) -> ConfigFlowResult:
        if self._asked:
            return await self.async_step_mains_sensor()
        self._data = {
            key: value for key, value in self._data.items() if key not in _OWN
        }
        if self._mains:
            self._data[CONF_MAINS_SENSORS] = [
                {"entity": sensor, **conf} for sensor, conf in self._mains.items()
            ]
            self._data[CONF_AGREEING] = self._agreeing
        if self._meter_at_grid:
            self._data[CONF_METER_AT_GRID] = True
        return await self._async_sources_done()

    async def async_step_mains_sensor(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask how one of them is read, with what it says now beside it."""
        sensor = self._asked[0]
        state = self.hass.states.get(sensor)
        binary = split_entity_id(sensor)[0] == Platform.BINARY_SENSOR
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = _errors(user_input)
            if not errors:
                unit = _unit(state) or self._mains[sensor].get(CONF_UNIT)
                self._mains[sensor] = _to_conf(user_input, unit)
                self._asked.pop(0)
                return await self._async_next_sensor()
        return self.async_show_form(
            step_id="mains_binary" if binary else "mains_sensor",
            data_schema=self.add_suggested_values_to_schema(
                _schema(binary=binary),
                user_input or self._mains[sensor] or suggest(state),
            ),
            errors=errors,
            description_placeholders={"sensor": _said(sensor, state)},
            last_step=len(self._asked) == 1 or None,
        )

    # A contact has no thresholds to ask for.
    async_step_mains_binary = async_step_mains_sensor

    def _shown(self, specs: list[MainsSpec]) -> str:
        return " · ".join(
            _said(spec.entity, self.hass.states.get(spec.entity)) for spec in specs
        )


def _schema(*, binary: bool) -> vol.Schema:
    kinds = (
        (MainsKind.PRESENT, MainsKind.ABSENT)
        if binary
        else (MainsKind.UPS, MainsKind.RANGE)
    )
    fields: dict[vol.Marker, Any] = {
        vol.Required(CONF_KIND, default=kinds[0].value): SelectSelector(
            SelectSelectorConfig(
                options=[kind.value for kind in kinds],
                mode=SelectSelectorMode.LIST,
                translation_key="mains_binary_kind" if binary else "mains_kind",
            )
        )
    }
    if not binary:
        fields |= {
            vol.Optional(key): _NUMBER for key in (CONF_LOW, CONF_HIGH, CONF_HYSTERESIS)
        }
    return vol.Schema(fields)


def suggest(state: State | None) -> dict[str, Any]:
    """Return how a sensor is read most likely, by its class and what it says now."""
    if state is None:
        return {}
    kind = state.attributes.get(ATTR_DEVICE_CLASS)
    if kind not in NOMINAL:
        return {}
    try:
        value = float(state.state)
    except ValueError:
        return {CONF_KIND: MainsKind.RANGE.value}
    nominal = min(NOMINAL[kind], key=lambda each: abs(each - value))
    if kind == SensorDeviceClass.FREQUENCY:
        low, high = nominal - FREQUENCY_MARGIN_HZ, nominal + FREQUENCY_MARGIN_HZ
        hysteresis = FREQUENCY_HYSTERESIS_HZ
    else:
        low, high = nominal * VOLTAGE_LOW, nominal * VOLTAGE_HIGH
        hysteresis = nominal * VOLTAGE_HYSTERESIS
    return {
        CONF_KIND: MainsKind.RANGE.value,
        CONF_LOW: round(low, 1),
        CONF_HIGH: round(high, 1),
        CONF_HYSTERESIS: round(hysteresis, 1),
    }


def _errors(user_input: Mapping[str, Any]) -> dict[str, str]:
    if user_input[CONF_KIND] != MainsKind.RANGE:
        return {}
    low, high = user_input.get(CONF_LOW), user_input.get(CONF_HIGH)
    hysteresis = user_input.get(CONF_HYSTERESIS, 0.0)
    if low is None and high is None:
        return {CONF_LOW: "threshold_missing"}
    if hysteresis < 0.0:
        return {CONF_HYSTERESIS: "hysteresis_wrong"}
    if low is not None and high is not None:
        if low >= high:
            return {CONF_HIGH: "thresholds_crossed"}
        if 2.0 * hysteresis >= high - low:
            # What was outside could never come back in.
            return {CONF_HYSTERESIS: "hysteresis_wrong"}
    return {}


def _to_conf(user_input: Mapping[str, Any], unit: str | None) -> dict[str, Any]:
    conf: dict[str, Any] = {CONF_KIND: user_input[CONF_KIND]}
    if conf[CONF_KIND] == MainsKind.RANGE:
        conf |= {
            key: user_input[key]
            for key in (CONF_LOW, CONF_HIGH, CONF_HYSTERESIS)
            if key in user_input
        }
        if unit is not None:
            conf[CONF_UNIT] = unit
    return conf


def _unit(state: State | None) -> str | None:
    return None if state is None else state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)


def _conf(spec: MainsSpec) -> dict[str, Any]:
    """Return a sensor in the shape of the entry's data."""
    conf: dict[str, Any] = {CONF_KIND: spec.kind.value}
    if spec.kind is MainsKind.RANGE:
        numbers = {
            CONF_LOW: spec.low,
            CONF_HIGH: spec.high,
            CONF_HYSTERESIS: spec.hysteresis,
            CONF_UNIT: spec.unit,
        }
        conf |= {key: value for key, value in numbers.items() if value is not None}
    return conf


def _said(sensor: str, state: State | None) -> str:
    """Return a sensor with what it says now, as the user may look for it."""
    unit = _unit(state)
    value = state.state if state else STATE_UNAVAILABLE
    return f"`{sensor}`: {value}{f' {unit}' if unit else ''}"
