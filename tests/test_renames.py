"""Entities that the user renames, in Home Assistant's own registry."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.renames import QUIET_S
from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup, unit_data
from tests.outages.houses import HEATER, LAMP, PUMP, TIER_ID, with_tier
from tests.recording import DRIVER

pytestmark = pytest.mark.usefixtures("recording_driver")

OTHER = "sensor.power_of_the_street"
CALENDAR = "calendar.car"
SECOND = f"{UNIT_ID[:-1]}2"


@pytest.fixture
async def entry(hass: HomeAssistant) -> MockConfigEntry:
    """A home with a tier, two units with a calendar, and what it starts counted."""
    registry = er.async_get(hass)
    for name in (GRID, HEATER, LAMP, PUMP, CALENDAR):
        domain, _, object_id = name.partition(".")
        made = registry.async_get_or_create(
            domain, "test", object_id, suggested_object_id=object_id
        )
        assert made.entity_id == name
    car = unit_data(DRIVER, calendar=CALENDAR)
    home = with_tier(
        make_entry(
            car, car, data={"grid": {"kind": "sensor", "entity": GRID}, "solar": []}
        ),
        (HEATER, LAMP, PUMP),
    )
    set_power(hass, GRID, 800.0)
    await setup(hass, home)
    return home


@pytest.fixture
def starts(entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch) -> list[Home]:
    """The homes that have started since."""
    started: list[Home] = []
    start = Home.async_start

    async def count(self: Home) -> None:
        started.append(self)
        await start(self)

    monkeypatch.setattr(Home, "async_start", count)
    return started


@pytest.fixture
def rename(hass: HomeAssistant) -> Callable[[str, str], None]:
    """What renames an entity."""

    def rename(old: str, new: str) -> None:
        er.async_get(hass).async_update_entity(old, new_entity_id=new)

    return rename


async def settle(hass: HomeAssistant) -> None:
    """Let names be written and the home be loaded anew."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=QUIET_S + 0.1))
    await hass.async_block_till_done()


async def until_state(entry: MockConfigEntry, state: ConfigEntryState) -> None:
    """Wait until the entry is so."""
    for _ in range(1000):
        if entry.state is state:
            break
        await asyncio.sleep(0)
    assert entry.state is state


async def test_a_meter_that_is_renamed_goes_on_measuring(
    hass: HomeAssistant, entry: MockConfigEntry, rename: Callable[[str, str], None]
) -> None:
    rename(GRID, OTHER)
    set_power(hass, OTHER, 1234.0)
    await settle(hass)
    assert entry.data == {"grid": {"kind": "sensor", "entity": OTHER}, "solar": []}
    assert entry.runtime_data.home.decision.grid_w == 1234.0


async def test_a_load_that_is_renamed_is_shed(
    hass: HomeAssistant, entry: MockConfigEntry, rename: Callable[[str, str], None]
) -> None:
    rename(LAMP, "light.dining_room")
    await settle(hass)
    (tier,) = entry.runtime_data.home.outages.settings.tiers
    assert tier.loads == (HEATER, "light.dining_room", PUMP)


async def test_several_names_are_one_reload(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    starts: list[Home],
    rename: Callable[[str, str], None],
) -> None:
    """Two units have the calendar; two loads swap their names by way of a third."""
    rename(CALENDAR, "calendar.blue")
    rename(LAMP, "light.between")
    rename(PUMP, "input_boolean.well")
    rename("light.between", "light.dining_room")
    await settle(hass)
    assert len(starts) == 1
    assert {entry.subentries[key].data["calendar"] for key in (UNIT_ID, SECOND)} == {
        "calendar.blue"
    }
    assert entry.subentries[TIER_ID].data["loads"] == [
        HEATER,
        "light.dining_room",
        "input_boolean.well",
    ]
    # And it is loaded anew the next time as well.
    rename("calendar.blue", CALENDAR)
    await settle(hass)
    assert len(starts) == 2


async def test_other_changes_of_the_registry_change_nothing(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    starts: list[Home],
    rename: Callable[[str, str], None],
) -> None:
    registry = er.async_get(hass)
    registry.async_update_entity(CALENDAR, icon="mdi:car")
    registry.async_get_or_create("sensor", "test", "x", suggested_object_id="x")
    rename("sensor.x", "sensor.y")
    registry.async_remove("sensor.y")
    await settle(hass)
    assert starts == []


async def test_a_name_that_changes_while_the_home_is_loaded_anew(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    rename: Callable[[str, str], None],
) -> None:
    may_go_on = asyncio.Event()
    start = Home.async_start

    async def wait(self: Home) -> None:
        await may_go_on.wait()
        await start(self)

    monkeypatch.setattr(Home, "async_start", wait)
    hass.config_entries.async_schedule_reload(entry.entry_id)
    await until_state(entry, ConfigEntryState.SETUP_IN_PROGRESS)
    rename(LAMP, "light.dining_room")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=QUIET_S + 0.1))
    await asyncio.sleep(0)
    may_go_on.set()
    await hass.async_block_till_done()
    await until_state(entry, ConfigEntryState.LOADED)
    (tier,) = entry.runtime_data.home.outages.settings.tiers
    assert tier.loads == (HEATER, "light.dining_room", PUMP)


async def test_a_home_that_does_not_run_is_kept_right(
    hass: HomeAssistant, entry: MockConfigEntry, rename: Callable[[str, str], None]
) -> None:
    assert await hass.config_entries.async_unload(entry.entry_id)
    rename(LAMP, "light.dining_room")
    await settle(hass)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert entry.subentries[TIER_ID].data["loads"][1] == "light.dining_room"
