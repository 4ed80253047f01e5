"""How long a home takes from a recorder's year to distributions of its draw.

A real recorder on a database in a file, filled through Home Assistant's own import of
statistics: a year of hours, and ten days of five minutes, of grid, sun and unit.
Cold is the first question of a home; incremental is what an hour's gap costs it then.
"""

from collections.abc import Mapping
from dataclasses import replace
import logging
from pathlib import Path
from statistics import median
import tempfile
from time import perf_counter

from homeassistant.components.recorder.db_schema import StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import async_initialize_recorder, get_instance
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import numpy as np
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)

from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from custom_components.leaf_to_home.engine.forecast import DrawHistory, Moment
from custom_components.leaf_to_home.engine.past_power import Floats
from custom_components.leaf_to_home.engine.quarters import QUARTER_S
from custom_components.leaf_to_home.engine.recall import (
    Recalled,
    fill,
    local_slot,
    question,
)
from custom_components.leaf_to_home.engine.tariff import Tariff, parse_tariff
from custom_components.leaf_to_home.recorder_past import async_past_power

DAY_S = 86400.0
HOUR_S = 3600.0
YEAR_S = 365 * DAY_S
FINE_S = 10 * DAY_S
KNOWN_SHARE = 0.99
HOURS_AHEAD = 48
REPEATS = 7
SEED = 1
GRID, SUN, LEAF = "sensor.grid", "sensor.sun", "sensor.leaf_power"
UNIT = "unit"
ZONE = "Europe/Paris"


async def history_figures() -> Mapping[str, float]:
    """Return the times in ms."""
    # Each row of a year would be written to the log.
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="leaf-to-home-bench-") as name:
        async with async_test_home_assistant(config_dir=name) as hass:
            try:
                return await _figures(hass, Path(name) / "home-assistant_v2.db")
            finally:
                await hass.async_stop(force=True)


async def _figures(hass: HomeAssistant, database: Path) -> Mapping[str, float]:
    async_initialize_recorder(hass)
    settings = {"db_url": f"sqlite:///{database}", "commit_interval": 0}
    assert await async_setup_component(hass, "recorder", {"recorder": settings})
    await hass.async_block_till_done()
    now_s = dt_util.utcnow().timestamp() // HOUR_S * HOUR_S
    await _write_year(hass, now_s)
    home = _Home(hass, parse_tariff({"import": 0.3}, timezone=ZONE, currency="EUR"))

    begun_s = perf_counter()
    year = await async_past_power(hass, home.entry, now_s - YEAR_S, now_s)
    year_s = perf_counter() - begun_s
    assert year is not None
    assert year.known.mean() > KNOWN_SHARE
    new_s = await home.recall(now_s - HOUR_S)
    assert home.draw.days > FINE_S / DAY_S
    stored = home.draw.to_dict(), home.recalled
    gaps_s = []
    for _ in range(REPEATS):
        home.draw, home.recalled = DrawHistory.from_dict(stored[0]), replace(stored[1])
        gaps_s.append(await home.recall(now_s))
    return {
        "a year of powers (ms)": year_s * 1e3,
        "a new home's weeks, to distributions (ms)": new_s * 1e3,
        "cold: both (ms, <= 2000)": (year_s + new_s) * 1e3,
        "incremental: an hour more (ms, <= 50)": median(gaps_s) * 1e3,
    }


class _Home:
    """A home that remembers, as its workshop does."""

    def __init__(self, hass: HomeAssistant, tariff: Tariff) -> None:
        self.draw = DrawHistory()
        self.recalled = Recalled()
        self.entry = MockConfigEntry(
            domain=DOMAIN,
            data={"grid": {"kind": "sensor", "entity": GRID}, "solar": [SUN]},
            subentries_data=[
                {
                    "data": {},
                    "subentry_id": UNIT,
                    "subentry_type": SUBENTRY_UNIT,
                    "title": "LEAF",
                    "unique_id": None,
                }
            ],
        )
        self._hass = hass
        self._tariff = tariff
        registry = er.async_get(hass)
        registry.async_get_or_create(
            "sensor", DOMAIN, f"{UNIT}_power", suggested_object_id="leaf_power"
        )

    async def recall(self, now_s: float) -> float:
        """Ask for what is not known, and expect two days; return how long that took."""
        begun_s = perf_counter()
        tariff = self._tariff
        asked = question(self.recalled, self.draw, tariff, "home", now_s)
        assert asked is not None
        past = await async_past_power(
            self._hass, self.entry, asked.start_s, asked.end_s
        )
        assert past is not None
        assert fill(self.recalled, self.draw, tariff, asked, past)
        steps = HOURS_AHEAD * 4
        moments = [
            Moment(day=day, slot=slot)
            for day, slot in (
                local_slot(tariff, now_s + i * QUARTER_S) for i in range(steps)
            )
        ]
        bins, _ = self.draw.bins(moments)
        assert len(bins) == steps
        return perf_counter() - begun_s


async def _write_year(hass: HomeAssistant, now_s: float) -> None:
    """Import hours of a year and five minutes of the last days."""
    for length_s, span_s in ((HOUR_S, YEAR_S), (300.0, FINE_S)):
        starts_s = np.arange(now_s - span_s, now_s, length_s, dtype=np.float64)
        for sensor, values in _powers(starts_s).items():
            metadata = StatisticMetaData(
                mean_type=StatisticMeanType.ARITHMETIC,
                has_sum=False,
                name=None,
                source="recorder",
                statistic_id=sensor,
                unit_class="power",
                unit_of_measurement="W",
            )
            rows = [
                StatisticData(start=dt_util.utc_from_timestamp(at_s), mean=value)
                for at_s, value in zip(starts_s.tolist(), values.tolist(), strict=True)
            ]
            if length_s < HOUR_S:
                # The import that everybody may use is for whole hours.
                get_instance(hass).async_import_statistics(
                    metadata, rows, StatisticsShortTerm
                )
            else:
                async_import_statistics(hass, metadata, rows)
    await get_instance(hass).async_block_till_done()


def _powers(starts_s: Floats) -> Mapping[str, Floats]:
    """Return a house with a sun, and a unit that charges by night."""
    hour = starts_s / HOUR_S % 24.0
    rng = np.random.default_rng(SEED)
    load_w = 400.0 + 900.0 * np.exp(-((hour - 19.0) ** 2) / 6.0)
    load_w *= rng.uniform(0.6, 1.6, len(starts_s))
    sun_w = np.maximum(0.0, 3000.0 * np.sin((hour - 6.0) / 12.0 * np.pi))
    unit_w = np.where(hour < 4.0, -3000.0, np.where(hour > 18.0, 600.0, 0.0))
    return {GRID: load_w - sun_w - unit_w, SUN: sun_w, LEAF: unit_w}
