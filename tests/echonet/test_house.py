"""What the same network measures of the house."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.model import Reading, UnitStatus
from custom_components.leaf_to_home.units.echonet_lite.house import own_meters
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub
from scripts.tools import echonet_emulator

from .conftest import QUICK, MakeNode, MakeUnit
from .emulator import Emulator, loopback
from .stations import (
    BATTERY,
    BOARD,
    CHARGER,
    METER,
    PCS,
    SOLAR,
    Car,
    battery,
    board,
    board_of,
    charger,
    conditioner,
    i32,
    meter,
    solar,
)
from .test_driver import connected, setpoint


def chosen(node: Emulator, eoj: int, role: str = "grid", **values: bool) -> dict:
    assert node.identification is not None
    return {
        "address": node.address,
        "node": node.identification.hex(),
        "eoj": eoj,
        "role": role,
        **values,
    }


def test_own_meters() -> None:
    """The smart meter goes before the board; the conditioner has to be chosen."""
    found = own_meters("a", "n", (CHARGER, BOARD, METER, SOLAR, SOLAR + 1, PCS))
    assert [(meter.eoj, meter.role) for meter in found] == [
        (METER, "grid"),
        (SOLAR, "solar"),
        (SOLAR + 1, "solar"),
    ]
    assert [meter.eoj for meter in own_meters("a", "n", (BOARD, PCS))] == [BOARD]


async def test_station_that_measures_the_house(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(load_w=700.0)
    _, unit = await connected(
        make_node, make_unit, charger(car), board_of(car), solar(1500.0)
    )
    reading = await unit.read()
    assert (reading.grid_w, reading.solar_w) == (700.0, 1500.0)
    await unit.apply(setpoint(-2000.0))
    assert (await unit.read()).grid_w == 2700.0


@pytest.mark.parametrize(
    ("edt", "grid_w"), [(i32(-300), -300.0), (bytes.fromhex("7ffffffe"), None)]
)
async def test_smart_meter(
    make_node: MakeNode, make_unit: MakeUnit, edt: bytes, grid_w: float | None
) -> None:
    measures = meter()
    measures.values[0xE7] = edt
    _, unit = await connected(make_node, make_unit, charger(Car()), measures)
    assert (await unit.read()).grid_w == grid_w


async def test_part_of_the_sun_is_unknown(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    second = solar(500.0)
    second.eoj = SOLAR + 1
    _, unit = await connected(
        make_node, make_unit, charger(Car()), solar(1500.0), second
    )
    assert (await unit.read()).solar_w == 2000.0
    second.impossible.add(0xE0)
    assert (await unit.read()).solar_w is None


async def test_meter_of_another_node(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """Chosen meters are the only ones; one may count the other way round."""
    other = await make_node(board(800.0), conditioner(), serial=2)
    node = await make_node(charger(Car()), board(1.0))
    unit = make_unit(
        node, meters=[chosen(other, PCS, inverted=True), chosen(other, BOARD, "solar")]
    )
    await unit.connect()

    async def measured() -> tuple[float | None, float | None]:
        reading = await unit.read()
        return reading.grid_w, reading.solar_w

    async with asyncio.timeout(20.0):
        while None in await measured():
            await asyncio.sleep(0.05)
    assert await measured() == (700.0, 800.0)


async def test_station_restarts_and_the_meter_does_not(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """That the meter is not heard would count as the beginning of an outage."""
    meter = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()))
    unit = make_unit(node, meters=[chosen(meter, BOARD)])
    await unit.connect()
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.05)
    heard: list[Reading] = []
    unit.listen(heard.append)
    node.boot()
    await asyncio.sleep(QUICK.anew_s + 0.05)
    node.announce(CHARGER, 0xDA)
    reading = await unit.read()
    assert (reading.restarts, reading.grid_w) == (1, 800.0)
    assert {known.grid_w for known in heard} <= {800.0}


async def test_one_of_two_units_of_a_node_is_lost(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """What the other one still uses is not taken for what was let go of."""
    meter = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()), battery())
    unit = make_unit(node, meters=[chosen(meter, BOARD)])
    other = make_unit(node, BATTERY)
    await unit.connect()
    await other.connect()
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.05)
    await unit.connect()
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.05)
    assert (await other.read()).soc_percent == 60.0


async def test_meter_dies_with_the_grid(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The station is not kept waiting, and nothing old is told as new."""
    car = Car()
    other = await make_node(board(800.0), serial=2)
    node = await make_node(charger(car))
    unit = make_unit(node, meters=[chosen(other, BOARD)])
    await unit.connect()
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.05)
    assert (await unit.read()).grid_w == 800.0
    other.habits.silent = True
    car.island = True
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    reading = await unit.read()
    # Whoever waits for the meter waits until it is given up.
    assert loop.time() - begun_s < QUICK.answer_s
    assert reading.status is UnitStatus.ISLANDING
    await asyncio.sleep(QUICK.meter_age_s)
    assert (await unit.read()).grid_w is None
    # It comes back with the grid.
    other.habits.silent = False
    async with asyncio.timeout(30.0):
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.1)


