"""The home's past out of a real recorder, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.core import Recorder
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import numpy as np
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.past_power import PastPower
from custom_components.leaf_to_home.recorder_past import async_past_power
from tests.conftest import GRID, SOLAR, UNIT_ID, make_entry, unit_data
from tests.postgresql import database, server
from tests.statistics import DAY_S, FINE_S, HOUR_S, hours, house, write

# Midnight in US/Pacific on 2026-10-25, a week before its clocks are set back.
BEGIN_S = 1792911600.0


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Run a server for all of these tests."""
    with server() as socket:
        yield socket


@pytest.fixture(params=["sqlite", "postgresql"])
def recorder_db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Keep the database as homes have it: in a file, or on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home-assistant_v2.db'}"
    return database(request.getfixturevalue("postgresql"))


async def read(
    hass: HomeAssistant, entry: MockConfigEntry, days: float = 1.0
) -> PastPower:
    past = await async_past_power(hass, entry, BEGIN_S, BEGIN_S + days * DAY_S)
    assert past is not None
    return past


def home(*units: dict, **data: object) -> MockConfigEntry:
    return make_entry(*units, data={"grid": {"kind": "sensor", "entity": GRID}, **data})


async def test_without_a_recorder_there_is_no_past(hass: HomeAssistant) -> None:
    assert await async_past_power(hass, home(), BEGIN_S, BEGIN_S + DAY_S) is None


