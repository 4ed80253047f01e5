"""What others on the network get to know of us, and what they cannot do with us."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
import random
from typing import Any, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers import instance_id
from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.units.echonet_lite import allowance
from custom_components.leaf_to_home.units.echonet_lite.allowance import Allowance
from custom_components.leaf_to_home.units.echonet_lite.frames import (
    Message,
    Service,
    decode_map,
    encode,
)
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub, Lan
from custom_components.leaf_to_home.units.echonet_lite.own_node import (
    OwnNode,
    identification,
)
from scripts.tools import echonet_emulator

from .conftest import QUICK
from .emulator import (
    CONTROLLER,
    GET,
    GET_RES,
    GET_SNA,
    INF,
    INF_REQ,
    INFC,
    NODE,
    SETC,
    SETC_SNA,
    SETI,
    SETI_SNA,
    Emulator,
    frame,
    loopback,
)
from .stations import CHARGER
from .test_driver import until

INF_SNA, INFC_RES, SET_RES = 0x53, 0x7A, 0x71
INSTANCES = bytes.fromhex("0105ff01")
ANNOUNCED = (0xD5, INSTANCES)

type Properties = list[tuple[int, bytes]]


class Controller(Emulator):
    """Another controller, which hears everything and answers nothing."""

    def __init__(self) -> None:
        super().__init__(loopback(), [])
        self.heard: list[tuple[str, bytes]] = []
        self._tid = 0x4000

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if addr[0] != self.address:
            self.heard.append((addr[0], data))

    async def ask(
        self,
        lan: Lan,
        eoj: int,
        service: int,
        properties: Properties,
        *,
        to_all: bool = False,
    ) -> list[bytes]:
        """Return all that is said until a later request is answered."""
        address = lan.endpoint.address
        begun = len(self.heard)
        # Both go through the same socket, so that the later one is heard later.
        target = echonet_emulator.GROUP if to_all else address
        self.send(frame(0x1234, CHARGER, eoj, service, properties), target)
        self._tid += 1
        self.send(frame(self._tid, CONTROLLER, NODE, GET, [(0x80, b"")]), target)
        answer = frame(self._tid, NODE, CONTROLLER, GET_RES, [(0x80, b"\x30")])
        await until(lambda: (address, answer) in self.heard[begun:], 10.0)
        said = [data for sender, data in self.heard[begun:] if sender == address]
        return [data for data in said if data != answer]

    async def read(self, lan: Lan, eoj: int, epc: int) -> bytes:
        """Return the value of one of our properties."""
        (answer,) = await self.ask(lan, eoj, GET, [(epc, b"")])
        value = answer[14:]
        assert answer == frame(0x1234, eoj, CHARGER, GET_RES, [(epc, value)])
        return value


@pytest.fixture
async def controller(socket_enabled: None) -> AsyncGenerator[Controller]:
    controller = Controller()
    await controller.start()
    yield controller
    await controller.stop()


@asynccontextmanager
async def opened(hub: Hub, controller: Controller) -> AsyncGenerator[Lan]:
    """Use a network, and let the controller hear that we are there."""
    async with hub.async_use(loopback()) as lan:
        said = await controller.ask(lan, NODE, GET, [])
        assert said == [frame(0, NODE, NODE, INF, [ANNOUNCED])]
        yield lan


@pytest.fixture
async def lan(hub: Hub, controller: Controller) -> AsyncGenerator[Lan]:
    async with opened(hub, controller) as lan:
        yield lan


def answer(eoj: int, service: int, properties: Properties) -> list[bytes]:
    return [frame(0x1234, eoj, CHARGER, service, properties)]


async def test_says_once_that_it_is_there(
    hub: Hub, lan: Lan, controller: Controller
) -> None:
    async with hub.async_use(lan.endpoint.address):
        assert await controller.ask(lan, NODE, GET, []) == []


@pytest.mark.parametrize(
    ("eoj", "values", "announced"),
    [
        (
            NODE,
            {
                0x80: "30",
                0x82: "010d0100",
                0x8A: "ffffff",
                0x8C: b"LEAF to Home".hex(),
                0xD3: "000001",
                0xD4: "0002",
                0xD6: INSTANCES.hex(),
                0xD7: "0105ff",
            },
            frozenset({0x80, 0xD5}),
        ),
        (
            CONTROLLER,
            {
                0x80: "30",
                0x81: "00",
                0x82: "00005201",
                0x88: "42",
                0x8A: "ffffff",
                0x8C: b"LEAF to Home".hex(),
            },
            frozenset({0x80, 0x81, 0x88}),
        ),
    ],
)
async def test_tells_what_it_is(
    lan: Lan,
    controller: Controller,
    eoj: int,
    values: dict[int, str],
    announced: frozenset[int],
) -> None:
    for epc, value in values.items():
        assert (await controller.read(lan, eoj, epc)).hex() == value
    maps = {epc: await controller.read(lan, eoj, epc) for epc in (0x9D, 0x9E, 0x9F)}
    assert decode_map(maps[0x9D]) == announced
    # Nothing of us can be set.
    assert decode_map(maps[0x9E]) == frozenset()
    listed = frozenset((*values, *maps, *((0x83,) if eoj == NODE else ())))
    assert decode_map(maps[0x9F]) == listed


async def test_asked_with_all_others(lan: Lan, controller: Controller) -> None:
    """As controllers search: by a call to all, and to every object of a class."""
    for eoj in (NODE, NODE - 1):
        for to_all in (True, False):
            said = await controller.ask(lan, eoj, GET, [(0xD6, b"")], to_all=to_all)
            assert said == answer(NODE, GET_RES, [(0xD6, INSTANCES)])
    said = await controller.ask(lan, CONTROLLER - 1, GET, [(0x88, b"")], to_all=True)
    assert said == answer(CONTROLLER, GET_RES, [(0x88, b"\x42")])


@pytest.mark.parametrize("eoj", [NODE, CONTROLLER])
async def test_asked_for_what_it_lacks(
    lan: Lan, controller: Controller, eoj: int
) -> None:
    said = await controller.ask(lan, eoj, GET, [(0x80, b""), (0xE4, b"")])
    assert said == answer(eoj, GET_SNA, [(0x80, b"\x30"), (0xE4, b"")])
    said = await controller.ask(lan, eoj, INF_REQ, [(0x80, b""), (0xE4, b"")])
    assert said == answer(eoj, INF_SNA, [(0x80, b"\x30"), (0xE4, b"")])
    # What is only announced cannot be read.
    said = await controller.ask(lan, eoj, GET, [(0xD5, b"")])
    assert said == answer(eoj, GET_SNA, [(0xD5, b"")])


async def test_asked_to_announce(lan: Lan, controller: Controller) -> None:
    said = await controller.ask(lan, NODE, INF_REQ, [(0xD5, b""), (0x80, b"")])
    assert said == answer(NODE, INF, [ANNOUNCED, (0x80, b"\x30")])
    said = await controller.ask(lan, CONTROLLER, INF_REQ, [(0x88, b"")])
    assert said == answer(CONTROLLER, INF, [(0x88, b"\x42")])
    # It was told to all.
    log = [note for note in lan.endpoint.log if note.direction == "out"]
    told = [note for note in log if note.data[10] == INF]
    assert {note.address for note in told} == {echonet_emulator.GROUP}


@pytest.mark.parametrize("eoj", [NODE, CONTROLLER])
@pytest.mark.parametrize("to_all", [False, True])
async def test_obeys_nobody(
    lan: Lan, controller: Controller, eoj: int, to_all: bool
) -> None:
    """What is refused comes back as it was, and nothing has changed."""
    wanted: Properties = [(0x80, b"\x31"), (0x81, b"\x08"), (0xDA, b"\x43")]
    before = await controller.ask(lan, eoj, GET, [(epc, b"") for epc, _ in wanted])
    for service, refusal in ((SETC, SETC_SNA), (SETI, SETI_SNA)):
        said = await controller.ask(lan, eoj, service, wanted, to_all=to_all)
        assert said == answer(eoj, refusal, wanted)
    after = await controller.ask(lan, eoj, GET, [(epc, b"") for epc, _ in wanted])
    assert after == before


async def test_confirms_what_asks_for_it(lan: Lan, controller: Controller) -> None:
    for eoj in (NODE, CONTROLLER):
        said = await controller.ask(lan, eoj, INFC, [(0xDA, b"\x42"), (0xC7, b"\x43")])
        assert said == answer(eoj, INFC_RES, [(0xDA, b""), (0xC7, b"")])


@pytest.mark.parametrize("eoj", [CHARGER, 0x0EF002, 0x05FF02, 0x000000])
async def test_not_for_us(lan: Lan, controller: Controller, eoj: int) -> None:
    for service in (GET, INF_REQ, SETC, SETI, INFC):
        assert await controller.ask(lan, eoj, service, [(0x80, b"\x30")]) == []


@pytest.mark.parametrize("eoj", [NODE, CONTROLLER])
async def test_answers_no_answer(lan: Lan, controller: Controller, eoj: int) -> None:
    """Two nodes that did would keep each other busy for ever."""
    # Those of which both is asked at once among them, which we know nothing of.
    for service in (*range(0x50, 0x54), 0x5E, 0x6E, *range(0x71, 0x74), 0x7A, 0x7E):
        assert await controller.ask(lan, eoj, service, [(0x80, b"\x30")]) == []


async def test_asked_for_nothing_or_for_one_thing_often(
    lan: Lan, controller: Controller
) -> None:
    assert await controller.ask(lan, NODE, GET, []) == []
    assert await controller.ask(lan, NODE, GET, [(0x83, b"")] * 100) == []


async def test_two_of_us_leave_each_other_alone(
    hass: HomeAssistant, lan: Lan, controller: Controller
) -> None:
    other = Hub(hass, QUICK)
    async with opened(other, controller) as second:
        for each in (lan, second):
            await controller.ask(each, NODE, GET, [])
        for each, noise in ((lan, second), (second, lan)):
            spoken = [
                note
                for note in each.endpoint.log
                if note.address == noise.endpoint.address
            ]
            assert [note.direction for note in spoken] == ["in"] * (each is lan)


async def test_same_number_after_a_restart(
    hass: HomeAssistant, controller: Controller
) -> None:
    numbers = []
    for _ in range(2):
        async with opened(Hub(hass, QUICK), controller) as lan:
            numbers.append(await controller.read(lan, NODE, 0x83))
    assert numbers == [numbers[0]] * 2
    number = numbers[0]
    assert number[:4] == b"\xfe\xff\xff\xff"
    assert len(number) == 17
    own = await instance_id.async_get(hass)
    assert number == identification(own)
    # It tells nobody what it was made from, and others have another.
    assert bytes.fromhex(own) not in number
    assert identification(own + "0") != number


async def test_flood(
    lan: Lan, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks without end is answered for a while, and others still are."""
    monkeypatch.setattr(allowance, "PER_S", 0.0)
    monkeypatch.setattr(lan.endpoint, "_allowance", Allowance())
    address = lan.endpoint.address
    heard: list[Message] = []
    lan.endpoint.listen(lambda _, message: heard.append(message))
    for burst in range(1, 26):
        for tid in range(20):
            controller.send(frame(tid, CHARGER, NODE, GET, [(0xD6, b"")]), address)
        # None of them got lost on the way.
        await until(partial(lambda count: len(heard) >= count, 20 * burst), 10.0)
    other = Controller()
    await other.start()
    try:
        assert await other.read(lan, NODE, 0xD6) == INSTANCES
    finally:
        await other.stop()
    told = frame(0, NODE, CHARGER, GET_RES, [(0xD6, INSTANCES)])
    answers = [data for _, data in controller.heard if data[4:] == told[4:]]
    assert len(answers) == allowance.BURST


