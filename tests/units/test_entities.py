"""A unit made of another integration's entities, in a home that runs."""

from collections.abc import Mapping
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
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
    OutcomeKind,
    ReasonCode,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.home import Home
from tests.conftest import (
    EVENING,
    GRID,
    UNIT_ID,
    Advance,
    make_entry,
    set_power,
    setup,
    unit_data,
)

from . import foreign
from .foreign import count_calls, state, turn

READ: dict[str, Any] = {
    "soc": foreign.SOC_SENSOR,
    "power": foreign.POWER,
    "power_inverted": False,
    # A template speaks when something changes, and not otherwise.
    "power_max_age_s": 3600,
}
SIGNED: dict[str, Any] = {
    "power": foreign.SIGNED,
    "positive": "charge",
    "dead_time_s": 2,
}


class Running:
    """A home with the inverter as its unit, whose meter speaks."""

    def __init__(
        self, hass: HomeAssistant, entry: MockConfigEntry, advance: Advance
    ) -> None:
        self.hass = hass
        self.entry = entry
        self.grid_w = 1000.0
        self._advance = advance

    @property
    def home(self) -> Home:
        home: Home = self.entry.runtime_data.home
        return home

    def status(self) -> UnitStatus | None:
        decision = self.home.decision
        assert decision is not None
        return decision.units[UNIT_ID].status

    def reason(self) -> ReasonCode:
        decision = self.home.decision
        assert decision is not None
        return decision.units[UNIT_ID].reason.code

    def issue(self, key: str) -> ir.IssueEntry | None:
        return ir.async_get(self.hass).async_get_issue(DOMAIN, f"{key}_{UNIT_ID}")

    async def live(self, seconds: int) -> None:
        """Let the meter report for a while."""
        for _ in range(0, seconds, 5):
            set_power(self.hass, GRID, self.grid_w)
            await self._advance(5)

    async def command(self, mode: UnitMode, seconds: int = 30) -> None:
        self.home.async_change_unit(UNIT_ID, mode=mode)
        await self.live(seconds)


async def begin(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    *,
    setpoint: Mapping[str, Any] | None = SIGNED,
    **data: Any,
) -> Running:
    """Return a home in automatic mode whose unit is told to hold."""
    freezer.move_to(EVENING)
    await foreign.install(hass)
    unit = {"read": READ, "islanding_start": "never"} | data
    if setpoint is not None:
        unit["setpoint"] = dict(setpoint)
    entry = make_entry(unit_data("entities", **unit))
    set_power(hass, GRID, 1000)
    home = await setup(hass, entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD, reserve_percent=30.0)
    running = Running(hass, entry, advance)
    await running.live(130)
    return running


async def test_it_is_told_and_read_back(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance)
    assert running.status() is UnitStatus.IDLE
    await running.command(UnitMode.CHARGE)
    # The number takes no more.
    assert state(hass, foreign.SIGNED) == 4000.0
    assert running.status() is UnitStatus.CHARGING
    outcome = running.home.units[UNIT_ID].worker.outcome
    assert outcome is not None
    assert outcome.power_w == -4000.0
    await running.command(UnitMode.HOLD)
    assert state(hass, foreign.SIGNED) == 0.0
    assert running.status() is UnitStatus.IDLE
    diagnostics = await async_get_config_entry_diagnostics(hass, running.entry)
    more = diagnostics["units"][UNIT_ID]["more"]
    assert more["read"]["soc"] == "60.0"
    assert more["setpoint"]["entities"] == {foreign.SIGNED: "0.0"}
    assert more["setpoint"]["writes"] >= 2


async def test_it_covers_the_house_with_the_live_measurement(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance)
    running.grid_w = 1500.0
    # Whoever covers lowers what the meter shows.
    await running.command(UnitMode.AUTOMATIC, 10)
    for _ in range(60):
        power = state(hass, foreign.POWER)
        assert isinstance(power, float)
        running.grid_w = 1500.0 - power
        await running.live(5)
    power = state(hass, foreign.POWER)
    assert isinstance(power, float)
    assert 1300.0 <= power <= 1500.0
    assert running.status() is UnitStatus.DISCHARGING


async def test_leaving_it_stops_it(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance)
    await running.command(UnitMode.CHARGE)
    assert await hass.config_entries.async_unload(running.entry.entry_id)
    assert running.entry.state is ConfigEntryState.NOT_LOADED
    assert state(hass, foreign.SIGNED) == 0.0


