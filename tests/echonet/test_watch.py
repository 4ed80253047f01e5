"""Who says that it is new on the network, and what we do about it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
import socket

from homeassistant.config_entries import SOURCE_IGNORE
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.units.echonet_lite import discovery, watch
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub
from tests.conftest import make_entry, setup, unit_data

from .conftest import MakeNode
from .emulator import INF, INFC, NODE, PORT, Emulator, Thing, frame, loopback
from .stations import BATTERY, BOARD, CHARGER, Car, battery, board, charger
from .test_driver import until
from .test_form import flows, node_name, unique_id

CHARGERS = [CHARGER + number for number in range(84)]


@pytest.fixture(autouse=True)
def _settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLE_S", 0.05)


@pytest.fixture
def local() -> str:
    return loopback()


@pytest.fixture
async def station(
    hass: HomeAssistant, hub: Hub, local: str, make_node: MakeNode
) -> AsyncGenerator[Emulator]:
    """Return the station of a home, which is why we listen on its network."""
    node = await make_node(charger(Car()))
    entry = make_entry(
        unit_data(
            "echonet_lite",
            local_address=local,
            address=node.address,
            node=node_name(node),
            eoj=CHARGER,
        )
    )
    await setup(hass, entry)
    hass.config_entries.async_update_subentry(
        entry,
        next(iter(entry.subentries.values())),
        unique_id=unique_id(node, CHARGER),
    )
    await hass.async_block_till_done()
    yield node
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert hub._listeners == []


def offered(hass: HomeAssistant) -> list[str]:
    return sorted(flow["context"]["unique_id"] for flow in flows(hass))


async def met(hass: HomeAssistant, make_node: MakeNode) -> None:
    """Return when everybody who came before was heard: the next one is offered."""
    last = await make_node(battery(), serial=999)
    last.boot()
    await until(lambda: unique_id(last, BATTERY) in offered(hass), 10.0)


async def test_offered_at_once(
    hass: HomeAssistant, station: Emulator, make_node: MakeNode
) -> None:
    new = await make_node(battery(), board(), charger(Car()), serial=2)
    new.boot()
    await until(lambda: len(flows(hass)) == 2, 10.0)
    assert offered(hass) == sorted(unique_id(new, eoj) for eoj in (BATTERY, CHARGER))
    # It alone was asked, by itself, and for its batteries only.
    assert {request.sender for request in new.requests} == {station.requests[0].sender}
    assert new.reads(BOARD) == []
    assert new.writes() == []


async def test_asked_once_for_many_announcements(
    hass: HomeAssistant, station: Emulator, make_node: MakeNode
) -> None:
    new = await make_node(battery(), serial=2)
    for _ in range(20):
        new.boot()
    await met(hass, make_node)
    assert unique_id(new, BATTERY) in offered(hass)
    asked = len(new.requests)
    new.boot()
    await met(hass, make_node)
    assert len(new.requests) == asked


async def test_ignored_stays_ignored(
    hass: HomeAssistant, station: Emulator, make_node: MakeNode
) -> None:
    new = await make_node(battery(), serial=2)
    MockConfigEntry(
        domain=DOMAIN, source=SOURCE_IGNORE, unique_id=unique_id(new, BATTERY)
    ).add_to_hass(hass)
    new.boot()
    await until(lambda: new.reads(BATTERY) != [], 10.0)
    await met(hass, make_node)
    assert unique_id(new, BATTERY) not in offered(hass)


async def test_nobody_else_is_asked(
    hass: HomeAssistant, station: Emulator, local: str, make_node: MakeNode
) -> None:
    """Neither who has no battery, nor who only answers or tells something else."""
    meter = await make_node(board(), serial=2)
    other = await make_node(charger(Car()), serial=3)
    meter.boot()
    other.announce(CHARGER, 0xDA)
    other.send(frame(1, NODE, 0x05FF01, 0x72, [(0xD6, other._instances())]), local)
    await met(hass, make_node)
    assert meter.requests == other.requests == []


async def test_asked_after_a_notice_to_us_alone(
    hass: HomeAssistant, station: Emulator, local: str, make_node: MakeNode
) -> None:
    new = await make_node(battery(), serial=2)
    new.send(frame(7, NODE, NODE, INFC, [(0xD5, new._instances())]), local)
    await until(lambda: offered(hass) == [unique_id(new, BATTERY)], 10.0)


async def test_unit_that_moves_is_not_new(
    hass: HomeAssistant, station: Emulator, make_node: MakeNode
) -> None:
    await station.move(loopback())
    await until(lambda: (0x8A, 0x8C) in station.reads(CHARGER), 10.0)
    await met(hass, make_node)
    assert unique_id(station, CHARGER) not in offered(hass)


async def test_newcomer_that_falls_silent(
    hass: HomeAssistant,
    station: Emulator,
    make_node: MakeNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked again when it comes back later."""
    new = await make_node(battery(), serial=2)
    new.habits.silent = True
    new.boot()
    await met(hass, make_node)
    # Until it is given up.
    (watcher,) = hass.data[watch.WATCHES].values()
    await until(lambda: watcher._task is None or watcher._task.done(), 20.0)
    new.habits.silent = False
    assert unique_id(new, BATTERY) not in offered(hass)
    assert new.requests == []
    monkeypatch.setattr(watch, "AGAIN_S", 0.0)
    new.boot()
    await until(lambda: unique_id(new, BATTERY) in offered(hass), 10.0)


