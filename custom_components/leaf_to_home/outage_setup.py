"""What the config entry says of outages, in the engine's words."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeassistant.components.climate.const import DOMAIN as CLIMATE_DOMAIN
from homeassistant.components.humidifier.const import DOMAIN as HUMIDIFIER_DOMAIN
from homeassistant.components.input_boolean import DOMAIN as INPUT_BOOLEAN_DOMAIN
from homeassistant.components.media_player.const import DOMAIN as MEDIA_PLAYER_DOMAIN
from homeassistant.components.water_heater.const import DOMAIN as WATER_HEATER_DOMAIN
from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import Platform

from .const import (
    CONF_AGREEING,
    CONF_BACKUP,
    CONF_METER_AT_GRID,
    CONF_OUTAGE,
    SUBENTRY_TIER,
)
from .engine.outage_model import OutageSettings, Tier, UnitBackup

# What can be turned off and brought back to what it was.
LOAD_DOMAINS: Final = (
    CLIMATE_DOMAIN,
    Platform.FAN.value,
    HUMIDIFIER_DOMAIN,
    INPUT_BOOLEAN_DOMAIN,
    Platform.LIGHT.value,
    MEDIA_PLAYER_DOMAIN,
    Platform.SWITCH.value,
    WATER_HEATER_DOMAIN,
)

CONF_BY_HAND: Final = "by_hand"
CONF_BY_HAND_BACK: Final = "by_hand_back"
CONF_DEBOUNCE: Final = "debounce_s"
CONF_DRIVING: Final = "driving_percent"
CONF_LEG: Final = "leg"
CONF_LEG_LIMIT: Final = "leg_limit_w"
CONF_LIMIT: Final = "limit_w"
CONF_LOADS: Final = "loads"
CONF_MIN_ON: Final = "min_on_min"
CONF_ORDER: Final = "order"
CONF_PUT_BACK: Final = "put_back"
CONF_RUNTIME: Final = "runtime_h"
CONF_SOC: Final = "soc_percent"
CONF_SOCKETS_ONLY: Final = "sockets_only"
CONF_SOLAR_IN_ISLAND: Final = "solar_in_island"
CONF_STABLE: Final = "stable_s"
CONF_STAGGER: Final = "stagger_s"
CONF_STATION_FLOOR: Final = "station_floor_percent"
CONF_STEPS: Final = "steps"
CONF_STEPS_BACK: Final = "steps_back"
CONF_STOP_AT_FLOOR: Final = "stop_at_floor"
CONF_STOP_TESTED: Final = "stop_tested"
CONF_STRICT: Final = "strict"
CONF_TEST_SHEDS: Final = "test_sheds"

# What the options and the unit's data hold in the engine's own words.
_HOME: Final = (
    CONF_DEBOUNCE,
    CONF_STABLE,
    CONF_STAGGER,
    CONF_DRIVING,
    CONF_TEST_SHEDS,
)
_UNIT: Final = (
    CONF_BY_HAND,
    CONF_BY_HAND_BACK,
    CONF_LIMIT,
    CONF_LEG_LIMIT,
    CONF_STATION_FLOOR,
    CONF_SOLAR_IN_ISLAND,
    CONF_STOP_AT_FLOOR,
    CONF_STOP_TESTED,
    CONF_SOCKETS_ONLY,
)


def build_outage(entry: ConfigEntry) -> OutageSettings:
    """Return how the home behaves in outages."""
    options: Mapping[str, Any] = entry.options.get(CONF_OUTAGE, {})
    return OutageSettings(
        agreeing=int(entry.data.get(CONF_AGREEING, 1)),
        meter_at_grid=bool(entry.data.get(CONF_METER_AT_GRID, False)),
        tiers=tuple(build_tier(subentry) for subentry in tier_subentries(entry)),
        put_back=tuple(options.get(CONF_PUT_BACK, ())),
        **{key: options[key] for key in _HOME if key in options},
    )


def tier_subentries(entry: ConfigEntry) -> Iterator[ConfigSubentry]:
    """Yield the tiers in the order in which they are shed."""
    tiers = (
        subentry
        for subentry in entry.subentries.values()
        if subentry.subentry_type == SUBENTRY_TIER
    )
    yield from sorted(tiers, key=lambda tier: tier.data.get(CONF_ORDER, 0))


def build_tier(subentry: ConfigSubentry) -> Tier:
    """Return the loads that are shed together."""
    data = subentry.data
    leg = data.get(CONF_LEG)
    return Tier(
        key=subentry.subentry_id,
        loads=tuple(data[CONF_LOADS]),
        soc_percent=data.get(CONF_SOC),
        runtime_h=data.get(CONF_RUNTIME),
        min_on_s=60.0 * data.get(CONF_MIN_ON, 0.0),
        strict=data.get(CONF_STRICT, False),
        leg=None if leg is None else int(leg),
    )


def build_backup(data: Mapping[str, Any]) -> UnitBackup:
    """Return a unit's part in outages, as the user tells it."""
    backup: Mapping[str, Any] = data.get(CONF_BACKUP, {})
    return UnitBackup(**{key: backup[key] for key in _UNIT if key in backup})
