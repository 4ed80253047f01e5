"""Stations and meters that move, and Home Assistant that was away meanwhile."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import STORAGE_DIR
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import OutcomeKind, Reading
from custom_components.leaf_to_home.store import async_remove_unit
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.units.echonet_lite.driver import EchonetLiteUnit

from .conftest import QUICK, MakeNode, MakeUnit
from .emulator import NODE, Emulator, loopback
from .stations import BATTERY, BOARD, CHARGER, Car, battery, board, charger
from .test_driver import connected, setpoint, until
from .test_house import chosen

# As `make_unit` calls its unit.
KEY = f"{DOMAIN}.echonet_lite.01JUNIT"


async def move(node: Emulator, *, hears_calls: bool = True) -> str:
    """Give the node another address in silence; return the old one."""
    old = node.address
    await node.stop()
    node.address = loopback()
    node.habits.hears_calls = hears_calls
    await node.start()
    return old


async def deaf(node: Emulator) -> None:
    """Put the node behind a router that keeps calls to all from it."""
    await node.stop()
    node.habits.hears_calls = False
    await node.start()


async def followed(unit: EchonetLiteUnit, node: Emulator) -> str:
    """Let the node move and the unit find it; return the old address."""
    await unit.connect()
    old = await move(node)
    with pytest.raises(UnitUnreachable):
        await unit.read()
    await unit.connect()
    await unit.detach()
    return old


async def test_address_changes_with_notice(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """It is followed to where it announces itself from, and never unavailable."""
    meter = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()))
    unit = make_unit(node, meters=[chosen(meter, BOARD)])
    await unit.connect()
    await unit.apply(setpoint(-3000.0))
    old = node.address
    heard: list[Reading] = []
    unit.listen(heard.append)
    await node.move(loopback())
    # It is asked in vain, where it was, at the very same time.
    reading = await unit.read()
    assert (reading.soc_percent, reading.restarts) == (55.0, 1)
    assert heard[-1].restarts == 1
    assert unit.diagnostics()["address"] == node.address != old
    assert (await unit.apply(setpoint(-2000.0))).kind is OutcomeKind.APPLIED
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w != 800.0:
            await asyncio.sleep(0.05)
    # What it announces from there is heard, and it is followed again.
    heard.clear()
    node.announce(CHARGER, 0xDA)
    await until(lambda: heard != [])
    await node.move(loopback())
    assert (await unit.read()).restarts == 2
    # That is remembered.
    await unit.detach()
    node.habits.hears_calls = False
    await node.stop()
    await node.start()
    again = make_unit(node, address=old)
    await again.connect()
    assert (await again.read()).soc_percent == 55.0


async def test_two_units_of_a_node_that_moves(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node = await make_node(charger(Car()), battery())
    units = [make_unit(node), make_unit(node, BATTERY)]
    for unit in units:
        await unit.connect()
    await node.move(loopback())
    readings = [await unit.read() for unit in units]
    assert [reading.soc_percent for reading in readings] == [55.0, 60.0]
    assert [reading.restarts for reading in readings] == [1, 1]


async def test_it_moves_and_is_silent(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """It announces itself and then says nothing more for a while."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    node.on_request = lambda request: (
        setattr(node.habits, "silent", True) if request.eoj == CHARGER else None
    )
    await node.move(loopback())
    with pytest.raises(UnitUnreachable):
        await unit.read()
    node.on_request = None
    node.habits.silent = False
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0


