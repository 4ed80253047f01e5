"""What a home says of outages: the one of now, the last one, each tier and unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import (
    MATCH_ALL,
    PERCENTAGE,
    EntityCategory,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .engine.outage_model import (
    NoBackup,
    OutageDecision,
    OutagePhase,
    OutageRecord,
    Runtime,
    ShedReason,
)
from .entity import (
    LeafToHomeEntity,
    LeafToHomeHomeEntity,
    LeafToHomeUnitEntity,
    Significance,
    home_device_id,
)
from .home import Home, LeafToHomeConfigEntry
from .sensor_description import ENERGY, POWER, SOC, TEXT, UnitSensorDescription, rounded

HOURS = Significance(notable=0.5, share=0.1, least=0.1)
# The end moves with every lamp: a new one is told when it is so much of the time that
# is left away from the one that was, and no less than this.
MOVED_SHARE = 0.1
MOVED_S = 300.0

# Of a unit that could carry something; of others it is why they could not.
BACKUP_POSSIBLE = "possible"
# Of a tier that is not shed; of others it is why.
TIER_ON = "on"


@dataclass(frozen=True, kw_only=True)
class OutageSensorDescription(SensorEntityDescription):
    """Describe a sensor of the home that tells of outages.

    A moment with `matters_fn` stands until it has moved by so many seconds.
    """

    attributes_fn: Callable[[Home], Mapping[str, Any]] | None = None
    matters_fn: Callable[[OutageDecision], float] | None = None
    significance: Significance
    value_fn: Callable[[OutageDecision], StateType | datetime]


def _runtime(
    value_fn: Callable[[Runtime], float | None],
) -> Callable[[OutageDecision], float | None]:
    def value(decision: OutageDecision) -> float | None:
        runtime = decision.runtime
        return None if runtime is None else rounded(value_fn(runtime), 2)

    return value


def _last(
    value_fn: Callable[[OutageRecord], float | None],
) -> Callable[[OutageDecision], float | None]:
    def value(decision: OutageDecision) -> float | None:
        record = decision.record
        return None if record is None else rounded(value_fn(record), 2)

    return value


def _began(decision: OutageDecision) -> datetime | None:
    return _moment(decision.record.began_s) if decision.record else None


def _moment(time_s: float | None) -> datetime | None:
    return None if time_s is None else dt_util.utc_from_timestamp(round(time_s))


def _to_minute(time_s: float | None) -> datetime | None:
    return None if time_s is None else _moment(round(time_s / 60.0) * 60.0)


def _matters_s(decision: OutageDecision) -> float:
    """Return how far the end has to move to be told anew."""
    runtime = decision.runtime
    left_h = 0.0 if runtime is None else runtime.likely_h or 0.0
    return max(MOVED_S, MOVED_SHARE * left_h * 3600.0)


def _runtime_details(home: Home) -> Mapping[str, Any]:
    decision = home.outages.decision
    runtime = decision.runtime if decision else None
    if runtime is None:
        return {}
    names = home.outages.names
    return {
        "low": rounded(runtime.low_h, 2),
        "high": rounded(runtime.high_h, 2),
        "usable_kwh": rounded(runtime.usable_kwh, 2),
        "without_tier": {
            names.get(tier, tier): rounded(gain, 2)
            for tier, gain in runtime.tier_gain_h.items()
        },
    }


def _record_details(home: Home) -> Mapping[str, Any]:
    decision = home.outages.decision
    record = decision.record if decision else None
    if record is None:
        return {}
    ended_s = record.ended_s
    return {
        "ended": None
        if ended_s is None
        else dt_util.utc_from_timestamp(round(ended_s)),
        "began_unseen": record.began_unseen,
        "ended_unseen": record.ended_unseen,
        "shed": list(record.shed),
    }


def _no_backup(unit: LeafToHomeUnitEntity) -> str | None:
    """Return why the unit could not carry anything, if the grid went now."""
    if (decision := unit.home.outages.decision) is None:
        return None
    return decision.no_backup.get(unit.unit.subentry_id, BACKUP_POSSIBLE)


DESCRIPTIONS: tuple[OutageSensorDescription, ...] = (
    OutageSensorDescription(
        key="outage_phase",
        translation_key="outage_phase",
        device_class=SensorDeviceClass.ENUM,
        options=[phase.value for phase in OutagePhase],
        significance=TEXT,
        value_fn=lambda decision: decision.phase,
    ),
    OutageSensorDescription(
        key="backup_runtime",
        translation_key="backup_runtime",
        attributes_fn=_runtime_details,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.HOURS,
        significance=HOURS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=_runtime(lambda runtime: runtime.likely_h),
    ),
    OutageSensorDescription(
        key="backup_lasts_until",
        translation_key="backup_lasts_until",
        device_class=SensorDeviceClass.TIMESTAMP,
        matters_fn=_matters_s,
        significance=TEXT,
        value_fn=lambda decision: _to_minute(decision.lasts_until_s),
    ),
    OutageSensorDescription(
        key="carried_power",
        translation_key="carried_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda decision: rounded(decision.carried_w, 2),
    ),
    OutageSensorDescription(
        key="last_outage",
        translation_key="last_outage",
        attributes_fn=_record_details,
        device_class=SensorDeviceClass.TIMESTAMP,
        significance=TEXT,
        value_fn=_began,
    ),
    OutageSensorDescription(
        key="last_outage_duration",
        translation_key="last_outage_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        significance=ENERGY,
        suggested_display_precision=0,
        value_fn=lambda decision: rounded(decision.lasted_min, 2),
    ),
    OutageSensorDescription(
        key="last_outage_energy",
        translation_key="last_outage_energy",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        suggested_display_precision=1,
        value_fn=_last(lambda record: record.carried_kwh),
    ),
    OutageSensorDescription(
        key="last_outage_soc",
        translation_key="last_outage_soc",
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        suggested_display_precision=0,
        value_fn=_last(lambda record: record.lowest_soc_percent),
    ),
    OutageSensorDescription(
        key="outages_this_year",
        translation_key="outages_this_year",
        significance=TEXT,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda decision: decision.outages_this_year,
    ),
    OutageSensorDescription(
        key="outage_minutes_this_year",
        translation_key="outage_minutes_this_year",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=0,
        value_fn=lambda decision: rounded(decision.minutes_this_year, 2),
    ),
)
TIER_DESCRIPTIONS: tuple[SensorEntityDescription, ...] = (
    SensorEntityDescription(
        key="tier",
        translation_key="tier",
        device_class=SensorDeviceClass.ENUM,
        options=[TIER_ON, *(reason.value for reason in ShedReason)],
    ),
)
UNIT_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="no_backup",
        translation_key="no_backup",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[BACKUP_POSSIBLE, *(reason.value for reason in NoBackup)],
        significance=TEXT,
        value_fn=_no_backup,
    ),
)


class OutageSensor(LeafToHomeHomeEntity, SensorEntity):
    """A sensor of the home that tells of outages."""

    entity_description: OutageSensorDescription

    # They belong to the moment; what is worth keeping is a state of its own.
    _unrecorded_attributes = frozenset({MATCH_ALL})

    def __init__(
        self, *, entry: LeafToHomeConfigEntry, description: OutageSensorDescription
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, description=description)
        self._significance = description.significance

    @override
    async def async_added_to_hass(self) -> None:
        """Begin with the value of now."""
        self._take_value()
        await super().async_added_to_hass()

    @callback
    def _take_value(self) -> None:
        description, decision = self.entity_description, self.home.outages.decision
        value = None if decision is None else description.value_fn(decision)
        told = self._attr_native_value
        if (
            description.matters_fn is not None
            and decision is not None
            and isinstance(value, datetime)
            and isinstance(told, datetime)
            and abs((value - told).total_seconds()) < description.matters_fn(decision)
        ):
            return
        self._attr_native_value = value

    @override
    @callback
    def _async_published(self) -> None:
        self._take_value()
        super()._async_published()

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """Return what goes with the value."""
        if (attributes_fn := self.entity_description.attributes_fn) is None:
            return None
        return attributes_fn(self.home)

    @override
    def _judged_value(self) -> Any:
        return self._attr_native_value


class TierSensor(LeafToHomeEntity, SensorEntity):
    """Whether the loads of a tier are on, and why not."""

    _significance = TEXT

    def __init__(
        self,
        *,
        entry: LeafToHomeConfigEntry,
        subentry: ConfigSubentry,
        description: SensorEntityDescription,
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, description=description)
        self._tier = subentry.subentry_id
        self._attr_unique_id = f"{subentry.subentry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(
            entry_type=DeviceEntryType.SERVICE,
            identifiers={(DOMAIN, f"{entry.entry_id}_{subentry.subentry_id}")},
            manufacturer="LEAF to Home",
            name=subentry.title,
            via_device_id=home_device_id(entry),
        )

    @property
    @override
    def native_value(self) -> StateType:
        """Return why the tier is shed, `on` while it is not."""
        decision = self.home.outages.decision
        if decision is None:
            return None
        return decision.tiers_shed.get(self._tier, TIER_ON)

    @override
    def _judged_value(self) -> StateType:
        return self.native_value
