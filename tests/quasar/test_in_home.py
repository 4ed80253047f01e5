"""A home with a charger: commands, and what must never be sent to it."""

import asyncio
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    ReasonCode,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.units.quasar import notices
from custom_components.leaf_to_home.units.quasar.pace import PACE
from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup

from .conftest import QUICK, SERIAL, Charger, quasar_data, until

MAINS = "binary_sensor.mains"


def make_home(station: Charger) -> MockConfigEntry:
    return make_entry(
        quasar_data(station.port),
        data={"grid": {"kind": "sensor", "entity": GRID}, "mains": MAINS},
    )


class House:
    """The meter of a house, which reports while it lives."""

    def __init__(self, hass: HomeAssistant, station: Charger) -> None:
        self.lives = True
        self._hass = hass
        self._station = station
        self._task = asyncio.create_task(self._report())

    async def _report(self) -> None:
        while True:
            if self.lives:
                state = await self._station.ask()
                set_power(self._hass, GRID, round(state["grid_w"]))
            await asyncio.sleep(0.25)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.fixture
async def house(hass: HomeAssistant, station: Charger) -> Any:
    """Return the house of the station."""
    hass.states.async_set(MAINS, "on")
    house = House(hass, station)
    yield house
    await house.stop()


async def commanded(
    hass: HomeAssistant, entry: MockConfigEntry, mode: UnitMode
) -> Home:
    """Return a home whose owner gives a command."""
    home = await setup(hass, entry)
    await until(lambda: home.state.guard is Guard.CLEAR)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(UNIT_ID, mode=mode, power_w=1500.0)
    await until(lambda: status(home) in (UnitStatus.CHARGING, UnitStatus.DISCHARGING))
    return home


def status(home: Home) -> UnitStatus | None:
    reading = home.units[UNIT_ID].coordinator.data
    return reading.status if reading is not None else None


def issues(hass: HomeAssistant) -> set[str]:
    return {
        issue.removesuffix(f"_{UNIT_ID}")
        for domain, issue in ir.async_get(hass).issues
        if domain == DOMAIN and issue.startswith("quasar")
    }


