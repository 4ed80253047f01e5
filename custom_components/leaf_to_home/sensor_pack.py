"""What is shown of a pack whose electronics we hear."""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricPotential,
    UnitOfPower,
    UnitOfTemperature,
)

from .engine.derating import spread_mv
from .entity import LeafToHomeUnitEntity
from .sensor_description import (
    CELL,
    LIMIT,
    TEMPERATURE,
    TEXT,
    UnitSensorDescription,
    read,
    rounded,
)
from .unit_runtime import UnitRuntime
from .units.pack import Balancing, PackCondition, PackFault, PackView, TellsPack


def _tells_pack(unit: UnitRuntime) -> bool:
    return isinstance(unit.unit, TellsPack)


def _pack(
    value_fn: Callable[[PackView], str | None],
) -> Callable[[LeafToHomeUnitEntity], str | None]:
    def value(unit: LeafToHomeUnitEntity) -> str | None:
        driver = unit.unit.unit
        return value_fn(driver.pack) if isinstance(driver, TellsPack) else None

    return value


def _cells(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    if (reading := unit.reading) is None:
        return {}
    return {
        "lowest": rounded(reading.cell_min_mv),
        "highest": rounded(reading.cell_max_mv),
    }


DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="pack_condition",
        translation_key="pack_condition",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        options=[item.value for item in PackCondition],
        significance=TEXT,
        value_fn=_pack(lambda pack: pack.condition),
    ),
    UnitSensorDescription(
        key="pack_fault",
        translation_key="pack_fault",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        options=[item.value for item in PackFault],
        significance=TEXT,
        value_fn=_pack(lambda pack: pack.fault),
    ),
    UnitSensorDescription(
        key="balancing",
        translation_key="balancing",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        options=[item.value for item in Balancing],
        significance=TEXT,
        value_fn=_pack(lambda pack: pack.balancing),
    ),
    UnitSensorDescription(
        key="cell_spread",
        translation_key="cell_spread",
        attributes_fn=_cells,
        device_class=SensorDeviceClass.VOLTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfElectricPotential.MILLIVOLT,
        significance=CELL,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=read(spread_mv),
    ),
    UnitSensorDescription(
        key="temperature_min",
        translation_key="temperature_min",
        device_class=SensorDeviceClass.TEMPERATURE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        significance=TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=read(lambda reading: reading.temperature_min_c, 1),
    ),
    UnitSensorDescription(
        key="temperature_max",
        translation_key="temperature_max",
        device_class=SensorDeviceClass.TEMPERATURE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        significance=TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=read(lambda reading: reading.temperature_max_c, 1),
    ),
    UnitSensorDescription(
        key="allowed_charge_power",
        translation_key="allowed_charge_power",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=LIMIT,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=read(lambda reading: reading.max_charge_w),
    ),
    UnitSensorDescription(
        key="allowed_discharge_power",
        translation_key="allowed_discharge_power",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=LIMIT,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=read(lambda reading: reading.max_discharge_w),
    ),
)
