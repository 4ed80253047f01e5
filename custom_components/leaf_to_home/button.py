"""Filling up a unit, waking its car and playing an outage, with one press."""

from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .engine.model import UnitMode
from .entity import LeafToHomeHomeEntity, LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .manual import manual_changes
from .units.base import WakesVehicle

PARALLEL_UPDATES = 0

DESCRIPTIONS: tuple[ButtonEntityDescription, ...] = (
    ButtonEntityDescription(key="charge_now", translation_key="charge_now"),
    ButtonEntityDescription(
        key="refresh_vehicle",
        translation_key="refresh_vehicle",
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    ButtonEntityDescription(
        key="outage_test",
        translation_key="outage_test",
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of a home and its units."""
    charge_now, refresh_vehicle, outage_test = DESCRIPTIONS
    async_add_entities([OutageTestButton(entry=entry, description=outage_test)])
    for unit in entry.runtime_data.units.values():
        buttons: list[ButtonEntity] = [
            ChargeNowButton(entry=entry, unit=unit, description=charge_now)
        ]
        if isinstance(unit.unit, WakesVehicle) and unit.unit.has_vehicle:
            buttons.append(
                RefreshVehicleButton(
                    entry=entry, unit=unit, description=refresh_vehicle
                )
            )
        async_add_entities(buttons, config_subentry_id=unit.subentry_id)


class ChargeNowButton(LeafToHomeUnitEntity, ButtonEntity):
    """Charge to the highest state of charge, starting now."""

    @override
    async def async_press(self) -> None:
        """Begin to charge."""
        highest = self.settings.max_soc_percent
        self.async_change(**manual_changes(self, UnitMode.CHARGE, soc_percent=highest))


class RefreshVehicleButton(LeafToHomeUnitEntity, ButtonEntity):
    """Ask the car for its data, although that wakes it."""

    @override
    async def async_press(self) -> None:
        """Ask now."""
        if isinstance(self.unit.unit, WakesVehicle):
            await self.unit.unit.async_refresh_vehicle()


class OutageTestButton(LeafToHomeHomeEntity, ButtonEntity):
    """Play an outage, in which no unit is touched, or end the one that is played."""

    @override
    async def async_press(self) -> None:
        """Begin or end."""
        self.home.outages.async_test()
