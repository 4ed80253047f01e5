"""The whole story with a device that others have made: the npm package echonet-lite.

Whatever is commanded is looked up in the device's own log.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_INTEGRATION_DISCOVERY,
    SOURCE_USER,
    ConfigEntry,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import instance_id
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    NativeMode,
    OutcomeKind,
    Reading,
    Reason,
    ReasonCode,
    Setpoint,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.unit_runtime import UnitRuntime
from custom_components.leaf_to_home.units.echonet_lite import watch
from custom_components.leaf_to_home.units.echonet_lite.hub import HUB, Hub
from custom_components.leaf_to_home.units.echonet_lite.own_node import identification
from custom_components.leaf_to_home.units.echonet_lite.pace import PACE
from tests.conftest import OPTIONS, setup, unit_data
from tests.flow_walk import Walk
from tests.test_config_flow import BATTERY, FLAT, LIMITS

from .conftest import Peer

# Of the identification number that the package gives itself.
PRODUCER = "fe000077000002"
STATION, STORAGE, BOARD = "027e01", "027d01", "028701"
NODE, CONTROLLER = "0ef001", "05ff01"
# A node that is not there is given up sooner than in a house.
HURRY = replace(PACE, answer_s=3.0, fast_s=1.0, follow_s=0.5, search_s=2.0, seek_s=1.0)

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(autouse=True)
def hub(hass: HomeAssistant, socket_enabled: None) -> None:
    hass.data[HUB] = Hub(hass, HURRY)


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def started(peer: Peer) -> None:
    await until(lambda: any(line["event"] == "start" for line in peer.log()))


def unique_id(peer: Peer, eoj: str) -> str:
    return f"echonet_lite-{peer.node}-{eoj}"


def reading(runtime: UnitRuntime) -> Reading:
    assert runtime.coordinator.data is not None
    return runtime.coordinator.data


async def set_up_by_flow(hass: HomeAssistant, peer: Peer) -> ConfigEntry:
    """Set a home up as a person does who finds the station in a list."""
    walk = await Walk(hass.config_entries.flow, "config").start(
        DOMAIN, source=SOURCE_USER
    )
    await walk.submit(name="House", kind="unit")
    await walk.submit()
    await walk.submit(**LIMITS)
    await walk.choose("flat")
    await walk.submit(**FLAT)
    await walk.choose("echonet_lite")
    # Nothing but the network is given: the rest is found by multicast.
    await walk.submit(local_address=peer.local_address)
    assert walk.step == "echonet_device"
    # Whatever else this machine has is left out.
    proposed = walk.suggested()
    meters = [key for key in proposed["meters"] if peer.node in key]
    assert meters == [unique_id(peer, BOARD)]
    await walk.submit(
        device=unique_id(peer, STATION), meters=meters, inverted=proposed["inverted"]
    )
    assert walk.step == "echonet_cars"
    await walk.submit(**walk.suggested())
    assert walk.step == "echonet_car"
    await walk.submit(**walk.suggested())
    assert walk.step == "battery"
    await walk.submit(**BATTERY)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry: ConfigEntry = walk.result["result"]
    return entry


async def test_whole_story(hass: HomeAssistant, peer: Peer) -> None:
    """Found, set up, read, charged, discharged, following the load, left idle."""
    await started(peer)
    entry = await set_up_by_flow(hass, peer)
    home: Home = entry.runtime_data.home
    (key, runtime), *_ = home.units.items()
    await until(lambda: runtime.coordinator.data is not None)
    assert reading(runtime).soc_percent == 50.0
    assert reading(runtime).connected
    assert reading(runtime).grid_w == 900.0
    assert runtime.info is not None
    assert runtime.info.model == "NPM-V2H"

    await until(lambda: home.state.guard is Guard.CLEAR)
    # A new home observes, and nothing is sent.
    home.async_change_unit(key, mode=UnitMode.CHARGE, power_w=3000.0)
    await asyncio.sleep(1.0)
    assert peer.writes() == []

    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await until(lambda: ("da", "42") in peer.writes())
    assert ("eb", f"{3000:08x}") in peer.writes()
    assert ("dc", "03") in peer.writes()
    # What is left standing is bounded.
    assert "e7" in [epc for epc, _ in peer.writes()]
    await until(lambda: reading(runtime).status is UnitStatus.CHARGING)
    await until(lambda: reading(runtime).grid_w == 3900.0)
    assert reading(runtime).power_w == -3000.0

    # From here on the driver is led by hand: the loop waits between two directions.
    home.async_change_home(mode=HomeMode.OBSERVE)
    await until(lambda: peer.writes()[-1] == ("da", "44"))
    reason = Reason(code=ReasonCode.USER_DISCHARGE)
    outcome = await runtime.unit.apply(Setpoint(power_w=700.0, reason=reason))
    assert outcome.kind is OutcomeKind.APPLIED
    assert peer.writes()[-3:] == [("dd", "03"), ("ec", f"{700:08x}"), ("da", "43")]
    await until(lambda: reading(runtime).power_w == 700.0)
    await until(lambda: reading(runtime).grid_w == 200.0)

    follow = Setpoint(power_w=6000.0, native=NativeMode.FOLLOW, reason=reason)
    outcome = await runtime.unit.apply(follow)
    assert outcome.kind is OutcomeKind.APPLIED
    assert peer.writes()[-1] == ("dd", "02")
    await until(lambda: reading(runtime).power_w == 850.0)
    peer.set_load(1500.0)
    await until(lambda: reading(runtime).power_w == 1450.0)

    home.async_change_unit(key, mode=UnitMode.AUTOMATIC)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert peer.writes()[-1] == ("da", "44")
    assert peer.writes(STORAGE) == []


def entry_of(peer: Peer, eoj: str, node: str) -> MockConfigEntry:
    """Return a home with one device of a node."""
    data = unit_data(
        "echonet_lite",
        local_address=peer.local_address,
        address=peer.address,
        node=node,
        eoj=int(eoj, 16),
    )
    return MockConfigEntry(
        domain=DOMAIN,
        title="Home",
        data={"grid": {"kind": "unit"}},
        options=OPTIONS,
        subentries_data=[
            {
                "data": data,
                "subentry_type": SUBENTRY_UNIT,
                "title": "LEAF",
                "unique_id": f"echonet_lite-{node}-{eoj}",
            }
        ],
    )


async def search(hass: HomeAssistant, *, hours: float = 0.0) -> None:
    """Let the time of the next search come."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=hours, seconds=61))
    await asyncio.sleep(HURRY.search_s + 1.0)
    await hass.async_block_till_done()


