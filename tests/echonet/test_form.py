"""Finding a station: the search, the choice, and what is offered by itself."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
import socket
from typing import Any

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_INTEGRATION_DISCOVERY,
    SOURCE_RECONFIGURE,
    SOURCE_USER,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from custom_components.leaf_to_home.units import echonet_lite_discovery
from custom_components.leaf_to_home.units.echonet_lite import watch
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub
from custom_components.leaf_to_home.units.echonet_lite.search import (
    SearchError,
    async_look,
    async_vehicle,
)
from custom_components.leaf_to_home.units.echonet_lite.station import vehicle_key
from tests.conftest import make_entry, setup, unit_data
from tests.flow_walk import Walk

from .conftest import MakeNode
from .emulator import PORT, Emulator, Thing, loopback
from .stations import (
    BATTERY,
    BOARD,
    CHARGER,
    PCS,
    SOLAR,
    Car,
    battery,
    board,
    charger,
    conditioner,
    solar,
)
from .test_driver import until

BATTERY_FORM: dict[str, Any] = {
    "name": "LEAF",
    "preset": "leaf-40",
    "soh_percent": 90,
    "reserve_percent": 30,
    "spec": {},
}


@pytest.fixture
def local(hub: Hub) -> str:
    """Return an address of our own, with the hub in a hurry."""
    return loopback()


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home without units, not loaded."""
    entry = make_entry()
    entry.add_to_hass(hass)
    return entry


async def add(hass: HomeAssistant, home: MockConfigEntry) -> Walk:
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start((home.entry_id, SUBENTRY_UNIT), source=SOURCE_USER)
    await walk.choose("echonet_lite")
    assert walk.step == "echonet_lite"
    return walk


async def change(hass: HomeAssistant, home: MockConfigEntry) -> Walk:
    (subentry_id,) = home.subentries
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (home.entry_id, SUBENTRY_UNIT),
        source=SOURCE_RECONFIGURE,
        subentry_id=subentry_id,
    )
    await walk.choose("hardware")
    return walk


def node_name(node: Emulator) -> str:
    assert node.identification is not None
    return node.identification.hex()


def unique_id(node: Emulator, eoj: int) -> str:
    return f"echonet_lite-{node_name(node)}-{eoj:06x}"


def options(walk: Walk, field: str) -> dict[str, str]:
    selector = walk.result["data_schema"].schema[field]
    return {item["value"]: item["label"] for item in selector.config["options"]}


