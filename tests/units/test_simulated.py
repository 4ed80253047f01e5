"""The simulated house: as good as hardware to everything else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    OutcomeKind,
    Reading,
    Reason,
    ReasonCode,
    Setpoint,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.site import build_spec
from custom_components.leaf_to_home.units.base import UnitContext
from custom_components.leaf_to_home.units.simulated import SimulatedUnit, async_create
from tests.conftest import EVENING, UNIT_ID, Advance, setup

NOON = "2026-06-22T19:00:00+00:00"
KEY = f"{DOMAIN}.simulated.unit"
SPEC = {
    "kind": "vehicle",
    "usable_kwh": 36.0,
    "max_charge_w": 6000.0,
    "max_discharge_w": 6000.0,
    "min_power_w": 200.0,
    "efficiency": {"charge": 0.93, "discharge": 0.93},
    "ramp_w_per_s": 2000.0,
}


async def create(hass: HomeAssistant, **data: Any) -> SimulatedUnit:
    spec = build_spec({}, {"spec": SPEC | data.pop("spec", {})}, "unit")
    return await async_create(
        hass, UnitContext(subentry_id="unit", name="LEAF", spec=spec, data=data)
    )


def last(readings: list[Reading]) -> Reading:
    return readings[-1]


def guard(home: Home) -> Guard:
    return home.state.guard


def present(unit: SimulatedUnit) -> bool:
    return unit.grid_present


def setpoint(power_w: float) -> Setpoint:
    return Setpoint(power_w=power_w, reason=Reason(code=ReasonCode.USER_CHARGE))


async def test_follows_commands_after_its_dead_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(EVENING)
    unit = await create(hass, dead_time_s=5)
    assert unit.capabilities.dead_time_s == 5.0
    assert unit.capabilities.export
    readings: list[Reading] = []
    info = await unit.connect()
    assert info.model
    stop = unit.listen(readings.append)
    await advance(3)
    assert len(readings) == 3
    reading = readings[-1]
    assert reading.power_w == 0.0
    assert reading.soc_percent == 50.0
    assert reading.status is UnitStatus.IDLE
    assert reading.grid_w is not None
    assert reading.grid_w > 100.0
    assert reading.solar_w == 0.0

    outcome = await unit.apply(setpoint(-2000.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.APPLIED, -2000.0)
    await advance(4)
    assert readings[-1].power_w == 0.0
    await advance(4)
    assert readings[-1].power_w == -2000.0
    assert readings[-1].status is UnitStatus.CHARGING
    assert readings[-1].grid_w is not None
    assert readings[-1].grid_w > 2000.0
    charged_kwh = readings[-1].charged_kwh
    await advance(60)
    assert charged_kwh is not None
    assert readings[-1].charged_kwh == pytest.approx(
        charged_kwh + 2000.0 / 60e3, abs=1e-3
    )

    outcome = await unit.apply(setpoint(9000.0))
    assert (outcome.kind, outcome.power_w) == (OutcomeKind.LIMITED, 6000.0)
    outcome = await unit.park()
    assert outcome.power_w == 0.0
    stop()
    count = len(readings)
    await advance(10)
    assert len(readings) == count
    assert (await unit.read()).power_w == 0.0
    await unit.detach()
    await unit.detach()


async def test_connecting_twice_is_one_clock(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(NOON)
    unit = await create(hass)
    readings: list[Reading] = []
    await unit.connect()
    await unit.connect()
    unit.listen(readings.append)
    await advance(5)
    assert len(readings) == 5
    assert readings[-1].solar_w is not None
    assert readings[-1].solar_w > 0.0
    await unit.detach()


async def test_loses_the_grid_on_command(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(NOON)
    unit = await create(hass, spec={"start_delay_s": 10.0})
    readings: list[Reading] = []
    await unit.connect()
    unit.listen(readings.append)
    await advance(2)
    assert present(unit)
    unit.set_grid(True)
    assert len(readings) == 2, "nothing changed"
    unit.set_grid(False)
    assert not present(unit)
    assert len(readings) == 3, "it says so at once"
    assert last(readings).grid_w is None
    await advance(15)
    assert last(readings).islanding is True
    assert readings[-1].status is UnitStatus.ISLANDING
    assert last(readings).grid_w is None
    assert readings[-1].solar_w == 0.0
    assert readings[-1].power_w is not None
    assert readings[-1].power_w > 50.0
    unit.set_grid(True)
    await advance(2)
    assert last(readings).islanding is False
    assert last(readings).grid_w is not None
    await unit.detach()


async def test_drives_to_work(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to("2026-11-23T14:00:00+00:00")
    unit = await create(hass, trips="commuter", seed=3)
    assert (await unit.read()).connected is True
    freezer.tick(timedelta(hours=4))
    away = await unit.read()
    assert away.connected is False
    assert away.soc_percent is None
    outcome = await unit.apply(setpoint(-2000.0))
    assert (outcome.kind, outcome.detail) == (OutcomeKind.REFUSED, "disconnected")
    freezer.tick(timedelta(hours=5))
    await unit.read()
    freezer.tick(timedelta(hours=5))
    home = await unit.read()
    assert home.connected is True
    assert home.soc_percent is not None
    assert home.soc_percent < 40.0


async def test_charges_by_itself_when_nearly_empty(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    unit = await create(hass, spec={"initial_soc_percent": 5.0})
    await unit.connect()
    await advance(5)
    assert (await unit.read()).status is UnitStatus.FORCED_CHARGE
    assert (await unit.apply(setpoint(1000.0))).kind is OutcomeKind.LIMITED
    await unit.detach()


@pytest.mark.parametrize(
    ("clock", "load_at_three"),
    [(None, False), ("15:00:00", True), ("15:00", True), ("nonsense", False)],
)
async def test_the_evening_begins_when_it_is_wanted(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    clock: str | None,
    load_at_three: bool,
) -> None:
    freezer.move_to("2026-11-23T23:00:00+00:00")
    unit = await create(hass, evening_peak=clock, seed=11)
    loads = []
    for _ in range(120):
        freezer.tick(timedelta(seconds=10))
        reading = await unit.read()
        assert reading.grid_w is not None
        loads.append(reading.grid_w)
    assert (max(loads) > 1500.0) is load_at_three


async def test_everything_but_the_world_survives_a_restart(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    freezer.move_to(EVENING)
    unit = await create(hass)
    await unit.connect()
    await unit.apply(setpoint(3000.0))
    await advance(60)
    before = await unit.read()
    await unit.detach()
    assert KEY in hass_storage

    again = await create(hass)
    same = await again.read()
    assert same.grid_w == pytest.approx(before.grid_w, abs=20.0)
    assert replace(same, grid_w=before.grid_w) == before

    # Nobody told it to stop, so it went on.
    freezer.tick(timedelta(hours=1))
    later = await again.read()
    assert later.power_w == 3000.0
    assert later.discharged_kwh is not None
    assert before.discharged_kwh is not None
    assert later.discharged_kwh - before.discharged_kwh == pytest.approx(3.0, abs=0.01)

    # Weeks are not made up for.
    await again.async_save()
    freezer.tick(timedelta(days=20))
    much_later = await (await create(hass)).read()
    assert much_later.discharged_kwh is not None
    assert much_later.discharged_kwh < 20.0
    assert much_later.time_s == pytest.approx(dt_util.utcnow().timestamp(), abs=0.01)


@pytest.mark.parametrize("plant", [None, [], {}, {"time_s": 1.0, "stored_kwh": "x"}])
async def test_a_memory_that_cannot_be_read(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    plant: object,
) -> None:
    hass_storage[KEY] = {"version": 1, "minor_version": 1, "data": {"plant": plant}}
    unit = await create(hass)
    assert (await unit.read()).soc_percent == 50.0
    assert "cannot be read" in caplog.text


async def test_a_home_in_an_outage(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    """The light stays on, whatever the user or Home Assistant does."""
    freezer.move_to(EVENING)
    home = await setup(hass, simulated_entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await advance(120)
    runtime = home.units[UNIT_ID]
    assert isinstance(runtime.unit, SimulatedUnit)
    runtime.unit.set_grid(False)
    assert guard(home) is Guard.METER_LOST, "before it islands"
    await advance(60)
    assert guard(home) is Guard.ISLANDING
    writes = runtime.worker.writes
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await advance(60)
    assert runtime.worker.writes == writes
    await hass.config_entries.async_reload(simulated_entry.entry_id)
    await advance(60)
    runtime = simulated_entry.runtime_data.home.units[UNIT_ID]
    reading = runtime.coordinator.data
    assert runtime.worker.writes == 0
    assert reading is not None
    assert reading.islanding
    assert reading.power_w is not None
    assert reading.power_w > 100.0
    runtime.unit.set_grid(True)
    await advance(60)
    assert runtime.worker.writes == 0, "the grid may go again at once"
    await advance(120)
    assert runtime.worker.writes == 1, "mode off was wanted meanwhile"
