"""What a unit is told of other sources of its charge."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.conftest import UNIT_ID, make_entry
from tests.flow_walk import Walk
from tests.test_subentry_flow import UNIT_DATA, reconfigure

VIN = "SJNFAAZE0U6000001"


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home with one unit, not loaded."""
    entry = make_entry(UNIT_DATA, data={"grid": {"kind": "unit"}})
    entry.add_to_hass(hass)
    return entry


async def at(hass: HomeAssistant, entry: MockConfigEntry, kind: str) -> Walk:
    walk = await reconfigure(hass, entry)
    await walk.choose("car_sources")
    await walk.choose(kind)
    return walk


def sources(entry: MockConfigEntry) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = entry.subentries[UNIT_ID].data["car_sources"]
    return found


def set_up_mqtt(hass: HomeAssistant) -> None:
    MockConfigEntry(domain="mqtt").add_to_hass(hass)


async def test_the_address_for_leafspy_stays_the_same(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    await hass.config.async_update(
        internal_url="http://192.168.1.2:8123", external_url="https://home.example"
    )
    walk = await at(hass, home, "leafspy")
    url = walk.placeholders["url"]
    # From the outside address a phone at home may look like a stranger.
    assert url.startswith("192.168.1.2:8123/api/webhook/")
    remote = walk.placeholders["remote_url"]
    assert remote == url.replace("192.168.1.2:8123", "home.example")
    form = {"used": True, "local_only": True, "miles": False}
    await walk.submit(**form, vin="too short")
    assert walk.errors == {"vin": "vin_invalid"}
    assert walk.placeholders["url"] == url
    await walk.submit(**form, vin=f" {VIN.lower()} ")
    assert walk.result["type"] is FlowResultType.ABORT
    (leafspy,) = sources(home)
    secret = leafspy["webhook_id"]
    assert url.endswith(secret)
    assert len(secret) == 64
    assert leafspy == {
        "kind": "leafspy",
        "webhook_id": secret,
        "local_only": True,
        "miles": False,
        "vin": VIN,
    }
    walk = await at(hass, home, "leafspy")
    assert walk.placeholders["url"] == url
    assert walk.suggested()["vin"] == VIN
    # Without it the source is gone, and so is the address.
    await walk.submit(used=False, local_only=True, miles=False, vin="")
    assert sources(home) == []
    walk = await at(hass, home, "leafspy")
    assert walk.placeholders["url"] != url


async def test_without_an_address_of_home_assistant_there_is_a_usual_one(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await reconfigure(hass, home)
    await walk.choose("car_sources")
    hass.config.api = None
    await walk.choose("leafspy")
    assert walk.placeholders["url"].startswith("homeassistant.local:8123/api/webhook/")
    assert walk.placeholders["remote_url"] == "–"


async def test_where_the_topics_of_ovms_begin(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at(hass, home, "ovms")
    await walk.submit(used=True, topic_prefix="ovms/me/LEAF")
    assert walk.errors == {"base": "no_broker"}
    # Without a broker it can still be given up.
    await walk.submit(used=False, topic_prefix="ovms/me/LEAF")
    assert sources(home) == []
    set_up_mqtt(hass)
    walk = await at(hass, home, "ovms")
    for wrong in ("ovms/+/LEAF/", "#", "/ ", " +"):
        await walk.submit(used=True, topic_prefix=wrong)
        if walk.result["type"] is FlowResultType.FORM:
            assert walk.errors == {"topic_prefix": "prefix_invalid"}
    await walk.submit(used=True, topic_prefix=" ovms/me/LEAF")
    assert sources(home) == [{"kind": "ovms", "topic_prefix": "ovms/me/LEAF/"}]


async def test_entities_and_a_change_of_the_hardware_keep_the_others(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    set_up_mqtt(hass)
    walk = await at(hass, home, "ovms")
    await walk.submit(used=True, topic_prefix="ovms/me/LEAF/")
    walk = await at(hass, home, "car_entities")
    entities = {"soc_percent": "sensor.car", "plugged": "binary_sensor.plug"}
    await walk.submit(**entities)
    both = [
        {"kind": "ovms", "topic_prefix": "ovms/me/LEAF/"},
        {"kind": "entities", **entities},
    ]
    assert sources(home) == both
    walk = await reconfigure(hass, home)
    await walk.choose("trips")
    await walk.submit(
        **{day: {"on": False} for day in ("mon", "tue", "wed", "thu", "fri")},
        sat={"on": False},
        sun={"on": False},
    )
    assert sources(home) == both
    walk = await at(hass, home, "car_entities")
    assert walk.suggested() == entities
    await walk.submit()
    assert sources(home) == both[:1]


async def test_each_of_several_cars_has_its_own(hass: HomeAssistant) -> None:
    cars = [{"key": "aa", "name": "Red"}, {"key": "bb", "name": "Blue"}]
    entry = make_entry({**UNIT_DATA, "vehicles": cars}, data={"grid": {"kind": "unit"}})
    entry.add_to_hass(hass)
    set_up_mqtt(hass)
    for car, prefix in (({"car": "bb"}, "ovms/me/BLUE/"), ({}, "ovms/me/ANY/")):
        walk = await reconfigure(hass, entry)
        await walk.choose("car_sources")
        assert walk.step == "car_sources_car"
        await walk.submit(**car)
        await walk.choose("ovms")
        assert walk.suggested() == {"used": True}
        await walk.submit(used=True, topic_prefix=prefix)
    assert sources(entry) == [
        {"kind": "ovms", "topic_prefix": "ovms/me/BLUE/", "vehicle": "bb"},
        {"kind": "ovms", "topic_prefix": "ovms/me/ANY/"},
    ]