async def test_a_home_without_a_unit_has_the_past_of_its_meter(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    load_w, _ = house(hours(BEGIN_S, 24))
    await write(hass, GRID, hours(BEGIN_S, 24), load_w)

    past = await read(hass, home())

    assert past.load_w.tolist() == pytest.approx(np.repeat(load_w, 4).tolist())
    assert past.silent == ()
    assert past.days == 1.0


async def test_what_was_never_recorded_is_unknown_and_named(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    await write(hass, GRID, hours(BEGIN_S, 24), [500.0] * 24)

    past = await read(hass, home(solar=[SOLAR]))

    # By night the sun is known to give nothing.
    assert past.load_w[0] == 500.0
    assert np.isnan(past.load_w[48])
    assert past.silent == (SOLAR,)


async def test_five_minutes_count_before_hours(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    await write(hass, GRID, hours(BEGIN_S, 2), [1.0, 2.0], unit="kW")
    fine_s = BEGIN_S + HOUR_S + FINE_S * np.arange(7, dtype=np.float64)
    await write(
        hass, GRID, fine_s, [1.0, 1.0, 4.0, 5.0, 5.0, 5.0, 9.0], unit="kW", fine=True
    )

    past = await read(hass, home(), 1 / 12)

    # Of the third quarter-hour too little is known, so that the hour speaks for it.
    assert past.load_w.tolist() == [1e3] * 4 + [2e3, 5e3, 2e3, 2e3]


async def test_signs_are_those_of_the_set_up(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    hour_s = hours(BEGIN_S, 1)
    await write(hass, GRID, hour_s, [700.0])
    await write(hass, "sensor.export", hour_s, [200.0])
    inverted = make_entry(
        data={
            "grid": {"kind": "inverted", "entity": GRID},
            "other_batteries": ["sensor.export"],
        }
    )
    two = make_entry(
        data={
            "grid": {
                "kind": "two",
                "entity": GRID,
                "entity_export": "sensor.export",
            }
        }
    )

    turned, both = [await read(hass, each, 1 / 24) for each in (inverted, two)]

    assert turned.grid_w.tolist() == [-700.0] * 4
    assert turned.other_w.tolist() == [200.0] * 4
    # A house gives nothing, so a sign must be wrong.
    assert np.isnan(turned.load_w).all()
    assert both.load_w.tolist() == [500.0] * 4


async def test_the_counters_of_the_dashboard_stand_in(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    assert await async_setup_component(hass, "energy", {})
    from homeassistant.components.energy.data import async_get_manager

    manager = await async_get_manager(hass)
    await manager.async_update(
        {
            "energy_sources": [
                {
                    "type": "grid",
                    "stat_energy_from": "sensor.imported",
                    "stat_energy_to": "sensor.exported",
                    "stat_cost": None,
                    "entity_energy_price": None,
                    "number_energy_price": None,
                    "stat_compensation": None,
                    "entity_energy_price_export": None,
                    "number_energy_price_export": None,
                    "cost_adjustment_day": 0,
                }
            ],
            "device_consumption": [],
        }
    )
    # One row before, one hour left out, and a sum that was corrected downwards.
    at_s = BEGIN_S + HOUR_S * np.array([-1, 0, 1, 3, 4, 5, 6])
    counts_wh = [9000.0, 9800.0, 10400.0, 13000.0, 13500.0, 13000.0, 13400.0]
    await write(hass, "sensor.imported", at_s, counts_wh, unit="Wh")
    exported_kwh = [1.0, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3]
    await write(hass, "sensor.exported", at_s, exported_kwh, unit="kWh")
    await write(hass, GRID, hours(BEGIN_S + 6 * HOUR_S, 1), [444.0])

    past = await read(hass, home(), 7 / 24)

    assert past.load_w[::4].tolist() == pytest.approx(
        [500.0, 600.0, np.nan, np.nan, 500.0, np.nan, 444.0], nan_ok=True
    )
    assert past.silent == ()


async def test_only_the_chosen_sensors_own_counters_stand_in(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    assert await async_setup_component(hass, "energy", {})
    from homeassistant.components.energy.data import (
        BatterySourceType,
        async_get_manager,
    )

    def battery(name: str) -> BatterySourceType:
        return {
            "type": "battery",
            "stat_energy_from": f"sensor.{name}_out",
            "stat_energy_to": f"sensor.{name}_in",
            "stat_rate": f"sensor.{name}",
        }

    manager = await async_get_manager(hass)
    # The second one is the station of the car, as the integration of its maker has it.
    wall, car = battery("wall"), battery("car")
    await manager.async_update(
        {"energy_sources": [wall, car], "device_consumption": []}
    )
    at_s = hours(BEGIN_S - HOUR_S, 2)
    await write(hass, GRID, at_s, [500.0, 500.0])
    for name in ("wall_out", "car_out"):
        await write(hass, f"sensor.{name}", at_s, [1.0, 1.4], unit="kWh")
    for name in ("wall_in", "car_in"):
        await write(hass, f"sensor.{name}", at_s, [1.0, 1.0], unit="kWh")

    known = await read(hass, home(other_batteries=["sensor.wall"]), 1 / 24)
    # Nobody says which of them this one is.
    unknown = await read(hass, home(other_batteries=["sensor.template"]), 1 / 24)

    assert known.other_w.tolist() == pytest.approx([400.0] * 4)
    assert unknown.other_w.tolist() == pytest.approx([800.0] * 4)


async def test_a_power_that_is_summed_up_is_no_counter(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    # Of a sensor that claims `state_class: total`: sums of changes of power.
    async_import_statistics(
        hass,
        StatisticMetaData(
            mean_type=StatisticMeanType.NONE,
            has_sum=True,
            name=None,
            source="recorder",
            statistic_id=GRID,
            unit_class="power",
            unit_of_measurement="kW",
        ),
        [
            StatisticData(start=dt_util.utc_from_timestamp(at_s), state=0.5, sum=0.5)
            for at_s in hours(BEGIN_S - HOUR_S, 3).tolist()
        ],
    )
    await async_wait_recording_done(hass)

    past = await read(hass, home(), 2 / 24)

    assert not past.known.any()
    assert past.silent == (GRID,)


async def test_a_unit_counts_from_when_it_was_there(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    entry = home(unit_data("recording"))
    entry.add_to_hass(hass)
    await write(hass, GRID, hours(BEGIN_S, 4), [500.0] * 4)
    before = await read(hass, entry, 4 / 24)
    er.async_get(hass).async_get_or_create(
        "sensor", DOMAIN, f"{UNIT_ID}_power", suggested_object_id="leaf"
    )
    await write(hass, "sensor.leaf", hours(BEGIN_S + 2 * HOUR_S, 1), [300.0])

    past = await read(hass, entry, 4 / 24)

    assert before.load_w.tolist() == [500.0] * 16
    assert past.units_w.tolist() == [0.0] * 8 + [300.0] * 4 + [0.0] * 4
    assert past.load_w.tolist() == [500.0] * 8 + [800.0] * 4 + [500.0] * 4


async def test_a_unit_that_was_out_of_reach_leaves_the_load_unknown(
    recorder_mock: Recorder, hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = home(unit_data("recording"))
    entry.add_to_hass(hass)
    freezer.move_to("2026-10-25T08:00:00+00:00")
    er.async_get(hass).async_get_or_create(
        "sensor", DOMAIN, f"{UNIT_ID}_power", suggested_object_id="leaf"
    )
    freezer.move_to("2026-10-26T08:00:00+00:00")
    await write(hass, GRID, hours(BEGIN_S, 4), [500.0] * 4)
    await write(hass, "sensor.leaf", hours(BEGIN_S + 2 * HOUR_S, 1), [-300.0])

    past = await read(hass, entry, 4 / 24)

    assert past.load_w[::4].tolist() == pytest.approx(
        [500.0, np.nan, 200.0, np.nan], nan_ok=True
    )
    assert past.silent == ()


async def test_a_unit_without_statistics_is_named(
    recorder_mock: Recorder, hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = home(unit_data("recording"))
    entry.add_to_hass(hass)
    freezer.move_to("2026-10-25T08:00:00+00:00")
    er.async_get(hass).async_get_or_create(
        "sensor", DOMAIN, f"{UNIT_ID}_power", suggested_object_id="leaf"
    )
    freezer.move_to("2026-10-26T08:00:00+00:00")
    await write(hass, GRID, hours(BEGIN_S, 4), [500.0] * 4)

    past = await read(hass, entry, 4 / 24)

    assert past.silent == ("sensor.leaf",)
    assert past.days == 1 / 24


async def test_a_unit_that_is_the_meter_is_read_from_the_homes_own_sensors(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    entry = make_entry(unit_data("recording"), data={"grid": {"kind": "unit"}})
    entry.add_to_hass(hass)
    registry = er.async_get(hass)
    for key in ("grid_power", "solar_power"):
        registry.async_get_or_create(
            "sensor", DOMAIN, f"{entry.entry_id}_{key}", suggested_object_id=key
        )
    await write(hass, "sensor.grid_power", hours(BEGIN_S + 9 * HOUR_S, 1), [500.0])

    without_sun = await read(hass, entry, 10 / 24)
    await write(hass, "sensor.solar_power", hours(BEGIN_S + 9 * HOUR_S, 1), [50.0])
    with_sun = await read(hass, entry, 10 / 24)

    assert without_sun.load_w[-1] == 500.0
    assert with_sun.load_w[-1] == 550.0


async def test_a_year_is_read_through_both_changes_of_the_clock(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    begin_s = BEGIN_S - 365 * DAY_S
    at_s = hours(begin_s, 365 * 24)
    load_w, _ = house(at_s)
    await write(hass, GRID, at_s, load_w)

    past = await async_past_power(hass, home(), begin_s, BEGIN_S)

    assert past is not None
    assert past.load_w.tolist() == pytest.approx(np.repeat(load_w, 4).tolist())
    assert past.days == 365.0


async def test_a_time_too_short_for_a_quarter_hour_has_no_past(
    recorder_mock: Recorder, hass: HomeAssistant
) -> None:
    await write(hass, GRID, hours(BEGIN_S, 1), [500.0])

    past = await async_past_power(hass, home(), BEGIN_S + 60, BEGIN_S + 900)

    assert past is not None
    assert past.load_w.size == 0
