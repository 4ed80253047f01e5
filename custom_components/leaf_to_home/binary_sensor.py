"""Whether a unit is there, and whether it is well."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .engine.battery import UnitKind, UnitSpec
from .engine.model import OutcomeKind, UnitStatus
from .entity import LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class UnitBinarySensorDescription(BinarySensorEntityDescription):
    """Describe a binary sensor of a unit; `measured` ones need the unit to answer."""

    has_fn: Callable[[UnitSpec], bool] = lambda _: True
    measured: bool = False
    value_fn: Callable[[LeafToHomeUnitEntity], bool | None]


def _connected(unit: LeafToHomeUnitEntity) -> bool | None:
    return unit.reading.connected if unit.reading else None


def _problem(unit: LeafToHomeUnitEntity) -> bool | None:
    if not unit.reachable or unit.home.failing:
        return True
    if unit.decision is None:
        return None
    outcome = unit.unit.worker.outcome
    return unit.decision.status in (UnitStatus.FAULT, UnitStatus.UNREACHABLE) or (
        outcome is not None and outcome.kind is OutcomeKind.REFUSED
    )


# A car comes and goes, so it has a plug; any other battery has a connection.
DESCRIPTIONS: tuple[UnitBinarySensorDescription, ...] = (
    UnitBinarySensorDescription(
        key="connected",
        translation_key="plugged_in",
        device_class=BinarySensorDeviceClass.PLUG,
        has_fn=lambda spec: spec.kind is UnitKind.VEHICLE,
        measured=True,
        value_fn=_connected,
    ),
    UnitBinarySensorDescription(
        key="connected",
        translation_key="connected",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=lambda spec: spec.kind is not UnitKind.VEHICLE,
        measured=True,
        value_fn=_connected,
    ),
    UnitBinarySensorDescription(
        key="problem",
        translation_key="problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_problem,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of the units."""
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitBinarySensor(entry=entry, unit=unit, description=description)
                for description in DESCRIPTIONS
                if description.has_fn(unit.spec)
            ),
            config_subentry_id=unit.subentry_id,
        )


class UnitBinarySensor(LeafToHomeUnitEntity, BinarySensorEntity):
    """A binary sensor of a unit."""

    entity_description: UnitBinarySensorDescription

    @property
    @override
    def available(self) -> bool:
        """Return whether the value still says anything."""
        return self.reachable or not self.entity_description.measured

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the state of the binary sensor."""
        return self.entity_description.value_fn(self)
