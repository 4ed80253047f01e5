"""The socket at one local address."""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import errno
import random
import socket
import struct
import sys
from typing import Final, override

from homeassistant.core import callback
from pyhems import EchonetLiteProtocol

from ...const import LOGGER
from .allowance import Allowance
from .frames import FrameError, Message, Service, decode, encode
from .own_node import OwnNode
from .ports import GROUP, PORT, Holder, conflict, holders

# Linux hands out multicast of every group that anybody on the machine has joined,
# unless told otherwise; Python has no name for the option.
_IP_MULTICAST_ALL: Final = 49
LOG_LINES: Final = 1000

type FrameListener = Callable[[str, Message], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameNote:
    """One frame that went by."""

    time_s: float
    direction: str
    address: str
    data: bytes


class EndpointError(Exception):
    """No socket can be had at this address."""


class PortTaken(EndpointError):
    """Another program listens there and would take our answers, or lose its own."""

    def __init__(self, holder: Holder | None) -> None:
        # None: this machine does not tell.
        self.program = holder.program if holder is not None else None
        self.own_process = holder is not None and holder.own_process
        super().__init__(f"port {PORT} is taken by {self.program or 'another program'}")


class _Protocol(EchonetLiteProtocol):
    """The library's protocol, less loud about a network that is down."""

    @override
    def error_received(self, exc: Exception) -> None:
        LOGGER.debug("ECHONET Lite: %s", exc)


class Endpoint:
    """Sends and hears frames at one local address, and answers for our own node."""

    def __init__(self, address: str, node: OwnNode) -> None:
        self.address = address
        self.log: deque[FrameNote] = deque(maxlen=LOG_LINES)
        self._listeners: list[FrameListener] = []
        self._protocols: list[_Protocol] = []
        self._sockets: list[socket.socket] = []
        self._tid = random.randrange(0x10000)
        self._node = node
        self._allowance = Allowance()

    async def open(self, *, dedicated: bool) -> None:
        """Bind, and tell the network that we are there; raise EndpointError."""
        sock = await self._unicast_socket(dedicated=dedicated)
        self._protocols.append(await self._protocol(sock))
        try:
            group = _group_socket(self.address)
        except OSError as err:
            # Without it we poll.
            LOGGER.warning(
                "Notifications by multicast cannot be heard at %s: %s",
                self.address,
                err,
            )
        else:
            self._protocols.append(await self._protocol(group))
        self.send_group(self._node.announcement())

    def close(self) -> None:
        """Close the sockets."""
        while self._protocols:
            self._protocols.pop().close()
        while self._sockets:
            # The transport would let go of the address a moment later: too late for
            # who reloads a home.
            self._sockets.pop().close()

    def next_tid(self) -> int:
        """Return a new transaction number; 0 is left to notifications."""
        self._tid = self._tid % 0xFFFF + 1
        return self._tid

    def send(self, address: str, message: Message) -> None:
        """Send a message; whether it arrives shows in the answer."""
        data = encode(message)
        self._note("out", address, data)
        if self._protocols:
            self._protocols[0].send(data, address)

    def send_group(self, message: Message) -> None:
        """Send a message to all nodes on this network."""
        self.send(GROUP, message)

    @callback
    def listen(self, listener: FrameListener) -> Callable[[], None]:
        """Call back with the sender's address and each message that is for us."""
        self._listeners.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    async def _protocol(self, sock: socket.socket) -> _Protocol:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(
            lambda: _Protocol(self._received), sock=sock
        )
        self._sockets.append(sock)
        return protocol

    async def _unicast_socket(self, *, dedicated: bool) -> socket.socket:
        """Bind exclusively, so that nobody can take our answers later without an error.

        Beside another program we bind only at an address that is dedicated to us.
        """
        try:
            return _bound_socket(self.address)
        except OSError as err:
            if err.errno != errno.EADDRINUSE:
                raise EndpointError(f"{self.address}: {err.strerror}") from err
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(None, holders)
        taken = conflict(known, self.address, dedicated=dedicated)
        if taken is not None:
            raise PortTaken(taken)
        try:
            return _bound_socket(self.address, share=True)
        except OSError as err:
            raise PortTaken(next(iter(known or ()), None)) from err

    def _received(self, data: bytes, sender: tuple[str, int]) -> None:
        address = sender[0]
        try:
            message = decode(data)
        except FrameError as err:
            self._note("bad", address, data)
            LOGGER.debug("Not a frame from %s: %s", address, err)
            return
        self._note("in", address, data)
        self._answer(address, message)
        for listener in list(self._listeners):
            try:
                listener(address, message)
            except Exception:  # noqa: BLE001
                # Whatever a frame does to one listener, the others hear it.
                LOGGER.exception("A frame from %s could not be used", address)

    def _answer(self, address: str, message: Message) -> None:
        """Answer what is asked of our own node, as often as is good for anybody."""
        if address == self.address:
            # What we send to all comes back to us.
            return
        answer = self._node.answer(message)
        if answer is None:
            return
        now_s = asyncio.get_running_loop().time()
        if not self._allowance.take(address, now_s):
            return
        if answer.service is not Service.INF:
            self.send(address, answer)
        elif self._allowance.take(GROUP, now_s):
            # What somebody asks to be announced is told to all.
            self.send_group(answer)

    def _note(self, direction: str, address: str, data: bytes) -> None:
        self.log.append(
            FrameNote(
                time_s=asyncio.get_running_loop().time(),
                direction=direction,
                address=address,
                data=data,
            )
        )


def _bound_socket(address: str, *, share: bool = False) -> socket.socket:
    with _closing_on_error(_udp_socket()) as sock:
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, PORT))
        sock.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address)
        )
        # The answers come from this network, not from behind its router.
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        return sock


def _group_socket(address: str) -> socket.socket:
    """Return a socket for multicast only: it takes nobody's answers."""
    with _closing_on_error(_udp_socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((GROUP, PORT))
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        membership = struct.pack(
            "4s4s", socket.inet_aton(GROUP), socket.inet_aton(address)
        )
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        return sock


def _udp_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    sock.setblocking(False)
    return sock


@contextmanager
def _closing_on_error(sock: socket.socket) -> Generator[socket.socket]:
    try:
        yield sock
    except BaseException:
        sock.close()
        raise
