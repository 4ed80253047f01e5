"""The prices of a home's past as Home Assistant's recorder knows them.

The home's own price sensors have hourly statistics for ever, while the prices of a
source are kept for some weeks only.
"""

from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .engine.prices import PriceSeries

RECORDER: Final = "recorder"
SENSORS: Final = ("import_price", "export_price")
# A few rows alone don't say that each is for an hour.
LEAST_ROWS: Final = 24

type Recorded = tuple[PriceSeries | None, PriceSeries | None]


async def async_recorded_prices(
    hass: HomeAssistant, entry: ConfigEntry, begin_s: float, end_s: float
) -> Recorded:
    """Return what was recorded of import and export prices, None where nothing was."""
    if RECORDER not in hass.config.components:
        return None, None
    # Only where it is loaded anyway.
    from homeassistant.helpers.recorder import get_instance  # noqa: PLC0415 loads the recorder

    registry = er.async_get(hass)
    sensors = [
        registry.async_get_entity_id(Platform.SENSOR, DOMAIN, f"{entry.entry_id}_{key}")
        for key in SENSORS
    ]
    if not any(sensors):
        return None, None
    imported, exported = await get_instance(hass).async_add_executor_job(
        _read, hass, sensors, begin_s, end_s
    )
    return imported, exported


def _read(
    hass: HomeAssistant, sensors: list[str | None], begin_s: float, end_s: float
) -> list[PriceSeries | None]:
    """Ask for the statistics, in the recorder's executor."""
    from homeassistant.components.recorder.statistics import statistics_during_period  # noqa: PLC0415 loads the recorder

    found = statistics_during_period(
        hass,
        dt_util.utc_from_timestamp(begin_s),
        dt_util.utc_from_timestamp(end_s),
        {sensor for sensor in sensors if sensor is not None},
        "hour",
        None,
        {"mean"},
    )
    series: list[PriceSeries | None] = []
    for sensor in sensors:
        known = [
            (row["start"], mean)
            for row in found.get(sensor or "", ())
            if (mean := row.get("mean")) is not None
        ]
        series.append(
            PriceSeries(*zip(*known, strict=True)) if len(known) >= LEAST_ROWS else None
        )
    return series
