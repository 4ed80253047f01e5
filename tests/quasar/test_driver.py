"""Reading and commanding a charger that behaves like a real one."""

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import (
    IslandingStart,
    Outcome,
    OutcomeKind,
    UnitStatus,
)
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.units.quasar import notices
from custom_components.leaf_to_home.units.quasar.driver import QuasarUnit
from custom_components.leaf_to_home.units.quasar.pace import PACE
from tests.conftest import UNIT_ID

from .conftest import (
    QUICK,
    SERIAL,
    SPEC,
    Charger,
    MakeStation,
    MakeUnit,
    free_port,
    setpoint,
    until,
)

CONTROL = [(81, 1), (88, 3), (82, 0), (83, 1)]


async def power(unit: QuasarUnit) -> float:
    return (await unit.read()).power_w or 0.0


def issues(hass: HomeAssistant) -> set[str]:
    return {
        issue.removesuffix(f"_{UNIT_ID}")
        for domain, issue in ir.async_get(hass).issues
        if domain == DOMAIN
    }


async def applied(unit: QuasarUnit, power_w: float) -> Outcome:
    outcome = await unit.apply(setpoint(power_w))
    assert outcome.kind is OutcomeKind.APPLIED, outcome
    return outcome


async def test_what_a_charger_says_of_itself(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    info = await unit.connect()
    assert (info.manufacturer, info.model) == ("Wallbox", "Quasar")
    assert (info.sw_version, info.serial_number) == ("3400", str(SERIAL))
    assert unit.capabilities.islanding is IslandingStart.NEVER
    assert unit.capabilities.watchdog_s == 3.0
    reading = await unit.read()
    assert reading.status is UnitStatus.IDLE
    assert reading.connected is True
    assert reading.islanding is False
    assert reading.power_w == 0.0
    # At rest the charger says 0, which is not known.
    assert reading.soc_percent is None
    assert station.writes() == [], "looking changes nothing"


async def test_power_goes_into_the_home_and_out_of_it(
    station: Charger, make_unit: MakeUnit
) -> None:
    """The charger counts the other way round, and only here does that matter."""
    unit = await make_unit(station)
    await unit.connect()
    assert (await applied(unit, 2000.0)).power_w == 2000.0
    # Control first, the watchdog right after it; the power before the start.
    assert station.writes() == [*CONTROL, (260, -2000), (257, 1)]
    await until(lambda: _is(unit, 2000.0))
    assert (await station.ask())["grid_w"] == pytest.approx(-1100.0, abs=5.0)
    reading = await unit.read()
    assert reading.status is UnitStatus.DISCHARGING
    await until(lambda: _knows_soc(unit))
    assert (await unit.read()).soc_percent == pytest.approx(60.0, abs=1.0)

    seen = len(station.writes())
    await applied(unit, -3000.0)
    assert station.writes()[seen:] == [(260, 3000)], "a running session goes on"
    await until(lambda: _is(unit, -3000.0))
    assert (await unit.read()).status is UnitStatus.CHARGING

    # Saying it again only reads.
    await applied(unit, -3000.0)
    assert station.writes()[seen:] == [(260, 3000)]
    await applied(unit, 0.0)
    assert station.writes()[seen + 1 :] == [(257, 2), (260, 0)]
    reading = await unit.read()
    assert reading.status is UnitStatus.IDLE
    # What was known stays known while the car stays.
    assert reading.soc_percent == pytest.approx(60.0, abs=1.0)


async def _is(unit: QuasarUnit, power_w: float) -> bool:
    await unit.apply(setpoint(power_w))
    return abs(await power(unit) - power_w) < 20.0


async def _knows_soc(unit: QuasarUnit) -> bool:
    reading = await unit.read()
    await unit.apply(setpoint(2000.0))
    return reading.soc_percent is not None


async def test_the_charger_is_given_time_after_each_write(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    hass.data[PACE] = replace(QUICK, after_write_s=0.4)
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    times_s = [
        datetime.fromisoformat(line["time"]).timestamp() for line in station.commands()
    ]
    assert len(times_s) == len(CONTROL) + 2
    assert all(after - before >= 0.35 for before, after in pairwise(times_s))


async def test_the_main_limit_is_told_to_the_charger(
    station: Charger, make_unit: MakeUnit
) -> None:
    """It holds then whoever commands it, and for us as well."""
    unit = await make_unit(
        station, main_limit={"value": 16, "unit": "A", "voltage": 230}
    )
    await unit.connect()
    outcome = await unit.apply(setpoint(-7000.0))
    assert outcome.kind is OutcomeKind.LIMITED
    assert outcome.power_w == -3680.0
    assert outcome.detail == "device_limit"
    assert (514, 3680) in station.writes()
    assert (await unit.read()).max_charge_w == 3680.0
    assert (await unit.read()).max_discharge_w == 7400.0


async def test_less_than_six_ampere_cannot_be_told(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station, replace(SPEC, max_charge_w=1000.0))
    await unit.connect()
    await unit.apply(setpoint(-900.0))
    assert (514, 1380) in station.writes()


async def test_a_charger_that_nobody_hears_stops_by_itself(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    # No more messages, as if Home Assistant had died.
    await until(lambda: "watchdog" in station.events())
    assert (await station.ask())["session"] is False
    # It has stopped knowingly: that is neither the app nor another client.
    reading = await unit.read()
    assert not reading.changed_elsewhere
    assert reading.restarts == 1
    assert reading.status is UnitStatus.IDLE


async def test_reading_alone_does_not_keep_it_going(
    station: Charger, make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    """Each reading is a message: a power that nobody renews must not live on it."""
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)

    async def stopped() -> bool:
        await unit.read()
        return "watchdog" in station.events()

    await until(stopped)
    assert "nobody has renewed its set-point" in caplog.text
    await until(lambda: _idle(unit))


async def _idle(unit: QuasarUnit) -> bool:
    return (await unit.read()).status is UnitStatus.IDLE


async def test_a_car_that_begins_late_is_not_kept_going_either(
    station: Charger, make_unit: MakeUnit
) -> None:
    """It waited for longer than a charger is left alone, and nobody renews it."""
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("hold 2")
    await applied(unit, -2000.0)
    loop = asyncio.get_running_loop()
    end_s = loop.time() + 2.0 * QUICK.renew_s + QUICK.watchdog_s + QUICK.settle_s
    while loop.time() < end_s:
        assert (await unit.read()).status is UnitStatus.STARTING
        await asyncio.sleep(0.3)
    assert "watchdog" not in station.events()
    await station.ask("hold off")

    async def stopped() -> bool:
        await unit.read()
        return "watchdog" in station.events()

    await until(stopped)
    await until(lambda: _idle(unit))


async def test_what_is_renewed_goes_on(station: Charger, make_unit: MakeUnit) -> None:
    unit = await make_unit(station)
    await unit.connect()
    for _ in range(8):
        await applied(unit, 2000.0)
        await unit.read()
        await asyncio.sleep(0.6)
    assert "watchdog" not in station.events()
    assert station.writes().count((257, 1)) == 1


async def test_parking_keeps_control(station: Charger, make_unit: MakeUnit) -> None:
    """Under its app's control it would begin to charge by itself."""
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    outcome = await unit.park()
    assert outcome.kind is OutcomeKind.APPLIED
    state = await station.ask()
    assert state["remote"]
    assert not state["autostart"]
    assert state["timeout_s"] == 3
    assert state["setpoint_w"] == 0
    assert not state["session"]
    assert "started by its app" not in station.events()


async def test_what_the_app_does_is_not_parked(
    station: Charger, make_unit: MakeUnit
) -> None:
    """Whoever has only looked on has nothing to stop."""
    await station.ask("app start")
    unit = await make_unit(station)
    await unit.connect()
    await until(lambda: _charges(unit))
    assert (await unit.park()).detail == "not_ours"
    assert (await unit.give_back()).detail == "not_ours"
    assert station.writes() == []


async def _charges(unit: QuasarUnit) -> bool:
    return (await unit.read()).status is UnitStatus.CHARGING


async def test_what_stands_from_before_is_adopted(
    station: Charger, make_unit: MakeUnit
) -> None:
    """Home Assistant was killed and is back within the watchdog's time."""
    first = await make_unit(station)
    await first.connect()
    await applied(first, 2000.0)
    second = await make_unit(station)
    await second.connect()
    seen = len(station.writes())
    assert (await second.read()).changed_elsewhere is False
    await applied(second, 2000.0)
    assert station.writes()[seen:] == []
    await second.park()
    assert (await station.ask())["setpoint_w"] == 0


async def test_what_the_watchdog_has_ended_before_our_start_is_nobody_elses(
    station: Charger, make_unit: MakeUnit
) -> None:
    """Home Assistant was killed, and is back after the watchdog's time."""
    first = await make_unit(station)
    await first.connect()
    await applied(first, 2000.0)
    await until(lambda: "watchdog" in station.events())
    second = await make_unit(station)
    await second.connect()
    # The meter is not there yet: nothing is commanded for a while.
    end_s = asyncio.get_running_loop().time() + 2.0 * QUICK.settle_s
    while asyncio.get_running_loop().time() < end_s:
        assert not (await second.read()).changed_elsewhere
        await asyncio.sleep(0.2)
    # A start that still stands would begin with the next car.
    await second.park()
    assert (await station.ask())["setpoint_w"] == 0
    # It is still ours to give back.
    assert (await second.give_back()).kind is OutcomeKind.APPLIED
    assert not (await station.ask())["remote"]


async def lead(station: Charger, power_w: int) -> None:
    """Let another controller command the charger, with a watchdog of its own."""
    for register, value in ((81, 1), (83, 1), (88, 60), (260, power_w), (257, 1)):
        await station.ask(f"client {register} {value}")


async def test_another_controller_in_charge_at_our_start_is_respected(
    station: Charger, make_unit: MakeUnit
) -> None:
    """It counts as a change made elsewhere, until it is wanted otherwise."""
    await lead(station, 3000)
    unit = await make_unit(station)
    await unit.connect()
    assert (await unit.read()).changed_elsewhere
    outcome = await unit.apply(setpoint(0.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "changed_elsewhere")
    assert (await unit.park()).detail == "not_ours"
    assert (await unit.give_back()).detail == "not_ours"
    assert station.writes() == []
    assert unit.diagnostics()["changed_elsewhere_today"] == 1
    # Asked again, it is still the same one.
    await unit.connect()
    assert (await unit.read()).changed_elsewhere
    assert unit.diagnostics()["changed_elsewhere_today"] == 1

    async def taken() -> bool:
        return (await unit.apply(setpoint(2000.0))).kind is OutcomeKind.APPLIED

    await until(taken)
    assert (await station.ask())["setpoint_w"] == -2000
    assert not (await unit.read()).changed_elsewhere


@pytest.mark.parametrize("line", ["app stop", "app take", "unplug"])
async def test_another_controller_that_lets_go_is_not_respected_any_more(
    station: Charger, make_unit: MakeUnit, line: str
) -> None:
    await lead(station, 3000)
    unit = await make_unit(station)
    await unit.connect()
    assert (await unit.read()).changed_elsewhere
    await station.ask(line)
    assert not (await unit.read()).changed_elsewhere


async def test_what_another_controller_has_left_behind_is_nobodys(
    station: Charger, make_unit: MakeUnit
) -> None:
    """Remote control and a power in the registers alone move nothing."""
    await lead(station, 3000)
    await station.ask("app stop")
    unit = await make_unit(station)
    await unit.connect()
    assert not (await unit.read()).changed_elsewhere
    await applied(unit, 0.0)
    assert (await station.ask())["setpoint_w"] == 0


async def test_giving_back(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    outcome = await unit.give_back()
    assert outcome.kind is OutcomeKind.APPLIED
    assert station.writes()[-3:] == [(257, 2), (260, 0), (81, 0)]
    assert not (await station.ask())["remote"]
    # The worst that its app can do, which is why it is said.
    assert "started by its app" in station.events()
    assert issues(hass) == {notices.ISSUE_GIVEN_BACK}
    reading = await unit.read()
    assert not reading.changed_elsewhere
    assert (await unit.park()).detail == "not_ours"

    # Taken again, the warning is gone.
    await unit.apply(setpoint(0.0))
    assert (await station.ask())["remote"]
    assert issues(hass) == set()


async def test_given_back_after_the_watchdog_has_stopped_it(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    """The network was away: nothing of ours runs, but we are still in control."""
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await until(lambda: "watchdog" in station.events())
    assert (await unit.read()).restarts == 1
    await unit.give_back()
    assert not (await station.ask())["remote"]
    assert issues(hass) == {notices.ISSUE_GIVEN_BACK}


async def test_not_given_back_while_an_outage_may_be_near(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    seen = len(station.writes())
    await unit.give_back(allowed=False)
    assert station.writes()[seen:] == []
    assert issues(hass) == {notices.ISSUE_NOT_GIVEN_BACK}


# ------------------------------------------------------------ state of charge


async def test_the_car_is_asked_at_rest(station: Charger, make_unit: MakeUnit) -> None:
    unit = await make_unit(station)
    await unit.connect()

    async def known() -> bool:
        outcome = await unit.apply(setpoint(0.0, ask_soc=True))
        reading = await unit.read()
        if reading.soc_percent is None:
            assert outcome.detail == "asking_soc"
            assert reading.status is UnitStatus.STARTING
        return reading.soc_percent is not None

    await until(known)
    assert (260, 1) in station.writes(), "next to nothing is charged"
    await until(lambda: _rests(unit))
    assert station.writes()[-2:] == [(257, 2), (260, 0)]
    reading = await unit.read()
    assert reading.soc_percent == pytest.approx(60.0, abs=1.0)
    seen = len(station.writes())
    await unit.apply(setpoint(0.0, ask_soc=True))
    assert station.writes()[seen:] == [], "once is enough"


async def _rests(unit: QuasarUnit) -> bool:
    outcome = await unit.apply(setpoint(0.0, ask_soc=True))
    return outcome.kind is OutcomeKind.APPLIED


async def test_a_car_that_does_not_tell_is_left_alone(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("glitch 0")
    await until(lambda: _rests(unit))
    starts = station.writes().count((257, 1))
    assert starts == 1
    await unit.apply(setpoint(0.0, ask_soc=True))
    assert station.writes().count((257, 1)) == starts
    assert (await unit.read()).soc_percent is None


async def test_the_button_asks_and_leaves_the_app_in_control(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    assert (await unit.read()).soc_percent is None
    await unit.async_refresh_vehicle()
    assert (await unit.read()).soc_percent == pytest.approx(60.0, abs=1.0)
    assert not (await station.ask())["remote"], "as it was before"


async def test_the_button_keeps_a_known_state_of_charge(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await until(lambda: _rests(unit))
    await unit.async_refresh_vehicle()
    state = await station.ask()
    assert state["remote"]
    assert not state["session"]
    await unit.apply(setpoint(2000.0))
    seen = len(station.writes())
    await unit.async_refresh_vehicle()
    assert station.writes()[seen:] == [], "it tells by itself while it runs"


async def test_glitches_are_no_state_of_charge(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await until(lambda: _knows_soc(unit))
    await station.ask("glitch 1")
    assert (await unit.read()).soc_percent == pytest.approx(60.0, abs=1.0)
    await station.ask("glitch 222")
    assert (await unit.read()).soc_percent == pytest.approx(60.0, abs=1.0)
    # A car that came home full says more than it can be charged to, and goes on to.
    await station.ask("glitch 99")

    async def believed() -> bool:
        await unit.apply(setpoint(2000.0))
        return (await unit.read()).soc_percent == 99.0

    await until(believed)


async def test_a_full_car_is_no_failure(station: Charger, make_unit: MakeUnit) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, -2000.0)
    await station.ask("glitch 97")

    async def full() -> bool:
        await unit.apply(setpoint(-2000.0))
        return (await unit.read()).soc_percent == 97.0

    await until(full)
    # Paused, and the register reads 0 again.
    await station.ask("glitch 0")
    await station.ask("hold 4")
    outcome = await unit.apply(setpoint(-2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.LIMITED, "full")
    assert not (await unit.read()).changed_elsewhere


# ------------------------------------------------------------ the plug


async def test_unplugged_while_discharging(
    station: Charger, make_unit: MakeUnit
) -> None:
    """The command is taken back before the next car could meet it."""
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 5000.0)
    await until(lambda: _is(unit, 5000.0))
    await station.ask("unplug")
    reading = await unit.read()
    assert reading.status is UnitStatus.DISCONNECTED
    assert reading.connected is False
    assert reading.soc_percent is None
    assert (await unit.apply(setpoint(5000.0))).detail == "not_connected"
    await applied(unit, 0.0)
    assert station.writes()[-2:] == [(257, 2), (260, 0)]
    await station.ask("plug")
    state = await station.ask()
    assert not state["session"]
    assert "started at the plug" not in station.events()


async def test_nothing_starts_at_the_plug(
    station: Charger, make_unit: MakeUnit
) -> None:
    await station.ask("unplug")
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 0.0)
    await station.ask("plug")
    assert not (await station.ask())["session"]
    assert (await unit.read()).status is UnitStatus.IDLE


# ------------------------------------------------------------ somebody else


@pytest.mark.parametrize(
    "line", ["app take", "client 260 -100", "client 260 7000", "app stop"]
)
async def test_another_one_takes_over(
    station: Charger, make_unit: MakeUnit, line: str
) -> None:
    """That is noticed and respected, and taken back when it is wanted so."""
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await asyncio.sleep(2.0)
    await applied(unit, 2000.0)
    await station.ask(line)
    seen = len(station.writes())
    # Whoever feeds the watchdog does not know yet.
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "changed_elsewhere")
    assert (await unit.read()).changed_elsewhere
    assert (await unit.park()).detail == "not_ours"
    assert station.writes()[seen:] == []

    async def taken_back() -> bool:
        return (await unit.apply(setpoint(2000.0))).kind is OutcomeKind.APPLIED

    await until(taken_back)
    assert not (await unit.read()).changed_elsewhere
    assert (await station.ask())["setpoint_w"] == -2000


async def test_another_one_takes_over_while_we_are_away(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await lead(station, 3000)
    await asyncio.sleep(QUICK.watchdog_s + QUICK.settle_s + 0.2)
    seen = len(station.writes())
    assert (await unit.read()).changed_elsewhere
    assert (await unit.apply(setpoint(0.0))).detail == "changed_elsewhere"
    assert station.writes()[seen:] == []


async def test_started_by_somebody_else(station: Charger, make_unit: MakeUnit) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 0.0)
    await asyncio.sleep(2.0)
    await station.ask("client 260 3000")
    await station.ask("app start")
    assert (await unit.read()).changed_elsewhere


async def test_two_controllers_are_told_of(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    for _ in range(3):
        assert issues(hass) == set()

        async def ours() -> bool:
            return (await unit.apply(setpoint(0.0))).kind is OutcomeKind.APPLIED

        await until(ours)
        await station.ask("app take")
        await unit.read()
    assert issues(hass) == {notices.ISSUE_TWO_CONTROLLERS}
    await unit.detach()
    assert issues(hass) == set()


# ------------------------------------------------------------ trouble


async def test_errors_after_a_restart_pass(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    # It lasts long enough for a busy machine to see it.
    hass.data[PACE] = replace(QUICK, error_s=30.0)
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await station.ask("restart 5")
    reading = await unit.read()
    assert reading.status is UnitStatus.NOT_CONTROLLABLE
    assert reading.fault is None
    assert reading.connected is None
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "error_passing")

    async def over() -> bool:
        return (await unit.read()).status is UnitStatus.IDLE

    await until(over)
    reading = await unit.read()
    # What it forgot was forgotten by the restart, not taken by somebody.
    assert not reading.changed_elsewhere
    assert reading.restarts == 1
    assert issues(hass) == set()
    await applied(unit, 2000.0)


async def test_errors_that_stay(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("restart 600")

    async def failed() -> bool:
        return (await unit.read()).status is UnitStatus.FAULT

    await until(failed)
    assert (await unit.read()).fault == "7: 0000 0000 0000 0004"
    assert (await unit.apply(setpoint(0.0))).detail == "error"
    assert issues(hass) == {notices.ISSUE_ERROR}
    assert station.writes() == []


async def test_what_runs_with_an_error_can_be_stopped(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await station.ask("error 16")
    # Nothing more is begun or changed, but the car is not left to its watchdog.
    outcome = await unit.apply(setpoint(3000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "error_passing")
    await applied(unit, 0.0)
    assert station.writes()[-2:] == [(257, 2), (260, 0)]
    assert not (await station.ask("state"))["session"]
    # Where nothing of ours runs, nothing is written.
    seen = len(station.writes())
    assert (await unit.apply(setpoint(0.0))).detail == "error_passing"
    assert len(station.writes()) == seen


async def test_a_stop_that_is_not_obeyed_is_told_again(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await station.ask("error 16")
    await station.ask("hold 11")
    for _ in range(2):
        seen = len(station.writes())
        outcome = await unit.apply(setpoint(0.0))
        assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "stopping")
        assert (257, 2) in station.writes()[seen:]


async def test_a_car_is_not_asked_on_with_an_error(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    outcome = await unit.apply(setpoint(0.0, ask_soc=True))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "asking_soc")
    await station.ask("error 16")
    outcome = await unit.apply(setpoint(0.0, ask_soc=True))
    assert outcome.kind is OutcomeKind.APPLIED
    assert not (await station.ask("state"))["session"]


async def test_an_error_hides_nobody_who_has_taken_over(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 2000.0)
    await station.ask("error 16")
    await unit.read()
    await station.ask("app take")
    await station.ask("app start")
    seen = len(station.writes())
    assert (await unit.apply(setpoint(0.0))).kind is OutcomeKind.PENDING
    assert station.writes()[seen:] == []
    assert (await station.ask("state"))["session"]


@pytest.mark.parametrize("state", [8, 10])
async def test_a_queue_is_waited_for(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit, state: int
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask(f"hold {state}")
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "queue")
    assert (await unit.read()).status is UnitStatus.NOT_CONTROLLABLE

    async def told() -> bool:
        await unit.read()
        return issues(hass) == {notices.ISSUE_QUEUED}

    await until(told)
    await station.ask("hold off")
    assert (await unit.read()).status is UnitStatus.IDLE
    assert issues(hass) == set()


async def test_a_schedule_of_the_app_is_overridden(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("hold 3")
    assert (await unit.read()).status is UnitStatus.IDLE
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.PENDING, "starting")
    assert station.writes()[-1] == (257, 1)


async def test_a_locked_charger_does_not_start(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("lock on")
    outcome = await unit.apply(setpoint(2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "locked")
    assert (await unit.read()).status is UnitStatus.NOT_CONTROLLABLE
    assert issues(hass) == {notices.ISSUE_LOCKED}
    await station.ask("lock off")
    assert (await unit.read()).status is UnitStatus.IDLE
    assert issues(hass) == set()
    # It was locked by its owner: nobody else unlocks it.
    assert 256 not in [address for address, _ in station.writes()]


async def test_a_state_that_nobody_knows(station: Charger, make_unit: MakeUnit) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("hold 77")
    reading = await unit.read()
    assert reading.status is UnitStatus.NOT_CONTROLLABLE
    assert reading.connected is None
    assert (await unit.apply(setpoint(2000.0))).detail == "unknown_state"
    assert station.writes() == []


@pytest.mark.parametrize("habit", ["silent", "partial", "empty"])
async def test_answers_that_are_none(
    station: Charger, make_unit: MakeUnit, habit: str
) -> None:
    """Nothing is made of them, nothing is commanded on them, and it ends."""
    unit = await make_unit(station)
    await unit.connect()
    await unit.read()
    await station.ask(f"habit {habit}")
    with pytest.raises(UnitUnreachable):
        await unit.read()
    with pytest.raises(UnitUnreachable):
        await unit.apply(setpoint(2000.0))
    with pytest.raises(UnitUnreachable):
        await unit.connect()
    assert station.writes() == []
    await station.ask("habit none")
    await unit.connect()
    assert (await unit.read()).status is UnitStatus.IDLE


async def test_a_connection_that_is_cut(station: Charger, make_unit: MakeUnit) -> None:
    unit = await make_unit(station)
    await unit.connect()
    await station.ask("reset")
    assert (await unit.read()).status is UnitStatus.IDLE
    await applied(unit, 1000.0)
    await station.ask("reset")
    await applied(unit, 1000.0)


async def test_nobody_there(make_unit: MakeUnit, socket_enabled: None) -> None:
    unit = await make_unit(free_port())
    with pytest.raises(UnitUnreachable):
        await unit.connect()
    with pytest.raises(UnitUnreachable):
        await unit.read()


async def test_a_charger_that_comes_back(
    make_station: MakeStation, make_unit: MakeUnit
) -> None:
    station = await make_station()
    unit = await make_unit(station)
    await unit.connect()
    await applied(unit, 1000.0)
    await station.stop()
    with pytest.raises(UnitUnreachable):
        await unit.read()
    again = await make_station(port=station.port)
    await unit.connect()
    reading = await unit.read()
    assert reading.status is UnitStatus.IDLE
    await until(lambda: _takes(unit))
    assert (await again.ask())["setpoint_w"] == -1000


async def _takes(unit: QuasarUnit) -> bool:
    return (await unit.apply(setpoint(1000.0))).kind is OutcomeKind.APPLIED


async def test_another_charger_at_the_address(
    hass: HomeAssistant, station: Charger, make_unit: MakeUnit
) -> None:
    """The router has given the address to the neighbour's: hands off."""
    unit = await make_unit(station)
    unit._context.data["serial_number"] = 7
    with pytest.raises(UnitUnreachable, match="another charger"):
        await unit.connect()
    assert issues(hass) == {notices.ISSUE_OTHER_CHARGER}
    unit._context.data["serial_number"] = SERIAL
    await unit.connect()
    assert issues(hass) == set()


async def test_diagnostics_tell_what_was_written(
    station: Charger, make_unit: MakeUnit
) -> None:
    unit = await make_unit(station)
    assert unit.diagnostics()["connected"] is False
    await unit.connect()
    await applied(unit, 2000.0)
    told = unit.diagnostics()
    assert told["standing_w"] == 2000
    assert told["remote"] is True
    assert [(address, value) for _, address, value in told["writes"]][:2] == [
        (81, 1),
        (88, 3),
    ]
