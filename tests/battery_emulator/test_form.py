"""The form listens to a real broker, and shows what it has heard."""

import json
from typing import Any

from homeassistant.components import mqtt
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import SUBENTRY_UNIT
from custom_components.leaf_to_home.units.battery_emulator.finding import clean_topic
from scripts.tools.running_broker import RunningBroker
from tests.conftest import UNIT_ID, make_entry, setup, unit_data
from tests.flow_walk import Walk

from .conftest import NAME, StartEmulator, until
from .test_leading import inverter

pytestmark = pytest.mark.usefixtures("impatient")

NO_INVERTER: dict[str, Any] = {
    "positive": "charge",
    "actions": {},
    "details": {
        "keep_power": False,
        "park": "idle",
        "dead_time_s": 10,
        "min_interval_s": 0,
    },
}


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home without a unit, not loaded."""
    entry = make_entry()
    entry.add_to_hass(hass)
    return entry


async def begin(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start((entry.entry_id, SUBENTRY_UNIT), source=SOURCE_USER)
    await walk.choose("battery_emulator")
    assert walk.step == "battery_emulator"
    return walk


def labels(walk: Walk) -> dict[str, str]:
    """Return what is offered, by its topic."""
    options = walk.result["data_schema"].schema["topic"].config["options"]
    return {option["value"]: option["label"] for option in options}


async def test_a_battery_that_is_found_becomes_a_unit(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    home: MockConfigEntry,
) -> None:
    await start_emulator("--soc=55", "--soh=68", "--meters")
    walk = await begin(hass, home)
    await walk.submit()
    assert walk.step == "emulator"
    label = labels(walk)[NAME]
    for part in (
        f"{NAME}: ",
        "SoC 55.0 %",
        "SoH 68.0 %",
        "14.6 kWh",
        "Δ 24 mV",
        "9.3.5",
    ):
        assert part in label
    assert walk.suggested() == {"topic": NAME, "islanding_start": "never"}
    await walk.submit(topic=NAME, islanding_start="by_itself", emulator_charge_a=30)
    assert walk.step == "setpoint"
    number = await inverter(hass)
    await walk.submit(**NO_INVERTER | {"power": number, "positive": "discharge"})
    assert walk.step == "setpoint_check"
    assert number in walk.placeholders["entities"]
    await walk.choose("setpoint_done")
    assert walk.step == "battery"
    suggested = walk.suggested()
    assert (suggested["preset"], suggested["soh_percent"]) == ("pack-24", 68.0)
    await walk.submit(
        name="Garage", preset="pack-24", soh_percent=68, reserve_percent=30, spec={}
    )
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    (unit,) = home.subentries.values()
    assert unit.unique_id == f"battery_emulator-{NAME}"
    assert unit.data["topic"] == NAME
    assert unit.data["islanding_start"] == "by_itself"
    assert unit.data["emulator_charge_a"] == 30
    assert unit.data["setpoint"]["power"] == number
    assert "emulator_discharge_a" not in unit.data

    # The same one is not taken twice.
    walk = await begin(hass, home)
    await walk.submit(topic=f" {NAME}/info ")
    await walk.submit(topic=NAME, islanding_start="never")
    assert walk.result["reason"] == "unit_already_configured"


async def test_without_an_inverter_it_is_observed_and_reconfigured(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
) -> None:
    await start_emulator()
    entry = make_entry(
        unit_data(
            "battery_emulator",
            topic=NAME,
            islanding_start="never",
            emulator_charge_a=20,
            preset="pack-24",
        )
    )
    entry.add_to_hass(hass)
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (entry.entry_id, SUBENTRY_UNIT), source=SOURCE_RECONFIGURE, subentry_id=UNIT_ID
    )
    await walk.choose("hardware")
    assert walk.suggested() == {"topic": NAME}
    await walk.submit(topic=NAME)
    assert walk.suggested()["emulator_charge_a"] == 20
    await walk.submit(topic=NAME, islanding_start="never")
    await walk.submit(**NO_INVERTER)
    await walk.choose("setpoint_done")
    # What was heard of the battery does not take back what somebody gave.
    assert walk.suggested()["soh_percent"] == 90.0
    await walk.submit(name="Pack", preset="pack-24", soh_percent=90, spec={})
    assert walk.result["type"] is FlowResultType.ABORT
    data = entry.subentries[UNIT_ID].data
    assert "emulator_charge_a" not in data
    assert "setpoint" not in data


async def test_a_battery_that_never_leaves_is_asked_for_its_hardware_only(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
) -> None:
    await start_emulator()
    entry = make_entry(
        unit_data(
            "battery_emulator", topic=NAME, islanding_start="never", preset="pack-24"
        )
    )
    await setup(hass, entry)
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (entry.entry_id, SUBENTRY_UNIT), source=SOURCE_RECONFIGURE, subentry_id=UNIT_ID
    )
    assert walk.step == "battery_emulator"
    registry = er.async_get(hass)
    keys = {
        item.unique_id.removeprefix(f"{UNIT_ID}_")
        for item in er.async_entries_for_config_entry(registry, entry.entry_id)
        if item.config_subentry_id == UNIT_ID
    }
    assert {"reserve", "soc", "connected"} <= keys
    assert not [key for key in keys if "ready_by" in key or "departure" in key]


async def test_all_emulators_on_the_broker_are_offered(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    home: MockConfigEntry,
) -> None:
    await start_emulator(name="north")
    south = await start_emulator(name="south")
    await south.ask("battery off")
    # What else is there is none of them.
    for topic, payload in (
        ("lamp/info", '{"state": "ON"}'),
        ("noise/info", b"\xff\x00"),
        ("old/info", json.dumps({"bms_status": "ACTIVE", "pause_status": "RUNNING"})),
    ):
        await mqtt.async_publish(hass, topic, payload, retain=True)
    walk = await begin(hass, home)
    await walk.submit()
    found = labels(walk)
    assert found.keys() == {"north", "south"}
    # One whose battery does not answer can be added all the same.
    assert found["south"] == "south: ACTIVE, 9.3.5"
    await walk.submit(topic="south", islanding_start="never")
    assert walk.step == "setpoint"


async def test_what_is_not_there_is_said(
    hass: HomeAssistant,
    broker: RunningBroker,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    home: MockConfigEntry,
) -> None:
    walk = await begin(hass, home)
    await walk.submit(topic="pack/+")
    assert walk.errors == {"topic": "not_a_topic"}
    await walk.submit(topic="pack")
    assert walk.errors == {"base": "no_emulator"}
    assert walk.suggested() == {"topic": "pack"}
    emulator = await start_emulator(name="pack")
    await emulator.ask("crash")
    await walk.submit(topic="pack")
    assert walk.errors == {"base": "emulator_offline"}
    await emulator.ask("come")
    await walk.submit(topic="pack")
    assert walk.step == "emulator"
    await walk.submit(
        topic="pack", islanding_start="never", islanding="binary_sensor.off_grid"
    )
    assert walk.errors == {"islanding_start": "islands_after_all"}
    await broker.stop()
    await until(lambda: not mqtt.is_connected(hass))
    walk = await begin(hass, home)
    await walk.submit()
    assert walk.errors == {"base": "broker_unreachable"}


async def test_mqtt_that_is_not_set_up_is_said(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await begin(hass, home)
    await walk.submit()
    assert walk.errors == {"base": "no_broker"}


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("", ""),
        (" battery-emulator ", "battery-emulator"),
        ("/site/pack/", "site/pack"),
        ("pack/info", "pack"),
        ("pack/status", "pack"),
        ("pack/#", None),
        ("a\x00b", None),
        ("x" * 129, None),
    ],
)
def test_topics(text: str, topic: str | None) -> None:
    assert clean_topic(text) == topic
