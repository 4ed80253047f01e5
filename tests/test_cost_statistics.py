"""The three lines as long-term statistics, in a real recorder."""

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.statistics import (
    list_statistic_ids,
    statistics_during_period,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy.exc import OperationalError

from custom_components.leaf_to_home import cost_statistics
from custom_components.leaf_to_home.home import Home
from tests.conftest import GRID, make_entry, set_power, setup
from tests.platforms import HOME_ID, recorded_home

pytestmark = pytest.mark.usefixtures("recorder_mock", "recording_driver")

LINES = ("cost_on_arrival", "cost_smart", "cost_actual")
IDS = [f"leaf_to_home:{HOME_ID.lower()}_{line}" for line in LINES]
TEN = "2026-11-23T10:20:00+00:00"


@pytest.fixture
def persistent_database() -> bool:
    """Keep the database in a file, as homes have it."""
    return True


async def rows(hass: HomeAssistant, statistic: str) -> list[tuple[str, float]]:
    """Return the hours of a statistic with their sums."""
    await async_wait_recording_done(hass)
    found = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        dt_util.utc_from_timestamp(0.0),
        None,
        {statistic},
        "hour",
        None,
        {"sum"},
    )
    return [
        (f"{dt_util.utc_from_timestamp(row['start']):%H:%M}", round(row["sum"] or 0, 6))
        for row in found.get(statistic, [])
    ]


async def loaded(hass: HomeAssistant, entry: Any = None) -> Home:
    set_power(hass, GRID, 800.0)
    return await setup(hass, entry or recorded_home())


def spend(home: Home, actual: float, on_arrival: float = 0.0) -> None:
    """Let the ledger go on by so much."""
    home.state = home.state.copy()
    home.state.ledger.actual += actual
    home.state.ledger.on_arrival += on_arrival
    if home.state.ledger.since_s is None:
        home.state.ledger.since_s = dt_util.utcnow().timestamp()


async def hour_over(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, at: str
) -> None:
    """Let the clock come to just after a full hour."""
    freezer.move_to(datetime.fromisoformat(at) + timedelta(seconds=16))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    await async_wait_recording_done(hass)


async def test_each_hour_stands_with_what_the_ledger_says(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 1.0, on_arrival=2.0)
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    spend(home, 0.5, on_arrival=0.25)
    await hour_over(hass, freezer, "2026-11-23T12:00:00+00:00")

    assert await rows(hass, IDS[2]) == [("10:00", 1.0), ("11:00", 1.5)]
    assert await rows(hass, IDS[0]) == [("10:00", 2.0), ("11:00", 2.25)]
    assert [value for _, value in await rows(hass, IDS[1])] == [0.0, 0.0]


