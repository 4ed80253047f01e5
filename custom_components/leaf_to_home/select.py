"""What the user wants of the home and of each unit."""

from typing import Any, Final, override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .engine.model import HomeMode, UnitMode
from .engine.policy import MANUAL_MODES
from .entity import LeafToHomeHomeEntity, LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .manual import RELEASED, manual_changes

PARALLEL_UPDATES = 0

ATTR_UNTIL: Final = "until"

# Neither has an entity category: actions for an area or a device skip those with one.
HOME_DESCRIPTIONS: tuple[SelectEntityDescription, ...] = (
    SelectEntityDescription(
        key="mode",
        translation_key="home_mode",
        options=[mode.value for mode in HomeMode],
    ),
)
UNIT_DESCRIPTIONS: tuple[SelectEntityDescription, ...] = (
    SelectEntityDescription(
        key="mode",
        translation_key="unit_mode",
        options=[mode.value for mode in UnitMode],
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the modes of a home and its units."""
    async_add_entities(
        HomeModeSelect(entry=entry, description=description)
        for description in HOME_DESCRIPTIONS
    )
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitModeSelect(entry=entry, unit=unit, description=description)
                for description in UNIT_DESCRIPTIONS
            ),
            config_subentry_id=unit.subentry_id,
        )


class HomeModeSelect(LeafToHomeHomeEntity, SelectEntity):
    """The mode of the home."""

    @property
    @override
    def current_option(self) -> str:
        """Return the mode."""
        return self.home.state.settings.mode

    @override
    async def async_select_option(self, option: str) -> None:
        """Change the mode."""
        self.home.async_change_home(mode=HomeMode(option))
        self.async_write_ha_state()


class UnitModeSelect(LeafToHomeUnitEntity, SelectEntity):
    """The mode of a unit, with the end of a manual one."""

    _unrecorded_attributes = frozenset({ATTR_UNTIL})

    @property
    @override
    def current_option(self) -> str:
        """Return the mode."""
        return self.settings.mode

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return when the mode ends at the latest."""
        until_s = self.settings.until_s
        return {
            ATTR_UNTIL: None if until_s is None else dt_util.utc_from_timestamp(until_s)
        }

    @override
    async def async_select_option(self, option: str) -> None:
        """Change the mode; a manual one gets the default end."""
        mode = UnitMode(option)
        if mode in MANUAL_MODES:
            self.async_change(**manual_changes(self, mode))
        else:
            self.async_change(**RELEASED | {"mode": mode})
