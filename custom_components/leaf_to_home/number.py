"""Levels and limits that the user may change at any time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfEnergyDistance,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .engine.battery import UnitKind, UnitSpec
from .engine.state import HomeSettings, UnitSettings
from .entity import LeafToHomeHomeEntity, LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .unit_runtime import UnitRuntime

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class HomeNumberDescription(NumberEntityDescription):
    """Describe a number of the home."""

    changes_fn: Callable[[float], Mapping[str, Any]]
    value_fn: Callable[[HomeSettings], float | None]


@dataclass(frozen=True, kw_only=True)
class UnitNumberDescription(NumberEntityDescription):
    """Describe a number of a unit; its range may follow from the hardware."""

    has_fn: Callable[[UnitSpec], bool] = lambda _: True
    max_fn: Callable[[UnitSpec], float] = lambda _: 100.0
    min_fn: Callable[[UnitSpec], float] = lambda _: 0.0
    setting: str
    value_fn: Callable[[UnitSettings, UnitSpec], float]


# Without a limit the number is unknown; 0 W, which nobody can keep, takes it away.
HOME_DESCRIPTIONS: tuple[HomeNumberDescription, ...] = (
    HomeNumberDescription(
        key="import_limit",
        translation_key="import_limit",
        changes_fn=lambda value: {"import_limit_w": value or None},
        device_class=NumberDeviceClass.POWER,
        entity_category=EntityCategory.CONFIG,
        mode=NumberMode.BOX,
        native_max_value=100_000,
        native_min_value=0,
        native_step=100,
        native_unit_of_measurement=UnitOfPower.WATT,
        value_fn=lambda settings: settings.import_limit_w,
    ),
)

UNIT_DESCRIPTIONS: tuple[UnitNumberDescription, ...] = (
    UnitNumberDescription(
        key="reserve",
        translation_key="reserve",
        entity_category=EntityCategory.CONFIG,
        max_fn=lambda spec: spec.max_soc_percent,
        min_fn=lambda spec: spec.min_soc_percent,
        native_step=1,
        native_unit_of_measurement=PERCENTAGE,
        setting="reserve_percent",
        value_fn=lambda settings, _: settings.reserve_percent,
    ),
    UnitNumberDescription(
        key="outage_floor",
        translation_key="outage_floor",
        entity_category=EntityCategory.CONFIG,
        max_fn=lambda spec: spec.max_soc_percent,
        min_fn=lambda spec: spec.min_soc_percent,
        native_step=1,
        native_unit_of_measurement=PERCENTAGE,
        setting="outage_floor_percent",
        value_fn=lambda settings, _: settings.outage_floor_percent,
    ),
    UnitNumberDescription(
        key="max_soc",
        translation_key="max_soc",
        entity_category=EntityCategory.CONFIG,
        max_fn=lambda spec: spec.max_soc_percent,
        min_fn=lambda spec: spec.min_soc_percent,
        native_step=1,
        native_unit_of_measurement=PERCENTAGE,
        setting="max_soc_percent",
        value_fn=lambda settings, _: settings.max_soc_percent,
    ),
    UnitNumberDescription(
        key="charge_limit",
        translation_key="charge_limit",
        device_class=NumberDeviceClass.POWER,
        entity_category=EntityCategory.CONFIG,
        max_fn=lambda spec: spec.max_charge_w,
        mode=NumberMode.BOX,
        native_step=10,
        native_unit_of_measurement=UnitOfPower.WATT,
        setting="charge_limit_w",
        value_fn=lambda settings, spec: (
            spec.max_charge_w
            if settings.charge_limit_w is None
            else settings.charge_limit_w
        ),
    ),
    UnitNumberDescription(
        key="discharge_limit",
        translation_key="discharge_limit",
        device_class=NumberDeviceClass.POWER,
        entity_category=EntityCategory.CONFIG,
        max_fn=lambda spec: spec.max_discharge_w,
        mode=NumberMode.BOX,
        native_step=10,
        native_unit_of_measurement=UnitOfPower.WATT,
        setting="discharge_limit_w",
        value_fn=lambda settings, spec: (
            spec.max_discharge_w
            if settings.discharge_limit_w is None
            else settings.discharge_limit_w
        ),
    ),
    UnitNumberDescription(
        key="ready_by_soc",
        translation_key="ready_by_soc",
        entity_category=EntityCategory.CONFIG,
        has_fn=lambda spec: spec.leaves,
        max_fn=lambda spec: spec.max_soc_percent,
        min_fn=lambda spec: spec.min_soc_percent,
        native_step=1,
        native_unit_of_measurement=PERCENTAGE,
        setting="ready_by_soc_percent",
        value_fn=lambda settings, _: settings.ready_by_soc_percent,
    ),
    UnitNumberDescription(
        key="consumption",
        translation_key="consumption",
        device_class=NumberDeviceClass.ENERGY_DISTANCE,
        entity_category=EntityCategory.CONFIG,
        has_fn=lambda spec: spec.kind is UnitKind.VEHICLE,
        max_fn=lambda _: 60.0,
        min_fn=lambda _: 5.0,
        mode=NumberMode.BOX,
        native_step=0.1,
        native_unit_of_measurement=UnitOfEnergyDistance.KILO_WATT_HOUR_PER_100_KM,
        setting="kwh_per_100_km",
        value_fn=lambda settings, _: settings.kwh_per_100_km,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of a home and its units."""
    async_add_entities(
        HomeNumber(entry=entry, description=description)
        for description in HOME_DESCRIPTIONS
    )
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitNumber(entry=entry, unit=unit, description=description)
                for description in UNIT_DESCRIPTIONS
                if description.has_fn(unit.spec)
            ),
            config_subentry_id=unit.subentry_id,
        )


def _check_levels(settings: UnitSettings, name: str) -> None:
    """Refuse levels of which nobody could say what they mean together."""
    levels = {
        "unit": name,
        "outage_floor": f"{settings.outage_floor_percent:g}",
        "reserve": f"{settings.reserve_percent:g}",
        "max_soc": f"{settings.max_soc_percent:g}",
    }
    if not (
        settings.outage_floor_percent
        <= settings.reserve_percent
        <= settings.max_soc_percent
    ):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="levels_out_of_order",
            translation_placeholders=levels,
        )


class HomeNumber(LeafToHomeHomeEntity, NumberEntity):
    """A number of the home."""

    entity_description: HomeNumberDescription

    @property
    @override
    def native_value(self) -> float | None:
        """Return the value of the setting."""
        return self.entity_description.value_fn(self.home.state.settings)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Change the setting."""
        self.home.async_change_home(**self.entity_description.changes_fn(value))
        self.async_write_ha_state()


class UnitNumber(LeafToHomeUnitEntity, NumberEntity):
    """A number of a unit."""

    entity_description: UnitNumberDescription

    def __init__(
        self,
        *,
        entry: LeafToHomeConfigEntry,
        unit: UnitRuntime,
        description: UnitNumberDescription,
    ) -> None:
        """Initialize the number."""
        super().__init__(entry=entry, unit=unit, description=description)
        self._attr_native_max_value = description.max_fn(unit.spec)
        self._attr_native_min_value = description.min_fn(unit.spec)

    @property
    @override
    def native_value(self) -> float:
        """Return the value of the setting."""
        return self.entity_description.value_fn(self.settings, self.unit.spec)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Change the setting, unless it contradicts another one."""
        changes: dict[str, Any] = {self.entity_description.setting: value}
        _check_levels(replace(self.settings, **changes), self.unit.name)
        self.async_change(**changes)