async def test_search_and_choose(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    car = Car()
    node = await make_node(
        charger(car), battery(), board(), solar(), conditioner(), serial=7
    )
    walk = await add(hass, home)
    assert walk.suggested() == {"host": None, "local_address": None}
    await walk.submit(local_address=local)
    assert walk.step == "echonet_device"
    # The storage battery's instance number is not 1.
    assert options(walk, "device") == {
        unique_id(node, CHARGER): (
            "NICHICON CORPORATION · VCG-TEST · EV charger and discharger 027E01 · "
            + node.address
        ),
        unique_id(node, BATTERY): (
            "NICHICON CORPORATION · ESS-TEST · Storage battery 027D1F · " + node.address
        ),
    }
    shown = options(walk, "meters")
    assert shown.keys() == {unique_id(node, eoj) for eoj in (BOARD, SOLAR, PCS)}
    assert shown[unique_id(node, BOARD)].endswith(": 500 W")
    assert walk.suggested() == {
        "device": unique_id(node, CHARGER),
        # What the conditioner measures has to be found out.
        "meters": [unique_id(node, BOARD), unique_id(node, SOLAR)],
        "inverted": False,
        "native_follow": True,
    }
    await walk.submit(
        device=unique_id(node, CHARGER),
        meters=[unique_id(node, BOARD), unique_id(node, SOLAR)],
        inverted=True,
    )
    assert walk.step == "echonet_cars"
    key = vehicle_key(bytes([len(car.vehicle)]) + car.vehicle)
    assert walk.placeholders["plugged"] == key
    assert walk.suggested() == {"cars": [key]}
    await walk.submit(cars=[key])
    assert walk.step == "echonet_car"
    assert walk.placeholders == {"key": key, "number": "1", "count": "1"}
    assert walk.suggested() == {"name": "LEAF", "preset": "as_unit"}
    await walk.submit(name=" ", preset="as_unit")
    assert walk.errors == {"name": "name_missing"}
    await walk.submit(name="Unknown", preset="as_unit")
    assert walk.errors == {"name": "car_name_used"}
    await walk.submit(name="L" * 65, preset="as_unit")
    assert walk.errors == {"name": "car_name_long"}
    await walk.submit(name=" Yuki's ", preset="leaf-24", soh_percent=70)
    assert walk.step == "battery"
    await walk.submit(**BATTERY_FORM)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    (unit,) = home.subentries.values()
    assert unit.unique_id == unique_id(node, CHARGER)
    where = {"address": node.address, "node": node_name(node)}
    assert {key: unit.data[key] for key in unit.data if key != "spec"} == {
        "driver": "echonet_lite",
        "preset": "leaf-40",
        "soh_percent": 90,
        "local_address": local,
        **where,
        "eoj": CHARGER,
        "meters": [
            {**where, "eoj": BOARD, "role": "grid", "inverted": True},
            {**where, "eoj": SOLAR, "role": "solar", "inverted": False},
        ],
        "native_follow": True,
        "vehicles": [
            {"key": key, "name": "Yuki's", "preset": "leaf-24", "soh_percent": 70}
        ],
    }
    # Nothing was written to anything.
    assert node.writes() == []


async def test_first_unit_of_a_new_home(
    hass: HomeAssistant, local: str, make_node: MakeNode
) -> None:
    from tests.test_config_flow import at_first_unit

    node = await make_node(battery())
    walk = await at_first_unit(hass)
    await walk.choose("echonet_lite")
    await walk.submit(local_address=local, host=node.address)
    await walk.submit(device=unique_id(node, BATTERY))
    # A storage battery has no car.
    assert walk.step == "battery"
    await walk.submit(**BATTERY_FORM)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    (unit,) = walk.result["result"].subentries.values()
    assert unit.unique_id == unique_id(node, BATTERY)
    assert unit.data["meters"] == []
    assert unit.data["vehicles"] == []


async def test_by_address(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    """The station is named; of its neighbours only the meters show."""
    node = await make_node(charger(Car(plugged=False)), serial=1)
    meter = await make_node(board(), serial=2)
    await make_node(charger(Car()), serial=3)
    walk = await add(hass, home)
    await walk.submit(local_address=local, host=f" {node.address} ")
    assert list(options(walk, "device")) == [unique_id(node, CHARGER)]
    assert list(options(walk, "meters")) == [unique_id(meter, BOARD)]
    await walk.submit(device=unique_id(node, CHARGER), inverted=False)
    assert walk.step == "battery"


@contextmanager
def port_taken(address: str) -> Generator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((address, PORT))
        yield


async def test_errors_and_recovery(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    walk = await add(hass, home)
    for values, error in (
        ({"local_address": "eth0"}, {"local_address": "not_an_ip"}),
        ({"host": "station"}, {"host": "not_an_ip"}),
        ({"host": "224.0.23.0"}, {"host": "not_an_ip"}),
        ({"local_address": "198.51.100.9"}, {"local_address": "not_an_address_here"}),
        ({"host": loopback()}, {"host": "no_answer"}),
        ({}, {"base": "nothing_found"}),
    ):
        await walk.submit(**{"local_address": local, **values})
        assert walk.step == "echonet_lite"
        assert walk.errors == error, values
    hass.config.components.add("echonetlite")
    with port_taken(local):
        await walk.submit(local_address=local)
    assert walk.errors == {"base": "port_taken"}
    assert walk.placeholders["program"] == "echonetlite"
    only_meter = await make_node(board())
    await walk.submit(local_address=local, host=only_meter.address)
    assert walk.errors == {"host": "no_battery"}
    node = await make_node(charger(Car()), serial=2)
    await walk.submit(local_address=local)
    assert walk.step == "echonet_device"
    assert list(options(walk, "device")) == [unique_id(node, CHARGER)]


async def test_used_in_another_home(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    node = await make_node(charger(Car()))
    walk = await add(hass, home)
    await walk.submit(local_address=local)
    await walk.submit(device=unique_id(node, CHARGER))
    await walk.submit()
    await walk.submit(**BATTERY_FORM)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    other = make_entry()
    other.add_to_hass(hass)
    walk = await add(hass, other)
    await walk.submit(local_address=local)
    await walk.submit(device=unique_id(node, CHARGER))
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "unit_already_configured"


async def test_reconfigure(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    """A second car and another meter; what was chosen is proposed again."""
    car = Car()
    node = await make_node(charger(car), board(), solar())
    walk = await add(hass, home)
    await walk.submit(local_address=local)
    await walk.submit(
        device=unique_id(node, CHARGER), meters=[unique_id(node, BOARD)], inverted=True
    )
    (first,) = walk.suggested()["cars"]
    await walk.submit(cars=[first])
    await walk.submit(name="First", preset="as_unit", soh_percent=80)
    await walk.submit(**BATTERY_FORM)
    # A car that was left alone may turn out to belong here.
    (unit,) = home.subentries.values()
    second = vehicle_key(b"\x0aSECONDLEAF")
    hass.config_entries.async_update_subentry(
        home, unit, data={**unit.data, "visitors": ["third", second]}
    )

    car.vehicle = b"SECONDLEAF"
    walk = await change(hass, home)
    assert walk.suggested() == {"host": node.address, "local_address": local}
    await walk.submit(local_address=local, host=node.address)
    assert walk.suggested() == {
        "device": unique_id(node, CHARGER),
        "meters": [unique_id(node, BOARD)],
        "inverted": True,
        "native_follow": True,
    }
    await walk.submit(
        device=unique_id(node, CHARGER), meters=[], inverted=False, native_follow=False
    )
    assert walk.suggested()["cars"] == [first]
    assert options(walk, "cars") == {first: f"First ({first})", second: second}
    assert walk.placeholders["plugged"] == second
    await walk.submit(cars=[first, second])
    assert walk.suggested()["name"] == "First"
    assert walk.suggested()["soh_percent"] == 80
    await walk.submit(name="First", preset="as_unit", soh_percent=79)
    assert walk.placeholders["number"] == "2"
    assert walk.suggested()["name"] == "LEAF 2"
    await walk.submit(name="first", preset="as_unit")
    assert walk.errors == {"name": "car_name_used"}
    await walk.submit(name="Second", preset="as_unit", usable_kwh=20)
    del (form := dict(BATTERY_FORM))["reserve_percent"]
    await walk.submit(**form)
    assert walk.result["type"] is FlowResultType.ABORT
    (unit,) = home.subentries.values()
    assert unit.data["meters"] == []
    assert unit.data["native_follow"] is False
    assert unit.data["vehicles"] == [
        {"key": first, "name": "First", "soh_percent": 79},
        {"key": second, "name": "Second", "usable_kwh": 20},
    ]
    assert unit.data["visitors"] == ["third"]


async def test_reconfigure_a_station_that_has_moved(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    """Where it was set up another one sits by now, which is not proposed."""
    node = await make_node(charger(Car()), board())
    walk = await add(hass, home)
    await walk.submit(local_address=local)
    await walk.submit(
        device=unique_id(node, CHARGER),
        meters=[unique_id(node, BOARD)],
        inverted=False,
    )
    # The cars, and what is said of the one at the plug.
    await walk.submit(**walk.suggested())
    await walk.submit(**walk.suggested())
    await walk.submit(**BATTERY_FORM)
    await setup(hass, home)
    told = node.address
    await node.move(loopback())
    (unit,) = home.runtime_data.home.units.values()
    await until(lambda: unit.unit.diagnostics()["address"] == node.address, 10.0)
    await make_node(charger(Car()), address=told, serial=99)

    walk = await change(hass, home)
    assert walk.suggested() == {"host": node.address, "local_address": local}
    await walk.submit(**walk.suggested())
    assert walk.suggested()["device"] == unique_id(node, CHARGER)
    await walk.submit(**walk.suggested())
    await walk.submit(**walk.suggested())
    await walk.submit(**walk.suggested())
    del (form := dict(BATTERY_FORM))["reserve_percent"]
    await walk.submit(**form)
    await hass.async_block_till_done()
    (subentry,) = home.subentries.values()
    assert subentry.data["address"] == node.address
    assert await hass.config_entries.async_unload(home.entry_id)


async def test_names_in_japanese(
    hass: HomeAssistant, local: str, make_node: MakeNode
) -> None:
    thing = charger(Car())
    thing.values[0x8A] = bytes.fromhex("abcdef")
    node = await make_node(thing, board())
    hass.config.language = "ja"
    found = await async_look(hass, local, node.address)
    assert found.batteries[0].label.startswith("ABCDEF · VCG-TEST · 電気自動車充放電器")
    assert found.meters[0].label.startswith("ニチコン株式会社")


async def test_what_answers_badly(
    hass: HomeAssistant, local: str, make_node: MakeNode
) -> None:
    """Objects without maker, code or value; a node that falls silent."""
    thing = charger(Car())
    thing.values[0x8C] = b"\x00" * 12
    thing.impossible.add(0x8A)
    measures = board()
    measures.impossible.add(0xC6)
    strange = Thing(eoj=0x013001, values={})
    node = await make_node(thing, measures, strange)
    node.identification = None
    found = await async_look(hass, local, node.address)
    device = found.batteries[0].device
    # Without any number of its own the node is its address.
    assert device.node == node.address
    assert found.meters[0].label.endswith(": ? W")
    await node.stop()
    assert await async_vehicle(hass, local, device) is None
    with port_taken(local):
        assert await async_vehicle(hass, local, device) is None


async def test_offered_by_itself(
    hass: HomeAssistant,
    home: MockConfigEntry,
    local: str,
    make_node: MakeNode,
) -> None:
    """A station that appears is offered, and becomes a unit of the chosen home."""
    known = await make_node(charger(Car()), serial=1)
    entry = make_entry(
        unit_data(
            "echonet_lite",
            local_address=local,
            address=known.address,
            node=node_name(known),
            eoj=CHARGER,
        )
    )
    await setup(hass, entry)
    hass.config_entries.async_update_subentry(
        entry,
        next(iter(entry.subentries.values())),
        unique_id=unique_id(known, CHARGER),
    )
    await hass.async_block_till_done()
    new = await make_node(battery(), serial=2)
    await search_now(hass)
    (flow,) = flows(hass)
    assert flow["context"]["unique_id"] == unique_id(new, BATTERY)
    assert flow["context"]["title_placeholders"]["name"].endswith(new.address)
    # It is offered once.
    await search_now(hass)
    assert len(flows(hass)) == 1

    walk = Walk(hass.config_entries.flow, "config")
    walk._take(await hass.config_entries.flow.async_configure(flow["flow_id"]))
    assert walk.step == "discovered"
    new.habits.silent = True
    await walk.submit(home=home.entry_id)
    assert walk.errors == {"base": "no_answer"}
    new.habits.silent = False
    await walk.submit(home=home.entry_id)
    assert walk.step == "echonet_device"
    assert walk.suggested()["device"] == unique_id(new, BATTERY)
    await walk.submit(device=unique_id(new, BATTERY))
    await walk.submit(**BATTERY_FORM)
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "unit_added"
    assert walk.placeholders == {"home": "Home"}
    (unit,) = home.subentries.values()
    assert unit.unique_id == unique_id(new, BATTERY)
    # It belongs to a home now.
    await search_now(hass)
    assert flows(hass) == []
    await hass.async_block_till_done()
    for loaded in (entry, home):
        assert await hass.config_entries.async_unload(loaded.entry_id)
    assert hass.data[watch.WATCHES] == {}


async def search_now(hass: HomeAssistant) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=2))
    await hass.async_block_till_done()


def flows(hass: HomeAssistant) -> list[Any]:
    return [
        flow
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        if flow["context"]["source"] == SOURCE_INTEGRATION_DISCOVERY
    ]


async def discovered(hass: HomeAssistant, **data: Any) -> Walk:
    walk = Walk(hass.config_entries.flow, "config")
    walk._take(
        await hass.config_entries.flow.async_init(
            DOMAIN,
            context={"source": SOURCE_INTEGRATION_DISCOVERY},
            data={
                "unique_id": "echonet_lite-x",
                "local_address": None,
                "host": "127.0.0.9",
                "label": "Station",
                **data,
            },
        )
    )
    return walk


async def test_ignored_stays_ignored(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    ignored = MockConfigEntry(
        domain=DOMAIN, source=SOURCE_IGNORE, unique_id="echonet_lite-x"
    )
    ignored.add_to_hass(hass)
    walk = await discovered(hass)
    assert walk.result["reason"] == "unit_already_configured"


async def test_discovered_unit_of_a_home(hass: HomeAssistant) -> None:
    entry = make_entry(unit_data("simulated"))
    entry.add_to_hass(hass)
    hass.config_entries.async_update_subentry(
        entry, *entry.subentries.values(), unique_id="echonet_lite-x"
    )
    walk = await discovered(hass)
    assert walk.result["reason"] == "unit_already_configured"


async def test_discovered_without_a_home(hass: HomeAssistant) -> None:
    walk = await discovered(hass)
    assert walk.result["reason"] == "no_home"


async def test_home_is_removed_meanwhile(
    hass: HomeAssistant, home: MockConfigEntry, local: str, make_node: MakeNode
) -> None:
    node = await make_node(battery())
    walk = await discovered(
        hass,
        unique_id=unique_id(node, BATTERY),
        local_address=local,
        host=node.address,
    )
    await walk.submit(home=home.entry_id)
    await walk.submit(device=unique_id(node, BATTERY))
    await hass.config_entries.async_remove(home.entry_id)
    await walk.submit(**BATTERY_FORM)
    assert walk.result["reason"] == "no_home"


@pytest.mark.parametrize(("country", "searches"), [("JP", 1), ("NL", 0)])
async def test_searched_where_it_is_sold(
    hass: HomeAssistant,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    country: str,
    searches: int,
) -> None:
    asked: list[str | None] = []

    async def look(hass: HomeAssistant, local: str | None, host: str | None) -> None:
        asked.append(local)
        raise SearchError("port_taken")

    monkeypatch.setattr(watch, "async_look", look)
    monkeypatch.setattr(watch, "FIRST_S", 3600.0 * 24)
    hass.config.country = country
    entries = [make_entry(unit_data("simulated", trips="none")) for _ in range(2)]
    for entry in entries:
        await setup(hass, entry)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=61))
    await hass.async_block_till_done()
    # Two homes, one search.
    assert asked == [None] * searches
    for entry in entries:
        assert await hass.config_entries.async_unload(entry.entry_id)
    assert not hass.data.get(watch.WATCHES)
    assert echonet_lite_discovery.COUNTRY == "JP"
