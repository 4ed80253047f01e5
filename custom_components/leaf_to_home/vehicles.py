"""The cars that a unit's station tells apart: what is asked and what it means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.const import CONF_NAME, PERCENTAGE, UnitOfEnergy
from homeassistant.exceptions import ConfigEntryError
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

from .const import CONF_PRESET, CONF_SOH, CONF_SPEC, CONF_VEHICLES, DOMAIN
from .engine.battery import UnitKind, UnitSpec
from .presets import Presets
from .site import build_spec

CONF_KEY: Final = "key"
CONF_USABLE: Final = "usable_kwh"
# Of the presets, the battery that the unit itself has.
AS_UNIT: Final = "as_unit"
# What is shown where no car of the unit is at the plug.
NO_VEHICLE: Final = "none"
OTHER_VEHICLE: Final = "other"
# No car is called like a state that means something else.
RESERVED_NAMES: Final = frozenset({NO_VEHICLE, OTHER_VEHICLE, "unknown", "unavailable"})
LONGEST_NAME: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """A car that belongs to a unit."""

    name: str
    spec: UnitSpec


def build_vehicles(
    presets: Presets, data: Mapping[str, Any], unit_name: str
) -> dict[str, Vehicle]:
    """Return the cars of a unit by key; raise ConfigEntryError for what cannot be.

    Their battery is their own, all else belongs to the station. What is not said of
    one is as with the unit.
    """
    return {
        vehicle[CONF_KEY]: Vehicle(
            name=name_of(vehicle, unit_name, number),
            spec=_spec(presets, data, vehicle, unit_name),
        )
        for number, vehicle in enumerate(data.get(CONF_VEHICLES, ()), 1)
    }


def _spec(
    presets: Presets,
    data: Mapping[str, Any],
    vehicle: Mapping[str, Any],
    unit_name: str,
) -> UnitSpec:
    usable_kwh = vehicle.get(CONF_USABLE)
    preset = vehicle.get(CONF_PRESET)
    if usable_kwh is None and preset is not None:
        if preset not in presets:
            raise ConfigEntryError(
                translation_domain=DOMAIN,
                translation_key="unit_invalid",
                translation_placeholders={"unit": unit_name, "error": repr(preset)},
            )
        usable_kwh = presets[preset][CONF_USABLE]
    changed = dict(data)
    if usable_kwh is not None:
        changed[CONF_SPEC] = {**data.get(CONF_SPEC, {}), CONF_USABLE: usable_kwh}
    if CONF_SOH in vehicle:
        changed[CONF_SOH] = vehicle[CONF_SOH]
    return build_spec(presets, changed, unit_name)


def name_of(vehicle: Mapping[str, Any], unit_name: str, number: int) -> str:
    """Return how a car is called, also one that nobody gave a name."""
    name: str | None = vehicle.get(CONF_NAME)
    return name or (unit_name if number == 1 else f"{unit_name} {number}")


def vehicle_schema(presets: Presets) -> vol.Schema:
    """Return the form that asks for one car."""
    cars = [
        name
        for name, preset in presets.items()
        if preset["kind"] == UnitKind.VEHICLE.value
    ]
    return vol.Schema(
        {
            vol.Required(CONF_NAME): TextSelector(),
            vol.Required(CONF_PRESET, default=AS_UNIT): SelectSelector(
                SelectSelectorConfig(
                    options=[AS_UNIT, *cars],
                    mode=SelectSelectorMode.DROPDOWN,
                    translation_key="vehicle_preset",
                )
            ),
            vol.Optional(CONF_USABLE): _number(UnitOfEnergy.KILO_WATT_HOUR, 1, 500),
            vol.Optional(CONF_SOH): _number(PERCENTAGE, 20, 110),
        }
    )


def suggested(vehicle: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what the form begins with for a car that is known by this name."""
    return {CONF_PRESET: AS_UNIT, **vehicle, CONF_NAME: name}


def to_vehicle(key: str, user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form says of a car in the shape of the unit's data."""
    said = {name: value for name, value in user_input.items() if value != AS_UNIT}
    return {CONF_KEY: key, **said, CONF_NAME: user_input[CONF_NAME].strip()}


def name_errors(name: str, others: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with the name of a car beside those of the others."""
    name = name.strip().casefold()
    if not name:
        return {CONF_NAME: "name_missing"}
    if len(name) > LONGEST_NAME:
        return {CONF_NAME: "car_name_long"}
    if name in RESERVED_NAMES or name in {other.casefold() for other in others}:
        return {CONF_NAME: "car_name_used"}
    return {}


def _number(unit: str, minimum: float, maximum: float) -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=minimum,
            max=maximum,
            step="any",
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=unit,
        )
    )
