"""Stations that behave badly, and a network that does."""

import asyncio
from dataclasses import replace
import socket
import subprocess
import sys

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.leaf_to_home.engine.model import OutcomeKind, Reading, UnitStatus
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.units.echonet_lite import conduct, station
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub

from .conftest import QUICK, MakeNode, MakeUnit
from .emulator import NODE, PORT, loopback
from .stations import CHARGER, Car, charger, u32
from .test_driver import connected, setpoint, until


async def test_transaction_number_not_copied(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node = await make_node(charger(Car()))
    node.habits.echo_tid = False
    node.habits.one_by_one = True
    unit = make_unit(node)
    await unit.connect()
    outcome = await unit.apply(setpoint(-3000.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert (await unit.read()).power_w == -3000.0


async def test_answers_in_two_datagrams(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(plugged=False)
    node = await make_node(charger(car))
    node.habits.split = True
    unit = make_unit(node)
    await unit.connect()
    assert (await unit.read()).status is UnitStatus.DISCONNECTED
    car.plugged = True
    assert (await unit.read()).soc_percent == 55.0


@pytest.mark.parametrize("bare", [True, False])
async def test_refusal_names_the_property(
    make_node: MakeNode, make_unit: MakeUnit, bare: bool
) -> None:
    """Some refuse without repeating what; a refusal it is all the same."""
    thing = charger(Car())
    node, unit = await connected(make_node, make_unit, thing)
    node.habits.bare_refusal = bare
    thing.on_set = lambda epc, edt: epc != 0xEB
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "refused_eb")
    # The mode is not set with a power that is not ours.
    assert thing.values[0xDA] == b"\x44"
    thing.on_set = lambda epc, edt: epc != 0xDA
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "refused_da")
    thing.on_set = None
    assert (await unit.apply(setpoint(-3000.0))).kind is OutcomeKind.APPLIED
    thing.on_set = lambda epc, edt: False
    outcome = await unit.park()
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "refused_da")


async def test_says_yes_and_forgets(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """Only what is read back counts."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    node.habits.forgetful = True
    outcome = await unit.apply(setpoint(-3000.0))
    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.detail in ("refused_dc", "refused_da", "refused_eb")


async def test_answers_after_15_seconds(
    hub: Hub, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """At a twentieth of the time: every attempt gets further, one request at a time.

    With room for a stall of this machine: what takes longer is not even begun.
    """
    hub.pace = replace(QUICK, answer_s=6.0, apply_s=3.2)
    node, unit = await connected(make_node, make_unit, charger(Car()))
    node.habits.delay_s = 0.75
    await unit.read()
    node.most_at_once = 0
    outcomes = []
    for _ in range(10):
        outcome = await unit.apply(setpoint(-3000.0))
        outcomes.append(outcome)
        if outcome.kind is OutcomeKind.APPLIED:
            break
        assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "slow")
        await asyncio.sleep(0.25)
    assert outcomes[-1].kind is OutcomeKind.APPLIED
    # None took longer than who waits for it has patience.
    assert len(outcomes) > 1
    assert node.most_at_once == 1
    writes = [epc for epc, _ in node.writes()]
    assert sorted(writes) == [0xDA, 0xDC, 0xEB]
    assert unit.capabilities.dead_time_s >= 0.75
    node.habits.delay_s = 0.0


async def test_answers_fewer_than_asked(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node = await make_node(charger(Car()))
    node.habits.most = 2
    unit = make_unit(node)
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0
    assert (await unit.apply(setpoint(-3000.0))).kind is OutcomeKind.APPLIED


async def test_wrong_lengths(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(make_node, make_unit, charger(Car()))
    node.habits.wrong_lengths = True
    await asyncio.sleep(0.35)
    reading = await unit.read()
    assert reading.soc_percent is None
    assert reading.power_w is None
    assert reading.charged_kwh is None
    outcome = await unit.apply(setpoint(-3000.0))
    assert outcome.kind is OutcomeKind.REFUSED
    node.habits.wrong_lengths = False
    assert (await unit.read()).soc_percent == 55.0


async def test_node_restarts(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """Its mode is gone with the power; that is nobody's doing, and read anew."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    await unit.apply(setpoint(-3000.0))
    before = await unit.read()
    assert before.restarts == 0
    thing = node.things[CHARGER]
    thing.values[0xDA] = b"\x44"
    # With other software it can do less.
    thing.settable -= {0xEB, 0xEC, 0xE0}
    node.boot()
    await asyncio.sleep(0.1)
    reading = await unit.read()
    assert reading.restarts == 1
    assert not reading.changed_elsewhere
    assert reading.status is UnitStatus.IDLE
    assert reading.charged_kwh is not None
    assert not unit.capabilities.set_power
    assert (await unit.read()).restarts == 1
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "mode_only")


async def test_many_restarts_are_one(
    hub: Hub, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Who announces itself in its name again and again does not keep us busy."""
    hub.pace = replace(QUICK, anew_s=3600.0)
    node, unit = await connected(make_node, make_unit, charger(Car()))
    asked = len(node.reads(CHARGER))
    for _ in range(20):
        node.boot()
        await asyncio.sleep(0.01)
        assert (await unit.read()).soc_percent == 55.0
    assert [epcs for epcs in node.reads(CHARGER)[asked:] if 0x9F in epcs] == []
    assert (await unit.apply(setpoint(-3000.0))).kind is OutcomeKind.APPLIED
    assert (await unit.read()).restarts == 0


async def test_node_is_silent_after_it_started(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    node, unit = await connected(make_node, make_unit, charger(Car()))
    node.boot()
    await asyncio.sleep(0.1)
    node.habits.silent = True
    with pytest.raises(UnitUnreachable, match="no answer"):
        await unit.read()
    node.habits.silent = False
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0


async def test_another_station_starts_at_its_address(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """No command meant for ours goes to it, not even the one that is under way."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    await node.stop()
    other = await make_node(charger(Car()), address=node.address, serial=9)
    other.boot()
    await asyncio.sleep(0.1)
    with pytest.raises(UnitUnreachable):
        await unit.async_refresh_vehicle()
    with pytest.raises(UnitUnreachable, match="another"):
        await unit.apply(setpoint(-3000.0))
    with pytest.raises(UnitUnreachable, match="another"):
        await unit.read()
    assert {request.eoj for request in other.requests} <= {NODE, CHARGER}
    assert other.writes() == []
    assert other.reads(CHARGER) == []


async def test_island_outlasts_a_restart(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """What carries the house may restart, and be slow to say so again."""
    thing = charger(Car(island=True))
    node, unit = await connected(make_node, make_unit, thing)
    assert (await unit.read()).islanding is True
    thing.impossible.add(0xDB)
    thing.on_get = None
    node.boot()
    await asyncio.sleep(0.1)
    reading = await unit.read()
    assert (reading.restarts, reading.islanding) == (1, True)
    await unit.async_refresh_vehicle()
    assert (await unit.apply(setpoint(0.0))).detail == "islanding"
    # Nor does a lost connection end it.
    await unit.connect()
    assert (await unit.read()).islanding is True
    assert (await unit.park()).detail == "islanding"
    assert node.writes() == []


async def test_node_is_gone(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(make_node, make_unit, charger(Car()))
    node.habits.silent = True
    with pytest.raises(UnitUnreachable):
        await unit.read()
    with pytest.raises(UnitUnreachable):
        await unit.apply(setpoint(-3000.0))
    with pytest.raises(UnitUnreachable):
        await unit.park()
    # Nor is who pressed the button left in the dark.
    with pytest.raises(UnitUnreachable):
        await unit.async_refresh_vehicle()
    with pytest.raises(UnitUnreachable, match="no answer"):
        await unit.connect()
    node.habits.silent = False
    await unit.connect()
    assert (await unit.read()).soc_percent == 55.0


async def test_port_taken(
    hass: HomeAssistant, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The other program is named, and nothing is sent before it is gone."""
    hass.config.components.add("echonetlite")
    node = await make_node(charger(Car()))
    address = loopback()
    unit = make_unit(node, local_address=address)
    issues = ir.async_get(hass)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((address, PORT))
        with pytest.raises(UnitUnreachable):
            await unit.connect()
    assert node.requests == []
    (issue,) = issues.issues.values()
    assert issue.translation_placeholders == {
        "unit": "LEAF",
        "program": "echonetlite",
    }
    # The port is free, whether or not the station answers.
    node.habits.silent = True
    with pytest.raises(UnitUnreachable):
        await unit.connect()
    assert not issues.issues
    node.habits.silent = False
    await unit.connect()


async def test_port_taken_by_another_program(
    hass: HomeAssistant, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """It is not blamed on an integration that is loaded too."""
    hass.config.components.add("echonetlite")
    node = await make_node(charger(Car()))
    address = loopback()
    unit = make_unit(node, local_address=address)
    code = (
        "import pathlib, socket, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.bind(('{address}', {PORT}))\n"
        "print(pathlib.Path('/proc/self/comm').read_text().strip(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        name = process.stdout.readline().decode().strip()
        with pytest.raises(UnitUnreachable):
            await unit.connect()
        process.stdin.close()
    (issue,) = ir.async_get(hass).issues.values()
    assert issue.translation_placeholders == {"unit": "LEAF", "program": name}
    assert node.requests == []


async def test_local_address_is_gone(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node = await make_node(charger(Car()))
    unit = make_unit(node, local_address="198.51.100.7")
    with pytest.raises(UnitUnreachable, match="198"):
        await unit.connect()


async def test_unplugged_in_mid_discharge(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(load_w=3000.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(2000.0))
    assert (await unit.read()).power_w == 2000.0
    heard: list[Reading] = []
    unit.listen(heard.append)
    car.plugged = False
    node.live()
    node.announce(CHARGER, 0xC7)
    await until(lambda: heard != [])
    # Before anything is asked: what was told belongs to a car that has gone.
    assert heard[0].connected is False
    assert heard[0].soc_percent is None
    assert heard[0].vehicle is None
    reading = await unit.read()
    assert reading.status is UnitStatus.DISCONNECTED
    assert reading.connected is False
    assert reading.soc_percent is None
    assert not reading.changed_elsewhere
    writes = len(node.writes())
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "not_connected")
    assert len(node.writes()) == writes


async def test_mode_set_on_the_panel(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """It is told, and what is commanded next replaces it."""
    node, unit = await connected(make_node, make_unit, charger(Car()))
    await unit.apply(setpoint(-3000.0))
    node.things[CHARGER].values[0xDA] = b"\x44"
    assert (await unit.read()).changed_elsewhere
    assert (await unit.read()).changed_elsewhere
    outcome = await unit.apply(setpoint(-3000.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert not (await unit.read()).changed_elsewhere


async def test_charge_that_ends_at_its_bound(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """The station's own stop at the energy that we set is not the panel's."""
    car = Car(soc_percent=50.0, speed=36_000.0)
    _, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(-6000.0, until_soc_percent=60.0))
    await asyncio.sleep(0.3)
    reading = await unit.read()
    assert reading.soc_percent == pytest.approx(60.0, abs=2.0)
    assert reading.status is UnitStatus.IDLE
    assert not reading.changed_elsewhere


@pytest.mark.parametrize("release", ["R", "G"])
async def test_forced_charge(
    make_node: MakeNode, make_unit: MakeUnit, release: str
) -> None:
    """With and without an actual mode: a state of its own, and no writes."""
    car = Car(soc_percent=8.0, forced_below=10.0)
    node, unit = await connected(make_node, make_unit, charger(car, release=release))
    await unit.read()
    reading = await unit.read()
    assert reading.status is UnitStatus.FORCED_CHARGE
    assert reading.power_w == -2000.0
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "forced_charge")
    outcome = await unit.park()
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "forced_charge")
    assert node.writes() == []
    car.soc_percent = 20.0
    assert (await unit.read()).status is UnitStatus.IDLE
    assert (await unit.apply(setpoint(500.0))).kind is OutcomeKind.APPLIED


async def test_forced_charge_after_our_command(
    make_node: MakeNode, make_unit: MakeUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conduct, "SETTLE_S", 0.2)
    car = Car(soc_percent=12.0, load_w=3000.0)
    _, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(2000.0))
    await asyncio.sleep(0.25)
    car.soc_percent, car.forced_below = 8.0, 10.0
    reading = await unit.read()
    assert reading.status is UnitStatus.FORCED_CHARGE
    assert not reading.changed_elsewhere


async def test_nothing_is_written_while_islanding(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(load_w=700.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(-3000.0))
    writes = len(node.writes())
    car.island = True
    # Not even when the news has not been read yet.
    await asyncio.sleep(0.3)
    for outcome in (
        await unit.park(),
        await unit.apply(setpoint(0.0)),
        await unit.apply(setpoint(-3000.0)),
    ):
        assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "islanding")
    reading = await unit.read()
    assert reading.islanding is True
    assert reading.status is UnitStatus.ISLANDING
    await unit.async_refresh_vehicle()
    await unit.detach()
    await unit.connect()
    assert (await unit.park()).detail == "islanding"
    assert len(node.writes()) == writes
    car.island = False
    assert (await unit.read()).islanding is False
    assert (await unit.park()).kind is OutcomeKind.APPLIED


async def test_car_is_not_woken_on_an_island_that_is_news(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car(load_w=700.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await asyncio.sleep(QUICK.fresh_s + 0.3)
    car.island = True
    await unit.async_refresh_vehicle()
    assert node.writes() == []
    assert car.woken == 0


async def test_islands_between_two_writes(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    car = Car()
    thing = charger(car)
    node, unit = await connected(make_node, make_unit, thing)
    own = node.requests[-1].sender

    def island(epc: int, edt: bytes) -> bool:
        car.island = True
        assert thing.on_get is not None
        thing.on_get()
        # By the way of the answer, so that it comes before that.
        node.announce(CHARGER, 0xDB, to=own)
        return True

    thing.on_set = island
    outcome = await unit.apply(setpoint(-3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "islanding")
    assert len(node.writes()) == 1
    assert (await unit.park()).detail == "islanding"
    assert len(node.writes()) == 1


async def test_unknown_interconnection_does_not_end_an_island(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    thing = charger(Car(island=True))
    _, unit = await connected(make_node, make_unit, thing)
    assert (await unit.read()).islanding is True
    thing.impossible.add(0xDB)
    thing.on_get = None
    assert (await unit.read()).islanding is True
    assert (await unit.park()).detail == "islanding"


async def test_grid_that_is_not_told_any_more(
    make_node: MakeNode, make_unit: MakeUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the grid was there is no news for ever: an outage may have begun since."""
    monkeypatch.setattr(station, "WITNESS_AGE_S", 0.2)
    thing = charger(Car())
    _, unit = await connected(make_node, make_unit, thing)
    assert (await unit.read()).islanding is False
    thing.impossible.add(0xDB)
    await asyncio.sleep(0.3)
    assert (await unit.read()).islanding is None
    thing.impossible.discard(0xDB)
    assert (await unit.read()).islanding is False


async def test_island_begins_between_two_powers(
    hub: Hub, make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """What was read back of the last command says nothing of the grid."""
    hub.pace = replace(QUICK, fresh_s=2.0, follow_s=3600.0)
    car = Car(load_w=700.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await unit.read()
    await asyncio.sleep(1.2)
    await unit.apply(setpoint(-3000.0))
    writes = len(node.writes())
    car.island = True
    await asyncio.sleep(1.2)
    assert (await unit.apply(setpoint(-2500.0))).detail == "islanding"
    assert len(node.writes()) == writes


async def test_killed_while_charging_and_back_after_eight_hours(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Nobody stops a station that nobody watches but the bound that we set."""
    car = Car(soc_percent=30.0)
    node, unit = await connected(make_node, make_unit, charger(car))
    await unit.apply(setpoint(-6000.0, until_soc_percent=80.0))
    assert (0xE7, u32(18_000)) in node.writes()
    # Killed: no park, no detach, and the station goes on by itself.
    car.speed = 8 * 3600.0 / 0.5
    await asyncio.sleep(0.5)
    node.live()
    car.speed = 1.0
    writes = len(node.writes())
    again = make_unit(node)
    await again.connect()
    reading = await again.read()
    assert reading.soc_percent == pytest.approx(80.0, abs=3.0)
    assert reading.status is UnitStatus.IDLE
    assert not reading.changed_elsewhere
    assert len(node.writes()) == writes


async def test_back_while_it_still_charges(
    make_node: MakeNode, make_unit: MakeUnit
) -> None:
    """Without a bound it still charges: it is read before anything is written."""
    thing = charger(Car(soc_percent=30.0), settable={0xDA, 0xEB, 0xEC})
    thing.values |= {0xDA: b"\x42", 0xEB: u32(6000)}
    node, unit = await connected(make_node, make_unit, thing)
    reading = await unit.read()
    assert reading.power_w == -6000.0
    assert reading.status is UnitStatus.CHARGING
    assert not reading.changed_elsewhere
    assert node.writes() == []
    # Adopted: the same command needs no write.
    outcome = await unit.apply(setpoint(-6000.0))
    assert outcome.kind is OutcomeKind.APPLIED
    assert node.writes() == []


async def test_limited_by_load(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """What the house does not take is no failure of the station's."""
    car = Car(load_w=900.0)
    thing = charger(car, release="G", settable={0xDA, 0xEC})
    _, unit = await connected(make_node, make_unit, thing)
    learner = unit._learner
    learner.dead_time_s = 0.01
    await unit.apply(setpoint(3000.0))
    for number in range(14):
        car.load_w = 900.0 if number % 2 else 1500.0
        await asyncio.sleep(0.03)
        await unit.read()
    assert unit.capabilities.discharge == "follows"
    assert unit.capabilities.native_follow
    outcome = await unit.apply(setpoint(2500.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "load")
    assert outcome.power_w in (850.0, 1450.0)


async def test_lost_frames(make_node: MakeNode, make_unit: MakeUnit) -> None:
    node, unit = await connected(make_node, make_unit, charger(Car()))
    for _ in range(3):
        node.habits.lose = 1
        assert (await unit.read()).soc_percent == 55.0
    node.habits.lose = 1
    assert (await unit.apply(setpoint(-3000.0))).kind is OutcomeKind.APPLIED


async def test_write_without_answer(make_node: MakeNode, make_unit: MakeUnit) -> None:
    """The answer is lost, the write was not: what is read back decides."""
    thing = charger(Car())
    node, unit = await connected(make_node, make_unit, thing)
    answer = node._set

    def swallow(eoj: int, service: int, properties: list[tuple[int, bytes]]) -> list:
        answer(eoj, service, properties)
        return []

    node._set = swallow  # type: ignore[method-assign]
    thing.values[0xDC] = b"\x03"
    thing.values[0xEB] = u32(3000)
    await asyncio.sleep(0.35)
    await unit.read()
    outcomes = [await unit.apply(setpoint(-3000.0)) for _ in range(2)]
    assert outcomes[-1].kind is OutcomeKind.APPLIED
    assert outcomes[-1].power_w == -3000.0
