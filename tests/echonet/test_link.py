"""One node's conversation, whatever its habits."""

import asyncio
from collections.abc import AsyncGenerator

from homeassistant.core import HomeAssistant
import pytest

from custom_components.leaf_to_home.units.echonet_lite.hub import Hub, Lan
from custom_components.leaf_to_home.units.echonet_lite.link import NoAnswer

from .conftest import QUICK, MakeNode
from .emulator import CONTROLLER, GET_RES, Emulator, Thing, frame, loopback
from .stations import CHARGER, common

WANTED = (0xD3, 0xE4, 0xDA, 0xC7, 0xE2, 0xD0, 0xD6, 0xD8, 0xC5, 0xC6)
VALUES = {epc: bytes([epc] * 4) for epc in WANTED}


@pytest.fixture
async def lan(hub: Hub) -> AsyncGenerator[Lan]:
    async with hub.async_use(loopback()) as lan:
        yield lan


@pytest.fixture
async def node(make_node: MakeNode) -> Emulator:
    return await make_node(
        Thing(eoj=CHARGER, values=common("R") | VALUES, settable={0xDA, 0xEB})
    )


async def test_asks_in_batches(lan: Lan, node: Emulator) -> None:
    async with lan.async_link(node.address) as link:
        assert await link.get(CHARGER, WANTED) == VALUES
    assert node.reads(CHARGER) == [WANTED[:8], WANTED[8:]]
    assert node.most_at_once == 1


async def test_impossible_is_empty(lan: Lan, node: Emulator) -> None:
    node.things[CHARGER].impossible |= {0xE4, 0xE2}
    async with lan.async_link(node.address) as link:
        told = await link.get(CHARGER, WANTED)
    assert told == VALUES | {0xE4: b"", 0xE2: b""}
    assert link.most(CHARGER) == 8


@pytest.mark.parametrize("habit", ["one_by_one", "split"])
async def test_answer_in_several_datagrams(
    lan: Lan, node: Emulator, habit: str
) -> None:
    node.things[CHARGER].impossible.add(0xE4)
    setattr(node.habits, habit, True)
    async with lan.async_link(node.address) as link:
        assert await link.get(CHARGER, WANTED) == VALUES | {0xE4: b""}
    assert len(node.requests) == 2


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_transaction_number_not_copied(
    lan: Lan, node: Emulator, one_by_one: bool
) -> None:
    node.habits.echo_tid = False
    node.habits.one_by_one = one_by_one
    async with lan.async_link(node.address) as link:
        assert await link.get(CHARGER, WANTED) == VALUES
        assert await link.set(CHARGER, 0xDA, b"\x42") is True
        assert await link.set(CHARGER, 0xE4, b"\x42") is False


async def test_answers_fewer_than_asked(lan: Lan, node: Emulator) -> None:
    node.habits.most = 3
    async with lan.async_link(node.address) as link:
        assert await link.get(CHARGER, WANTED) == VALUES
        assert link.most(CHARGER) == 3
        asked = len(node.requests)
        assert await link.get(CHARGER, WANTED) == VALUES
    # What was learnt saves the detour.
    assert len(node.requests) - asked == 4


async def test_empty_when_asked_too_much(lan: Lan, node: Emulator) -> None:
    node.habits.most_or_nothing = 3
    async with lan.async_link(node.address) as link:
        assert await link.get(CHARGER, WANTED) == VALUES
        assert link.most(CHARGER) == 2


async def test_property_that_is_never_answered(lan: Lan, node: Emulator) -> None:
    node.things[CHARGER].mute.add(0xE4)
    expected = {epc: edt for epc, edt in VALUES.items() if epc != 0xE4}
    async with lan.async_link(node.address) as link:
        assert await link.get(CHARGER, WANTED) == expected
        assert link.most(CHARGER) == 8
        asked = len(node.requests)
        assert await link.get(CHARGER, WANTED) == expected
    assert len(node.requests) - asked == 2


async def test_only_property_is_silent(lan: Lan, node: Emulator) -> None:
    node.things[CHARGER].mute |= set(WANTED)
    async with lan.async_link(node.address) as link:
        with pytest.raises(NoAnswer):
            await link.get(CHARGER, (0xE4,))


async def test_lost_datagram(lan: Lan, node: Emulator) -> None:
    async with lan.async_link(node.address) as link:
        await link.get(CHARGER, (0xE4,))
        node.habits.lose = 1
        assert await link.get(CHARGER, (0xE4,)) == {0xE4: VALUES[0xE4]}
        node.habits.lose = 1
        assert await link.set(CHARGER, 0xDA, b"\x42") is True