def test_allowance_comes_back() -> None:
    asked = Allowance()
    assert sum(asked.take("a", 0.0) for _ in range(1000)) == allowance.BURST
    assert not asked.take("a", 0.5)
    assert asked.take("a", 1.0)
    assert sum(asked.take("a", 3600.0) for _ in range(1000)) == allowance.BURST


def test_made_up_addresses() -> None:
    """All together get no more either, and are not remembered for ever."""
    asked = Allowance()
    given = sum(asked.take(f"{number % 200}", 0.0) for number in range(5000))
    assert given == allowance.ALL_BURST
    # Those who were told apart first have had something.
    assert not asked.take("new", 1.0)
    assert asked.take("new", 3600.0)
    assert sum(asked.take(f"{number}", 3600.0) for number in range(5000)) < 200


EPCS = st.integers(0x80, 0xFF)


@given(
    st.builds(
        Message,
        tid=st.integers(0, 0xFFFF),
        source=st.integers(0, 0xFFFFFF),
        target=st.sampled_from((NODE, CONTROLLER, NODE - 1, CONTROLLER - 1, CHARGER)),
        service=st.sampled_from(Service),
        properties=st.lists(st.tuples(EPCS, st.binary(max_size=20)), max_size=40).map(
            tuple
        ),
    )
)
def test_answers_are_not_much_more_than_was_asked(message: Message) -> None:
    node = OwnNode(identification("x"))
    said = node.answer(message)
    if said is None:
        return
    assert len(encode(said)) <= 4 * len(encode(message))
    assert said.tid == message.tid
    assert said.target == message.source
    assert [epc for epc, _ in said.properties] == [epc for epc, _ in message.properties]
    assert node.answer(said) is None


def test_largest_answer() -> None:
    """Everything at once is the most that anybody can get out of us."""
    node = OwnNode(identification("x"))
    chance = random.Random(1)
    most = 0.0
    for _ in range(3000):
        asked = chance.sample(range(0x80, 0x100), chance.randrange(1, 16))
        message = Message(
            tid=1,
            source=CHARGER,
            target=chance.choice((NODE, CONTROLLER)),
            service=Service.GET,
            properties=tuple((epc, b"") for epc in asked),
        )
        said = node.answer(message)
        assert said is not None
        most = max(most, len(encode(said)) / len(encode(message)))
    assert 1.0 < most <= 4.0