def offered(hass: HomeAssistant) -> list[dict[str, Any]]:
    return [
        dict(flow)
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        if flow["context"]["source"] == SOURCE_INTEGRATION_DISCOVERY
        and PRODUCER in (flow["context"]["unique_id"] or "")
    ]


async def test_found_later(hass: HomeAssistant, peer: Peer) -> None:
    """A second device of the house is offered, added, and charged."""
    await started(peer)
    entry = entry_of(peer, STATION, peer.node)
    await setup(hass, entry)
    assert offered(hass) == []
    await search(hass)
    (flow,) = offered(hass)
    assert flow["context"]["unique_id"] == unique_id(peer, STORAGE)

    walk = Walk(hass.config_entries.flow, "config")
    walk.result = dict(await hass.config_entries.flow.async_configure(flow["flow_id"]))
    assert walk.step == "discovered"
    await walk.submit(home=entry.entry_id)
    assert walk.step == "echonet_device"
    proposed = walk.suggested()
    assert proposed["device"] == unique_id(peer, STORAGE)
    await walk.submit(**proposed | {"meters": []})
    await walk.submit(**BATTERY | {"name": "Second life"})
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "unit_added"
    await hass.async_block_till_done()

    (key,) = [
        key
        for key, subentry in entry.subentries.items()
        if subentry.unique_id == unique_id(peer, STORAGE)
    ]
    await until(lambda: entry.runtime_data.home.units.keys() >= {key})
    home: Home = entry.runtime_data.home
    await until(lambda: home.units[key].coordinator.data is not None)
    assert reading(home.units[key]).soc_percent == 60.0
    await until(lambda: home.state.guard is Guard.CLEAR)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(key, mode=UnitMode.CHARGE, power_w=1000.0)
    await until(lambda: ("da", "42") in peer.writes(STORAGE), 60.0)
    assert ("eb", f"{1000:08x}") in peer.writes(STORAGE)
    await hass.config_entries.async_unload(entry.entry_id)
    assert peer.writes(STORAGE)[-1] == ("da", "44")