async def test_slow_answer(lan: Lan, node: Emulator) -> None:
    """An answer after 15 s, at a twentieth of the time."""
    node.habits.delay_s = 0.75
    async with lan.async_link(node.address) as link:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        assert await link.get(CHARGER, (0xE4,)) == {0xE4: VALUES[0xE4]}
        latency_s, took_s = link.latency_s, loop.time() - begun_s
        assert latency_s is not None
        assert 0.74 < latency_s <= took_s
        # It is slow, so a request is not sent twice any more.
        asked = len(node.requests)
        assert await link.get(CHARGER, (0xE2,)) == {0xE2: VALUES[0xE2]}
        assert len(node.requests) - asked == 1


async def test_answer_after_15_seconds(
    hass: HomeAssistant, node: Emulator, socket_enabled: None
) -> None:
    """With the patience that we have in a house, and in its time."""
    node.habits.delay_s = 15.0
    async with (
        Hub(hass).async_use(loopback()) as lan,
        lan.async_link(node.address) as link,
    ):
        assert await link.get(CHARGER, (0xE4, 0xD3)) == {
            epc: VALUES[epc] for epc in (0xE4, 0xD3)
        }
    # A frame might have got lost, so it was sent once more and not again.
    assert len(node.requests) == 2


async def test_late_answer_is_not_the_next_ones(lan: Lan, node: Emulator) -> None:
    async with lan.async_link(node.address) as link:
        await link.get(CHARGER, (0xE4,))
        node.habits.delay_s = QUICK.answer_s + 0.3
        with pytest.raises(NoAnswer):
            await link.get(CHARGER, (0xE4,))
        node.habits.delay_s = 0.5
        node.things[CHARGER].values[0xE4] = b"\x07"
        assert await link.get(CHARGER, (0xE4,)) == {0xE4: b"\x07"}
        # It came too late to be of use, but not to be learnt from.
        assert (link.latency_s or 0.0) > QUICK.answer_s


async def test_one_request_at_a_time(lan: Lan, node: Emulator) -> None:
    node.habits.delay_s = 0.05
    async with (
        lan.async_link(node.address) as link,
        lan.async_link(node.address) as same,
    ):
        assert same is link
        await asyncio.gather(
            *(link.get(CHARGER, (epc,)) for epc in WANTED),
            *(same.set(CHARGER, 0xDA, b"\x42") for _ in range(3)),
        )
    assert node.most_at_once == 1


async def test_who_asked_gives_up(lan: Lan, node: Emulator) -> None:
    node.habits.delay_s = 0.3
    async with lan.async_link(node.address) as link:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await link.get(CHARGER, (0xE4,))
        await link.get(CHARGER, (0xE2,))
    # The node was still busy with the first.
    assert node.most_at_once == 1


async def test_refusals(lan: Lan, node: Emulator) -> None:
    async with lan.async_link(node.address) as link:
        assert await link.set(CHARGER, 0xEB, bytes(4)) is True
        assert await link.set(CHARGER, 0xE4, b"\x00") is False
        node.habits.bare_refusal = True
        assert await link.set(CHARGER, 0xE4, b"\x00") is False
        node.habits.silent = True
        assert await link.set(CHARGER, 0xEB, bytes(4)) is None
        assert await link.set_once(CHARGER, 0xEB, bytes(4)) is None


async def test_stranger(lan: Lan, node: Emulator, make_node: MakeNode) -> None:
    """An answer from another address is none, even with the right numbers."""
    stranger = await make_node()
    node.habits.delay_s = 0.2
    async with lan.async_link(node.address) as link:
        asked = asyncio.create_task(link.get(CHARGER, (0xE4,)))
        await asyncio.sleep(0.1)
        request = node.requests[-1]
        assert request.properties == ((0xE4, b""),)
        for tid in range(0x10000):
            if tid % 997 == 0:
                await asyncio.sleep(0)
            data = frame(tid, CHARGER, CONTROLLER, GET_RES, [(0xE4, b"\x63")])
            if tid % 64 == 0:
                stranger.send(data, lan.endpoint.address)
        assert await asked == {0xE4: VALUES[0xE4]}


async def test_announcements(lan: Lan, node: Emulator) -> None:
    heard: list[tuple[int, dict[int, bytes]]] = []
    async with lan.async_link(node.address) as link:
        stop = link.listen(lambda eoj, values: heard.append((eoj, values)))
        node.announce(CHARGER, 0xDA, 0xC7)
        node.announce(CHARGER, 0xE4, to=lan.endpoint.address)
        await asyncio.sleep(0.05)
        stop()
        node.announce(CHARGER, 0xE4)
        await asyncio.sleep(0.05)
    assert heard == [
        (CHARGER, {0xDA: VALUES[0xDA], 0xC7: VALUES[0xC7]}),
        (CHARGER, {0xE4: VALUES[0xE4]}),
    ]
