"""Entities that the user renames, in Home Assistant's own registry."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup, unit_data
from tests.outages.houses import HEATER, LAMP, PUMP, TIER_ID, with_tier
from tests.recording import DRIVER

pytestmark = pytest.mark.usefixtures("recording_driver")

OTHER = "sensor.power_of_the_street"


@pytest.fixture
async def entry(hass: HomeAssistant) -> MockConfigEntry:
    """A loaded home with a tier, a meter that others know and a calendar."""
    registry = er.async_get(hass)
    for name in (GRID, HEATER, LAMP, PUMP, "calendar.car"):
        domain, _, object_id = name.partition(".")
        made = registry.async_get_or_create(
            domain, "test", object_id, suggested_object_id=object_id
        )
        assert made.entity_id == name
    home = with_tier(
        make_entry(
            unit_data(DRIVER, calendar="calendar.car"),
            data={"grid": {"kind": "sensor", "entity": GRID}, "solar": []},
        ),
        (HEATER, LAMP, PUMP),
    )
    set_power(hass, GRID, 800.0)
    await setup(hass, home)
    return home


async def test_a_meter_that_is_renamed_goes_on_measuring(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    er.async_get(hass).async_update_entity(GRID, new_entity_id=OTHER)
    set_power(hass, OTHER, 1234.0)
    await hass.async_block_till_done()
    assert entry.data == {"grid": {"kind": "sensor", "entity": OTHER}, "solar": []}
    home = entry.runtime_data.home
    assert home.decision.grid_w == 1234.0


async def test_a_load_that_is_renamed_is_shed(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    registry.async_update_entity(LAMP, new_entity_id="light.dining_room")
    await hass.async_block_till_done()
    assert entry.subentries[TIER_ID].data["loads"] == [
        HEATER,
        "light.dining_room",
        PUMP,
    ]
    (tier,) = entry.runtime_data.home.outages.settings.tiers
    assert "light.dining_room" in tier.loads


async def test_a_calendar_that_is_renamed_and_other_changes(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    before = entry.runtime_data.home
    registry = er.async_get(hass)
    # A new icon or somebody else's entity is no news.
    registry.async_update_entity("calendar.car", icon="mdi:car")
    registry.async_get_or_create("sensor", "test", "x", suggested_object_id="x")
    registry.async_update_entity("sensor.x", new_entity_id="sensor.y")
    registry.async_remove("sensor.y")
    await hass.async_block_till_done()
    assert entry.runtime_data.home is before
    registry.async_update_entity("calendar.car", new_entity_id="calendar.blue")
    await hass.async_block_till_done()
    assert entry.subentries[UNIT_ID].data["calendar"] == "calendar.blue"
    assert entry.runtime_data.home is not before