async def test_found_at_once(
    hass: HomeAssistant, network: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that says that it is there is offered without a search."""
    monkeypatch.setattr(watch, "SETTLE_S", 0.5)
    peer = network
    entry = entry_of(peer, "027e02", "fe" + "00" * 15 + "01")
    await setup(hass, entry)
    async with hass.data[HUB].async_use(peer.local_address):
        peer.start()
        wanted = 2
        await until(lambda: len(offered(hass)) == wanted)
    assert {flow["context"]["unique_id"] for flow in offered(hass)} == {
        unique_id(peer, STATION),
        unique_id(peer, STORAGE),
    }
    await hass.config_entries.async_unload(entry.entry_id)


async def test_another_controller_gets_to_know_us(
    hass: HomeAssistant, network: Peer
) -> None:
    """It searches, reads what our maps list, and is refused what it wants to set."""
    peer = network
    peer.start(curious=True)
    await started(peer)
    number = identification(await instance_id.async_get(hass)).hex()
    expected = {
        NODE: {
            "80": "30",
            "82": "010d0100",
            "83": number,
            "8a": "ffffff",
            "8c": b"LEAF to Home".hex(),
            "9d": "0280d5",
            "9e": "00",
            "9f": "0c8082838a8c9d9e9fd3d4d6d7",
            "d3": "000001",
            "d4": "0002",
            # Only its call to all asks for this one.
            "d6": "0105ff01",
            "d7": "0105ff",
        },
        CONTROLLER: {
            "80": "30",
            "81": "00",
            "82": "00005201",
            "88": "42",
            "8a": "ffffff",
            "8c": b"LEAF to Home".hex(),
            "9d": "03808188",
            "9e": "00",
            "9f": "09808182888a8c9d9e9f",
        },
    }
    known: dict[str, dict[str, str]] = {NODE: {}, CONTROLLER: {}}

    def complete() -> bool:
        for eoj, service, values in peer.answers():
            if service == "72":
                known[eoj] |= values
        return all(known[eoj].keys() >= expected[eoj].keys() for eoj in expected)

    async with hass.data[HUB].async_use(peer.local_address):
        await until(complete)
        assert known == expected
        told = [
            # The search of version 1.0 has it announced.
            (NODE, "73", {"d5": "0105ff01"}),
            *(
                (eoj, service, values)
                for eoj in (NODE, CONTROLLER)
                for service, values in (
                    ("51", {"80": "31"}),
                    ("50", {"80": "31"}),
                    ("7a", {"88": ""}),
                    ("73", {"80": "30"}),
                    ("52", {"e4": ""}),
                )
            ),
        ]
        await until(lambda: all(line in peer.answers() for line in told))


async def test_ignored_stays_ignored(hass: HomeAssistant, network: Peer) -> None:
    """A device that appears is offered once; who ignores it is asked no more."""
    peer = network
    # There is a home on this network whose station is away.
    entry = entry_of(peer, "027e02", "fe" + "00" * 15 + "01")
    await setup(hass, entry)
    await search(hass)
    assert offered(hass) == []

    peer.start()
    await started(peer)
    await search(hass, hours=1.0)
    flows = offered(hass)
    wanted = {unique_id(peer, STATION), unique_id(peer, STORAGE)}
    assert {flow["context"]["unique_id"] for flow in flows} == wanted
    for flow in flows:
        await hass.config_entries.flow.async_init(
            DOMAIN,
            context={"source": SOURCE_IGNORE},
            data={"unique_id": flow["context"]["unique_id"], "title": "Not mine"},
        )
    await hass.async_block_till_done()
    assert offered(hass) == []
    await search(hass, hours=2.5)
    assert offered(hass) == []
    assert peer.writes() == peer.writes(STORAGE) == []
    await hass.config_entries.async_unload(entry.entry_id)
