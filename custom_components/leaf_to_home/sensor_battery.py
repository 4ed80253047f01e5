"""What is shown of a battery's health, and what others say of its charge."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfEnergy
from homeassistant.util import dt as dt_util

from .battery_view import capacity_details, health_of, reported, reported_date
from .entity import LeafToHomeUnitEntity
from .sensor_description import SLOW, SOC, TEXT, UnitSensorDescription, rounded


def _soc_elsewhere(unit: LeafToHomeUnitEntity) -> float | None:
    sources = unit.unit.car_sources
    latest = sources.latest() if sources is not None else None
    return None if latest is None else round(latest[1].value, 1)


def _soc_elsewhere_time(unit: LeafToHomeUnitEntity) -> datetime | None:
    sources = unit.unit.car_sources
    latest = sources.latest() if sources is not None else None
    if latest is None:
        return None
    return dt_util.utc_from_timestamp(round(latest[1].time_s))


def _elsewhere_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    sources = unit.unit.car_sources
    latest = sources.latest() if sources is not None else None
    if latest is None:
        return {}
    source, sample = latest
    return {
        "source": source.name,
        "age": round(dt_util.utcnow().timestamp() - sample.time_s),
    }


def _soh(unit: LeafToHomeUnitEntity) -> float | None:
    """Return the state of health that was reported last, by whoever knows it."""
    if unit.reading is not None and unit.reading.soh_percent is not None:
        return rounded(unit.reading.soh_percent, 2)
    if unit.unit.car_sources is None:
        return None
    health = health_of(unit.home.state, unit.unit)
    return None if health is None else rounded(health.soh_percent, 2)


DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="soh",
        translation_key="soh",
        entity_category=EntityCategory.DIAGNOSTIC,
        measured=True,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=_soh,
    ),
    UnitSensorDescription(
        key="soc_elsewhere",
        translation_key="soc_elsewhere",
        attributes_fn=_elsewhere_details,
        device_class=SensorDeviceClass.BATTERY,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=lambda unit: unit.car_sources is not None,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_soc_elsewhere,
    ),
    UnitSensorDescription(
        key="soc_elsewhere_time",
        translation_key="soc_elsewhere_time",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=lambda unit: unit.car_sources is not None,
        significance=TEXT,
        value_fn=_soc_elsewhere_time,
    ),
    UnitSensorDescription(
        key="usable_capacity",
        translation_key="usable_capacity",
        attributes_fn=capacity_details,
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=SLOW,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=reported(lambda health: health.capacity.value, 2),
    ),
    UnitSensorDescription(
        key="round_trip_efficiency",
        translation_key="round_trip_efficiency",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=PERCENTAGE,
        significance=SLOW,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=reported(
            lambda health: (
                None if health.round_trip is None else 100.0 * health.round_trip
            ),
            1,
        ),
    ),
    UnitSensorDescription(
        key="full_cycles",
        translation_key="full_cycles",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        significance=SLOW,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=reported(lambda health: health.cycles, 2),
    ),
    UnitSensorDescription(
        key="throughput",
        translation_key="throughput",
        device_class=SensorDeviceClass.ENERGY,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=SLOW,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=0,
        value_fn=reported(lambda health: health.throughput_kwh, 1),
    ),
    UnitSensorDescription(
        key="end_of_life_earliest",
        translation_key="end_of_life_earliest",
        device_class=SensorDeviceClass.DATE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        significance=TEXT,
        value_fn=reported_date(lambda health: health.end_earliest_s),
    ),
    UnitSensorDescription(
        key="end_of_life_latest",
        translation_key="end_of_life_latest",
        device_class=SensorDeviceClass.DATE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        significance=TEXT,
        value_fn=reported_date(lambda health: health.end_latest_s),
    ),
)
