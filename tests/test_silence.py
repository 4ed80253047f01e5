"""When nothing may be written, nothing is; and how a unit is left."""

import asyncio
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HassJob, HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    OutcomeKind,
    UnitMode,
    UnitStatus,
)
from tests.conftest import (
    EVENING,
    GRID,
    UNIT_ID,
    Advance,
    make_entry,
    set_power,
    setup,
    unit_data,
    wait_for,
)
from tests.living import covering, guard, run
from tests.recording import DRIVER, UNITS

# The first unit of a second home.
OTHER_ID = "01JUNIT00000000000000000B1"


async def test_the_mains_sensor_stops_every_write(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    hass.states.async_set("binary_sensor.mains", "on")
    entry = make_entry(
        unit_data(DRIVER),
        data={
            "grid": {"kind": "sensor", "entity": GRID},
            "mains": "binary_sensor.mains",
        },
    )
    home, unit = await covering(hass, freezer, entry, advance)
    hass.states.async_set("binary_sensor.mains", "off")
    await hass.async_block_till_done()
    assert guard(home) is Guard.OUTAGE_SUSPECTED
    before = list(unit.calls)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await run(hass, advance, 60)
    assert unit.calls == before

    # When the grid is back for sure, the one safe write of mode off follows.
    hass.states.async_set("binary_sensor.mains", "on")
    await run(hass, advance, 60)
    assert unit.calls == before, "it may go again at once"
    await run(hass, advance, 90)
    assert unit.writes[-1] == "park"
    assert unit.calls[len(before) :].count("park") == 1


async def test_off_is_one_safe_write_then_silence(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    writes = len(unit.writes)
    home.async_change_home(mode=HomeMode.OFF)
    await run(hass, advance, 120)
    assert unit.writes[writes:] == ["park"]
    assert await hass.config_entries.async_unload(recorded_entry.entry_id)
    assert unit.writes[writes:] == ["park"], "it is left safe already"


async def test_who_only_looks_on_takes_back_what_was_told(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    writes = len(unit.writes)
    unit.reachable = False
    home.async_change_home(mode=HomeMode.OBSERVE)
    await run(hass, advance, 3)
    assert home.units[UNIT_ID].worker.parking
    unit.reachable = True
    await run(hass, advance, 120)
    assert unit.writes[writes:] == ["park", "park"], "refused once, then done"
    assert await hass.config_entries.async_unload(recorded_entry.entry_id)
    assert unit.writes[writes:] == ["park", "park"]


async def test_a_command_takes_the_place_of_a_safe_stop_that_waits(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    unit.reachable = False
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await run(hass, advance, 1)
    assert home.units[UNIT_ID].worker.parking
    set_power(hass, GRID, STATE_UNAVAILABLE)
    home.async_change_unit(UNIT_ID, mode=UnitMode.AUTOMATIC)
    assert not home.units[UNIT_ID].worker.parking
    writes = len(unit.writes)
    unit.reachable = True
    await advance(30)
    assert len(unit.writes) == writes


async def test_a_safe_write_that_failed_is_ordered_again_after_a_restart(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    unit.reachable = False
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await run(hass, advance, 2)
    assert home.state.units[UNIT_ID].parked
    stored = hass_storage[f"{DOMAIN}.{recorded_entry.entry_id}"]["data"]["state"]
    assert stored["units"][UNIT_ID]["parked"] is False
    unit.reachable = True
    await run(hass, advance, 10)
    assert unit.writes[-1] == "park"
    stored = hass_storage[f"{DOMAIN}.{recorded_entry.entry_id}"]["data"]["state"]
    await advance(60)
    stored = hass_storage[f"{DOMAIN}.{recorded_entry.entry_id}"]["data"]["state"]
    assert stored["units"][UNIT_ID]["parked"] is True


@pytest.mark.parametrize("way", ["unload", "reload", "stop", "off", "hold", "remove"])
async def test_nothing_is_written_while_the_unit_islands(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
    way: str,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    writes = list(unit.writes)
    set_power(hass, GRID, STATE_UNAVAILABLE)
    unit.push(islanding=True, status=UnitStatus.ISLANDING, power_w=700.0)
    await hass.async_block_till_done()
    assert guard(home) is Guard.ISLANDING

    entry_id = recorded_entry.entry_id
    if way == "unload":
        await hass.config_entries.async_unload(entry_id)
    elif way == "reload":
        await hass.config_entries.async_reload(entry_id)
        await advance(30)
        again = UNITS[UNIT_ID]
        assert again is not unit
        assert again.writes == []
    elif way == "stop":
        await hass.async_stop(force=True)
    elif way == "off":
        home.async_change_home(mode=HomeMode.OFF)
    elif way == "hold":
        home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    else:
        hass.config_entries.async_remove_subentry(recorded_entry, UNIT_ID)
    await advance(10)
    unit.push()
    await advance(130)
    assert unit.writes == writes
    assert ("detach" in unit.calls) is (way not in ("off", "hold"))


@pytest.mark.parametrize("way", ["unload", "reload", "stop", "remove"])
async def test_a_unit_is_left_idle_where_no_outage_is_near(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
    way: str,
) -> None:
    _, unit = await covering(hass, freezer, recorded_entry, advance)
    writes = list(unit.writes)
    if way == "unload":
        await hass.config_entries.async_unload(recorded_entry.entry_id)
    elif way == "reload":
        await hass.config_entries.async_reload(recorded_entry.entry_id)
    elif way == "stop":
        await hass.async_stop(force=True)
    else:
        hass.config_entries.async_remove_subentry(recorded_entry, UNIT_ID)
    await hass.async_block_till_done()
    assert unit.calls[-2:] == ["park", "detach"]
    assert unit.writes == [*writes, "park"]


async def test_a_meter_lost_since_is_no_reason_to_idle_on_unload(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    writes = list(unit.writes)
    set_power(hass, GRID, STATE_UNAVAILABLE)
    # The guard itself ends after two minutes, since a meter can also simply break.
    for _ in range(30):
        unit.push()
        await advance(5)
    assert guard(home) is Guard.CLEAR
    await hass.config_entries.async_unload(recorded_entry.entry_id)
    assert "park" not in unit.calls
    assert unit.writes[: len(writes)] == writes


async def test_units_that_do_not_let_go(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = make_entry(unit_data(DRIVER), unit_data(DRIVER))
    _, unit = await covering(hass, freezer, entry, advance)
    other = UNITS[f"{UNIT_ID[:-1]}2"]

    async def hang() -> None:
        await asyncio.Event().wait()

    with patch.object(unit, "park", hang), patch.object(other, "detach", hang):
        unloading = hass.async_create_task(
            hass.config_entries.async_unload(entry.entry_id)
        )
        await wait_for(hass, freezer, unloading, seconds=10)
        assert unloading.result()
    assert "LEAF was not left as it should" in caplog.text
    assert "LEAF 2 was not left as it should" in caplog.text
    assert unit.calls[-1] == "detach"
    assert other.calls[-1] == "park"


async def test_a_vanished_meter(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    settings = home.state.settings
    unit_settings = home.state.units[UNIT_ID].settings
    writes = len(unit.writes)
    hass.states.async_remove(GRID)
    for _ in range(60):
        unit.push()
        await advance(2)
        assert home.decision is not None
        assert home.decision.grid_w is None
    assert unit.writes[writes:] == [], "two minutes without the meter, without a word"

    # Lost data means no new command and never a mode change.
    for _ in range(60):
        unit.push()
        await advance(5)
    assert unit.writes[writes:] == []
    assert home.state.settings == settings
    assert home.state.units[UNIT_ID].settings == unit_settings

    await run(hass, advance, 5, load_w=2500.0)
    assert home.decision is not None
    assert home.decision.guard is Guard.CLEAR
    assert home.decision.load_w == 2500.0
    assert len(unit.writes) > writes


async def test_a_frozen_meter(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    assert guard(home) is Guard.CLEAR
    # The state stays as it is, and says nothing more.
    for _ in range(30):
        unit.push()
        await advance(1)
    unit.push()
    await advance(5)
    assert guard(home) is Guard.METER_LOST
    assert home.decision is not None
    assert home.decision.grid_w is None
    writes = len(unit.writes)
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    for _ in range(20):
        unit.push()
        await advance(5)
    assert len(unit.writes) == writes, "not even the user's hold goes out"


async def test_a_stop_that_was_queued_never_goes_out_late(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    unit.reachable = False
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    await run(hass, advance, 2)
    outcome = home.units[UNIT_ID].worker.outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.UNREACHABLE
    calls = len(unit.calls)
    unit.reachable = True
    set_power(hass, GRID, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    await advance(60)
    assert unit.calls[calls:] == []


async def test_islanding_seen_by_nobody_but_the_reading(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    """Between a reading and the step that it causes nothing is written either."""
    home, _ = await covering(hass, freezer, recorded_entry, advance)
    runtime = home.units[UNIT_ID]
    assert home._may_write(runtime, park=False)
    assert home._may_write(runtime, park=True)
    assert runtime.coordinator.data is not None
    runtime.coordinator.data = type(runtime.coordinator.data)(
        time_s=runtime.coordinator.data.time_s, islanding=True
    )
    assert guard(home) is Guard.CLEAR
    assert not home._may_write(runtime, park=False)
    assert not home._may_write(runtime, park=True)


@pytest.mark.usefixtures("recording_driver")
async def test_a_portable_that_runs_on_its_own_battery_keeps_no_other_from_its_commands(
    hass: HomeAssistant, advance: Advance
) -> None:
    """It speaks for itself alone, and is itself not written to."""
    set_power(hass, GRID, 400.0)
    entry = make_entry(
        unit_data(DRIVER), unit_data(DRIVER, backup={"sockets_only": True})
    )
    home = await setup(hass, entry)
    leaf, portable = home.units.values()
    UNITS[portable.subentry_id].push(islanding=True, status=UnitStatus.ISLANDING)
    await advance(2)
    assert guard(home) is Guard.CLEAR
    assert home._may_write(leaf, park=False)
    assert not home._may_write(portable, park=False)
    UNITS[leaf.subentry_id].push(islanding=True)
    assert not home._may_write(leaf, park=False)
    assert not home._may_write(portable, park=False)


async def test_every_home_is_left_when_home_assistant_stops(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    """Home Assistant goes through the very list that a home takes itself out of."""
    _, unit = await covering(hass, freezer, recorded_entry, advance)
    second = make_entry(unit_data(DRIVER), first_id=OTHER_ID)
    home = await setup(hass, second)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    ran: list[str] = []

    async def foreign() -> None:
        ran.append("foreign")

    hass.async_add_shutdown_job(HassJob(foreign))
    await run(hass, advance, 60)
    other = UNITS[OTHER_ID]
    assert other.setpoints
    await hass.async_stop(force=True)
    assert unit.calls[-2:] == ["park", "detach"]
    assert other.calls[-2:] == ["park", "detach"]
    assert ran == ["foreign"]


@pytest.mark.parametrize("sign", ["mains", "meter", "islanding"])
async def test_an_outage_between_the_stop_and_the_last_write(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
    sign: str,
) -> None:
    hass.states.async_set("binary_sensor.mains", "on")
    entry = make_entry(
        unit_data(DRIVER),
        data={
            "grid": {"kind": "sensor", "entity": GRID},
            "mains": "binary_sensor.mains",
        },
    )
    home, unit = await covering(hass, freezer, entry, advance)
    worker = home.units[UNIT_ID].worker

    async def ends() -> None:
        if sign == "mains":
            hass.states.async_set("binary_sensor.mains", "off")
        elif sign == "meter":
            set_power(hass, GRID, STATE_UNAVAILABLE)
        else:
            unit.push(islanding=True)

    with patch.object(worker, "async_stop", ends):
        await home.async_stop()
    assert "park" not in unit.calls
    assert unit.calls[-1] == "detach"


async def test_the_meter_of_a_unit_is_lost_between_the_stop_and_the_last_write(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    entry = make_entry(unit_data(DRIVER), data={"grid": {"kind": "unit"}})
    home = await setup(hass, entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    unit = UNITS[UNIT_ID]
    for _ in range(60):
        unit.push(grid_w=1500.0 - unit.values["power_w"])
        await advance(1)
    assert unit.setpoints

    async def ends() -> None:
        unit.push(grid_w=None)

    with patch.object(home.units[UNIT_ID].worker, "async_stop", ends):
        await home.async_stop()
    assert "park" not in unit.calls