async def test_another_network(
    hass: HomeAssistant, hub: Hub, station: Emulator, make_node: MakeNode
) -> None:
    """What appears where no home has a unit is not offered."""
    new = await make_node(battery(), serial=2)
    async with hub.async_use(loopback()) as lan:
        new.send(
            frame(0, NODE, NODE, INF, [(0xD5, new._instances())]),
            lan.endpoint.address,
        )
        await met(hass, make_node)
    assert new.requests == []


async def test_node_with_absurdly_many_batteries(
    hass: HomeAssistant, station: Emulator, make_node: MakeNode
) -> None:
    template = charger(Car())
    things = [Thing(eoj=eoj, values=template.values) for eoj in CHARGERS]
    new = await make_node(*things, serial=2)
    new.boot()
    await until(lambda: len(flows(hass)) >= 16, 10.0)
    await met(hass, make_node)
    assert len(flows(hass)) == 17


async def test_many_that_are_offered(
    hass: HomeAssistant,
    station: Emulator,
    make_node: MakeNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever makes up stations does not fill the page with them."""
    monkeypatch.setattr(watch, "OFFERS", 3)
    template = charger(Car())
    things = [Thing(eoj=eoj, values=template.values) for eoj in CHARGERS]
    new = await make_node(*things, serial=2)
    new.boot()
    (watcher,) = hass.data[watch.WATCHES].values()
    await until(lambda: len(flows(hass)) == 3, 10.0)
    await until(lambda: watcher._task is None or watcher._task.done(), 20.0)
    assert len(flows(hass)) == 3


async def test_many_who_answer_a_search(
    hass: HomeAssistant,
    hub: Hub,
    local: str,
    make_node: MakeNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "_MOST_NODES", 2)
    for serial in range(5):
        await make_node(battery(), serial=serial)
    async with hub.async_use(local) as lan:
        assert len(await discovery.async_search(lan)) == 2


@contextmanager
def strangers(count: int) -> Iterator[list[socket.socket]]:
    """Return sockets at as many addresses."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stack.enter_context(sock)
            sock.bind((loopback(), PORT))
            sockets.append(sock)
        yield sockets


async def test_many_who_claim_to_be_new(
    hass: HomeAssistant, hub: Hub, station: Emulator, local: str
) -> None:
    """Only so many are asked in a while, whatever their addresses are."""
    heard: list[str] = []
    stop = hub.listen(lambda _own, address, _message: heard.append(address))
    with strangers(60) as sockets:
        addresses = {sock.getsockname()[0] for sock in sockets}
        data = frame(0, NODE, NODE, INF, [(0xD5, b"\x01" + BATTERY.to_bytes(3))])
        for sock in sockets:
            sock.sendto(data, (local, PORT))
        await until(lambda: addresses <= set(heard), 10.0)
        stop()
        async with hub.async_use(local) as lan:
            log = lan.endpoint.log

            def asked() -> set[str]:
                out = {note.address for note in log if note.direction == "out"}
                return out & addresses

            await until(lambda: len(asked()) >= watch.NEWCOMERS, 10.0)
            # Until the last of them is given up.
            await asyncio.sleep(0.5)
            assert len(asked()) == watch.NEWCOMERS
