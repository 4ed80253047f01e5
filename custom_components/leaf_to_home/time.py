"""When a unit has to be ready."""

from datetime import time
from typing import override

from homeassistant.components.time import TimeEntity, TimeEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry

PARALLEL_UPDATES = 0

DESCRIPTIONS: tuple[TimeEntityDescription, ...] = (
    TimeEntityDescription(
        key="ready_by_time",
        translation_key="ready_by_time",
        entity_category=EntityCategory.CONFIG,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the times of the units."""
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                ReadyByTime(entry=entry, unit=unit, description=description)
                for description in DESCRIPTIONS
                if unit.spec.leaves
            ),
            config_subentry_id=unit.subentry_id,
        )


class ReadyByTime(LeafToHomeUnitEntity, TimeEntity):
    """The local time by which a unit has to be charged."""

    @property
    @override
    def native_value(self) -> time:
        """Return the time of the setting."""
        hour, minute = divmod(self.settings.ready_by_minute, 60)
        return time(hour, minute)

    @override
    async def async_set_value(self, value: time) -> None:
        """Change the time, to the minute."""
        self.async_change(ready_by_minute=value.hour * 60 + value.minute)
