"""The socket: one per network, and other programs on its port."""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
import socket
import subprocess
import sys

from homeassistant.components import network
from homeassistant.core import HomeAssistant
import pytest

from custom_components.leaf_to_home.units.echonet_lite import (
    endpoint as endpoint_module,
    ports,
)
from custom_components.leaf_to_home.units.echonet_lite.endpoint import (
    Endpoint,
    EndpointError,
    PortTaken,
)
from custom_components.leaf_to_home.units.echonet_lite.frames import (
    CONTROLLER,
    Message,
    Service,
)
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub, program_name
from custom_components.leaf_to_home.units.echonet_lite.own_node import OwnNode
from custom_components.leaf_to_home.units.echonet_lite.ports import Holder, conflict

from .conftest import MakeNode, MakeUnit
from .emulator import PORT, loopback
from .stations import CHARGER, Car, charger

WILDCARD = "0.0.0.0"


@pytest.fixture
def other(socket_enabled: None) -> Generator[socket.socket]:
    """Return a socket of another program, not yet bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield sock


@pytest.mark.parametrize(
    ("known", "dedicated", "taken"),
    [
        ([], False, None),
        ([WILDCARD], False, WILDCARD),
        ([WILDCARD], True, None),
        (["192.168.1.20"], False, None),
        (["192.168.1.10"], False, "192.168.1.10"),
        (["192.168.1.10"], True, "192.168.1.10"),
        ([WILDCARD, "192.168.1.10"], True, "192.168.1.10"),
        (None, False, WILDCARD),
        (None, True, None),
    ],
)
def test_conflicts(known: list[str] | None, dedicated: bool, taken: str | None) -> None:
    holders = (
        None
        if known is None
        else [Holder(address=address, program="node") for address in known]
    )
    found = conflict(holders, "192.168.1.10", dedicated=dedicated)
    assert (found.address if found else None) == taken


def test_holders_are_found(other: socket.socket) -> None:
    address = loopback()
    other.bind((address, PORT))
    found = [holder for holder in ports.holders() or () if holder.address == address]
    assert [holder.own_process for holder in found] == [True]
    assert found[0].program


def test_holder_in_another_process(socket_enabled: None) -> None:
    address = loopback()
    code = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.bind(('{address}', {PORT}))\n"
        "print('bound', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"bound\n"
        found = [item for item in ports.holders() or () if item.address == address]
        process.stdin.close()
    assert [(item.own_process, bool(item.program)) for item in found] == [(False, True)]


def test_tables_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other machines' tables, IPv6 sockets among them."""
    head = "  sl  local_address rem_address st tx rx tr tm retrnsmt uid timeout inode\n"
    rest = "00000000:0000 07 0:0 00:0 0 0 0"
    group = socket.inet_aton(ports.GROUP)[::-1].hex().upper()
    (tmp_path / "net").mkdir()
    (tmp_path / "net/udp").write_text(
        head
        + f" 1: 0A01A8C0:0E1A {rest} 11 2 0\n"
        + f" 2: 00000000:0035 {rest} 12 2 0\n"
        + f" 3: {group}:0E1A {rest} 13 2 0\n"
        + "nonsense\n"
    )
    (tmp_path / "net/udp6").write_text(
        head
        + f" 1: {'0' * 32}:0E1A {rest} 21 2 0\n"
        + f" 2: 0000000000000000FFFF00000B01A8C0:0E1A {rest} 22 2 0\n"
        + f" 3: {'1' * 32}:0E1A {rest} 23 2 0\n"
    )
    (tmp_path / "self").mkdir()
    fd = tmp_path / "42" / "fd"
    fd.mkdir(parents=True)
    (fd / "3").symlink_to("socket:[11]")
    (fd / "4").symlink_to("/dev/null")
    (tmp_path / "42/comm").write_text("node\n")
    (tmp_path / "43").mkdir()
    monkeypatch.setattr(ports, "_PROC", tmp_path)
    found = {holder.address: holder.program for holder in ports.holders() or ()}
    assert found == {
        "192.168.1.10": "node",
        WILDCARD: None,
        "192.168.1.11": None,
        "1" * 32: None,
    }
    (tmp_path / "net/udp6").unlink()
    assert [holder.address for holder in ports.holders() or ()] == ["192.168.1.10"]
    (tmp_path / "net/udp").unlink()
    assert ports.holders() is None


def bind_all(sock: socket.socket) -> None:
    """Take the port at all addresses, as far as others on this machine let us."""
    try:
        sock.bind(("", PORT))
    except OSError:
        pytest.skip("another program uses the port")


