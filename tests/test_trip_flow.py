"""What a unit is told of its calendar and its weekdays."""

from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import SUBENTRY_UNIT
from custom_components.leaf_to_home.trips import WEEKDAYS, build_patterns
from tests.conftest import UNIT_ID, make_entry, setup
from tests.flow_walk import Walk
from tests.test_config_flow import SIMULATED
from tests.test_subentry_flow import UNIT_DATA, change, reconfigure

OFF: dict[str, Any] = {"on": False}
MONDAY: dict[str, Any] = {
    "on": True,
    "departure": "07:30:00",
    "back": "17:00:00",
    "soc_percent": 70,
}


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home with one unit, not loaded."""
    entry = make_entry(UNIT_DATA, data={"grid": {"kind": "unit"}})
    entry.add_to_hass(hass)
    return entry


async def at_trips(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await reconfigure(hass, entry)
    assert walk.step == "reconfigure_backup"
    await walk.choose("trips")
    assert walk.step == "trips"
    return walk


def week(**days: dict[str, Any]) -> dict[str, Any]:
    return {weekday: days.get(weekday, OFF) for weekday in WEEKDAYS}


async def test_nothing_is_chosen_at_first(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_trips(hass, home)
    assert walk.fields == {"calendar", *WEEKDAYS}
    assert walk.suggested(of="mon") == {"on": False}
    await walk.submit(**week())
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "reconfigure_successful"
    assert home.subentries[UNIT_ID].data == UNIT_DATA


async def test_calendar_and_weekdays_are_kept(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_trips(hass, home)
    off = {"on": False, "departure": "10:00:00"}
    await walk.submit(calendar="calendar.car", **week(mon=MONDAY, sat=off))
    data = home.subentries[UNIT_ID].data
    assert data == UNIT_DATA | {
        "calendar": "calendar.car",
        "pattern": {"mon": MONDAY, "sat": off},
    }
    pattern = build_patterns(data)[""]
    assert pattern.keys() == {0}
    assert (pattern[0].minute, pattern[0].back_minute) == (450, 1020)
    assert pattern[0].soc_percent == 70

    # It is offered again, the days that are used opened.
    walk = await at_trips(hass, home)
    assert walk.suggested() == {"calendar": "calendar.car"}
    assert walk.suggested(of="mon") == MONDAY
    assert walk.suggested(of="sat") == off
    schema = walk.result["data_schema"].schema
    assert schema["mon"].options["collapsed"] is False
    assert schema["sat"].options["collapsed"] is True
    await walk.submit(**week(tue={"on": True, "departure": "08:00:00"}))
    data = home.subentries[UNIT_ID].data
    assert "calendar" not in data
    assert data["pattern"].keys() == {"tue"}


async def test_a_day_needs_a_departure(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_trips(hass, home)
    await walk.submit(calendar="calendar.car", **week(fri={"on": True}))
    assert walk.errors == {"fri": "departure_missing"}
    assert walk.suggested() == {"calendar": "calendar.car"}
    schema = walk.result["data_schema"].schema
    assert schema["fri"].options["collapsed"] is False
    await walk.submit(**week(fri={"on": True, "departure": "08:00:00"}))
    assert walk.result["reason"] == "reconfigure_successful"


async def test_hardware_and_trips_leave_each_other_alone(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_trips(hass, home)
    await walk.submit(calendar="calendar.car", **week(mon=MONDAY))
    walk = await change(hass, home)
    await walk.submit(**SIMULATED)
    await walk.submit(name="LEAF", preset="leaf-40", soh_percent=80, spec={})
    data = home.subentries[UNIT_ID].data
    assert data["preset"] == "leaf-40"
    assert data["calendar"] == "calendar.car"
    assert data["pattern"] == {"mon": MONDAY}


async def test_a_loaded_home_goes_by_what_was_chosen(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    await setup(hass, home)
    assert home.runtime_data.units[UNIT_ID].patterns == {}
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (home.entry_id, SUBENTRY_UNIT),
        source=SOURCE_RECONFIGURE,
        subentry_id=UNIT_ID,
    )
    await walk.choose("trips")
    await walk.submit(**week(mon=MONDAY))
    await hass.async_block_till_done()
    assert home.runtime_data.units[UNIT_ID].patterns[""].keys() == {0}
    assert await hass.config_entries.async_unload(home.entry_id)


async def test_each_car_can_have_weekdays_of_its_own(hass: HomeAssistant) -> None:
    cars = [{"key": "a", "name": "Blue"}, {"key": "b", "name": "Red"}]
    data = UNIT_DATA | {"vehicles": cars, "car_patterns": {"gone": {"mon": MONDAY}}}
    home = make_entry(data)
    home.add_to_hass(hass)

    async def at(**car: str) -> Walk:
        walk = await reconfigure(hass, home)
        await walk.choose("trips")
        assert walk.step == "trips_car"
        await walk.submit(**car)
        assert walk.step == "trips"
        return walk

    walk = await at()
    assert walk.placeholders == {"car": "–"}
    await walk.submit(calendar="calendar.car", **week(sun=MONDAY))
    walk = await at(car="b")
    assert walk.placeholders == {"car": "Red"}
    assert walk.fields == set(WEEKDAYS), "the calendar is that of all"
    assert walk.suggested(of="sun") == OFF
    await walk.submit(**week(mon=MONDAY))
    common = {"calendar": "calendar.car", "pattern": {"sun": MONDAY}}
    assert home.subentries[UNIT_ID].data == UNIT_DATA | common | {
        "vehicles": cars,
        "car_patterns": {"b": {"mon": MONDAY}},
    }
    patterns = build_patterns(home.subentries[UNIT_ID].data)
    assert {car: set(pattern) for car, pattern in patterns.items()} == {
        "": {6},
        "b": {0},
    }
    walk = await at(car="b")
    assert walk.suggested(of="mon") == MONDAY
    await walk.submit(**week())
    assert home.subentries[UNIT_ID].data == UNIT_DATA | common | {"vehicles": cars}
