"""A battery that is heard over MQTT, and led at an inverter that others brought in."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.model import (
    IslandingStart,
    OutcomeKind,
    Reading,
    Reason,
    ReasonCode,
    Setpoint,
    UnitStatus,
)
from custom_components.leaf_to_home.units.battery_emulator.driver import (
    BatteryEmulatorUnit,
)
from scripts.tools.running_emulator import RunningEmulator

from .conftest import NAME, MakeUnit, StartEmulator, collect, until


def setpoint(power_w: float) -> Setpoint:
    return Setpoint(power_w=power_w, reason=Reason(code=ReasonCode.PLAN))


async def inverter(hass: HomeAssistant) -> str:
    """Return the number that Home Assistant has found by MQTT discovery."""
    registry = er.async_get(hass)

    def found() -> str | None:
        return registry.async_get_entity_id("number", "mqtt", f"{NAME}_setpoint")

    await until(lambda: found() and hass.states.get(found() or ""))
    number = found()
    assert number is not None
    await until(lambda: _state(hass, number) not in ("unknown", "unavailable"))
    return number


def _state(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    return "missing" if state is None else state.state


def mapping(number: str, **values: Any) -> dict[str, Any]:
    """Return the data of a unit that is led by the inverter's number."""
    return {
        "setpoint": {
            "power": number,
            "positive": "discharge",
            "dead_time_s": 3.0,
            "watchdog_s": 60.0,
        },
        **values,
    }


async def led(
    hass: HomeAssistant,
    make_unit: MakeUnit,
    start_emulator: StartEmulator,
    **values: Any,
) -> tuple[BatteryEmulatorUnit, RunningEmulator, list[Reading]]:
    emulator = await start_emulator("--meters")
    unit = make_unit(**mapping(await inverter(hass), **values))
    await unit.connect()
    return unit, emulator, collect(unit)


async def test_the_power_is_set_at_the_inverter_and_seen_at_the_battery(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    unit, emulator, readings = await led(
        hass, make_unit, start_emulator, islanding_start="by_itself"
    )
    capabilities = unit.capabilities
    assert capabilities.set_power
    assert capabilities.watchdog_s == 60.0
    assert capabilities.islanding is IslandingStart.BY_ITSELF
    await until(lambda: readings and readings[-1].status is UnitStatus.IDLE)

    outcome = await unit.apply(setpoint(1500.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, 1500.0)
    await until(
        lambda: (
            readings[-1].status is UnitStatus.DISCHARGING
            and readings[-1].power_w == pytest.approx(1500.0, abs=150.0)
        )
    )
    outcome = await unit.apply(setpoint(-1000.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, -1000.0)
    await until(lambda: readings[-1].status is UnitStatus.CHARGING)

    outcome = await unit.park()
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, 0.0)
    await until(lambda: readings[-1].status is UnitStatus.IDLE)
    # The emulator itself was never told anything, least of all to pause.
    topics = {line["object"] for line in emulator.commands()}
    assert topics == {f"{NAME}-inverter/set"}


async def test_a_battery_that_is_stopped_is_not_led(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    unit, emulator, readings = await led(hass, make_unit, start_emulator)
    await until(lambda: readings and readings[-1].status is UnitStatus.IDLE)
    await emulator.ask("event HVIL_FAILURE ERROR")
    await until(lambda: readings[-1].status is UnitStatus.FAULT)
    assert readings[-1].fault == "hvil_failure"
    assert readings[-1].max_discharge_w == 0.0
    await emulator.ask("over HVIL_FAILURE")
    await until(lambda: readings[-1].status is UnitStatus.IDLE)
    await emulator.ask("inverter off")
    await until(lambda: readings[-1].status is UnitStatus.NOT_CONTROLLABLE)
    # The battery goes on to be known while its inverter is away.
    assert readings[-1].soc_percent == pytest.approx(60.0, abs=0.1)
    assert (await unit.apply(setpoint(500.0))).kind is OutcomeKind.UNREACHABLE
    restarts = readings[-1].restarts
    await emulator.ask("inverter on")
    await until(lambda: readings[-1].status is UnitStatus.IDLE)
    assert readings[-1].restarts > restarts, "it may have lost what it was told"


async def test_an_inverter_that_says_it_is_islanding_is_let_be(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    hass.states.async_set("binary_sensor.off_grid", "off")
    unit, emulator, readings = await led(
        hass,
        make_unit,
        start_emulator,
        islanding="binary_sensor.off_grid",
        emulator_discharge_a=30.0,
    )
    await until(lambda: readings and readings[-1].islanding is False)
    hass.states.async_set("binary_sensor.off_grid", "on")
    await until(lambda: readings[-1].status is UnitStatus.ISLANDING)
    told = len(emulator.commands())
    assert (await unit.apply(setpoint(0.0))).kind is OutcomeKind.REFUSED
    assert (await unit.park()).kind is OutcomeKind.REFUSED
    assert len(emulator.commands()) == told
    hass.states.async_set("binary_sensor.off_grid", "unavailable")
    await until(lambda: readings[-1].islanding is None)


async def test_limits_are_lent_with_each_set_point_and_lapse_without(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    unit, emulator, _ = await led(
        hass,
        make_unit,
        start_emulator,
        emulator_charge_a=30.0,
        emulator_discharge_a=30.0,
    )
    # They are lent again three times before they lapse, as a watchdog is fed.
    assert unit.capabilities.watchdog_s == 30.0
    await unit.apply(setpoint(1000.0))

    def lent() -> list[dict[str, Any]]:
        return [
            line
            for line in emulator.commands()
            if line["object"] == f"{NAME}/command/SET_LIMITS"
        ]

    await until(lambda: len(lent()) == 1)
    state = await emulator.ask()
    # 6 kW at some 360 V, below the emulator's own 30 A.
    assert (
        10.0 < state["caps_a"]["max_charge"] < state["caps_a"]["max_discharge"] < 20.0
    )
    # The same order writes nothing to the inverter, and lends the limits anew.
    written = len(emulator.commands())
    await unit.apply(setpoint(1000.0))
    await until(lambda: len(lent()) == 2)
    assert len(emulator.commands()) - written <= 2

    async def lapsed() -> bool:
        return not (await emulator.ask())["caps_a"]

    assert not await lapsed()
    await unit.detach()
    while not await lapsed():
        await hass.async_block_till_done()


async def test_a_battery_that_cools_down_is_lent_less(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
    start_emulator: StartEmulator,
    make_unit: MakeUnit,
) -> None:
    """It may not be charged below 0 °C, and may still be discharged."""
    unit, emulator, readings = await led(
        hass,
        make_unit,
        start_emulator,
        emulator_charge_a=30.0,
        emulator_discharge_a=30.0,
    )
    await emulator.ask("set temperature_min -4")
    await until(lambda: readings and readings[-1].temperature_min_c == -4.0)
    await unit.apply(setpoint(0.0))
    while not (caps_a := (await emulator.ask())["caps_a"]):
        await asyncio.sleep(0.1)
    assert caps_a["max_charge"] == 0.0
    assert caps_a["max_discharge"] > 10.0
