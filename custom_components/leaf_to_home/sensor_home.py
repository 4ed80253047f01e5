"""What is shown of a house: its power and energy."""

from collections.abc import Callable

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfEnergy, UnitOfPower

from .const import CONF_GRID, CONF_SOLAR, GRID_UNIT
from .engine.state import HomeState
from .home import Home, LeafToHomeConfigEntry
from .sensor_description import ENERGY, POWER, HomeSensorDescription, decided


def _measured_by_unit(entry: LeafToHomeConfigEntry) -> bool:
    """Return whether no other integration counts the energy of grid and sun."""
    kind: str | None = entry.data.get(CONF_GRID, {}).get("kind")
    return kind == GRID_UNIT


def _has_solar(entry: LeafToHomeConfigEntry) -> bool:
    """Return whether a sensor, or the unit that is the meter, measures the sun."""
    return bool(entry.data.get(CONF_SOLAR)) or _measured_by_unit(entry)


def _total(value_fn: Callable[[HomeState], float]) -> Callable[[Home], float]:
    return lambda home: round(value_fn(home.persisted), 3)


POWER_DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    HomeSensorDescription(
        key="grid_power",
        translation_key="grid_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.grid_w),
    ),
    HomeSensorDescription(
        key="load_power",
        translation_key="load_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.load_w),
    ),
    HomeSensorDescription(
        key="solar_power",
        translation_key="solar_power",
        device_class=SensorDeviceClass.POWER,
        has_fn=_has_solar,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.solar_w),
    ),
)
ENERGY_DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    HomeSensorDescription(
        key="grid_import_energy",
        translation_key="grid_import_energy",
        device_class=SensorDeviceClass.ENERGY,
        enabled_fn=_measured_by_unit,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_total(lambda state: state.import_kwh),
    ),
    HomeSensorDescription(
        key="grid_export_energy",
        translation_key="grid_export_energy",
        device_class=SensorDeviceClass.ENERGY,
        enabled_fn=_measured_by_unit,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_total(lambda state: state.export_kwh),
    ),
    HomeSensorDescription(
        key="solar_energy",
        translation_key="solar_energy",
        device_class=SensorDeviceClass.ENERGY,
        enabled_fn=_measured_by_unit,
        has_fn=_has_solar,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_total(lambda state: state.solar_kwh),
    ),
)
