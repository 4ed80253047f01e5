"""Whether a unit is there, and whether it is well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import MATCH_ALL, EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .engine.battery import UnitKind, UnitSpec
from .engine.model import OutcomeKind, UnitStatus
from .engine.outage_model import NoBackup, OutageDecision, OutagePhase
from .entity import LeafToHomeHomeEntity, LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class UnitBinarySensorDescription(BinarySensorEntityDescription):
    """Describe a binary sensor of a unit; `measured` ones need the unit to answer."""

    has_fn: Callable[[UnitSpec], bool] = lambda _: True
    measured: bool = False
    value_fn: Callable[[LeafToHomeUnitEntity], bool | None]


@dataclass(frozen=True, kw_only=True)
class HomeBinarySensorDescription(BinarySensorEntityDescription):
    """Describe a binary sensor of the home."""

    attributes_fn: Callable[[OutageDecision], Mapping[str, Any]]
    value_fn: Callable[[OutageDecision], bool]


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


def _backup_possible(unit: LeafToHomeUnitEntity) -> bool | None:
    if (decision := unit.home.outages.decision) is None:
        return None
    reason = decision.no_backup.get(unit.unit.subentry_id)
    # What is silent may be able to.
    return None if reason is NoBackup.UNREACHABLE else reason is None


def _watch(decision: OutageDecision) -> Mapping[str, Any]:
    if (watch := decision.watch) is None:
        return {}
    needed_s = watch.needed_s
    return {
        "source": watch.source,
        "reserve_percent": watch.reserve_percent,
        "until": dt_util.utc_from_timestamp(round(watch.until_s)),
        "needed": (
            None if needed_s is None else dt_util.utc_from_timestamp(round(needed_s))
        ),
    }


# While the grid is suspected to be gone it is not gone yet, and while loads come back
# it is there again.
WITH_GRID = (OutagePhase.NORMAL, OutagePhase.SUSPECTED, OutagePhase.RESTORING)
HOME_DESCRIPTIONS: tuple[HomeBinarySensorDescription, ...] = (
    HomeBinarySensorDescription(
        key="outage",
        translation_key="outage",
        attributes_fn=lambda decision: {"test": decision.test},
        value_fn=lambda decision: decision.phase not in WITH_GRID,
    ),
    HomeBinarySensorDescription(
        key="watch",
        translation_key="watch",
        attributes_fn=_watch,
        value_fn=lambda decision: decision.watch is not None,
    ),
)

# A car comes and goes, so it has a plug; a stationary battery has a connection, and who
# carries a portable one away tells nobody.
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
        has_fn=lambda spec: spec.kind is UnitKind.STATIONARY,
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
    UnitBinarySensorDescription(
        key="backup_possible",
        translation_key="backup_possible",
        value_fn=_backup_possible,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of a home and its units."""
    async_add_entities(
        HomeBinarySensor(entry=entry, description=description)
        for description in HOME_DESCRIPTIONS
    )
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitBinarySensor(entry=entry, unit=unit, description=description)
                for description in DESCRIPTIONS
                if description.has_fn(unit.spec)
            ),
            config_subentry_id=unit.subentry_id,
        )


class HomeBinarySensor(LeafToHomeHomeEntity, BinarySensorEntity):
    """A binary sensor of the home."""

    entity_description: HomeBinarySensorDescription

    # When a watch ends moves on with the warning.
    _unrecorded_attributes = frozenset({MATCH_ALL})

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the state of the binary sensor."""
        decision = self.home.outages.decision
        return None if decision is None else self.entity_description.value_fn(decision)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """Return what goes with the state."""
        decision = self.home.outages.decision
        if decision is None:
            return None
        return self.entity_description.attributes_fn(decision)


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
