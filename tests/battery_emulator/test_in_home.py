"""A home whose battery is behind Battery-Emulator: loads, shows, leads, lets be."""

from datetime import timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.units.battery_emulator.notices import (
    ISSUE_NO_BROKER,
    ISSUE_SILENT,
)
from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup, unit_data

from .conftest import NAME, StartEmulator, until
from .test_leading import inverter


def battery(**data: Any) -> dict[str, Any]:
    return unit_data("battery_emulator", **{"preset": "pack-24", "topic": NAME} | data)


def state(hass: HomeAssistant, key: str, domain: str = "sensor") -> str:
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id(domain, DOMAIN, f"{UNIT_ID}_{key}")
    assert entity_id is not None, key
    found = hass.states.get(entity_id)
    return "missing" if found is None else found.state


async def test_a_home_shows_what_its_battery_says(
    hass: HomeAssistant, mqtt_entry: MockConfigEntry, start_emulator: StartEmulator
) -> None:
    emulator = await start_emulator("--soc=55")
    set_power(hass, GRID, 600)
    entry = make_entry(battery(soh_percent=68))
    await setup(hass, entry)
    await until(lambda: state(hass, "cell_spread") == "24")
    assert float(state(hass, "soc")) == pytest.approx(55.0, abs=0.5)
    assert {
        key: state(hass, key)
        for key in (
            "soh",
            "status",
            "reason",
            "pack_condition",
            "pack_fault",
            "balancing",
            "temperature_min",
            "temperature_max",
        )
    } == {
        "soh": "68.0",
        "status": "not_controllable",
        "reason": "not_controllable",
        "pack_condition": "running",
        "pack_fault": "none",
        "balancing": "ready",
        "temperature_min": "17.4",
        "temperature_max": "19.1",
    }
    assert state(hass, "problem", "binary_sensor") == "off"
    await emulator.ask("event BATTERY_OVERHEAT ERROR")
    await until(lambda: state(hass, "pack_fault") == "overheated")
    await until(lambda: state(hass, "problem", "binary_sensor") == "on")
    assert state(hass, "pack_condition") == "fault"
    assert state(hass, "allowed_discharge_power") == "0"

    found = await async_get_config_entry_diagnostics(hass, entry)
    more = found["units"][UNIT_ID]["more"]
    assert more["pack"]["condition"] == "fault"
    assert more["events"] == [{"code": "BATTERY_OVERHEAT", "severity": "ERROR"}]
    assert more["info"]["pack"]["cell_max_mv"] > 3000.0
    # The name of the device is its owner's.
    assert NAME not in json.dumps(found)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_battery_is_led_and_let_be(
    hass: HomeAssistant, mqtt_entry: MockConfigEntry, start_emulator: StartEmulator
) -> None:
    emulator = await start_emulator("--meters")
    number = await inverter(hass)
    registry = er.async_get(hass)
    grid = registry.async_get_entity_id("sensor", "mqtt", f"{NAME}_grid")
    assert grid is not None
    entry = make_entry(
        battery(
            setpoint={
                "power": number,
                "positive": "discharge",
                "dead_time_s": 2.0,
                "watchdog_s": 60.0,
            },
            emulator_charge_a=30.0,
            emulator_discharge_a=30.0,
        ),
        data={"grid": {"kind": "sensor", "entity": grid}},
    )
    home = await setup(hass, entry)
    await until(lambda: state(hass, "status") == "idle")
    # A new home observes: nothing is sent, not even a limit.
    home.async_change_unit(UNIT_ID, mode=UnitMode.DISCHARGE)
    await until(lambda: state(hass, "reason") == "user_discharge")
    assert emulator.commands() == []

    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await until(lambda: state(hass, "status") == "discharging", what="the discharge")
    told = {line["object"] for line in emulator.commands()}
    assert told == {f"{NAME}-inverter/set", f"{NAME}/command/SET_LIMITS"}

    await mqtt.async_publish(hass, f"{NAME}/command/PAUSE", "")
    await until(lambda: state(hass, "reason") == "not_controllable")
    assert state(hass, "pack_condition") == "paused"
    # A write that was under way is over by now.
    await until(home.units[UNIT_ID].worker._at_rest.is_set)
    await emulator.ask()
    before = len(_to_inverter(emulator.commands()))
    for _ in range(3):
        home.async_step()
        await hass.async_block_till_done()
    assert len(_to_inverter(emulator.commands())) == before
    await mqtt.async_publish(hass, f"{NAME}/command/RESUME", "")
    await until(lambda: state(hass, "reason") != "not_controllable")
    await hass.config_entries.async_unload(entry.entry_id)
    assert all("PAUSE" not in line["object"] for line in emulator.commands()[:before])


def _to_inverter(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["object"] == f"{NAME}-inverter/set"]


async def test_a_home_without_a_broker_loads_and_says_so(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    set_power(hass, GRID, 600)
    entry = make_entry(battery())
    await setup(hass, entry)
    assert state(hass, "pack_condition") == "no_broker"
    assert state(hass, "status") == "unreachable"
    assert state(hass, "soc") == "unavailable"
    issues = ir.async_get(hass)
    issue = (DOMAIN, f"{ISSUE_NO_BROKER}_{UNIT_ID}")
    for minutes, raised in ((10, False), (6, True)):
        freezer.tick(timedelta(minutes=minutes))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
        assert (issue in issues.issues) is raised
    await hass.config_entries.async_unload(entry.entry_id)
    assert issue not in issues.issues


@pytest.mark.usefixtures("impatient")
async def test_silence_that_lasts_is_a_repair_until_the_emulator_speaks(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "custom_components.leaf_to_home.units.battery_emulator.notices.LASTS_S", 0.0
    )
    set_power(hass, GRID, 600)
    entry = make_entry(battery())
    await setup(hass, entry)
    issues = ir.async_get(hass)
    issue = (DOMAIN, f"{ISSUE_SILENT}_{UNIT_ID}")
    await until(lambda: issue in issues.issues)
    assert state(hass, "pack_condition") == "silent"
    await start_emulator()
    await until(lambda: issue not in issues.issues)
    await until(lambda: state(hass, "pack_condition") == "running")
    await hass.config_entries.async_unload(entry.entry_id)
