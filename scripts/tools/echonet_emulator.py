"""A node that speaks ECHONET Lite, with every bad habit that a node can have.

It shares no code with the driver: bytes are put together and taken apart by hand. It
binds one loopback address, as a station that shares the host with its controller must,
and the multicast group.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
import random
import socket
import struct
import sys
from typing import Any, Self, override

PORT = 3610
GROUP = "224.0.23.0"
NODE = 0x0EF001
CONTROLLER = 0x05FF01
# Python has no name for it.
IP_MULTICAST_ALL = 49
MAKER = bytes.fromhex("00006c")

SETI, SETC, GET, INF_REQ = 0x60, 0x61, 0x62, 0x63
SETI_SNA, SETC_SNA, GET_SNA = 0x50, 0x51, 0x52
SET_RES, GET_RES, INF, INFC = 0x71, 0x72, 0x73, 0x74


def loopback() -> str:
    """Return an address of this machine that nobody else is likely to use."""
    host = random.randint(0x010002, 0xFEFFFE)
    return str(IPv4Address(0x7F000000 + host))


def frame(
    tid: int,
    source: int,
    target: int,
    service: int,
    properties: list[tuple[int, bytes]],
) -> bytes:
    """Return the bytes of a frame."""
    head = struct.pack(">BBH", 0x10, 0x81, tid)
    head += source.to_bytes(3) + target.to_bytes(3)
    head += bytes([service, len(properties)])
    return head + b"".join(bytes([epc, len(edt)]) + edt for epc, edt in properties)


def property_map(epcs: set[int]) -> bytes:
    """Return a property map."""
    if len(epcs) < 16:
        return bytes([len(epcs), *sorted(epcs)])
    bits = [
        sum(1 << high for high in range(8) if (high + 8 << 4 | low) in epcs)
        for low in range(16)
    ]
    return bytes([len(epcs), *bits])


@dataclass(kw_only=True)
class Thing:
    """One device object: its values, and what may be written."""

    eoj: int
    values: dict[int, bytes]
    settable: set[int] = field(default_factory=set)
    announced: set[int] = field(default_factory=set)
    # Called before a value is kept; return False to refuse it.
    on_set: Callable[[int, bytes], bool] | None = None
    # Called before anything is read.
    on_get: Callable[[], None] | None = None
    # Listed in the map, and then "response impossible".
    impossible: set[int] = field(default_factory=set)
    # Listed in the map, and then left out of every answer.
    mute: set[int] = field(default_factory=set)

    def read(self, epc: int) -> bytes | None:
        """Return a value, None where there is none."""
        listed = {*self.values, 0x9D, 0x9E, 0x9F}
        if epc == 0x9F:
            return property_map(listed - self._write_only())
        if epc == 0x9E:
            return property_map(self.settable)
        if epc == 0x9D:
            return property_map(self.announced)
        if epc in self.impossible or epc in self._write_only():
            return None
        return self.values.get(epc)

    def _write_only(self) -> set[int]:
        return {0xCD} if self.eoj >> 8 == 0x027E else set()


@dataclass(kw_only=True)
class Habits:
    """How badly the node behaves; the defaults are good manners."""

    delay_s: float = 0.0
    echo_tid: bool = True
    # Answer a Get with several properties by one datagram each.
    one_by_one: bool = False
    # Answer what is there first, then what is missing in a datagram of its own.
    split: bool = False
    # Answer only the first so many properties of a Get.
    most: int | None = None
    # Answer every property empty when asked for more than this.
    most_or_nothing: int | None = None
    # A refusal does not repeat what was refused.
    bare_refusal: bool = False
    # Say yes to a Set and forget it.
    forgetful: bool = False
    # Give answers that are longer or shorter than they should be.
    wrong_lengths: bool = False
    # So many datagrams get lost.
    lose: int = 0
    silent: bool = False
    # Whether a call to all reaches it, which some routers prevent.
    hears_calls: bool = True


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that the node got."""

    time_s: float
    sender: str
    eoj: int
    service: int
    properties: tuple[tuple[int, bytes], ...]