async def test_address_changes_unnoticed(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Home Assistant was away when the node moved."""
    node = await make_node(charger(Car()))
    unit = make_unit(node)
    await node.stop()
    node.address = loopback()
    await node.start()
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0
    assert (await unit.apply(setpoint(-3000.0))).kind is OutcomeKind.APPLIED


async def test_another_node_took_the_address(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node = await make_node(charger(Car()))
    unit = make_unit(node)
    old = node.address
    await node.stop()
    other = await make_node(charger(Car()), address=old, serial=99)
    node.address = loopback()
    await node.start()
    await unit.connect()
    await unit.apply(setpoint(-3000.0))
    assert other.writes() == []
    assert node.writes()


async def test_node_that_claims_to_be_ours(
    make_node: MakeNode, make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    """While ours answers where it was, nobody takes its place, copied name or not."""
    caplog.set_level(logging.DEBUG)
    node, unit = await connected(make_node, make_unit, charger(Car()))
    false = await make_node(charger(Car(soc_percent=1.0)))
    false.identification = node.identification
    false.boot()
    await until(lambda: "its name is too" in caplog.text)
    assert (await unit.read()).soc_percent == 55.0
    await unit.apply(setpoint(-3000.0))
    assert false.writes() == []
    assert false.reads(CHARGER) == []
    # Not even where it is busy, or slow.
    node.habits.delay_s = 0.25
    await unit.read()
    caplog.clear()
    false.boot()
    await until(lambda: "its name is too" in caplog.text)
    assert (await unit.read()).soc_percent == 55.0
    assert false.reads(CHARGER) == []
    # Who says so again and again does not fill the log with warnings.
    (told,) = [
        record for record in caplog.records if "its name is too" in record.message
    ]
    assert told.levelname == "DEBUG"


async def test_node_that_claims_to_be_ours_when_home_assistant_starts(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """A slow node is not beaten by who is quick to call itself by its name."""
    node = await make_node(charger(Car()))
    node.habits.delay_s = 0.9
    false = await make_node(charger(Car(soc_percent=1.0)))
    false.identification = node.identification
    unit = make_unit(node)
    await unit.connect()
    node.habits.delay_s = 0.0
    assert unit.diagnostics()["address"] == node.address
    assert false.reads(CHARGER) == []


async def test_announcement_without_the_name(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """An announcement alone is worth nothing, also when ours is silent."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    false = await make_node(charger(Car(soc_percent=1.0)), serial=99)
    node.habits.silent = True
    false.boot()
    with pytest.raises(UnitUnreachable):
        await unit.read()
    with pytest.raises(UnitUnreachable):
        await unit.connect()
    assert false.reads(CHARGER) == []


async def test_announces_itself_while_it_is_looked_for(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node = await make_node(charger(Car()))
    unit = make_unit(node)
    old = await move(node, hears_calls=False)
    connecting = asyncio.ensure_future(unit.connect())
    await asyncio.sleep(2.0 * QUICK.search_s)
    node.boot()
    await connecting
    assert unit.diagnostics()["address"] == node.address != old


async def test_many_who_claim_to_be_ours(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Those who do not answer do not keep us from the one who does."""
    node = await make_node(charger(Car()))
    unit = make_unit(node)
    for number in range(6):
        claimant = await make_node(charger(Car()), serial=50 + number)
        claimant.on_request = lambda _, it=claimant: setattr(it.habits, "silent", True)
    await move(node)
    async with asyncio.timeout(4.0 * QUICK.answer_s):
        await unit.connect()
    assert (await unit.read()).soc_percent == 55.0


@pytest.mark.parametrize("identification", [None, b"\xfe" + bytes(16), b"\xfe"])
async def test_no_identification_number(
    make_node: MakeNode, make_unit: MakeUnit, identification: bytes | None
) -> None:
    """Maker, product and serial number do as well, wherever the node is."""
    node = await make_node(charger(Car()))
    node.identification = identification
    unit = make_unit(node, node="00006c-vcg-test-sn0001")
    await unit.connect()
    await unit.detach()
    await node.move(loopback())
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0


async def test_old_address_is_dead(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """It is not even called for: it is where it was last."""
    node = await make_node(charger(Car()))
    told = {"address": node.address}
    await followed(make_unit(node), node)
    await deaf(node)
    again = make_unit(node, **told)
    await again.connect()
    assert (await again.read()).soc_percent == 55.0
    assert again.diagnostics()["address"] == node.address


async def test_old_address_is_taken(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """Who sits there now is asked for its name, and for nothing else."""
    node = await make_node(charger(Car()))
    told = {"address": node.address}
    old = await followed(make_unit(node), node)
    await deaf(node)
    other = await make_node(charger(Car(soc_percent=1.0)), address=old, serial=99)
    other.boot()
    again = make_unit(node, **told)
    await again.connect()
    other.boot()
    await asyncio.sleep(0.1)
    assert (await again.read()).soc_percent == 55.0
    await again.apply(setpoint(-3000.0))
    assert node.writes() != []
    assert {request.eoj for request in other.requests} <= {NODE, NODE - 1}
    assert other.writes() == []


async def test_moved_while_home_assistant_was_away(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Both hints are wrong, one is taken: it is called for, and found by its name."""
    node = await make_node(charger(Car()))
    told = {"address": node.address}
    await followed(make_unit(node), node)
    second = await move(node)
    other = await make_node(charger(Car(soc_percent=1.0)), address=second, serial=99)
    again = make_unit(node, **told)
    await again.connect()
    assert (await again.read()).soc_percent == 55.0
    assert {request.eoj for request in other.requests} <= {NODE, NODE - 1}


async def test_station_is_gone_and_another_sits_there(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node = await make_node(charger(Car()))
    unit = make_unit(node)
    await node.stop()
    other = await make_node(charger(Car()), address=node.address, serial=99)
    with pytest.raises(UnitUnreachable):
        await unit.connect()
    assert {request.eoj for request in other.requests} <= {NODE, NODE - 1}


async def test_moves_back(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """What was told in the set-up stays a hint, also where calls are not heard."""
    node = await make_node(charger(Car()))
    told = node.address
    await followed(make_unit(node), node)
    await node.stop()
    node.address = told
    await deaf(node)
    again = make_unit(node)
    await again.connect()
    assert (await again.read()).soc_percent == 55.0


async def test_told_another_address_since(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Who corrects the address by hand is believed, not what was found before."""
    node = await make_node(charger(Car()))
    await followed(make_unit(node), node)
    found = await move(node, hears_calls=False)
    other = await make_node(charger(Car()), address=found, serial=99)
    again = make_unit(node)
    await again.connect()
    assert (await again.read()).soc_percent == 55.0
    # It heard the call to all, but what was found belonged to what was told before.
    assert {request.properties for request in other.requests} <= {((0xD6, b""),)}


async def test_node_whose_address_is_its_name(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """It cannot be followed, so nobody else is taken for it either."""
    thing = charger(Car())
    for epc in (0x8A, 0x8D):
        thing.impossible.add(epc)
    node = await make_node(thing)
    node.identification = None
    unit = make_unit(node)
    await unit.connect()
    await unit.detach()
    await move(node)
    with pytest.raises(UnitUnreachable):
        await unit.connect()


async def test_meter_is_remembered_too(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The one that took its address measures another house."""
    meter = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()))
    meters = [chosen(meter, BOARD)]
    unit = make_unit(node, meters=meters)
    await unit.connect()
    old = await move(meter)
    async with asyncio.timeout(20.0):
        while (await unit.read()).grid_w is not None:
            await asyncio.sleep(0.05)
        while (await unit.read()).grid_w is None:
            await asyncio.sleep(0.05)
    await unit.detach()
    await deaf(meter)
    neighbour = await make_node(board(-5000.0), address=old, serial=77)
    again = make_unit(node, meters=meters)
    await again.connect()
    async with asyncio.timeout(20.0):
        while (grid_w := (await again.read()).grid_w) is None:
            await asyncio.sleep(0.05)
    assert grid_w == 800.0
    assert neighbour.reads(BOARD) == []


async def test_strange_meter_at_the_address(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """While the meter is away nothing is better than the neighbour's value."""
    meter = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()))
    unit = make_unit(node, meters=[chosen(meter, BOARD)])
    await meter.stop()
    neighbour = await make_node(board(-5000.0), address=meter.address, serial=77)
    await unit.connect()
    for _ in range(5):
        assert (await unit.read()).grid_w is None
        await asyncio.sleep(QUICK.seek_s)
    assert neighbour.reads(BOARD) == []


@pytest.mark.parametrize(
    "data",
    [
        {"version": 1, "minor_version": 1, "data": {"nodes": {"x": {"told": "a"}}}},
        {"version": 1, "minor_version": 1, "data": []},
        {"version": 9, "minor_version": 1, "data": {"nodes": {}}},
    ],
)
async def test_what_is_stored_cannot_be_read(
    hass_storage: dict[str, Any],
    make_node: MakeNode,
    make_unit: MakeUnit,
    data: dict[str, Any],
) -> None:
    """It is only a hint; what a newer version wrote is left alone."""
    hass_storage[KEY] = {"key": KEY, **data}
    node = await make_node(charger(Car()))
    told = {"address": node.address}
    await move(node)
    unit = make_unit(node, **told)
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0
    stored = hass_storage[KEY]
    if data["version"] == 9:
        assert stored == {"key": KEY, **data}
    else:
        (known,) = stored["data"]["nodes"].values()
        assert known == {"told": told["address"], "found": node.address}


class TestOnDisk:
    """With real files, which the test library otherwise keeps it from."""

    @pytest.fixture
    def hass_config_dir(self, hass_tmp_config_dir: str) -> str:
        return hass_tmp_config_dir

    @pytest.fixture
    def hass_storage(self) -> dict[str, Any]:
        return {}

    async def test_written_at_once_and_deleted_with_the_unit(
        self, hass: HomeAssistant, make_node: MakeNode, make_unit: MakeUnit
    ) -> None:
        file = Path(hass.config.path(STORAGE_DIR, KEY))
        node = await make_node(charger(Car()))
        told = {"address": node.address}
        unit = make_unit(node)
        await unit.connect()
        # There is nothing to remember about who stays.
        assert not file.exists()
        await move(node)
        await unit.connect()
        assert node.identification is not None
        assert json.loads(file.read_text())["data"] == {
            "nodes": {
                node.identification.hex(): {
                    "told": told["address"],
                    "found": node.address,
                }
            }
        }
        # As after a kill: nothing was told to the unit that ends.
        await deaf(node)
        again = make_unit(node, **told)
        await again.connect()
        assert (await again.read()).soc_percent == 55.0
        assert len(node.reads(CHARGER)) > 0
        await again.detach()
        await async_remove_unit(hass, "01JUNIT")
        assert not file.exists()
