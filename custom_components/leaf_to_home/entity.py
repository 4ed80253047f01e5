"""Base entities, and what is worth a row in the recorder."""

from dataclasses import dataclass
import time
from typing import TYPE_CHECKING, Any, override

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription

from .const import DOMAIN
from .engine.model import Reading, UnitDecision
from .engine.state import UnitSettings, UnitState
from .home import Home, LeafToHomeConfigEntry
from .unit_runtime import UnitRuntime


@dataclass(frozen=True, kw_only=True, slots=True)
class Significance:
    """When a new value is written, so that a day stays within the recorder's budget.

    A change of at least `notable`, and of `share` of what was last written, is written
    at once; None means that no change is that urgent. Later than `quiet_s` after the
    last write a change of `least` is enough. Texts are written when they change.
    """

    notable: float | None = None
    share: float = 0.0
    least: float = 0.0
    quiet_s: float = 60.0

    def worth_writing(self, written: Any, value: Any, age_s: float) -> bool:
        """Return whether `value` is to be written over what was written `age_s` ago."""
        if not isinstance(written, int | float) or not isinstance(value, int | float):
            return bool(written != value) or age_s >= self.quiet_s
        change = abs(value - written)
        if age_s >= self.quiet_s:
            return change >= self.least
        return self.notable is not None and change >= max(
            self.notable, self.share * abs(written)
        )


class LeafToHomeEntity(Entity):
    """What all entities of a home have in common."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    _significance: Significance | None = None
    _written: tuple[bool, Any] | None = None
    _written_at: float = 0.0

    def __init__(
        self, *, entry: LeafToHomeConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        self.entity_description = description
        self.home: Home = entry.runtime_data.home

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what the home publishes."""
        await super().async_added_to_hass()
        self._written = (self.available, self._judged_value())
        self._written_at = time.monotonic()
        self.async_on_remove(self.home.async_subscribe(self._async_published))

    def _judged_value(self) -> Any:
        """Return the value whose change decides about writing."""
        return None

    @callback
    def _async_published(self) -> None:
        """Write what the home published, unless it is not worth a row."""
        if (significance := self._significance) is not None:
            now, current = time.monotonic(), (self.available, self._judged_value())
            if (
                self._written is not None
                and self._written[0] == current[0]
                and not significance.worth_writing(
                    self._written[1], current[1], now - self._written_at
                )
            ):
                return
            self._written, self._written_at = current, now
        self.async_write_ha_state()


def home_device_id(entry: LeafToHomeConfigEntry) -> str:
    """Return the device of the home, which others are reached through."""
    device = dr.async_get(entry.runtime_data.home.hass).async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    if TYPE_CHECKING:
        assert device is not None
    return device.id


class LeafToHomeHomeEntity(LeafToHomeEntity):
    """An entity of the home itself."""

    def __init__(
        self, *, entry: LeafToHomeConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        super().__init__(entry=entry, description=description)
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, entry.entry_id)})


class LeafToHomeUnitEntity(LeafToHomeEntity):
    """An entity of one unit."""

    def __init__(
        self,
        *,
        entry: LeafToHomeConfigEntry,
        unit: UnitRuntime,
        description: EntityDescription,
    ) -> None:
        """Initialize the entity."""
        super().__init__(entry=entry, description=description)
        self.unit = unit
        self._attr_unique_id = f"{unit.subentry_id}_{description.key}"
        info = unit.info
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, f"{entry.entry_id}_{unit.subentry_id}")},
            manufacturer=info.manufacturer if info else None,
            model=info.model if info else None,
            name=unit.name,
            serial_number=info.serial_number if info else None,
            sw_version=info.sw_version if info else None,
            via_device_id=home_device_id(entry),
        )

    @property
    def reachable(self) -> bool:
        """Return whether the unit answers."""
        return self.unit.coordinator.last_update_success

    @property
    def reading(self) -> Reading | None:
        """Return what the unit last said of itself."""
        return self.unit.coordinator.data

    @property
    def decision(self) -> UnitDecision | None:
        """Return what the latest step decided for the unit."""
        decision = self.home.decision
        return decision.units.get(self.unit.subentry_id) if decision else None

    @property
    def settings(self) -> UnitSettings:
        """Return what the user wants of the unit."""
        return self.home.state.units[self.unit.subentry_id].settings

    @property
    def persisted(self) -> UnitState | None:
        """Return the unit's state as it stands on disk; totals are shown from it."""
        return self.home.persisted.units.get(self.unit.subentry_id)

    @callback
    def async_change(self, **changes: Any) -> None:
        """Change settings of the unit and show the change without delay."""
        self.home.async_change_unit(self.unit.subentry_id, **changes)
        self.async_write_ha_state()
