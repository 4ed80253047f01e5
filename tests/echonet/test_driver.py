"""The driver and stations that behave well, each as far as its release goes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.leaf_to_home.engine.battery import UnitSpec
from custom_components.leaf_to_home.engine.model import (
    DischargeSemantics,
    IslandingStart,
    NativeMode,
    OutcomeKind,
    Reading,
    Reason,
    ReasonCode,
    Setpoint,
    UnitStatus,
)
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.units.echonet_lite.driver import EchonetLiteUnit
from custom_components.leaf_to_home.units.echonet_lite.station import vehicle_key

from .conftest import QUICK, SPEC, MakeNode, MakeUnit
from .emulator import NODE, Emulator, Thing
from .stations import (
    BATTERY,
    CHARGER,
    Car,
    battery,
    board_of,
    charger,
    conditioner,
    solar,
    u32,
)


def setpoint(power_w: float, **values: Any) -> Setpoint:
    return Setpoint(power_w=power_w, reason=Reason(code=ReasonCode.PLAN), **values)


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def connected(
    make_node: MakeNode,
    make_unit: MakeUnit,
    *things: Thing,
    cars: dict[str, UnitSpec] | None = None,
    **data: Any,
) -> tuple[Emulator, EchonetLiteUnit]:
    node = await make_node(*things)
    unit = make_unit(node, things[0].eoj, SPEC, cars, **data)
    await unit.connect()
    return node, unit


async def test_reads(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node = await make_node(charger(Car(soc_percent=55.0)))
    unit = make_unit(node)
    info = await unit.connect()
    assert info.manufacturer == "NICHICON CORPORATION"
    assert info.model == "VCG-TEST"
    assert info.sw_version == "Release R"
    assert info.serial_number == "SN0001"
    reading = await unit.read()
    assert reading.soc_percent == 55.0
    assert reading.power_w == 0.0
    assert reading.connected is True
    assert reading.status is UnitStatus.IDLE
    assert reading.islanding is False
    assert reading.fault is None
    assert (reading.max_charge_w, reading.max_discharge_w) == (6000.0, 6000.0)
    assert (reading.charged_kwh, reading.discharged_kwh) == (0.0, 0.0)
    assert reading.changed_elsewhere is False
    assert (reading.grid_w, reading.solar_w) == (None, None)
    # Reading writes nothing.
    assert node.writes() == []


async def test_soc_from_energy(make_node: MakeNode, make_unit: MakeUnit) -> None:
    thing = charger(Car(soc_percent=40.0), without={0xE4})
    _, unit = await connected(make_node, make_unit, thing)
    # Not the 30 % that may still be discharged.
    assert (await unit.read()).soc_percent == pytest.approx(40.0)
    assert unit.capabilities.reports_soc


async def test_unplugged(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """What cannot be answered is unknown, not zero."""
    _, unit = await connected(make_node, make_unit, charger(Car(plugged=False)))
    reading = await unit.read()
    assert reading.connected is False
    assert reading.status is UnitStatus.DISCONNECTED
    assert reading.soc_percent is None
    assert (reading.max_charge_w, reading.max_discharge_w) == (0.0, 0.0)
    assert reading.power_w == 0.0
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "not_connected")


@pytest.mark.parametrize(
    ("release", "settable", "expected"),
    [
        ("G", {0xDA}, (False, False, False, DischargeSemantics.UNKNOWN)),
        ("G", {0xDA, 0xEB, 0xEC}, (True, False, False, DischargeSemantics.UNKNOWN)),
        (
            "N",
            {0xDA, 0xEB, 0xEC, 0xDC, 0xDD},
            (True, True, False, DischargeSemantics.DESIGNATED),
        ),
        (
            "N",
            {0xDA, 0xDD, 0xDE},
            (False, True, True, DischargeSemantics.UNKNOWN),
        ),
        (
            "P",
            {0xDA, 0xDC, 0xDD, 0xE0},
            (True, True, False, DischargeSemantics.UNKNOWN),
        ),
    ],
)
async def test_capabilities_by_maps(
    make_node: MakeNode,
    make_unit: MakeUnit,
    release: str,
    settable: set[int],
    expected: tuple[bool, bool, bool, DischargeSemantics],
) -> None:
    thing = charger(Car(), release=release, settable=settable)
    _, unit = await connected(make_node, make_unit, thing)
    found = unit.capabilities
    assert expected == (
        found.set_power,
        found.native_follow,
        found.native_import_limit,
        found.discharge,
    )
    assert found.islanding is IslandingStart.BY_HAND
    assert found.watchdog_s is None
    assert found.reports_soc


async def test_charges_and_discharges(make_node: MakeNode, make_unit: MakeUnit) -> None:
    car = Car(load_w=5000.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, -3000.0)
    assert node.writes(CHARGER) == [
        (0xDC, b"\x03"),
        (0xEB, u32(3000)),
        (0xDA, b"\x42"),
    ]
    reading = await unit.read()
    assert reading.power_w == -3000.0
    assert reading.status is UnitStatus.CHARGING

    # What stands already is not written again.
    outcome = await unit.apply(setpoint(-2000.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert node.writes(CHARGER)[3:] == [(0xEB, u32(2000))]

    outcome = await unit.apply(setpoint(1500.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, 1500.0)
    assert node.writes(CHARGER)[4:] == [
        (0xDD, b"\x03"),
        (0xEC, u32(1500)),
        (0xDA, b"\x43"),
    ]
    reading = await unit.read()
    assert reading.power_w == 1500.0
    assert reading.status is UnitStatus.DISCHARGING

    outcome = await unit.park()
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, 0.0)
    assert node.writes(CHARGER)[7:] == [(0xDA, b"\x44")]
    # It stands by already.
    assert (await unit.park()).kind is OutcomeKind.APPLIED
    assert len(node.writes(CHARGER)) == 8
    assert node.most_at_once == 1


async def test_mode_only_device(make_node: MakeNode, make_unit: MakeUnit) -> None:
    thing = charger(Car(), release="G", settable={0xDA})
    node, unit = await connected(make_node, make_unit, thing)
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "mode_only")
    assert outcome.power_w is None
    outcome = await unit.apply(setpoint(3000.0))
    assert outcome.detail == "mode_only"
    await unit.apply(setpoint(0.0))
    assert node.writes() == [(0xDA, b"\x42"), (0xDA, b"\x43"), (0xDA, b"\x44")]


async def test_signed_set_point(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(make_node, make_unit, charger(Car(back_feed=True)))
    assert unit.capabilities.export
    outcome = await unit.apply(setpoint(2500.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, 2500.0)
    assert node.writes(CHARGER) == [
        (0xDC, b"\x06"),
        (0xDD, b"\x06"),
        (0xE0, (-2500).to_bytes(4, signed=True)),
        (0xDA, b"\x46"),
    ]
    assert (await unit.read()).power_w == 2500.0
    # Through zero without a change of mode.
    await unit.apply(setpoint(-1000.0))
    assert node.writes(CHARGER)[4:] == [(0xE0, u32(1000))]
    assert (await unit.read()).power_w == -1000.0


async def test_signed_set_point_refused(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The map promises it, the device does not do it: the other way is taken."""
    thing = charger(Car(back_feed=True))
    accept = thing.on_set
    assert accept is not None
    thing.on_set = lambda epc, edt: (epc, edt) != (0xDC, b"\x06") and accept(epc, edt)
    node, unit = await connected(make_node, make_unit, thing)
    outcome = await unit.apply(setpoint(-2500.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert thing.values[0xDA] == b"\x42"
    # The refusal is remembered.
    await unit.apply(setpoint(-2000.0))
    assert node.writes().count((0xDC, b"\x06")) == 1


async def test_load_following(make_node: MakeNode, make_unit: MakeUnit) -> None:
    car = Car(load_w=900.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    assert unit.capabilities.native_follow
    outcome = await unit.apply(setpoint(6000.0, native=NativeMode.FOLLOW))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, None)
    assert node.writes(CHARGER) == [(0xDA, b"\x43")]
    assert (await unit.read()).power_w == 850.0


async def test_load_following_not_offered(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    thing = charger(Car(), release="G", settable={0xDA, 0xEC})
    node, unit = await connected(make_node, make_unit, thing)
    outcome = await unit.apply(setpoint(6000.0, native=NativeMode.FOLLOW))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "not_supported")
    assert node.writes() == []


async def test_limits_of_the_device(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(
        make_node, make_unit, charger(Car(), rated_w=3000.0, least_w=1000.0)
    )
    outcome = await unit.apply(setpoint(-6000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "device_limit")
    assert outcome.power_w == -3000.0
    outcome = await unit.apply(setpoint(-400.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "below_minimum")
    assert (await unit.read()).power_w == 0.0
    assert node.writes()[-1] == (0xDA, b"\x44")


async def test_device_takes_less(make_node: MakeNode, make_unit: MakeUnit) -> None:
    thing = charger(Car())

    def clamp(epc: int, edt: bytes) -> bool:
        if epc == 0xEB:
            thing.on_get = lambda: thing.values.__setitem__(0xEB, u32(1800))
        return True

    thing.on_set = clamp
    _, unit = await connected(make_node, make_unit, thing)
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "device_limit")
    assert outcome.power_w == -1800.0


async def test_energy_bound(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """What is left standing ends by itself; a session's bound is written once."""
    car = Car(soc_percent=50.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(-3000.0, until_soc_percent=80.0))
    assert (0xE7, u32(10_800)) in node.writes()
    await unit.apply(setpoint(-2000.0, until_soc_percent=80.0))
    assert [epc for epc, _ in node.writes()].count(0xE7) == 1
    await unit.apply(setpoint(-2000.0, until_soc_percent=90.0))
    assert [epc for epc, _ in node.writes()].count(0xE7) == 2
    await unit.apply(setpoint(2000.0, until_soc_percent=30.0))
    assert (0xEA, u32(7200)) in node.writes()
    # A bound that lies behind, and none at all.
    await unit.apply(setpoint(-2000.0, until_soc_percent=20.0))
    await unit.apply(setpoint(2000.0))
    assert [epc for epc, _ in node.writes()].count(0xE7) == 2


async def test_energy_bound_refused(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """Without the bound the command still is worth something."""
    thing = charger(Car(soc_percent=50.0))
    thing.on_set = lambda epc, edt: epc != 0xE7
    node, unit = await connected(make_node, make_unit, thing)
    outcome = await unit.apply(setpoint(-3000.0, until_soc_percent=80.0))
    assert outcome.kind is OutcomeKind.APPLIED
    await unit.apply(setpoint(0.0))
    await unit.apply(setpoint(-3000.0, until_soc_percent=80.0))
    assert [epc for epc, _ in node.writes()].count(0xE7) == 1


async def test_storage_battery(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(make_node, make_unit, battery(soc_percent=60))
    reading = await unit.read()
    assert reading.soc_percent == 60.0
    assert reading.soh_percent == 92.0
    assert reading.connected is None
    assert (reading.charged_kwh, reading.discharged_kwh) == (1234.0, 1100.5)
    assert reading.max_charge_w == 3000.0
    outcome = await unit.apply(setpoint(-1000.0, until_soc_percent=90.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, -1000.0)
    assert node.writes(BATTERY) == [
        (0xC1, b"\x03"),
        (0xEB, u32(1000)),
        (0xAA, u32(2400)),
        (0xDA, b"\x42"),
    ]
    assert (await unit.read()).status is UnitStatus.CHARGING
    await unit.apply(setpoint(1000.0))
    assert (await unit.read()).power_w == 1000.0
    assert (await unit.park()).kind is OutcomeKind.APPLIED


@pytest.mark.parametrize(
    ("connection", "status", "charge_w", "discharge_w"),
    [
        (0x40, UnitStatus.NOT_CONTROLLABLE, 0.0, 0.0),
        (0x41, UnitStatus.IDLE, 6000.0, 0.0),
        (0x42, UnitStatus.IDLE, 0.0, 6000.0),
        (0x43, UnitStatus.IDLE, 6000.0, 6000.0),
        (0xFF, UnitStatus.IDLE, 6000.0, 6000.0),
    ],
)
async def test_connection(
    make_node: MakeNode,
    make_unit: MakeUnit,
    connection: int,
    status: UnitStatus,
    charge_w: float,
    discharge_w: float,
) -> None:
    thing = charger(Car())
    thing.on_get = None
    thing.values[0xC7] = bytes([connection])
    node, unit = await connected(make_node, make_unit, thing)
    reading = await unit.read()
    assert reading.status is status
    assert reading.connected is (None if connection == 0xFF else True)
    assert (reading.max_charge_w, reading.max_discharge_w) == (charge_w, discharge_w)
    for power_w, able_w, detail in (
        (-2000.0, charge_w, "not_chargeable"),
        (2000.0, discharge_w, "not_dischargeable"),
    ):
        outcome = await unit.apply(setpoint(power_w))
        if able_w:
            assert outcome.kind is OutcomeKind.APPLIED
        else:
            assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, detail)
    if not charge_w and not discharge_w:
        assert node.writes() == []


async def test_fault(make_node: MakeNode, make_unit: MakeUnit) -> None:
    thing = charger(Car())
    thing.values |= {0x88: b"\x41", 0x89: b"\x03\xe9"}
    _, unit = await connected(make_node, make_unit, thing)
    reading = await unit.read()
    assert reading.status is UnitStatus.FAULT
    assert reading.fault == "03e9"


async def test_preparation(make_node: MakeNode, make_unit: MakeUnit) -> None:
    thing = charger(Car())
    thing.on_get = None
    thing.values[0xE1] = b"\x48"
    _, unit = await connected(make_node, make_unit, thing)
    assert (await unit.read()).status is UnitStatus.STARTING


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        (0x42, UnitStatus.CHARGING),
        (0x43, UnitStatus.DISCHARGING),
        (0x44, UnitStatus.IDLE),
    ],
)
async def test_status_without_power(
    make_node: MakeNode, make_unit: MakeUnit, mode: int, status: UnitStatus
) -> None:
    thing = charger(Car(), release="G", without={0xD3})
    thing.values[0xDA] = bytes([mode])
    _, unit = await connected(make_node, make_unit, thing)
    reading = await unit.read()
    assert reading.power_w is None
    assert reading.status is status


async def test_announcement(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """A change is known at once, and the power that comes with it soon after."""
    car = Car(load_w=2000.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(-3000.0))
    heard: list[Reading] = []
    stop = unit.listen(heard.append)
    await asyncio.sleep(0.2)
    heard.clear()
    thing = node.things[CHARGER]
    thing.values[0xDA] = b"\x43"
    thing.values[0xDD] = b"\x02"
    node.announce(CHARGER, 0xDA)
    await until(lambda: bool(heard) and heard[-1].power_w == 1950.0)
    assert heard[0].changed_elsewhere
    assert heard[0].power_w == -3000.0
    assert heard[-1].status is UnitStatus.DISCHARGING
    stop()


async def test_plugging_in_wakes_the_car(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(plugged=False, asleep=True)
    node, unit = await connected(make_node, make_unit, charger(car))
    assert car.woken == 0
    car.plugged = True
    node.things[CHARGER].on_get()  # type: ignore[misc]
    node.announce(CHARGER, 0xC7)
    heard: list[Reading] = []
    unit.listen(heard.append)
    await until(lambda: bool(heard) and heard[-1].soc_percent == 55.0)
    assert car.woken == 1
    # Bad contact at the plug must not wear the relay.
    car.plugged = False
    await unit.read()
    car.plugged = True
    await unit.read()
    await asyncio.sleep(0.1)
    assert car.woken == 1


async def test_sleeping_car_is_woken_seldom(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(asleep=True)
    node, unit = await connected(make_node, make_unit, charger(car))
    await until(lambda: car.woken == 1)
    await until(lambda: (0xCD, b"\x10") in node.writes())
    for _ in range(3):
        car.asleep = True
        assert (await unit.read()).soc_percent is None
        await asyncio.sleep(0.05)
    assert car.woken == 1
    # A lost connection does not make it any wearier.
    await unit.connect()
    await asyncio.sleep(0.1)
    assert car.woken == 1


async def test_car_is_woken_before_a_session(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car()
    _, unit = await connected(make_node, make_unit, charger(car))
    car.asleep = True
    await asyncio.sleep(0.3)
    outcome = await unit.apply(setpoint(-3000.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert car.woken == 1


async def test_button(make_node: MakeNode, make_unit: MakeUnit) -> None:
    car = Car()
    _, unit = await connected(make_node, make_unit, charger(car))
    await unit.async_refresh_vehicle()
    assert car.woken == 1
    await unit.async_refresh_vehicle()
    assert car.woken == 1
    await unit.detach()
    with pytest.raises(UnitUnreachable):
        await unit.async_refresh_vehicle()


async def test_button_again_after_no_answer(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The car was not asked, so it may be asked as soon as the station is back."""
    car = Car()
    node, unit = await connected(make_node, make_unit, charger(car))
    await asyncio.sleep(0.5)
    node.habits.silent = True
    with pytest.raises(UnitUnreachable):
        await unit.async_refresh_vehicle()
    node.habits.silent = False
    await unit.async_refresh_vehicle()
    assert car.woken == 1


async def test_nothing_wakes_without_the_property(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    thing = charger(Car(asleep=True), settable={0xDA})
    node, unit = await connected(make_node, make_unit, thing)
    await unit.async_refresh_vehicle()
    assert node.writes() == []


async def test_known_and_unknown_cars(
    hass: HomeAssistant, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """A visitor's car is held, and may be added."""
    car = Car()
    thing = charger(car)
    _, unit = await connected(make_node, make_unit, thing)
    known = unit.vehicle
    assert known is not None
    assert car.vehicle.hex() not in known
    await unit.detach()

    node, unit = await connected(
        make_node, make_unit, charger(car), vehicles=[{"key": known}]
    )
    assert (await unit.read()).status is UnitStatus.IDLE
    issues = ir.async_get(hass)
    assert not issues.issues
    car.vehicle = b"VISITOR"
    await asyncio.sleep(0.35)
    reading = await unit.read()
    assert reading.status is UnitStatus.NOT_CONTROLLABLE
    assert reading.soc_percent is None
    assert reading.vehicle not in (None, known)
    (issue,) = issues.issues.values()
    assert issue.is_fixable
    assert issue.data == {"subentry_id": "01JUNIT", "vehicle": reading.vehicle}
    assert issue.translation_placeholders == {"unit": "LEAF"}
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "unknown_vehicle")
    assert node.writes(CHARGER) == []
    car.vehicle = Car().vehicle
    await asyncio.sleep(0.35)
    assert (await unit.read()).soc_percent == 55.0
    assert not issues.issues


async def test_a_car_that_is_left_alone_is_no_issue(
    hass: HomeAssistant, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car()
    thing = charger(car)
    _, unit = await connected(
        make_node,
        make_unit,
        thing,
        vehicles=[{"key": "mine"}],
        visitors=[vehicle_key(thing.values[0xE6])],
    )
    assert (await unit.read()).status is UnitStatus.NOT_CONTROLLABLE
    assert not ir.async_get(hass).issues


async def test_the_car_is_told_with_its_charge(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Where cars are told apart, a charge without a name belongs to nobody."""
    car = Car(asleep=True)
    thing = charger(car, settable={0xDA, 0xEB, 0xEC})
    key = vehicle_key(bytes([len(car.vehicle)]) + car.vehicle)
    node, unit = await connected(
        make_node, make_unit, thing, vehicles=[{"key": key}, {"key": "other"}]
    )
    reading = await unit.read()
    assert (reading.soc_percent, reading.vehicle) == (None, None)
    assert any({0xE4, 0xE6, 0xD3} <= set(asked) for asked in node.reads(CHARGER))
    car.asleep = False
    reading = await unit.read()
    assert (reading.soc_percent, reading.vehicle) == (55.0, key)
    before = len(node.reads(CHARGER))
    await unit.read()
    fast = node.reads(CHARGER)[before]
    assert 0xE6 not in fast
    car.plugged = False
    reading = await unit.read()
    assert (reading.connected, reading.vehicle) == (False, None)


async def test_a_car_that_is_not_told_is_woken(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """But seldom: that wears a relay."""
    car = Car()
    thing = charger(car)
    thing.mute.add(0xE6)
    _, unit = await connected(make_node, make_unit, thing, vehicles=[{"key": "mine"}])
    await until(lambda: car.woken == 1)
    for _ in range(3):
        await unit.read()
    assert car.woken == 1


async def test_the_bound_is_reckoned_with_the_battery_of_the_car(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    thing = charger(Car(soc_percent=60.0), without={0xD0})
    key = vehicle_key(thing.values[0xE6])
    assert key is not None
    node, unit = await connected(
        make_node,
        make_unit,
        thing,
        cars={key: replace(SPEC, usable_kwh=20.0, soh_percent=100.0)},
        vehicles=[{"key": key}],
    )
    await unit.apply(setpoint(2000.0, until_soc_percent=50.0))
    assert (0xEA, u32(2000)) in node.writes(CHARGER)


async def test_following_teaches_nothing_of_commands(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Below the last set-point with the load covered: as a station that follows."""
    car = Car(load_w=3000.0)
    node, unit = await connected(make_node, make_unit, charger(car), board_of(car))
    unit._learner.dead_time_s = 0.01
    await unit.apply(setpoint(2500.0))
    await unit.read()
    await unit.apply(setpoint(6000.0, native=NativeMode.FOLLOW))
    assert node.writes(CHARGER)[-1] == (0xDD, b"\x02")
    for load_w in range(800, 2800, 150):
        car.load_w = float(load_w)
        await unit.read()
        assert unit._contact.station is not None
        unit._contact.station.learner.see(load_w - 50.0, 50.0, 1e6 + load_w)
    assert unit._learner.meaning is None
    outcome = await unit.apply(setpoint(500.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, 500.0)
    assert node.writes(CHARGER)[-2:] == [(0xDD, b"\x03"), (0xEC, u32(500))]


async def test_islanding_from_a_sibling(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The charger does not say it, the battery beside it does."""
    station = charger(Car(), without={0xDB})
    beside = battery()
    _, unit = await connected(make_node, make_unit, station, beside)
    assert (await unit.read()).islanding is False
    beside.values[0xDB] = b"\x01"
    reading = await unit.read()
    assert reading.islanding is True
    assert reading.status is UnitStatus.ISLANDING


@pytest.mark.parametrize("make", [conditioner, solar])
async def test_islanding_from_other_objects(
    make_node: MakeNode, make_unit: MakeUnit, make: Callable[[], Thing]
) -> None:
    beside = make()
    _, unit = await connected(
        make_node, make_unit, charger(Car(), without={0xDB}), beside
    )
    assert (await unit.read()).islanding is False
    beside.values[0xD0] = b"\x01"
    assert (await unit.read()).islanding is True


@pytest.mark.parametrize("thing", [charger, battery])
async def test_islanding_by_settings(
    make_node: MakeNode, make_unit: MakeUnit, thing: Callable[..., Thing]
) -> None:
    """Where nothing measures it, permissions say what they can."""
    made = charger(Car(), without={0xDB}) if thing is charger else battery()
    made.values.pop(0xDB, None)
    made.values.pop(0xDF, None)
    _, unit = await connected(make_node, make_unit, made)
    assert (await unit.read()).islanding is None
    await unit.detach()
    made.values[0xDF if thing is charger else 0xCC] = b"\x42"
    await unit.connect()
    assert (await unit.read()).islanding is True
    made.values[0xDF if thing is charger else 0xCC] = b"\x41"
    await asyncio.sleep(QUICK.slow_s)
    # A setting that is gone is no evidence of anything.
    assert (await unit.read()).islanding is None
    made.values[0xDF if thing is charger else 0xCC] = b"\x42"
    if thing is battery:
        made.values[0xCE] = b"\x42"
        await unit.connect()
        assert (await unit.read()).islanding is False


async def test_diagnostics(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(make_node, make_unit, charger(Car()), solar())
    await unit.apply(setpoint(-3000.0))
    node.send(b"\x10\x81nonsense", unit_address(node))
    await asyncio.sleep(0.05)
    report = unit.diagnostics()
    assert report["connected"] is True
    # Under a key that is taken out of every report, wherever else it stands.
    assert report.pop("address") == node.address
    first = report["objects"][0]
    assert first["eoj"] == "027E01"
    assert first["release"] == "R"
    assert "DA" in first["set"].split()
    assert first["values"]["DA"] == "42"
    assert first["values"]["E6"] == "**"
    assert any(" out node 1 " in line for line in report["frames"])
    assert any("61 EB=00000bb8" in line for line in report["frames"])
    assert any("bytes:" in line for line in report["frames"])
    text = str(report)
    assert node.identification is not None
    secrets = (node.identification.hex(), Car().vehicle.hex(), node.address, "SN0001")
    for secret in (*secrets, b"SN0001".hex()):
        assert secret not in text


async def test_diagnostics_of_a_lost_station(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Who has reason to report it has lost it: what was known is told."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    before = unit.diagnostics()
    node.habits.silent = True
    with pytest.raises(UnitUnreachable):
        await unit.connect()
    report = unit.diagnostics()
    assert report["connected"] is False
    assert report["latency_s"] is None
    assert report["objects"] == before["objects"]
    # The call to all and the questions that nobody answered came last, each once.
    frames = [line.split(maxsplit=1)[1] for line in report["frames"]]
    assert frames[: len(before["frames"])] == [
        line.split(maxsplit=1)[1] for line in before["frames"]
    ]
    later = frames[len(before["frames"]) :]
    assert any(line.startswith("out all ") for line in later)
    assert any(line.startswith("out node 1 ") for line in later)
    assert not any(line.startswith("in node 1 ") for line in later)
    await unit.detach()
    assert unit.diagnostics()["objects"] == before["objects"]


def unit_address(node: Emulator) -> str:
    return node.requests[-1].sender


async def test_not_connected(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node = await make_node(charger(Car()))
    unit = make_unit(node)
    # In the dark it may be long before its maps are read: until then it may carry.
    assert unit.capabilities.islanding is IslandingStart.BY_HAND
    with pytest.raises(UnitUnreachable):
        await unit.read()
    with pytest.raises(UnitUnreachable):
        await unit.apply(setpoint(0.0))
    with pytest.raises(UnitUnreachable):
        await unit.park()
    assert unit.vehicle is None


async def test_node_without_maps(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """Then everything is asked for, and only what must exist is written: nothing."""
    thing = charger(Car())
    thing.mute |= {0x9D, 0x9E, 0x9F}
    _, unit = await connected(make_node, make_unit, thing)
    assert (await unit.read()).soc_percent == 55.0
    assert not unit.capabilities.set_power
    assert unit.capabilities.islanding is IslandingStart.NEVER


async def test_node_without_release(make_node: MakeNode, make_unit: MakeUnit) -> None:
    thing = charger(Car())
    thing.values[0x82] = b"\x00"
    node = await make_node(thing)
    info = await make_unit(node).connect()
    assert info.sw_version is None
    assert NODE not in node.things