class Emulator(asyncio.DatagramProtocol):
    """A node with its objects."""

    def __init__(self, address: str, things: list[Thing], *, serial: int = 1) -> None:
        self.address = address
        self.things = {thing.eoj: thing for thing in things}
        self.habits = Habits()
        self.requests: list[Request] = []
        self.identification: bytes | None = b"\xfe" + MAKER + serial.to_bytes(13)
        self.most_at_once = 0
        # Called with each request before it is carried out.
        self.on_request: Callable[[Request], None] | None = None
        self._pending = 0
        self._own_tid = 0
        self._transports: list[asyncio.DatagramTransport] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Self:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        for address in (self.address, *((GROUP,) if self.habits.hears_calls else ())):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, PORT))
            if address == GROUP:
                if sys.platform == "linux":
                    # Nothing that is for the same group on another network.
                    sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
                sock.setsockopt(
                    socket.IPPROTO_IP,
                    socket.IP_ADD_MEMBERSHIP,
                    socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1"),
                )
            else:
                sock.setsockopt(
                    socket.IPPROTO_IP,
                    socket.IP_MULTICAST_IF,
                    socket.inet_aton("127.0.0.1"),
                )
            transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
            self._transports.append(transport)
        return self

    async def stop(self) -> None:
        """Be gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:
            transport.close()
        self._transports.clear()
        await asyncio.sleep(0)

    async def move(self, address: str) -> None:
        """Get another address from the router, and say so as nodes do at start."""
        await self.stop()
        self.address = address
        await self.start()
        self.boot()

    def boot(self) -> None:
        """Announce the objects, as a node that starts."""
        self.announce_to_group(NODE, [(0xD5, self._instances())])

    def announce(self, eoj: int, *epcs: int, to: str | None = None) -> None:
        """Announce values of an object."""
        thing = self.things[eoj]
        values = [(epc, thing.values[epc]) for epc in epcs]
        if to is None:
            self.announce_to_group(eoj, values)
        else:
            self.send(frame(0, eoj, CONTROLLER, INF, values), to)

    def announce_to_group(self, eoj: int, values: list[tuple[int, bytes]]) -> None:
        """Announce any values."""
        self.send(frame(0, eoj, NODE, INF, values), GROUP)

    def send(self, data: bytes, address: str) -> None:
        """Send any bytes from the node's address."""
        self._transports[0].sendto(data, (address, PORT))

    def live(self) -> None:
        """Bring everything up to now."""
        for thing in self.things.values():
            if thing.on_get is not None:
                thing.on_get()

    def writes(self, eoj: int | None = None) -> list[tuple[int, bytes]]:
        """Return all properties that were written, refused ones too."""
        return [
            prop
            for request in self.requests
            if request.service in (SETC, SETI) and eoj in (None, request.eoj)
            for prop in request.properties
        ]

    def reads(self, eoj: int) -> list[tuple[int, ...]]:
        """Return the properties of every Get of an object."""
        return [
            tuple(epc for epc, _ in request.properties)
            for request in self.requests
            if request.service == GET and request.eoj == eoj
        ]

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take a datagram."""
        if self.habits.silent or len(data) < 12 or data[:2] != b"\x10\x81":
            return
        if self.habits.lose > 0:
            self.habits.lose -= 1
            return
        service = data[10]
        if service not in (SETI, SETC, GET):
            return
        task = asyncio.ensure_future(self._answer(data, addr[0]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, sender: str) -> None:
        tid, source, target = (
            int.from_bytes(data[2:4]),
            int.from_bytes(data[4:7]),
            int.from_bytes(data[7:10]),
        )
        service = data[10]
        properties = _properties(data)
        eojs = (
            [eoj for eoj in (NODE, *self.things) if eoj >> 8 == target >> 8]
            if target & 0xFF == 0
            else [target]
        )
        self._pending += 1
        self.most_at_once = max(self.most_at_once, self._pending)
        try:
            request = Request(
                time_s=asyncio.get_running_loop().time(),
                sender=sender,
                eoj=target,
                service=service,
                properties=tuple(properties),
            )
            self.requests.append(request)
            if self.on_request is not None:
                self.on_request(request)
            if self.habits.delay_s:
                await asyncio.sleep(self.habits.delay_s)
        finally:
            self._pending -= 1
        for eoj in eojs:
            if eoj != NODE and eoj not in self.things:
                continue
            if service == GET:
                answers = self._answers(eoj, [epc for epc, _ in properties])
            else:
                answers = self._set(eoj, service, properties)
            for number, (answer_service, values) in enumerate(answers):
                answer_tid = tid
                if not self.habits.echo_tid:
                    self._own_tid += 1
                    answer_tid = self._own_tid
                if number:
                    await asyncio.sleep(0.01)
                self.send(
                    frame(answer_tid, eoj, source, answer_service, values), sender
                )

    def _answers(
        self, eoj: int, epcs: list[int]
    ) -> list[tuple[int, list[tuple[int, bytes]]]]:
        """Return the datagrams that answer a Get."""
        habits = self.habits
        thing = self.things.get(eoj)
        if thing is not None and thing.on_get is not None:
            thing.on_get()
        if habits.most_or_nothing is not None and len(epcs) > habits.most_or_nothing:
            return [(GET_SNA, [(epc, b"") for epc in epcs])]
        epcs = epcs[: habits.most]
        mute = thing.mute if thing is not None else set()
        values = [
            (epc, self._lengthen(self._read(eoj, epc)))
            for epc in epcs
            if epc not in mute
        ]
        if not values:
            return []
        there = [(epc, edt) for epc, edt in values if edt is not None]
        missing = [(epc, b"") for epc, edt in values if edt is None]
        if habits.one_by_one:
            return [(GET_RES, [pair]) for pair in there] + [
                (GET_SNA, [pair]) for pair in missing
            ]
        if habits.split and there and missing:
            return [(GET_RES, there), (GET_SNA, missing)]
        service = GET_SNA if missing else GET_RES
        return [(service, [(epc, edt or b"") for epc, edt in values])]

    def _read(self, eoj: int, epc: int) -> bytes | None:
        if eoj != NODE:
            return self.things[eoj].read(epc)
        known: Mapping[int, bytes | None] = {
            0x80: b"\x30",
            0x82: bytes.fromhex("010d0100"),
            0x83: self.identification,
            0x8A: MAKER,
            0xD6: self._instances(),
        }
        return known.get(epc)

    def _set(
        self, eoj: int, service: int, properties: list[tuple[int, bytes]]
    ) -> list[tuple[int, list[tuple[int, bytes]]]]:
        thing = self.things.get(eoj)
        refused = []
        for epc, edt in properties:
            if (
                thing is None
                or epc not in thing.settable
                or not (thing.on_set is None or thing.on_set(epc, edt))
            ):
                refused.append(epc)
            elif not self.habits.forgetful:
                thing.values[epc] = edt
        if service == SETI:
            if not refused:
                return []
            return [(SETI_SNA, properties)]
        if not refused:
            return [(SET_RES, [(epc, b"") for epc, _ in properties])]
        bare = self.habits.bare_refusal
        return [
            (
                SETC_SNA,
                [
                    (epc, edt if epc in refused and not bare else b"")
                    for epc, edt in properties
                ],
            )
        ]

    def _lengthen(self, edt: bytes | None) -> bytes | None:
        if edt is None or not self.habits.wrong_lengths:
            return edt
        return edt + b"\x00" if len(edt) % 2 else edt[:-1]

    def _instances(self) -> bytes:
        return bytes([len(self.things)]) + b"".join(
            eoj.to_bytes(3) for eoj in self.things
        )


def _properties(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    offset = 12
    for _ in range(data[11]):
        epc, length = data[offset], data[offset + 1]
        found.append((epc, data[offset + 2 : offset + 2 + length]))
        offset += 2 + length
    return found
