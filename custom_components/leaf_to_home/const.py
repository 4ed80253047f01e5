"""Names that several modules share."""

from datetime import timedelta
import logging
from typing import Final

DOMAIN: Final = "leaf_to_home"
LOGGER: Final = logging.getLogger(__package__)

SUBENTRY_UNIT: Final = "unit"
SUBENTRY_TIER: Final = "shedding_tier"

# entry.data: which sensors measure
CONF_GRID: Final = (
    "grid"  # {"kind": sensor|inverted|two|unit, "entity", "entity_export"}
)
CONF_PHASES: Final = "phases"  # [entity_id, ...] signed like the grid sensor
CONF_SOLAR: Final = "solar"  # [entity_id, ...]
CONF_OTHER: Final = "other_batteries"  # [entity_id, ...] positive into the home
CONF_MAINS: Final = "mains"  # binary_sensor entity_id, on = grid is there
CONF_MAINS_SENSORS: Final = "mains_sensors"  # [{"entity", "kind", "low", ...}, ...]
CONF_AGREEING: Final = "mains_agreeing"  # of all mains sensors, for an outage
CONF_METER_AT_GRID: Final = "meter_at_grid"  # it never sees what a unit carries

# entry.options: tariff and the contract's limits
CONF_TARIFF: Final = "tariff"  # {"import": number|{"bands": [...]}, "export": ...}
CONF_MAIN_LIMIT: Final = "main_limit"  # {"value": n, "unit": A|A_total|W, "voltage"}
CONF_IMPORT_LIMIT: Final = "import_limit_w"  # first value of the number entity
CONF_WINDOW: Final = "window_min"
CONF_CAPACITY: Final = "capacity"  # {"price_per_kw_month", "free_kw", "peaks_averaged"}
CONF_EXPORT_LIMIT: Final = "battery_export_limit_w"
CONF_EXPORT_ONLY_WITHOUT_SOLAR: Final = "export_only_without_solar"
CONF_MAX_AGE: Final = "max_age_s"
CONF_OUTAGE: Final = "outage"  # {"debounce_s", "stable_s", ...} as in OutageSettings
CONF_WATCH: Final = "watch"  # {"calendar", "warning", ...}: what raises the reserve

# subentry.data: hardware facts
CONF_DRIVER: Final = "driver"
CONF_PRESET: Final = "preset"
CONF_SOH: Final = "soh_percent"
CONF_SPEC: Final = "spec"  # values of UnitSpec that differ from the preset
CONF_VEHICLES: Final = "vehicles"  # [{"key", "name", "preset", ...}] told apart by key
CONF_VISITORS: Final = "visitors"  # [key, ...] cars that are left alone
CONF_NATIVE_FOLLOW: Final = "native_follow"  # whether a unit may lead itself
CONF_CALENDAR: Final = "calendar"  # entity_id of the calendar with the unit's trips
CONF_CAR_PATTERNS: Final = "car_patterns"  # the same of single cars, by their key
CONF_CAR_SOURCES: Final = "car_sources"  # [{"kind", "vehicle", ...}] of its charge
CONF_PATTERN: Final = "pattern"  # {"mon": {"on", "departure", ...}, ...}
CONF_BACKUP: Final = "backup"  # {"by_hand", "limit_w", ...} as in UnitBackup, and texts

GRID_SENSOR: Final = "sensor"
GRID_INVERTED: Final = "inverted"
GRID_TWO: Final = "two"
GRID_UNIT: Final = "unit"

PUBLISH_INTERVAL: Final = timedelta(seconds=10)
SAVE_INTERVAL: Final = timedelta(seconds=60)

# Ampere of all phases or legs together, as Japanese contracts count.
AMPERE_TOTAL: Final = "A_total"
DEFAULT_VOLTAGE: Final = 230.0
DEFAULT_WINDOW_MIN: Final = 30

# subentry.data of a simulated unit
CONF_DEAD_TIME: Final = "dead_time_s"
CONF_EVENING_PEAK: Final = "evening_peak"  # local clock, "HH:MM:SS"
CONF_SEED: Final = "seed"
CONF_SOLAR_PEAK: Final = "solar_peak_w"
CONF_TRIPS: Final = "trips"  # none | commuter
TRIPS_COMMUTER: Final = "commuter"
TRIPS_NONE: Final = "none"

# subentry.data of a portable unit behind plugs
CONF_CARRIED: Final = "carried_w"
CONF_FULL_BELOW: Final = "full_below_w"
CONF_IDLE: Final = "idle_w"
CONF_INPUT_POWER: Final = "input_power"
CONF_INPUT_SWITCH: Final = "input_switch"
CONF_MAX_INPUT: Final = "max_input_w"
CONF_OUTPUT_POWER: Final = "output_power"
CONF_PASS_THROUGH: Final = "pass_through"  # noqa: S105 no password, by its "pass"
CONF_SELF_DISCHARGE: Final = "self_discharge_percent_month"