async def test_they_are_named_as_the_sensors_and_in_money(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    await loaded(hass)
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    known = await get_instance(hass).async_add_executor_job(
        list_statistic_ids, hass, set(IDS)
    )
    assert {each["statistic_id"]: each["name"] for each in known} == {
        IDS[0]: "Home: Cost in all with charging on arrival",
        IDS[1]: "Home: Cost in all with smart charging only",
        IDS[2]: "Home: Cost in all",
    }
    assert {each["statistics_unit_of_measurement"] for each in known} == {
        hass.config.currency
    }
    assert all(each["has_sum"] for each in known)


async def test_a_home_without_a_unit_has_none(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    await loaded(hass, make_entry(entry_id=HOME_ID))
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    assert await rows(hass, IDS[2]) == []


async def test_after_a_stop_the_last_hour_is_finished_and_nothing_counts_twice(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 1.0)
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    freezer.move_to("2026-11-23T11:40:00+00:00")
    home.async_step()
    spend(home, 0.25)
    assert await hass.config_entries.async_unload(HOME_ID)
    freezer.move_to("2026-11-23T15:10:00+00:00")
    home = await setup(hass, hass.config_entries.async_get_entry(HOME_ID))  # type: ignore[arg-type] # a MockConfigEntry
    assert await rows(hass, IDS[2]) == [("10:00", 1.0), ("11:00", 1.25)]

    spend(home, 0.5)
    await hour_over(hass, freezer, "2026-11-23T16:00:00+00:00")
    assert (await rows(hass, IDS[2]))[2:] == [("15:00", 1.75)]


async def test_a_restart_within_an_hour_changes_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 1.0)
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    freezer.move_to("2026-11-23T11:10:00+00:00")
    assert await hass.config_entries.async_reload(HOME_ID)
    await hass.async_block_till_done()
    assert await rows(hass, IDS[2]) == [("10:00", 1.0)]


async def test_a_clock_that_was_set_back_counts_nothing_twice(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    for at in ("11:00", "12:00", "13:00"):
        spend(home, 1.0)
        await hour_over(hass, freezer, f"2026-11-23T{at}:00+00:00")
    # Two hours are lived through again, the first of them in another process.
    assert await hass.config_entries.async_unload(HOME_ID)
    freezer.move_to("2026-11-23T11:10:00+00:00")
    home = await setup(hass, hass.config_entries.async_get_entry(HOME_ID))  # type: ignore[arg-type] # a MockConfigEntry
    spend(home, 1.0)
    await hour_over(hass, freezer, "2026-11-23T12:00:00+00:00")
    assert await rows(hass, IDS[2]) == [
        ("10:00", 1.0),
        ("11:00", 4.0),
        ("12:00", 3.0),
    ]
    for at in ("13:00", "14:00"):
        spend(home, 1.0)
        await hour_over(hass, freezer, f"2026-11-23T{at}:00+00:00")
    assert await rows(hass, IDS[2]) == [
        ("10:00", 1.0),
        ("11:00", 4.0),
        ("12:00", 5.0),
        ("13:00", 6.0),
    ]


async def test_a_ledger_that_was_lost_goes_on_from_the_last_sum(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, hass_storage: dict[str, Any]
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 5.0)
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    assert await hass.config_entries.async_unload(HOME_ID)
    del hass_storage[f"leaf_to_home.{HOME_ID}"]
    home = await setup(hass, hass.config_entries.async_get_entry(HOME_ID))  # type: ignore[arg-type] # a MockConfigEntry
    spend(home, 0.5)
    await hour_over(hass, freezer, "2026-11-23T12:00:00+00:00")
    assert await rows(hass, IDS[2]) == [("10:00", 5.0), ("11:00", 5.5)]


async def test_what_an_older_ledger_holds_was_not_spent_in_the_first_hour(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 100.0)
    home.state.ledger.since_s = None
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    home.state.ledger.actual += 2.0
    await hour_over(hass, freezer, "2026-11-23T12:00:00+00:00")
    assert await rows(hass, IDS[2]) == [("10:00", 0.0), ("11:00", 2.0)]


async def test_the_lines_differ_by_the_savings(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 1.0, on_arrival=3.0)
    unit = next(iter(home.state.units))
    # The real car holds more than the imagined one.
    home.state.ledger.on_arrival_kwh[unit] = 10.0
    home.state.ledger.value_per_kwh = 0.2
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    on_arrival = (await rows(hass, IDS[0]))[0][1]
    actual = (await rows(hass, IDS[2]))[0][1]
    assert home.savings.against_arrival != pytest.approx(2.0)
    assert on_arrival - actual == pytest.approx(home.savings.against_arrival)


async def test_a_home_that_is_removed_takes_them_along(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(TEN)
    await loaded(hass)
    await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    assert await rows(hass, IDS[2])
    await hass.config_entries.async_remove(HOME_ID)
    assert await rows(hass, IDS[2]) == []


async def test_a_recorder_that_cannot_be_read_costs_an_hour_and_no_more(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(TEN)
    home = await loaded(hass)
    spend(home, 1.0)
    with monkeypatch.context() as broken:
        # A database that breaks on command would take the whole recorder along.
        broken.setattr(
            cost_statistics,
            "get_last_statistics",
            Mock(side_effect=OperationalError("", {}, Exception("disk I/O error"))),
        )
        await hour_over(hass, freezer, "2026-11-23T11:00:00+00:00")
    assert "the recorder cannot be read" in caplog.text
    spend(home, 1.0)
    await hour_over(hass, freezer, "2026-11-23T12:00:00+00:00")
    assert await rows(hass, IDS[2]) == [("11:00", 2.0)]
