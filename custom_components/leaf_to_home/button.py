"""Filling up a unit with one press."""

from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .engine.model import UnitMode
from .entity import LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .manual import manual_changes

PARALLEL_UPDATES = 0

DESCRIPTIONS: tuple[ButtonEntityDescription, ...] = (
    ButtonEntityDescription(key="charge_now", translation_key="charge_now"),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of the units."""
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                ChargeNowButton(entry=entry, unit=unit, description=description)
                for description in DESCRIPTIONS
            ),
            config_subentry_id=unit.subentry_id,
        )


class ChargeNowButton(LeafToHomeUnitEntity, ButtonEntity):
    """Charge to the highest state of charge, starting now."""

    @override
    async def async_press(self) -> None:
        """Begin to charge."""
        highest = self.settings.max_soc_percent
        self.async_change(**manual_changes(self, UnitMode.CHARGE, soc_percent=highest))
