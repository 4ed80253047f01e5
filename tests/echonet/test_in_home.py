"""A home with a station: commands, and what must never be sent to it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    OutcomeKind,
    Reading,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.units.echonet_lite.hub import HUB, Hub
from tests.conftest import UNIT_ID, make_entry, setup, unit_data

from .conftest import QUICK, MakeNode
from .emulator import NODE, Emulator, loopback
from .stations import CHARGER, Car, board_of, charger, u32

STATUS = "sensor.leaf_status"
# A whole Home Assistant shares the loop with the station here: half a second that it
# holds up looks like a slow station, and must not put a command off for a retry.
UNHURRIED = replace(QUICK, apply_s=27.0)


@pytest.fixture
def hub(hass: HomeAssistant, socket_enabled: None) -> Hub:
    """Return the hub, in a hurry but for how long a command may take."""
    hub = hass.data[HUB] = Hub(hass, UNHURRIED)
    return hub


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def make_home(node: Emulator, local_address: str, **data: Any) -> MockConfigEntry:
    assert node.identification is not None
    return make_entry(
        unit_data(
            "echonet_lite",
            local_address=local_address,
            address=node.address,
            node=node.identification.hex(),
            eoj=CHARGER,
            **data,
        ),
        data={"grid": {"kind": "unit"}},
    )


async def charging(hass: HomeAssistant, entry: MockConfigEntry) -> Home:
    """Return a home whose user charges at 3 kW."""
    home = await setup(hass, entry)
    runtime = home.units[UNIT_ID]
    await until(lambda: home.state.guard is Guard.CLEAR)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE, power_w=3000.0)
    await until(
        lambda: (
            runtime.worker.outcome is not None
            and runtime.worker.outcome.kind is OutcomeKind.APPLIED
        )
    )
    return home


async def test_evening(hass: HomeAssistant, hub: Hub, make_node: MakeNode) -> None:
    """Observed first, then charged and discharged, and left in standby."""
    car = Car(soc_percent=60.0, load_w=1200.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    home = await setup(hass, entry)
    runtime = home.units[UNIT_ID]
    unit: Any = runtime.unit
    unit._learner.dead_time_s = 0.1
    await until(lambda: home.state.guard is Guard.CLEAR)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE, power_w=3000.0)
    await asyncio.sleep(0.3)
    # Observing sends nothing.
    assert node.writes() == []
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await until(lambda: (0xDA, b"\x42") in node.writes())
    assert (0xEB, u32(3000)) in node.writes()
    reading = runtime.coordinator.data
    assert reading is not None
    await until(
        lambda: (
            runtime.coordinator.data is not None
            and runtime.coordinator.data.status is UnitStatus.CHARGING
        )
    )
    home.async_change_unit(UNIT_ID, mode=UnitMode.DISCHARGE, power_w=1000.0)
    await until(lambda: (0xDA, b"\x43") in node.writes())
    assert (0xEC, u32(1000)) in node.writes()
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert node.writes()[-1] == (0xDA, b"\x44")
    assert node.most_at_once == 1


async def test_announcement_reaches_the_home(
    hass: HomeAssistant, make_node: MakeNode, socket_enabled: None
) -> None:
    """What the station announces is known, and shown, without anybody asking for it."""
    # Nothing is asked by itself in the time of this test.
    hass.data[HUB] = Hub(hass, replace(UNHURRIED, fast_s=3600.0))
    car = Car(soc_percent=60.0, load_w=1200.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    home = await setup(hass, entry)
    runtime = home.units[UNIT_ID]

    def reading() -> Reading:
        assert runtime.coordinator.data is not None
        return runtime.coordinator.data

    async def heard(condition: Callable[[], bool], *codes: int) -> None:
        """Announce until it is heard: nobody promises that a datagram arrives."""
        for _ in range(4):
            node.live()
            node.announce(CHARGER, *codes)
            with suppress(TimeoutError):
                return await until(condition, 5.0)
        raise AssertionError(f"announced in vain: {codes}")

    # It follows the load at the press of a button on the panel.
    thing = node.things[CHARGER]
    thing.values |= {0xDA: b"\x43", 0xDD: b"\x02"}
    await heard(lambda: reading().power_w == 1150.0, 0xDA, 0xE1)
    assert reading().status is UnitStatus.DISCHARGING
    await until(lambda: hass.states.is_state(STATUS, "discharging"))
    # The grid goes, and the same holds for that.
    car.island = True
    await heard(lambda: home.state.guard is Guard.ISLANDING, 0xDB)
    # And for the car.
    car.island = car.plugged = False
    await heard(lambda: reading().connected is False, 0xDB, 0xC7)
    await until(lambda: hass.states.is_state(STATUS, "disconnected"))
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_announcements_do_not_put_off_what_is_asked(
    hass: HomeAssistant, make_node: MakeNode, socket_enabled: None
) -> None:
    """However often somebody announces in its name, the station itself is asked."""
    # Home Assistant rounds down to whole seconds.
    hass.data[HUB] = Hub(hass, replace(UNHURRIED, fast_s=2.0))
    car = Car(soc_percent=60.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    home = await setup(hass, entry)
    coordinator = home.units[UNIT_ID].coordinator
    await until(lambda: coordinator.last_update_success)

    async def announce() -> None:
        while True:
            node.announce(CHARGER, 0xDA)
            await asyncio.sleep(0.1)

    announcing = asyncio.create_task(announce())
    asked = len(node.requests)
    await until(
        lambda: any(
            epc == 0xD6
            for request in node.requests[asked:]
            for epc, _ in request.properties
        )
    )
    # It falls silent: that is noticed, and what is said in its name does not hide it.
    node.habits.silent = True
    await until(lambda: not coordinator.last_update_success)
    await asyncio.sleep(0.5)
    assert not coordinator.last_update_success
    node.habits.silent = False
    await until(lambda: coordinator.last_update_success)
    announcing.cancel()
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_station_restarts(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """It is there all the time, and told again what it was told before."""
    car = Car(soc_percent=60.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    home = await charging(hass, entry)
    shown: list[str] = []
    hass.bus.async_listen(
        "state_changed",
        lambda event: shown.append(event.data["new_state"].state),
    )
    thing = node.things[CHARGER]
    thing.values |= {0xDA: b"\x44", 0xEB: u32(6000)}
    writes = len(node.writes())
    node.boot()
    await until(lambda: (0xDA, b"\x42") in node.writes()[writes:])
    assert (0xEB, u32(3000)) in node.writes()[writes:]
    reading = home.units[UNIT_ID].coordinator.data
    assert reading is not None
    assert not reading.changed_elsewhere
    assert "unavailable" not in shown
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_set_point_without_time(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """A command that is left standing is bounded by the station itself."""
    car = Car(soc_percent=50.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    await charging(hass, entry)
    assert 0xE7 in [epc for epc, _ in node.writes()]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_islands_while_home_assistant_comes_and_goes(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """Reload, stop, killed and back: nothing takes the light from the house."""
    car = Car(load_w=900.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    home = await charging(hass, entry)
    writes = len(node.writes())
    car.island = True
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    await until(lambda: home.state.guard is Guard.ISLANDING)

    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    home = entry.runtime_data.home
    await until(lambda: home.state.guard is Guard.ISLANDING)
    home.async_change_home(mode=HomeMode.OFF)
    await asyncio.sleep(0.7)
    # As when Home Assistant stops.
    await home.async_stop()
    # As when it was killed: everything new, nothing was told to the station.
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    home = entry.runtime_data.home
    await until(lambda: home.state.guard is Guard.ISLANDING)
    await asyncio.sleep(0.7)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert node.writes()[writes:] == []


async def test_islands_unnoticed_until_it_stops(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """The driver looks before it writes, also when nobody knows yet."""
    car = Car(load_w=900.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    await charging(hass, entry)
    await asyncio.sleep(0.3)
    writes = len(node.writes())
    car.island = True
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert node.writes()[writes:] == []


async def test_grid_meter_dies_with_the_grid(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """The meter is gone first: that alone is reason enough to write nothing."""
    car = Car(load_w=900.0)
    meter = await make_node(board_of(car), serial=2)
    node = await make_node(charger(car))
    assert meter.identification is not None
    entry = make_home(
        node,
        loopback(),
        meters=[
            {
                "address": meter.address,
                "node": meter.identification.hex(),
                "eoj": 0x028701,
                "role": "grid",
            }
        ],
    )
    home = await charging(hass, entry)
    writes = len(node.writes())
    meter.habits.silent = True
    await until(lambda: home.state.guard is Guard.METER_LOST)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await asyncio.sleep(0.5)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert node.writes()[writes:] == []


async def test_station_moves_and_home_assistant_restarts(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """It is followed without a reload, and found again though another sits there."""
    car = Car(soc_percent=60.0)
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback())
    home = await charging(hass, entry)
    data = [subentry.data for subentry in entry.subentries.values()]
    told = node.address
    await node.move(loopback())
    asked = len(node.requests)
    runtime = home.units[UNIT_ID]
    coordinator: Any = runtime.coordinator
    await until(lambda: coordinator.data.restarts == 1)
    assert runtime.coordinator.last_update_success
    assert len(node.requests) > asked
    # Nothing was written to the entry, which would have reloaded the home.
    assert entry.runtime_data.home is home
    assert [subentry.data for subentry in entry.subentries.values()] == data
    # The new address is nobody's business either, wherever an error repeats it.
    assert runtime.worker.outcome is not None
    runtime.worker.outcome = replace(
        runtime.worker.outcome, detail=f"no answer from {node.address}"
    )
    report = str(await async_get_config_entry_diagnostics(hass, entry))
    assert "no answer from **REDACTED**" in report
    assert told not in report
    assert node.address not in report
    assert await hass.config_entries.async_unload(entry.entry_id)

    # No call reaches it any more, and its old address is another's.
    await node.stop()
    node.habits.hears_calls = False
    await node.start()
    other = await make_node(charger(Car(soc_percent=5.0)), address=told, serial=99)
    writes = len(node.writes())
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    home = entry.runtime_data.home
    runtime = home.units[UNIT_ID]
    await until(lambda: len(node.writes()) > writes)
    reading = runtime.coordinator.data
    assert reading is not None
    assert reading.soc_percent == 60.0
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert {request.eoj for request in other.requests} <= {NODE, NODE - 1}


async def test_two_homes_one_socket(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    address = loopback()
    cars = [Car(), Car()]
    nodes = [
        await make_node(charger(car), board_of(car), serial=serial)
        for serial, car in enumerate(cars, 1)
    ]
    entries = [make_home(node, address) for node in nodes]
    for entry in entries:
        await setup(hass, entry)
    async with hub.async_use(address) as lan:
        assert lan.users == 3
    assert await hass.config_entries.async_unload(entries[0].entry_id)
    async with hub.async_use(address) as lan:
        assert lan.users == 2
    assert await hass.config_entries.async_unload(entries[1].entry_id)
    async with hub.async_use(address) as lan:
        assert lan.users == 1
