"""What a home and its units measure, decide and save."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from . import (
    sensor_battery,
    sensor_home,
    sensor_outage,
    sensor_pack,
    sensor_plan,
    sensor_savings,
    sensor_switched,
    sensor_tariff,
    sensor_unit,
)
from .entity import LeafToHomeHomeEntity, LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .outage_setup import tier_subentries
from .sensor_description import HomeSensorDescription, UnitSensorDescription
from .sensor_outage import OutageSensor, TierSensor
from .unit_runtime import UnitRuntime

PARALLEL_UPDATES = 0
# Of so small a battery a tenth of a kWh says too little.
SMALL_KWH = 5.0

# In the order in which they are added.
HOME_DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    *sensor_home.POWER_DESCRIPTIONS,
    *sensor_tariff.DESCRIPTIONS,
    *sensor_plan.HOME_DESCRIPTIONS,
    *sensor_savings.DESCRIPTIONS,
    *sensor_home.ENERGY_DESCRIPTIONS,
    *sensor_tariff.SOURCE_DESCRIPTIONS,
)
UNIT_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    *sensor_unit.CHARGE_DESCRIPTIONS,
    *sensor_plan.UNIT_DESCRIPTIONS,
    *sensor_unit.POWER_DESCRIPTIONS,
    *sensor_battery.DESCRIPTIONS,
    *sensor_unit.COMMAND_DESCRIPTIONS,
    *sensor_switched.DESCRIPTIONS,
    *sensor_unit.VEHICLE_DESCRIPTIONS,
    *sensor_pack.DESCRIPTIONS,
    *sensor_outage.UNIT_DESCRIPTIONS,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a home and its units."""
    async_add_entities(
        HomeSensor(entry=entry, description=description)
        for description in HOME_DESCRIPTIONS
        if description.has_fn(entry)
    )
    async_add_entities(
        OutageSensor(entry=entry, description=description)
        for description in sensor_outage.DESCRIPTIONS
    )
    for tier in tier_subentries(entry):
        async_add_entities(
            (
                TierSensor(entry=entry, subentry=tier, description=description)
                for description in sensor_outage.TIER_DESCRIPTIONS
            ),
            config_subentry_id=tier.subentry_id,
        )
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitSensor(entry=entry, unit=unit, description=description)
                for description in UNIT_DESCRIPTIONS
                if description.has_fn(unit)
            ),
            config_subentry_id=unit.subentry_id,
        )


class HomeSensor(LeafToHomeHomeEntity, SensorEntity):
    """A sensor of the home."""

    entity_description: HomeSensorDescription

    def __init__(
        self, *, entry: LeafToHomeConfigEntry, description: HomeSensorDescription
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, description=description)
        self._significance = description.significance
        if description.enabled_fn is not None:
            self._attr_entity_registry_enabled_default = description.enabled_fn(entry)
        if unit := description.native_unit_of_measurement:
            self._attr_native_unit_of_measurement = unit.format(
                currency=self.home.hass.config.currency
            )

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the value of the sensor."""
        return self.entity_description.value_fn(self.home)

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when the total was last 0."""
        if (last_reset_fn := self.entity_description.last_reset_fn) is None:
            return None
        return last_reset_fn(self.home)

    @override
    def _judged_value(self) -> StateType | datetime:
        return self.native_value


class UnitSensor(LeafToHomeUnitEntity, SensorEntity):
    """A sensor of a unit."""

    entity_description: UnitSensorDescription

    # They change with nearly every step and belong to the moment.
    _unrecorded_attributes = frozenset({MATCH_ALL})

    def __init__(
        self,
        *,
        entry: LeafToHomeConfigEntry,
        unit: UnitRuntime,
        description: UnitSensorDescription,
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, unit=unit, description=description)
        self._significance = description.significance
        if shown := description.native_unit_of_measurement:
            self._attr_native_unit_of_measurement = shown.format(
                currency=self.home.hass.config.currency
            )
        if (
            description.device_class is SensorDeviceClass.ENERGY_STORAGE
            and unit.spec.usable_kwh < SMALL_KWH
        ):
            self._attr_suggested_display_precision = 2
        if description.names_fn is not None:
            names = dict.fromkeys(description.names_fn(unit))
            self._attr_options = [*names, *(description.options or ())]

    @property
    @override
    def available(self) -> bool:
        """Return whether the value still says anything."""
        return self.reachable or not self.entity_description.measured

    @property
    @override
    def native_value(self) -> StateType | date | datetime:
        """Return the value of the sensor."""
        return self.entity_description.value_fn(self)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """Return the numbers that go with the value."""
        if (attributes_fn := self.entity_description.attributes_fn) is None:
            return None
        return attributes_fn(self)

    @override
    def _judged_value(self) -> StateType | date | datetime:
        return self.native_value