async def test_meter_moves(make_node: MakeNode, make_unit: MakeUnit) -> None:
    other = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()))
    unit = make_unit(node, meters=[chosen(other, BOARD)])
    await unit.connect()
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.05)
    assert (await unit.read()).grid_w == 800.0
    await other.move(loopback())
    await asyncio.sleep(QUICK.meter_age_s)
    assert (await unit.read()).grid_w is None
    async with asyncio.timeout(30.0):
        while (await unit.read()).grid_w != 800.0:
            await asyncio.sleep(0.2)


async def test_meter_that_is_away_is_called_for_seldom(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """It is asked where it was all the time, but not everybody is."""
    gone = Emulator(loopback(), [], serial=3)
    node = await make_node(charger(Car()))
    unit = make_unit(node, meters=[chosen(gone, BOARD)])
    unit._hub.pace = replace(QUICK, seek_s=3600.0)
    await unit.connect()
    lan = unit._contact.lan
    assert lan is not None

    def asked(address: str) -> int:
        out = [note for note in lan.endpoint.log if note.direction == "out"]
        return sum(note.address == address for note in out)

    for _ in range(8):
        await unit.read()
        await asyncio.sleep(QUICK.answer_s / 2.0)
    assert asked(gone.address) >= 3
    # Two that found the station, two for the meter, one that said that we are there.
    assert asked(echonet_emulator.GROUP) <= 5


async def test_meter_that_is_not_there(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    gone = Emulator(loopback(), [], serial=3)
    node = await make_node(charger(Car()))
    unit = make_unit(node, meters=[chosen(gone, BOARD)])
    await unit.connect()
    assert (await unit.read()).grid_w is None


async def test_objects_beside_the_battery_fall_silent(
    hub: Hub, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The battery itself is still read, and soon enough."""
    # However slow the machine is, none is called for again meanwhile.
    hub.pace = replace(QUICK, silent_s=60.0)
    measures, panels = board(), solar()
    station = charger(Car(), without={0xDB})
    node, unit = await connected(make_node, make_unit, station, measures, panels)
    assert (await unit.read()).grid_w == 500.0
    for thing in (measures, panels):
        thing.mute |= set(range(0x80, 0x100))
    await asyncio.sleep(QUICK.meter_age_s)
    await unit.read()
    loop = asyncio.get_running_loop()
    took_s: list[float] = []
    asked = len(node.reads(BOARD)) + len(node.reads(SOLAR))
    for _ in range(10):
        begun_s = loop.time()
        reading = await unit.read()
        took_s.append(loop.time() - begun_s)
        assert reading.soc_percent == 55.0
        assert (reading.grid_w, reading.islanding) == (None, False)
    # A machine that is busy may hold one up, but not most of them.
    assert sorted(took_s)[5] < 0.5
    assert len(node.reads(BOARD)) + len(node.reads(SOLAR)) - asked <= 4
    await unit.detach()
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0
    assert node.writes() == []