async def test_observed_then_commanded(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    """A new home sends nothing; then the car is asked first, and charged."""
    entry = make_home(station)
    home = await setup(hass, entry)
    await until(lambda: home.state.guard is Guard.CLEAR)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE, power_w=1500.0)
    await asyncio.sleep(1.0)
    assert station.writes() == []
    assert home.decision is not None
    assert home.decision.units[UNIT_ID].reason.code is ReasonCode.SOC_UNKNOWN

    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await until(lambda: (260, 1500) in station.writes())
    powers = [value for address, value in station.writes() if address == 260]
    assert powers[0] == 1, "the car tells its state of charge first"
    await until(lambda: status(home) is UnitStatus.CHARGING)
    assert hass.states.get("sensor.leaf_state_of_charge") is not None
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    await until(lambda: station.writes()[-1] == (260, 0))
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_reloading_keeps_control_at_rest(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    """Given back, the charger would begin to charge, at the peak perhaps."""
    entry = make_home(station)
    await commanded(hass, entry, UnitMode.DISCHARGE)
    assert await hass.config_entries.async_unload(entry.entry_id)
    state = await station.ask()
    assert state["remote"]
    assert not state["autostart"]
    assert not state["session"]
    assert state["setpoint_w"] == 0
    assert state["timeout_s"] == 3
    await asyncio.sleep(3.5)
    assert not (await station.ask())["session"]
    assert "started by its app" not in station.events()
    assert issues(hass) == set()


async def test_removing_gives_back(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    entry = make_home(station)
    await commanded(hass, entry, UnitMode.DISCHARGE)
    hass.config_entries.async_remove_subentry(entry, UNIT_ID)
    await until(lambda: (81, 0) in station.writes())
    await hass.async_block_till_done()
    assert not (await station.ask())["remote"]
    assert issues(hass) == {notices.ISSUE_GIVEN_BACK}
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_removing_the_home_gives_back(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    entry = make_home(station)
    await commanded(hass, entry, UnitMode.DISCHARGE)
    await hass.config_entries.async_remove(entry.entry_id)
    assert station.writes()[-1] == (81, 0)
    assert issues(hass) == {notices.ISSUE_GIVEN_BACK}


async def test_removing_a_home_that_only_observed_touches_nothing(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    entry = make_home(station)
    home = await setup(hass, entry)
    await until(lambda: home.state.guard is Guard.CLEAR)
    await hass.config_entries.async_remove(entry.entry_id)
    assert station.writes() == []
    assert issues(hass) == set()


async def test_off_gives_back_and_is_silent(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    entry = make_home(station)
    home = await commanded(hass, entry, UnitMode.DISCHARGE)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await until(lambda: issues(hass) == {notices.ISSUE_GIVEN_BACK})
    assert (81, 0) in station.writes()
    seen = len(station.writes())
    await asyncio.sleep(1.0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert station.writes()[seen:] == []


@pytest.mark.parametrize("how", ["mains", "meter"])
async def test_nothing_is_written_while_an_outage_may_be_near(
    hass: HomeAssistant, station: Charger, house: House, how: str
) -> None:
    """Neither by off, nor by hold, nor by unloading, nor by removing it."""
    entry = make_home(station)
    home = await commanded(hass, entry, UnitMode.DISCHARGE)
    if how == "mains":
        hass.states.async_set(MAINS, "off")
    else:
        house.lives = False
        hass.states.async_set(GRID, "unavailable")
    await until(lambda: home.state.guard is not Guard.CLEAR)
    await asyncio.sleep(0.3)
    seen = len(station.writes())
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    await asyncio.sleep(0.5)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await asyncio.sleep(0.5)
    hass.config_entries.async_remove_subentry(entry, UNIT_ID)
    await hass.async_block_till_done()
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert station.writes()[seen:] == []
    # It ends by itself, since nobody is there any more.
    await until(lambda: "watchdog" in station.events())


async def test_unplugging_ends_in_a_named_state(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    entry = make_home(station)
    home = await commanded(hass, entry, UnitMode.DISCHARGE)
    await station.ask("unplug")
    await until(lambda: hass.states.is_state("sensor.leaf_status", "disconnected"))
    # What stood would begin with the next car.
    await until(lambda: station.writes()[-2:] == [(257, 2), (260, 0)])
    seen = len(station.writes())
    await station.ask("plug")
    await until(lambda: status(home) is not UnitStatus.DISCONNECTED)
    assert not [event for event in station.events() if event == "started at the plug"]
    # Another car may have come: it is asked before anything is wanted of it.
    await until(lambda: (260, 1) in station.writes()[seen:])
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_the_app_takes_over(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    """It is respected, and said so, until the owner wants something here."""
    entry = make_home(station)
    home = await commanded(hass, entry, UnitMode.DISCHARGE)
    await station.ask("app take")
    await until(
        lambda: (
            home.decision is not None
            and home.decision.units[UNIT_ID].reason.code is ReasonCode.CHANGED_ELSEWHERE
        )
    )
    seen = len(station.writes())
    await asyncio.sleep(1.5)
    assert station.writes()[seen:] == []
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE, power_w=1500.0)
    await until(lambda: (260, 1500) in station.writes()[seen:])
    assert (await station.ask())["remote"]
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_restart_of_the_charger_is_survived(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    """Errors for a while, and everything forgotten; nobody took it over."""
    # They last long enough for a busy machine to see them.
    hass.data[PACE] = replace(QUICK, error_s=30.0)
    entry = make_home(station)
    home = await commanded(hass, entry, UnitMode.DISCHARGE)
    await station.ask("restart 5")
    await until(lambda: status(home) is UnitStatus.NOT_CONTROLLABLE)
    seen = len(station.writes())
    # It is under control again, and rests: a start within five minutes of the last is
    # the owner's to ask for.
    await until(lambda: (81, 1) in station.writes()[seen:])
    await until(lambda: status(home) is UnitStatus.IDLE)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE, power_w=1500.0)
    await until(lambda: (260, 1500) in station.writes()[seen:])
    await until(lambda: status(home) is UnitStatus.CHARGING)
    assert issues(hass) == set()
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_dead_engine_does_not_keep_it_going(
    hass: HomeAssistant,
    station: Charger,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Readings go on when no decision can be made; the charger stops all the same."""
    entry = make_home(station)
    await commanded(hass, entry, UnitMode.DISCHARGE)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    # No input is known that makes the engine fail.
    monkeypatch.setattr("custom_components.leaf_to_home.home.step", fail)
    await until(lambda: "watchdog" in station.events())
    monkeypatch.undo()
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_diagnostics_name_no_charger(
    hass: HomeAssistant, station: Charger, house: House
) -> None:
    entry = make_home(station)
    await commanded(hass, entry, UnitMode.DISCHARGE)
    told = str(await async_get_config_entry_diagnostics(hass, entry))
    assert "127.0.0.1" not in told
    assert str(SERIAL) not in told
    assert "standing_w" in told
    assert await hass.config_entries.async_unload(entry.entry_id)
