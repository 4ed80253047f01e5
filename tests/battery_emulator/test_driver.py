"""What a unit makes of an emulator on a real broker, and of what comes between them."""

import asyncio
import json
from typing import Any

from homeassistant.components import mqtt
from homeassistant.components.mqtt import util as mqtt_util
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.model import OutcomeKind, UnitStatus
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.units.battery_emulator import finding, hearing
from custom_components.leaf_to_home.units.pack import (
    Balancing,
    PackCondition,
    PackFault,
    PackView,
    TellsPack,
)
from scripts.tools.running_broker import RunningBroker

from .conftest import NAME, MakeUnit, StartEmulator, collect, until


async def test_a_pack_is_read(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    await start_emulator("--soc=55")
    unit = make_unit()
    assert isinstance(unit, TellsPack)
    info = await unit.connect()
    assert info.manufacturer == "Battery-Emulator"
    assert info.model == "LilyGo T-CAN485"
    assert info.sw_version == "9.3.5"
    reading = await unit.read()
    # The real state of charge, not the one that is scaled for the inverter (58.3 %).
    assert reading.soc_percent == pytest.approx(55.0, abs=0.05)
    assert reading.soh_percent == 68.0
    assert reading.power_w == pytest.approx(0.0, abs=20.0)
    assert reading.connected is True
    assert reading.cell_min_mv is not None
    assert reading.cell_max_mv is not None
    assert reading.cell_max_mv - reading.cell_min_mv == pytest.approx(24.0, abs=2.0)
    assert (reading.temperature_min_c, reading.temperature_max_c) == (17.4, 19.1)
    assert reading.max_charge_w == 6000.0
    # 6 kW out of the battery are less behind the inverter.
    assert reading.max_discharge_w == pytest.approx(6000.0 / 1.05)
    assert reading.fault is None
    assert unit.pack == PackView(
        condition=PackCondition.RUNNING,
        fault=PackFault.NONE,
        balancing=Balancing.READY,
    )


async def test_without_an_inverter_a_pack_is_only_observed(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    emulator = await start_emulator()
    unit = make_unit()
    await unit.connect()
    assert not unit.capabilities.set_power
    assert (await unit.read()).status is UnitStatus.NOT_CONTROLLABLE
    # Nothing of ours stands that could be taken back.
    assert (await unit.park()).kind is OutcomeKind.APPLIED
    assert emulator.commands() == []


async def test_readings_are_pushed_as_the_emulator_speaks(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    emulator = await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    await until(lambda: len(readings) >= 3)
    await emulator.ask("set soc 41")
    await until(lambda: readings[-1].soc_percent == pytest.approx(41.0, abs=0.1))
    await emulator.ask("set balancing Active")
    await until(lambda: unit.pack.balancing is Balancing.ACTIVE)
    # Three of its own intervals, but never less than half a minute.
    assert readings[-1].max_age_s == 30.0


@pytest.mark.parametrize(
    ("lines", "condition", "fault", "status"),
    [
        (
            ["event BATTERY_OVERHEAT ERROR"],
            PackCondition.FAULT,
            PackFault.OVERHEATED,
            UnitStatus.FAULT,
        ),
        (
            ["event CELL_DEVIATION_HIGH WARNING"],
            PackCondition.RUNNING,
            PackFault.CELL_SPREAD,
            UnitStatus.NOT_CONTROLLABLE,
        ),
        (
            ["event CONTACTOR_OPEN WARNING"],
            PackCondition.CONTACTORS_OPEN,
            PackFault.CONTACTOR,
            UnitStatus.FAULT,
        ),
        (
            ["battery off"],
            PackCondition.NO_BATTERY,
            PackFault.NONE,
            UnitStatus.NOT_CONTROLLABLE,
        ),
        (
            ["battery off", "event CAN_BATTERY_MISSING ERROR"],
            PackCondition.FAULT,
            PackFault.BATTERY_MISSING,
            UnitStatus.FAULT,
        ),
    ],
)
async def test_what_stops_a_pack_has_a_name(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
    lines: list[str],
    condition: PackCondition,
    fault: PackFault,
    status: UnitStatus,
) -> None:
    emulator = await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    for line in lines:
        await emulator.ask(line)
    await until(
        lambda: (unit.pack.condition, unit.pack.fault) == (condition, fault),
        what=f"{condition} with {fault}",
    )
    await until(lambda: readings[-1].status is status)


async def test_a_pause_and_a_stop_by_somebody_else_are_named(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    await start_emulator()
    unit = make_unit()
    await unit.connect()
    await mqtt.async_publish(hass, f"{NAME}/command/PAUSE", "")
    await until(lambda: unit.pack.condition is PackCondition.PAUSED)
    await mqtt.async_publish(hass, f"{NAME}/command/STOP", "")
    await until(lambda: unit.pack.condition is PackCondition.CONTACTORS_OPEN)
    assert unit.pack.fault is PackFault.EMERGENCY_STOP
    await mqtt.async_publish(hass, f"{NAME}/command/RESUME", "")
    await until(lambda: unit.pack.condition is PackCondition.RUNNING)


async def test_an_emulator_that_has_left_is_gone_at_once(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    """The broker's word in its name counts before any age is reached."""
    emulator = await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    await emulator.ask("crash")
    await until(lambda: unit.pack.condition is PackCondition.OFFLINE)
    assert not readings[-1].fresh(readings[-1].time_s + 0.1)
    with pytest.raises(UnitUnreachable, match="has left the broker"):
        await unit.read()
    # What is retained says so at the next start, too.
    other = make_unit()
    with pytest.raises(UnitUnreachable, match="has left the broker"):
        await other.connect()
    await emulator.ask("come")
    await until(lambda: unit.pack.condition is PackCondition.RUNNING)
    assert (await unit.read()).soc_percent == pytest.approx(60.0, abs=0.1)


async def test_a_restart_is_noticed(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    emulator = await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    # Its clock counts whole seconds.
    await until(lambda: _uptime_s(unit) >= 2.0)
    assert readings[-1].restarts == 0
    await emulator.ask("restart")
    await until(lambda: readings[-1].restarts == 1)


def _uptime_s(unit: Any) -> float:
    info = unit.diagnostics()["info"]
    return float(info["uptime_s"]) if info else 0.0


async def test_two_emulators_on_one_broker_are_two(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    await start_emulator("--soc=70", name="north")
    south = await start_emulator("--soc=30", name="south")
    units = make_unit("north"), make_unit("south")
    for unit in units:
        await unit.connect()
    assert [(await unit.read()).soc_percent for unit in units] == [
        pytest.approx(70.0, abs=0.1),
        pytest.approx(30.0, abs=0.1),
    ]
    await south.ask("event BATTERY_ISOLATION ERROR")
    await until(lambda: units[1].pack.condition is PackCondition.FAULT)
    assert units[0].pack.condition is PackCondition.RUNNING


async def test_a_broker_that_restarts_is_found_again(
    hass: HomeAssistant,
    broker: RunningBroker,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    await broker.stop()
    await until(lambda: not mqtt.is_connected(hass))
    heard = len(readings)
    await broker.start()
    await until(lambda: len(readings) > heard + 1)
    assert unit.pack.condition is PackCondition.RUNNING
    assert (await unit.read()).soc_percent is not None


async def test_mqtt_that_is_loaded_anew_goes_on_to_be_heard(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    assert await hass.config_entries.async_reload(mqtt_entry.entry_id)
    heard = len(readings)
    await until(lambda: len(readings) > heard + 1)
    # Once detached, nothing comes through any more, although MQTT still delivers.
    await unit.detach()
    heard = len(readings)
    other = make_unit()
    await other.connect()
    assert len(readings) == heard


async def test_without_mqtt_a_unit_says_so(
    hass: HomeAssistant, make_unit: MakeUnit
) -> None:
    unit = make_unit()
    with pytest.raises(UnitUnreachable, match="no connection to an MQTT broker"):
        await unit.connect()
    assert unit.pack.condition is PackCondition.NO_BROKER


async def test_mqtt_that_is_long_in_coming_is_found_all_the_same(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits for a new password, say; core lets nobody wait for longer than 50 s."""
    await start_emulator()
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    unit = make_unit()
    with monkeypatch.context() as patched:
        patched.setattr(mqtt_util, "AVAILABILITY_TIMEOUT", 0.1)
        patched.setattr(hearing, "FIRST_WAIT_S", 0.1)
        patched.setattr(finding, "WAIT_S", 0.1)
        for _ in range(2):
            with pytest.raises(UnitUnreachable, match="no connection to an MQTT"):
                await unit.connect()
            with pytest.raises(finding.SearchError, match="no_broker"):
                await finding.async_search(hass, None)
    assert await hass.config_entries.async_setup(mqtt_entry.entry_id)
    await unit.connect()
    assert (await unit.read()).soc_percent is not None


async def test_silence_is_named(
    hass: HomeAssistant, mqtt_entry: MockConfigEntry, make_unit: MakeUnit
) -> None:
    unit = make_unit("nobody")
    with pytest.raises(UnitUnreachable, match="nobody: nothing is heard"):
        await unit.connect()
    assert unit.pack.condition is PackCondition.SILENT


BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"online"',
    b"\xff\xfe\x00",
    b'{"bms_status": 4, "pause_status": []}',
    b'{"bms_status": "ACTIVE"}',
    b"[" * 12_000,
    b'{"bms_status": "ACTIVE", "pause_status": "RUNNING", "x": "' + b"a" * 2_000_000,
    b'{"bms_status": "ACTIVE", "pause_status": "RUNNING", "SOC_real": NaN}',
]


async def test_a_message_that_cannot_be_read_costs_only_itself(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    emulator = await start_emulator()
    unit = make_unit()
    await unit.connect()
    readings = collect(unit)
    await emulator.ask("silence")
    for payload in BROKEN:
        for name in ("info", "info_2", "events", "status"):
            await mqtt.async_publish(hass, f"{NAME}/{name}", payload)
    await until(
        lambda: unit.diagnostics()["refused"].get("status") == len(BROKEN),
        what="all of it",
    )
    heard = len(readings)
    assert unit.pack.condition is PackCondition.RUNNING
    assert (await unit.read()).soc_percent == pytest.approx(60.0, abs=0.1)
    # One line for each topic, however many there come.
    lines = [line for line in caplog.messages if "is not understood" in line]
    assert len(lines) == 4
    assert not [line for line in caplog.messages if "Exception in" in line]
    await emulator.ask("speak")
    await until(lambda: len(readings) > heard)


async def test_what_is_retained_has_no_age_and_is_not_believed(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    make_unit: MakeUnit,
    impatient: None,
) -> None:
    payload = {"bms_status": "ACTIVE", "pause_status": "RUNNING", "SOC_real": 80}
    for name in ("info", "info_2"):
        await mqtt.async_publish(
            hass, f"{NAME}/{name}", json.dumps(payload), retain=True
        )
    event = {"event_type": "BATTERY_OVERHEAT", "severity": "ERROR"}
    await mqtt.async_publish(hass, f"{NAME}/events", json.dumps(event), retain=True)
    unit = make_unit()
    with pytest.raises(UnitUnreachable, match="nothing is heard"):
        await unit.connect()
    assert unit.diagnostics()["events"] == []


async def test_several_batteries_of_one_emulator_are_one(
    hass: HomeAssistant, mqtt_entry: MockConfigEntry, make_unit: MakeUnit
) -> None:
    unit = make_unit()
    readings = collect(unit)
    pack = {
        "SOC_real": 60.0,
        "state_of_health": 70.0,
        "total_capacity": 15_000,
        "stat_batt_power": -1000,
        "cell_min_voltage": 3.80,
        "cell_max_voltage": 3.82,
        "temperature_min": 15.0,
        "temperature_max": 18.0,
        "max_charge_power": 4000,
        "max_discharge_power": 5000,
    }
    other = pack | {
        "SOC_real": "48.0",
        "state_of_health": 64.5,
        "total_capacity": 30_000,
        "cell_min_voltage": 3.79,
        "temperature_max": 22.5,
    }
    head = {"bms_status": "ACTIVE", "pause_status": "RUNNING", "emulator_status": "OK"}

    async def speak() -> None:
        await mqtt.async_publish(hass, f"{NAME}/info_2", json.dumps(other))
        await mqtt.async_publish(hass, f"{NAME}/info", json.dumps(head | pack))

    async def speak_until_heard() -> None:
        # The first words may come before the broker knows that somebody listens.
        while not readings or readings[-1].soh_percent != 64.5:
            await speak()
            await asyncio.sleep(0.2)

    await asyncio.gather(unit.connect(), speak_until_heard())
    reading = readings[-1]
    # By what each of them holds.
    assert reading.soc_percent == pytest.approx(52.0)
    assert reading.power_w == pytest.approx(2000.0 / 1.05)
    assert (reading.cell_min_mv, reading.cell_max_mv) == (3790.0, 3820.0)
    assert (reading.temperature_min_c, reading.temperature_max_c) == (15.0, 22.5)
    assert reading.max_charge_w == 4000.0
