"""What is shown of a unit at work: its charge, its power, what it does and why."""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfEnergy, UnitOfPower

from .engine.model import OutcomeKind, ReasonCode, UnitStatus
from .engine.plan import PriceBasis
from .engine.state import UnitState
from .entity import LeafToHomeUnitEntity
from .sensor_description import (
    ENERGY,
    POWER,
    SOC,
    STORED,
    TEXT,
    UnitSensorDescription,
    read,
    rounded,
    unit_decided,
)
from .vehicles import NO_VEHICLE, OTHER_VEHICLE


def _persisted(
    value_fn: Callable[[UnitState], float],
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    def value(unit: LeafToHomeUnitEntity) -> float | None:
        return round(value_fn(unit.persisted), 3) if unit.persisted else None

    return value


def _status(unit: LeafToHomeUnitEntity) -> str | None:
    if not unit.reachable:
        # The engine goes by the last reading until that is too old.
        return UnitStatus.UNREACHABLE
    return unit.decision.status if unit.decision else None


def _vehicle(unit: LeafToHomeUnitEntity) -> str | None:
    """Return the name of the car at the plug, None until it is told."""
    reading = unit.reading
    if reading is None:
        return None
    if reading.connected is False:
        return NO_VEHICLE
    told = reading.vehicle
    state = unit.home.state.units[unit.unit.subentry_id]
    if told is None and state.vehicle_here:
        # It sleeps, and is still the one that it was.
        told = state.vehicle
    if told is None:
        return None
    vehicle = unit.unit.vehicles.get(told)
    return OTHER_VEHICLE if vehicle is None else vehicle.name


def _setpoint_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    setpoint = unit.decision.setpoint if unit.decision else None
    return {"native": setpoint.native if setpoint else None}


def _reason_numbers(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    if (decision := unit.decision) is None:
        return {}
    numbers: dict[str, Any] = {
        key: round(value, 3) for key, value in decision.reason.values.items()
    }
    home = unit.home.decision
    if "price" in numbers and home is not None and home.import_price is None:
        numbers["price_basis"] = PriceBasis.ESTIMATED
    return numbers


def _outcome_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    if (outcome := unit.unit.worker.outcome) is None:
        return {}
    return {"power": rounded(outcome.power_w), "detail": outcome.detail}


CHARGE_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="soc",
        translation_key="soc",
        device_class=SensorDeviceClass.BATTERY,
        measured=True,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=unit_decided(lambda decision: decision.soc_percent, 1),
    ),
    UnitSensorDescription(
        key="stored_energy",
        translation_key="stored_energy",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        measured=True,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=STORED,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=unit_decided(lambda decision: decision.stored_kwh, 2),
    ),
    UnitSensorDescription(
        key="energy_above_reserve",
        translation_key="energy_above_reserve",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        measured=True,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=STORED,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=unit_decided(lambda decision: decision.above_reserve_kwh, 2),
    ),
)
POWER_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="power",
        translation_key="power",
        device_class=SensorDeviceClass.POWER,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=read(lambda reading: reading.power_w),
    ),
    UnitSensorDescription(
        key="energy_charged",
        translation_key="energy_charged",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_persisted(lambda state: state.charged_kwh),
    ),
    UnitSensorDescription(
        key="energy_discharged",
        translation_key="energy_discharged",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_persisted(lambda state: state.discharged_kwh),
    ),
)
COMMAND_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[item.value for item in UnitStatus],
        significance=TEXT,
        value_fn=_status,
    ),
    UnitSensorDescription(
        key="setpoint",
        translation_key="setpoint",
        attributes_fn=_setpoint_details,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=unit_decided(
            lambda decision: (
                decision.setpoint.power_w
                if decision.setpoint and decision.setpoint.native is None
                else None
            )
        ),
    ),
    UnitSensorDescription(
        key="reason",
        translation_key="reason",
        attributes_fn=_reason_numbers,
        device_class=SensorDeviceClass.ENUM,
        options=[item.value for item in ReasonCode],
        significance=TEXT,
        value_fn=lambda unit: unit.decision.reason.code if unit.decision else None,
    ),
    UnitSensorDescription(
        key="outcome",
        translation_key="outcome",
        attributes_fn=_outcome_details,
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[item.value for item in OutcomeKind],
        significance=TEXT,
        value_fn=lambda unit: (
            unit.unit.worker.outcome.kind if unit.unit.worker.outcome else None
        ),
    ),
)
VEHICLE_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="vehicle",
        translation_key="vehicle",
        device_class=SensorDeviceClass.ENUM,
        has_fn=lambda unit: bool(unit.vehicles),
        measured=True,
        names_fn=lambda unit: (vehicle.name for vehicle in unit.vehicles.values()),
        options=[NO_VEHICLE, OTHER_VEHICLE],
        significance=TEXT,
        value_fn=_vehicle,
    ),
)
