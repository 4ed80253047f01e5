"""A recorder's past, written through Home Assistant's own import of statistics."""

from collections.abc import Sequence
import logging
from typing import Any

from homeassistant.components.recorder.db_schema import StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
import numpy as np
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.leaf_to_home.engine.past_power import Floats

# The test library has each statement of each row of a year written to the log.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)

DAY_S = 86400.0
HOUR_S = 3600.0
FINE_S = 300.0


def house(starts_s: Floats, seed: int = 3) -> tuple[Floats, Floats]:
    """Return load and sun of a plain house in W, by its local clock in the West."""
    hour = (starts_s / 3600.0 - 8.0) % 24.0
    rng = np.random.default_rng(seed)
    load_w = 400.0 + 900.0 * np.exp(-((hour - 19.0) ** 2) / 6.0)
    load_w *= rng.uniform(0.8, 1.25, len(starts_s))
    solar_w = np.maximum(0.0, 4000.0 * np.sin((hour - 6.0) / 12.0 * np.pi))
    solar_w *= rng.uniform(0.3, 1.0, len(starts_s))
    return load_w, np.where((hour > 8.0) & (hour < 16.0), solar_w, 0.0)


async def write(
    hass: HomeAssistant,
    sensor: str,
    starts_s: Floats,
    values: Sequence[float] | Floats,
    *,
    unit: str = "W",
    fine: bool = False,
) -> None:
    """Write the statistics of a sensor: means of a power, or readings of a counter."""
    counts = unit.endswith("h")
    metadata = StatisticMetaData(
        mean_type=StatisticMeanType.NONE if counts else StatisticMeanType.ARITHMETIC,
        has_sum=counts,
        name=None,
        source="recorder",
        statistic_id=sensor,
        unit_class="energy" if counts else "power",
        unit_of_measurement=unit,
    )
    rows: list[StatisticData] = [
        _row(start_s, value, counts=counts)
        for start_s, value in zip(starts_s, values, strict=True)
    ]
    if fine:
        # The import that everybody may use is for whole hours.
        get_instance(hass).async_import_statistics(metadata, rows, StatisticsShortTerm)
    else:
        async_import_statistics(hass, metadata, rows)
    await async_wait_recording_done(hass)


def _row(start_s: float, value: float, *, counts: bool) -> Any:
    start = dt_util.utc_from_timestamp(float(start_s))
    if counts:
        return StatisticData(start=start, state=float(value), sum=float(value))
    return StatisticData(start=start, mean=float(value))


def hours(begin_s: float, count: int) -> Floats:
    """Return when each of so many hours begins."""
    return begin_s + HOUR_S * np.arange(count, dtype=np.float64)
