"""Ready-by on and off, and the grid of a simulated unit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, override, runtime_checkable

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .unit_runtime import UnitRuntime

PARALLEL_UPDATES = 0


@runtime_checkable
class GridSwitch(Protocol):
    """A unit whose grid can be taken away, which only a simulated one allows."""

    grid_present: bool

    def set_grid(self, present: bool) -> None:
        """Take the grid away or give it back."""


@dataclass(frozen=True, kw_only=True)
class UnitSwitchDescription(SwitchEntityDescription):
    """Describe a switch of a unit."""

    has_fn: Callable[[UnitRuntime], bool] = lambda _: True
    is_on_fn: Callable[[LeafToHomeUnitEntity], bool | None]
    set_fn: Callable[[LeafToHomeUnitEntity, bool], None]


def _grid_present(unit: LeafToHomeUnitEntity) -> bool | None:
    driver = unit.unit.unit
    return driver.grid_present if isinstance(driver, GridSwitch) else None


def _set_grid(unit: LeafToHomeUnitEntity, present: bool) -> None:
    if isinstance(driver := unit.unit.unit, GridSwitch):
        driver.set_grid(present)


DESCRIPTIONS: tuple[UnitSwitchDescription, ...] = (
    UnitSwitchDescription(
        key="ready_by",
        translation_key="ready_by",
        entity_category=EntityCategory.CONFIG,
        has_fn=lambda unit: unit.spec.leaves,
        is_on_fn=lambda unit: unit.settings.ready_by,
        set_fn=lambda unit, on: unit.async_change(ready_by=on),
    ),
    UnitSwitchDescription(
        key="grid",
        translation_key="simulated_grid",
        entity_category=EntityCategory.CONFIG,
        has_fn=lambda unit: isinstance(unit.unit, GridSwitch),
        is_on_fn=_grid_present,
        set_fn=_set_grid,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switches of the units."""
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitSwitch(entry=entry, unit=unit, description=description)
                for description in DESCRIPTIONS
                if description.has_fn(unit)
            ),
            config_subentry_id=unit.subentry_id,
        )


class UnitSwitch(LeafToHomeUnitEntity, SwitchEntity):
    """A switch of a unit."""

    entity_description: UnitSwitchDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the state of the switch."""
        return self.entity_description.is_on_fn(self)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn the switch on."""
        self._set(on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn the switch off."""
        self._set(on=False)

    def _set(self, *, on: bool) -> None:
        self.entity_description.set_fn(self, on)
        self.async_write_ha_state()