async def test_port_taken_on_all_addresses(hub: Hub, other: socket.socket) -> None:
    """Two programs on the same answers: neither would notice, so we keep away."""
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bind_all(other)
    with pytest.raises(PortTaken) as err:
        await hub.async_acquire("127.0.0.1")
    assert err.value.program == "Home Assistant"
    # A second address of the machine is ours alone.
    async with hub.async_use(loopback()) as lan:
        assert lan.endpoint.address != "127.0.0.1"


async def test_port_taken_at_our_address(hub: Hub, other: socket.socket) -> None:
    address = loopback()
    other.bind((address, PORT))
    with pytest.raises(PortTaken):
        await hub.async_acquire(address)
    # Elsewhere it does not matter.
    async with hub.async_use(loopback()):
        pass


async def test_nobody_takes_the_port_later(hub: Hub, other: socket.socket) -> None:
    async with hub.async_use(loopback()):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("", PORT))


async def test_no_sharing_with_who_does_not_share(
    hub: Hub, socket_enabled: None
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as selfish:
        bind_all(selfish)
        with pytest.raises(PortTaken):
            await hub.async_acquire(loopback())


async def test_unknown_holders(
    hub: Hub, other: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "holders", lambda: None)
    bind_all(other)
    with pytest.raises(PortTaken) as err:
        await hub.async_acquire("127.0.0.1")
    assert err.value.program is None


async def test_not_our_address(hub: Hub) -> None:
    with pytest.raises(EndpointError):
        await hub.async_acquire("198.51.100.7")


async def test_one_socket_for_all(
    hub: Hub, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """It is shared by units and flow, and closed with the last of them."""
    node = await make_node(charger(Car()))
    first, second = make_unit(node), make_unit(node)
    await asyncio.gather(first.connect(), second.connect())
    assert node.most_at_once == 1
    sender = {request.sender for request in node.requests}
    assert len(sender) == 1
    address = sender.pop()
    held = [item.address for item in ports.holders() or ()].count(address)
    async with hub.async_use(address) as lan:
        assert lan.users == 3
    assert held == 1
    await first.detach()
    await second.read()
    await second.detach()
    await asyncio.sleep(0)
    assert address not in [item.address for item in ports.holders() or ()]


async def test_home_assistants_own_address(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = loopback()

    async def source_ip(hass: HomeAssistant, target_ip: str) -> str:
        return address

    monkeypatch.setattr(network, "async_get_source_ip", source_ip)
    async with hub.async_use(None) as lan, hub.async_use(address) as same:
        assert lan.endpoint.address == address
        assert same is lan


async def test_multicast_cannot_be_heard(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(address: str) -> socket.socket:
        raise OSError("no multicast here")

    monkeypatch.setattr(endpoint_module, "_group_socket", refuse)
    async with hub.async_use(loopback()):
        assert "no multicast here" in caplog.text


async def test_broken_listener(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Message] = []

    def broken(address: str, message: Message) -> None:
        raise RuntimeError("broken")

    async with hub.async_use(loopback()) as lan:
        with ExitStack() as stack:
            stack.callback(lan.endpoint.listen(broken))
            stop = lan.endpoint.listen(lambda _, message: heard.append(message))
            lan.endpoint.send(
                lan.endpoint.address,
                Message(tid=1, source=CHARGER, target=CONTROLLER, service=Service.INF),
            )
            await asyncio.sleep(0.05)
            stop()
            stop()
    assert [message.source for message in heard if message.source == CHARGER]
    assert "could not be used" in caplog.text


async def test_closed_endpoint_sends_nothing() -> None:
    endpoint = Endpoint("127.0.0.1", OwnNode(bytes(17)))
    endpoint.send(
        "127.0.0.1",
        Message(tid=1, source=CHARGER, target=CONTROLLER, service=Service.INF),
    )


def test_transaction_numbers() -> None:
    endpoint = Endpoint("127.0.0.1", OwnNode(bytes(17)))
    numbers = [endpoint.next_tid() for _ in range(0x10000)]
    assert set(numbers) == set(range(1, 0x10000))


@pytest.mark.parametrize(
    ("holder", "loaded", "named"),
    [
        # In this very process it is another integration, by whatever name.
        (Holder(address=WILDCARD, program="Home Assistant", own_process=True), (), ""),
        (
            Holder(address=WILDCARD, program="Home Assistant", own_process=True),
            ("light", "echonetlite"),
            "echonetlite",
        ),
        # Another program is not the integration that happens to be there too.
        (Holder(address=WILDCARD, program="node"), ("echonetlite",), "node"),
        # This machine does not tell.
        (Holder(address=WILDCARD, program=None), ("echonetlite",), "echonetlite"),
        (None, (), "?"),
    ],
)
def test_name_of_who_has_the_port(
    hass: HomeAssistant, holder: Holder | None, loaded: tuple[str, ...], named: str
) -> None:
    hass.config.components.update(loaded)
    assert program_name(hass, PortTaken(holder)) == (named or "Home Assistant")