async def test_nothing_stops_a_unit_that_carries_the_house(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(
        hass,
        freezer,
        advance,
        read=READ | {"islanding": foreign.ISLAND},
        islanding_start="by_itself",
    )
    await running.command(UnitMode.DISCHARGE)
    standing = state(hass, foreign.SIGNED)
    assert isinstance(standing, float)
    assert standing < 0.0
    await turn(hass, foreign.ISLAND, True)
    assert running.home.state.guard is Guard.ISLANDING
    assert running.status() is UnitStatus.ISLANDING
    calls = count_calls(hass)
    await running.command(UnitMode.HOLD)
    await running.command(UnitMode.OFF)
    assert await hass.config_entries.async_unload(running.entry.entry_id)
    assert calls == []
    assert state(hass, foreign.SIGNED) == standing


async def test_a_car_that_is_unplugged_is_told_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(
        hass, freezer, advance, read=READ | {"plugged": foreign.PLUGGED}
    )
    await turn(hass, foreign.PLUGGED, False)
    assert running.status() is UnitStatus.DISCONNECTED
    calls = count_calls(hass)
    await running.command(UnitMode.CHARGE)
    assert calls == []


async def test_a_sign_that_is_wrong_ends_in_a_fault_and_not_in_a_runaway(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance, read=READ | {"power_inverted": True})
    await running.command(UnitMode.CHARGE, 160)
    assert state(hass, foreign.SIGNED) == 0.0
    assert running.status() is UnitStatus.FAULT
    assert running.reason() is ReasonCode.FAULT
    outcome = running.home.units[UNIT_ID].worker.outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.detail == "power_against_command"
    assert running.issue("mapped_contradiction") is not None
    calls = count_calls(hass)
    await running.command(UnitMode.DISCHARGE, 60)
    assert calls == []
    # Reloading is how it is let try again.
    assert await hass.config_entries.async_reload(running.entry.entry_id)
    assert running.issue("mapped_contradiction") is None


async def test_what_is_away_is_named_and_told_again_when_it_is_back(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance)
    await running.command(UnitMode.CHARGE)
    shown = hass.states.get(foreign.SIGNED)
    assert shown is not None
    hass.states.async_set(foreign.SIGNED, "unavailable", shown.attributes)
    await running.live(30)
    assert running.status() is UnitStatus.NOT_CONTROLLABLE
    assert running.issue("mapped_unavailable") is None
    await running.live(900)
    issue = running.issue("mapped_unavailable")
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["entity_id"] == foreign.SIGNED
    # The device lost what it was told.
    hass.states.async_set(foreign.SIGNED, "0.0", shown.attributes)
    await running.live(30)
    assert running.issue("mapped_unavailable") is None
    assert state(hass, foreign.SIGNED) == 4000.0


async def test_a_dark_integration_makes_the_unit_unreachable(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance)
    hass.states.async_set(foreign.SOC_SENSOR, "unavailable")
    hass.states.async_set(foreign.POWER, "unavailable")
    await running.live(20)
    assert not running.home.units[UNIT_ID].coordinator.last_update_success
    calls = count_calls(hass)
    await running.command(UnitMode.CHARGE)
    assert calls == []
    hass.states.async_set(foreign.SOC_SENSOR, "60")
    hass.states.async_set(foreign.POWER, "0", {"unit_of_measurement": "W"})
    await running.live(40)
    assert running.home.units[UNIT_ID].coordinator.last_update_success
    assert state(hass, foreign.SIGNED) == 4000.0


async def test_a_state_of_charge_that_jumps_is_not_believed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance)
    for soc in (20, 85, 15, 70):
        await turn(hass, foreign.SOC, soc)
        await running.live(10)
    assert running.issue("mapped_soc_jumps") is not None
    reading = running.home.units[UNIT_ID].coordinator.data
    assert reading is not None
    assert reading.soc_percent is None
    await running.command(UnitMode.DISCHARGE)
    assert state(hass, foreign.SIGNED) == 0.0
    assert running.reason() is ReasonCode.SOC_UNKNOWN
    await running.command(UnitMode.HOLD, 3700)
    assert running.issue("mapped_soc_jumps") is None


async def test_a_unit_without_a_path_is_never_discharged(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(
        hass, freezer, advance, setpoint={"charge_power": foreign.CHARGE}
    )
    capabilities = running.home.units[UNIT_ID].unit.capabilities
    assert capabilities.charges
    assert not capabilities.discharges
    running.grid_w = 3000.0
    await running.command(UnitMode.DISCHARGE, 60)
    decision = running.home.decision
    assert decision is not None
    setpoint = decision.units[UNIT_ID].setpoint
    assert setpoint is None or setpoint.power_w == 0.0
    await running.command(UnitMode.CHARGE)
    assert state(hass, foreign.CHARGE) == 3.0


async def test_a_unit_that_nothing_acts_on_is_only_watched(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance, setpoint=None)
    assert not running.home.units[UNIT_ID].unit.capabilities.set_power
    calls = count_calls(hass)
    await running.command(UnitMode.CHARGE)
    assert running.status() is UnitStatus.NOT_CONTROLLABLE
    assert running.reason() is ReasonCode.NOT_CONTROLLABLE
    assert calls == []


async def test_a_fault_that_is_reported_is_shown(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    running = await begin(hass, freezer, advance, read=READ | {"fault": foreign.REMOTE})
    await turn(hass, foreign.REMOTE, True)
    await running.live(10)
    assert running.status() is UnitStatus.FAULT


@pytest.mark.parametrize("mode", [UnitMode.CHARGE, UnitMode.DISCHARGE])
async def test_nothing_new_is_told_when_the_meter_is_lost(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    mode: UnitMode,
) -> None:
    running = await begin(hass, freezer, advance)
    hass.states.async_set(GRID, "unavailable")
    await advance(2)
    calls = count_calls(hass)
    running.home.async_change_unit(UNIT_ID, mode=mode)
    await advance(60)
    assert calls == []
