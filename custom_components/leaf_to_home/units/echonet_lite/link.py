"""The conversation with one node: one request at a time, at the node's own pace."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from ...const import LOGGER
from .endpoint import Endpoint
from .frames import CONTROLLER, Message, Service, class_code
from .pace import Pace

# As many properties as most devices answer at once.
MOST_AT_ONCE: Final = 8
# How long an answer that was given up on may still come, s.
LATE_S: Final = 120.0
# How long a property that got no answer is not asked for again, s.
MUTE_S: Final = 600.0
# Status, version, fault, maker, maps and mode: an object that exists can tell them.
ALWAYS_ANSWERED: Final = frozenset({0x80, 0x82, 0x88, 0x8A, 0x9D, 0x9E, 0x9F, 0xDA})

type InfListener = Callable[[int, dict[int, bytes]], None]

ANSWERS: Final = {
    Service.GET: (Service.GET_RES, Service.GET_SNA),
    Service.SETC: (Service.SET_RES, Service.SETC_SNA),
}


class NoAnswer(Exception):
    """The node is silent."""


@dataclass(kw_only=True, slots=True)
class _Request:
    """What is on the wire now."""

    tid: int
    eoj: int
    service: Service
    epcs: frozenset[int]
    sent_s: float
    resent_s: float | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    answered: dict[int, bytes] = field(default_factory=dict)
    refused: bool = False
    first_s: float | None = None

    @property
    def complete(self) -> bool:
        """Return whether the answer is whole; an answer to a write always is."""
        return self.service is Service.SETC or self.epcs <= self.answered.keys()


class Link:
    """Asks one node, and hears what it announces."""

    def __init__(self, endpoint: Endpoint, address: str, pace: Pace) -> None:
        self.address = address
        # How long the node has been seen to take, None before the first answer, s.
        self.latency_s: float | None = None
        self._endpoint = endpoint
        self._pace = pace
        self._lock = asyncio.Lock()
        self._request: _Request | None = None
        self._closed = False
        # Transactions that were given up on, and when they were sent.
        self._late: dict[int, float] = {}
        self._tasks: set[asyncio.Task[_Request]] = set()
        self._listeners: list[InfListener] = []
        # Per object: how many properties it answers at once, and has answered.
        self._most: dict[int, int] = {}
        self._proven: dict[int, int] = {}
        # Properties that it lists and does not answer, and when to try them again.
        self._mute: dict[tuple[int, int], float] = {}
        # Whether it copies our transaction numbers, as it should.
        self._echoes = False
        self._stop = endpoint.listen(self._heard)

    @property
    def patience_s(self) -> float:
        """Return how long the next answer will probably take at most, s."""
        return 0.2 + 1.2 * (self.latency_s or 0.0)

    @property
    def long_s(self) -> float:
        """Return after which silence even a busy node is not there any more, s."""
        return max(self._pace.brief_s, 4.0 * self.patience_s)

    def busy_s(self, now_s: float) -> float:
        """Return how long the node will probably still be busy, s."""
        if self._request is None:
            return 0.0
        return max(0.0, self.patience_s - (now_s - self._request.sent_s))

    def close(self) -> None:
        """Ask and listen no more; who still waits has no answer."""
        self._closed = True
        self._stop()
        self._listeners.clear()
        if self._request is not None:
            self._request.heard.set()

    def forget(self) -> None:
        """Learn the node's habits anew: it may have restarted with other software."""
        self._most.clear()
        self._proven.clear()
        self._mute.clear()
        self._echoes = False

    def most(self, eoj: int) -> int:
        """Return how many properties are asked of an object at once."""
        return self._most.get(eoj, MOST_AT_ONCE)

    def listen(self, listener: InfListener) -> Callable[[], None]:
        """Call back with object and properties that the node announces."""
        self._listeners.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    async def get(
        self, eoj: int, epcs: Iterable[int], *, brief: bool = False
    ) -> dict[int, bytes]:
        """Return what the object answers; an empty value is "response impossible".

        With `brief` it is not given the time that it might need: the node is known to
        answer, and others wait. Raise NoAnswer.
        """
        now_s = asyncio.get_running_loop().time()
        wanted = [
            epc
            for epc in dict.fromkeys(epcs)
            if self._mute.get((eoj, epc), now_s) <= now_s
        ]
        values: dict[int, bytes] = {}
        forgotten: list[int] = []
        whole = self.most(eoj)
        while wanted:
            size = self.most(eoj)
            batch, rest = wanted[:size], wanted[size:]
            try:
                answered = await self._get_batch(eoj, batch, brief=brief)
            except NoAnswer:
                if not values or len(batch) > 1:
                    raise
                # The node is there, it only has nothing to say to this.
                self._silence(eoj, batch)
                wanted = rest
                continue
            if answered is None:
                # Perhaps it was only too much at once.
                self._most[eoj] = (len(batch) + 1) // 2
                wanted = batch + rest
                continue
            left_out = [epc for epc in batch if epc not in answered]
            if left_out:
                self._most[eoj] = len(answered)
                forgotten += left_out
            values |= answered
            wanted = rest
        if forgotten and not await self._get_forgotten(eoj, forgotten, values):
            # It was not too much at once: it never answers these.
            self._most[eoj] = whole
        return values

    @property
    def _brief_s(self) -> float:
        return max(self._pace.brief_s, 1.5 * self.patience_s)

    async def set(self, eoj: int, epc: int, edt: bytes) -> bool | None:
        """Write one property; True: taken, False: refused, None: no answer."""
        request = await self._ask(eoj, Service.SETC, [(epc, edt)])
        if request.first_s is None:
            return None
        return not request.refused

    async def set_once(self, eoj: int, epc: int, edt: bytes) -> bool | None:
        """Write one property that does something each time that it is written."""
        request = await self._ask(eoj, Service.SETC, [(epc, edt)], repeat=False)
        if request.first_s is None:
            return None
        return not request.refused

    async def _get_batch(
        self, eoj: int, batch: list[int], *, brief: bool
    ) -> dict[int, bytes] | None:
        """Ask once; None where fewer properties may get an answer. Raise NoAnswer."""
        request = await self._ask(
            eoj,
            Service.GET,
            [(epc, b"") for epc in batch],
            patience_s=self._brief_s if brief else None,
        )
        answered = request.answered
        proven = self._proven.get(eoj, 1)
        if not answered:
            if len(batch) > proven:
                return None
            raise NoAnswer
        if len(batch) > proven:
            if not any(answered.values()) and ALWAYS_ANSWERED & answered.keys():
                return None
            if request.complete:
                self._proven[eoj] = len(batch)
        return answered

    async def _get_forgotten(
        self, eoj: int, epcs: list[int], values: dict[int, bytes]
    ) -> bool:
        """Ask again for what answers left out; return whether any of it came."""
        size = self.most(eoj)
        came = False
        while epcs:
            batch, epcs = epcs[:size], epcs[size:]
            request = await self._ask(
                eoj,
                Service.GET,
                [(epc, b"") for epc in batch],
                patience_s=self._brief_s,
            )
            values |= request.answered
            came = came or bool(request.answered)
            left_out = [epc for epc in batch if epc not in request.answered]
            if len(batch) == 1:
                self._silence(eoj, left_out)
            else:
                epcs = left_out + epcs
                size = 1 if not request.answered else size
        return came

    def _silence(self, eoj: int, epcs: list[int]) -> None:
        until_s = asyncio.get_running_loop().time() + MUTE_S
        self._mute |= {(eoj, epc): until_s for epc in epcs}

    async def _ask(
        self,
        eoj: int,
        service: Service,
        properties: list[tuple[int, bytes]],
        *,
        patience_s: float | None = None,
        repeat: bool = True,
    ) -> _Request:
        """Send one request and wait for its answer.

        Who waits may give up; the request stays on the wire until it is answered or
        too old, since the node is busy with it until then.
        """
        task = asyncio.create_task(
            self._exchange(
                eoj,
                service,
                properties,
                patience_s or self._pace.answer_s,
                repeat=repeat,
            )
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _exchange(
        self,
        eoj: int,
        service: Service,
        properties: list[tuple[int, bytes]],
        patience_s: float,
        *,
        repeat: bool,
    ) -> _Request:
        loop = asyncio.get_running_loop()
        async with self._lock:
            message = Message(
                tid=self._endpoint.next_tid(),
                source=CONTROLLER,
                target=eoj,
                service=service,
                properties=tuple(properties),
            )
            request = _Request(
                tid=message.tid,
                eoj=eoj,
                service=service,
                epcs=frozenset(epc for epc, _ in properties),
                sent_s=loop.time(),
            )
            if self._closed:
                return request
            self._request = request
            try:
                await self._send(message, request, patience_s, repeat=repeat)
            finally:
                self._request = None
                self._remember_late(request)
            return request

    async def _send(
        self, message: Message, request: _Request, patience_s: float, *, repeat: bool
    ) -> None:
        """Send, once more where that got lost, and wait for all of the answer."""
        self._endpoint.send(self.address, message)
        resend_s = self._resend_s() if repeat else None
        if resend_s is not None and resend_s < patience_s:
            if not await _wait(request.heard, resend_s) and not self._closed:
                request.resent_s = asyncio.get_running_loop().time()
                self._endpoint.send(self.address, message)
            patience_s -= resend_s
        heard = await _wait(request.heard, patience_s)
        while heard and not request.complete and not self._closed:
            # The rest may follow in datagrams of its own.
            request.heard.clear()
            rest_s = max(self._pace.rest_s, min(3.0, self.latency_s or 0.0))
            heard = await _wait(request.heard, rest_s)

    def _resend_s(self) -> float | None:
        """Return after which silence a frame counts as lost; None: it may be slow."""
        pace = self._pace
        if self.latency_s is None:
            return pace.resend_slow_s
        expected_s = 4.0 * self.latency_s
        if expected_s > pace.resend_slow_s:
            return None
        return max(pace.resend_s, expected_s)

    def _remember_late(self, request: _Request) -> None:
        now_s = asyncio.get_running_loop().time()
        self._late = {
            tid: sent_s for tid, sent_s in self._late.items() if now_s - sent_s < LATE_S
        }
        if request.first_s is None:
            self._late[request.tid] = request.sent_s

    def _heard(self, address: str, message: Message) -> None:
        if address != self.address:
            return
        if message.service in (Service.INF, Service.INFC):
            values = dict(message.properties)
            for listener in list(self._listeners):
                listener(message.source, values)
            return
        request = self._request
        if request is None or message.service not in ANSWERS[request.service]:
            return
        if self._answers(request, message):
            self._take(request, message)

    def _answers(self, request: _Request, message: Message) -> bool:
        """Return whether a message answers what is on the wire.

        Some devices do not copy the transaction number: theirs is taken where object
        and properties fit. The late answer to an older request is not.
        """
        if message.source != request.eoj and not (
            request.eoj & 0xFF == 0
            and class_code(message.source) == class_code(request.eoj)
        ):
            return False
        if message.tid == request.tid:
            self._echoes = True
            return True
        sent_s = self._late.pop(message.tid, None)
        if sent_s is not None:
            self._learn_latency(asyncio.get_running_loop().time() - sent_s)
            return False
        if self._echoes:
            return False
        epcs = {epc for epc, _ in message.properties}
        return bool(epcs) and epcs <= request.epcs

    def _take(self, request: _Request, message: Message) -> None:
        if request.first_s is None:
            request.first_s = asyncio.get_running_loop().time()
            self._learn_latency(self._took_s(request, request.first_s))
        for epc, edt in message.properties:
            if epc in request.epcs and not request.answered.get(epc):
                request.answered[epc] = edt
        if request.service is Service.SETC:
            # Only a Set_Res is a success, whatever a refusal lists.
            request.refused = message.service is not Service.SET_RES
        request.heard.set()

    def _took_s(self, request: _Request, now_s: float) -> float:
        """Return how long the node took; of two sendings either may be answered."""
        took_s = now_s - request.sent_s
        known_s = self.latency_s
        if request.resent_s is None or known_s is None:
            return took_s
        again_s = now_s - request.resent_s
        return min(took_s, again_s, key=lambda value_s: abs(value_s - known_s))

    def _learn_latency(self, latency_s: float) -> None:
        if self.latency_s is None or latency_s > self.latency_s:
            self.latency_s = latency_s
        else:
            self.latency_s += 0.1 * (latency_s - self.latency_s)
        LOGGER.debug("%s answered after %.2f s", self.address, latency_s)


async def _wait(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
