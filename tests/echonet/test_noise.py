"""Noise, lies and orders on a network that anybody can speak on."""

import asyncio
from dataclasses import replace
import logging
import random
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.model import OutcomeKind, Reading, UnitStatus
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.units.echonet_lite.driver import EchonetLiteUnit
from custom_components.leaf_to_home.units.echonet_lite.endpoint import Endpoint
from scripts.tools import echonet_emulator

from .conftest import QUICK, MakeNode, MakeUnit
from .emulator import (
    CONTROLLER,
    GET,
    GET_RES,
    GET_SNA,
    INF,
    INF_REQ,
    INFC,
    NODE,
    PORT,
    SET_RES,
    SETC,
    SETC_SNA,
    SETI,
    frame,
    loopback,
)
from .stations import BOARD, CHARGER, Car, battery, board, charger, u32
from .test_driver import connected, setpoint
from .test_house import chosen

ANSWERS = (INF, INF, INF, GET_RES, GET_SNA, SET_RES, SETC_SNA)
REQUESTS = (GET, SETC, SETI, INF_REQ, INFC)


def broken(chance: random.Random, good: list[bytes]) -> bytes:
    """Return anything from noise to a frame that is nearly right."""
    match chance.randrange(8):
        case 0:
            return chance.randbytes(chance.randrange(60))
        case 1:
            return b"\x10\x81" + chance.randbytes(chance.randrange(60))
        case 2 | 3 | 4:
            properties = [
                (chance.randrange(0x80, 0x100), chance.randbytes(chance.randrange(9)))
                for _ in range(chance.randrange(6))
            ]
            source = chance.choice((CHARGER, CHARGER, 0x027D1F, NODE, 0x028701))
            target = chance.choice((CONTROLLER, NODE, CHARGER))
            data = frame(
                0, source, target, chance.choice(ANSWERS + REQUESTS), properties
            )
            return data[: chance.choice((len(data), chance.randrange(12, 80)))]
        case _:
            damaged = bytearray(chance.choice(good))
            for _ in range(chance.randrange(4)):
                where = chance.randrange(len(damaged)) if damaged else 0
                match chance.randrange(4):
                    case 0 if damaged:
                        damaged[where] = chance.randrange(256)
                    case 1:
                        damaged.insert(where, chance.randrange(256))
                    case 2:
                        del damaged[where : where + 1]
                    case _:
                        del damaged[where:]
            return bytes(damaged)


async def test_random_frames(
    make_node: MakeNode, make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage over the wire, by itself and as announcements; the unit lives on."""
    caplog.set_level(logging.INFO)
    node, unit = await connected(make_node, make_unit, charger(Car()), battery())
    heard: list[Reading] = []
    unit.listen(heard.append)
    address = node.requests[-1].sender
    good = [note.data for note in endpoint_of(unit).log if note.direction == "in"]
    chance = random.Random(2)
    for number in range(3000):
        node.send(broken(chance, good), address)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    assert heard
    assert "could not be used" not in caplog.text
    # Among them were announcements of a restart.
    reading = await unit.read()
    assert (reading.soc_percent, reading.restarts) == (55.0, 1)
    assert node.writes() == []


def endpoint_of(unit: EchonetLiteUnit) -> Endpoint:
    assert unit._contact.lan is not None
    return unit._contact.lan.endpoint


@pytest.mark.timeout(180)
async def test_a_hundred_thousand_frames_at_a_unit_that_works(
    make_node: MakeNode, make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    """From the station's address, the meter's and others, while it is read and told.

    Through the front door, but not over the wire, which would lose most of them.
    """
    caplog.set_level(logging.INFO)
    meter = await make_node(board(800.0), serial=2)
    node = await make_node(charger(Car()), battery())
    unit = make_unit(node, meters=[chosen(meter, BOARD)])
    await unit.connect()
    await unit.read()
    errors: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    endpoint = endpoint_of(unit)
    good = [note.data for note in endpoint.log if note.direction == "in"]
    assert len(good) > 10
    senders = (node.address, meter.address, loopback(), endpoint.address)
    chance = random.Random(3)
    told = 0
    for number in range(100_000):
        sender = chance.choice(senders)
        endpoint_of(unit)._received(broken(chance, good), (sender, PORT))
        if number % 500 == 0:
            await asyncio.sleep(0)
        if number % 5_000 == 0:
            # Whatever comes of it, it is an outcome or a lost station.
            try:
                await unit.apply(setpoint(-1000.0 - number / 100.0))
                await unit.read()
                told += 1
            except UnitUnreachable:
                await unit.connect()
    assert told > 0
    assert "could not be used" not in caplog.text
    assert errors == []
    # What it was told of the station in the meantime is forgotten with the noise.
    await unit.connect()
    await asyncio.sleep(QUICK.slow_s)
    assert (await unit.read()).soc_percent == 55.0
    outcome = await unit.apply(setpoint(-3000.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert node.writes(0x027D1F) == meter.writes() == []


async def test_set_requests_sent_to_us(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Neither the station nor anybody else can command us, or through us."""
    thing = charger(Car())
    stranger = await make_node(charger(Car()), serial=2)
    node, unit = await connected(make_node, make_unit, thing)
    before, capabilities = await unit.read(), unit.capabilities
    own = node.requests[-1].sender
    values = [(0xDA, b"\x43"), (0xEC, u32(6000)), (0xDB, b"\x01"), (0xE4, b"\x01")]
    for sender in (node, stranger):
        for service in (SETC, SETI, 0x6E):
            for eoj in (CONTROLLER, NODE, CHARGER):
                sender.send(frame(1, CHARGER, eoj, service, values), own)
            for eoj in (CONTROLLER, NODE):
                data = frame(1, CHARGER, eoj, service, values)
                sender.send(data, echonet_emulator.GROUP)
    await asyncio.sleep(0.1)
    after = await unit.read()
    assert replace(after, time_s=before.time_s) == before
    assert unit.capabilities == capabilities
    assert node.writes(CHARGER) == stranger.writes(CHARGER) == []
    assert thing.values[0xDA] == b"\x44"


async def test_announcements_of_a_stranger(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    stranger = await make_node(charger(Car()), serial=2)
    node, unit = await connected(make_node, make_unit, charger(Car()))
    heard: list[Reading] = []
    unit.listen(heard.append)
    stranger.things[CHARGER].values[0xDA] = b"\x43"
    stranger.announce(CHARGER, 0xDA)
    stranger.announce(CHARGER, 0xDA, to=node.requests[-1].sender)
    await asyncio.sleep(0.1)
    assert heard == []
    assert (await unit.read()).status is UnitStatus.IDLE
