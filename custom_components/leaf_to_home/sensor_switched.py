"""What is shown of a unit between plugs, whose charge is counted."""

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfEnergy, UnitOfPower

from .engine.model import Reading
from .entity import LeafToHomeUnitEntity
from .sensor_description import ENERGY, POWER, SOC, UnitSensorDescription, read
from .unit_runtime import UnitRuntime


def _is_switched(unit: UnitRuntime) -> bool:
    """Return whether its charge is counted by us, since it tells nothing."""
    return unit.unit.capabilities.switched


def _confidence_percent(reading: Reading) -> float:
    """Return how far the counted charge may be trusted: not at all, or to the dot."""
    if reading.soc_percent is None or reading.soc_error_percent is None:
        return 0.0
    return max(0.0, 100.0 - 2.0 * reading.soc_error_percent)


def _error_kwh(unit: LeafToHomeUnitEntity) -> float | None:
    """Return by how much the stored energy may be out."""
    error = unit.reading.soc_error_percent if unit.reading else None
    if error is None:
        return None
    return round(error / 100.0 * unit.unit.spec.capacity_kwh, 3)


DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="carried_power",
        translation_key="carried_load",
        device_class=SensorDeviceClass.POWER,
        has_fn=_is_switched,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=read(lambda reading: reading.carried_w),
    ),
    UnitSensorDescription(
        key="soc_confidence",
        translation_key="soc_confidence",
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_is_switched,
        measured=True,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=read(_confidence_percent),
    ),
    UnitSensorDescription(
        key="stored_energy_error",
        translation_key="stored_energy_error",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_is_switched,
        measured=True,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        value_fn=_error_kwh,
    ),
)
