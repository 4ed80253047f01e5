"""A restart keeps everything; a kill costs a minute at most and never counts back."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
import os
from pathlib import Path
import signal
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import STORAGE_VERSION, STORAGE_VERSION_MINOR
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home import units
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitSettings,
    UnitState,
)
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.store import SafeStore
from scripts.tools.running_home_assistant import (
    DemoError,
    RunningHomeAssistant,
    free_port,
)
from tests.conftest import EVENING, UNIT_ID, Advance, make_entry, setup, unit_data

ROOT = Path(units.__file__).parents[1]
HOME_ID = "01JHOME0000000000000000001"
KEY = f"{DOMAIN}.{HOME_ID}"

# Home Assistant comes up, the unit waits before it starts, the house may draw little.
PATIENCE_S = 300.0
# A state is shown with three decimals.
ROUNDED_KWH = 0.0006

CONFIGURATION = """\
config:
http:
  server_host: 127.0.0.1
  server_port: {port}
logger:
  default: warning
onboarding:
"""


async def evening(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
    advance: Advance,
) -> Home:
    """Return a home that has seen something."""
    freezer.move_to(EVENING)
    home = await setup(hass, entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC, import_limit_w=5000.0)
    home.async_change_unit(
        UNIT_ID, reserve_percent=35.0, ready_by=True, ready_by_minute=450
    )
    # Half an hour and more: a demand window closes and the month has a peak.
    await advance(2000)
    return home


async def test_the_whole_state_comes_back(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await evening(hass, freezer, simulated_entry, advance)
    assert await hass.config_entries.async_unload(simulated_entry.entry_id)
    before = home.state
    unit = before.units[UNIT_ID]
    assert unit.discharged_kwh > 0.1
    assert before.import_kwh > 0.0
    assert before.window.peaks_w["2026-11"]
    assert before.window.energy_kwh > 0.0
    assert before.ledger.actual > 0.0

    stored = hass_storage[f"{DOMAIN}.{simulated_entry.entry_id}"]["data"]
    assert from_dict(HomeState, stored["state"]) == before

    await hass.config_entries.async_setup(simulated_entry.entry_id)
    await hass.async_block_till_done()
    again: Home = simulated_entry.runtime_data.home
    assert again is not home
    # Before the next step nothing but the readings may differ.
    assert again.persisted.units[UNIT_ID].settings == unit.settings
    after = again.state
    assert after.settings == before.settings
    assert after.units[UNIT_ID].settings == unit.settings
    assert after.window == before.window
    assert after.ledger == before.ledger
    assert after.import_kwh == before.import_kwh
    # The car's own counter went on between the last reading and the end.
    assert after.units[UNIT_ID].discharged_kwh == pytest.approx(
        unit.discharged_kwh, abs=1e-3
    )
    assert after.units[UNIT_ID].reversals_s == unit.reversals_s
    assert again.savings == home.savings


async def test_totals_are_shown_from_disk(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await evening(hass, freezer, simulated_entry, advance)
    shown_kwh = home.persisted.import_kwh
    for _ in range(130):
        await advance(1)
        stored = hass_storage[f"{DOMAIN}.{simulated_entry.entry_id}"]["data"]["state"]
        assert home.persisted == from_dict(HomeState, stored)
        assert shown_kwh <= home.persisted.import_kwh <= home.state.import_kwh
        shown_kwh = home.persisted.import_kwh
        assert home.state.time_s is not None
        assert home.persisted.time_s is not None
        assert home.state.time_s - home.persisted.time_s <= 61.0


async def test_what_could_not_be_written_is_not_shown(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = await evening(hass, freezer, simulated_entry, advance)
    before = home.persisted

    async def full(*_: object) -> bool:
        return False

    with monkeypatch.context() as context:
        context.setattr(SafeStore, "async_write", full)
        await advance(130)
        assert home.persisted is before
    await advance(61)
    assert home.persisted.import_kwh > before.import_kwh


async def test_at_once_what_must_not_wait(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await evening(hass, freezer, simulated_entry, advance)
    await advance(3)

    def stored() -> HomeState:
        data = hass_storage[f"{DOMAIN}.{simulated_entry.entry_id}"]["data"]
        return from_dict(HomeState, data["state"])

    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    await hass.async_block_till_done()
    assert stored().units[UNIT_ID].settings.mode is UnitMode.HOLD
    home.async_change_home(mode=HomeMode.BACKUP_READY)
    await hass.async_block_till_done()
    assert stored().settings.mode is HomeMode.BACKUP_READY

    unit: Any = home.units[UNIT_ID].unit
    unit.set_grid(False)
    await hass.async_block_till_done()
    assert stored().guard is home.state.guard
    await advance(30)
    assert stored().guard is home.state.guard
    assert stored().units[UNIT_ID].islanding


async def test_a_month_peak_is_saved_when_its_window_closes(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    freezer.move_to(EVENING)
    freezer.tick(timedelta(seconds=2))
    home = await setup(hass, simulated_entry)
    await advance(1799)
    peaks = home.state.window.peaks_w
    assert peaks
    stored = hass_storage[f"{DOMAIN}.{simulated_entry.entry_id}"]["data"]["state"]
    assert stored["window"]["peaks_w"] == peaks


def prepare(config: Path, port: int, mode: UnitMode = UnitMode.DISCHARGE) -> None:
    """Write the configuration of a home whose LEAF gives all that the house takes.

    In mode automatic it does what is planned.
    """
    (config / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
    (config / "custom_components").mkdir()
    (config / "custom_components" / DOMAIN).symlink_to(ROOT)
    storage = config / ".storage"
    storage.mkdir()
    entry = make_entry(
        unit_data(
            "simulated",
            dead_time_s=1,
            seed=7,
            spec={"start_delay_s": 2.0},
            evening_peak=time.strftime("%H:%M:%S", time.gmtime()),
        ),
        data={"grid": {"kind": "unit"}},
        entry_id=HOME_ID,
    )
    state = HomeState(
        settings=HomeSettings(mode=HomeMode.AUTOMATIC),
        units={
            UNIT_ID: UnitState(
                settings=replace(UnitSettings(), mode=mode, until_s=time.time() + 1e4),
                charged_kwh=1000.0,
                discharged_kwh=500.0,
            )
        },
        import_kwh=2000.0,
    )
    write(
        storage / "core.config_entries",
        {"entries": [json.loads(json.dumps(entry.as_dict(), default=str))]},
        STORAGE_VERSION,
        STORAGE_VERSION_MINOR,
    )
    write(storage / KEY, {"state": to_dict(state), "intervals": {}}, 1, 1)


def write(path: Path, data: Any, version: int, minor_version: int) -> None:
    content = {
        "version": version,
        "minor_version": minor_version,
        "key": path.name,
        "data": data,
    }
    path.write_text(json.dumps(content))


class Witness:
    """Sees what is on disk, and what a running Home Assistant shows."""

    def __init__(self, config: Path) -> None:
        self._path = config / ".storage" / KEY
        self.shown_kwh = 0.0
        self.stored = HomeState()
        self.look()

    @property
    def kwh(self) -> float:
        """Return the stored total that grows."""
        return self.stored.units[UNIT_ID].discharged_kwh

    def look(self) -> None:
        """Read the file; no total shrinks."""
        before = self.stored
        content = json.loads(self._path.read_text())
        self.stored = after = from_dict(HomeState, content["data"]["state"])
        for key, unit in before.units.items():
            assert after.units[key].charged_kwh >= unit.charged_kwh
            assert after.units[key].discharged_kwh >= unit.discharged_kwh
        assert after.import_kwh >= before.import_kwh

    async def see(self, running: RunningHomeAssistant) -> None:
        """Look at what is shown; it is never ahead of the file, and never shrinks."""
        states = await running.states()
        shown = states.get("sensor.leaf_energy_discharged")
        if shown is not None and shown["state"] not in ("unknown", "unavailable"):
            kwh = float(shown["state"])
            assert kwh >= self.shown_kwh
            self.shown_kwh = kwh
        self.look()
        assert self.shown_kwh <= self.kwh + ROUNDED_KWH


async def change_reserve(running: RunningHomeAssistant, percent: int) -> None:
    """Change a setting, which is saved at once."""
    await running.action(
        "number", "set_value", entity_id="number.leaf_reserve", value=percent
    )


@pytest.mark.usefixtures("socket_enabled")
async def test_sigkill_in_the_middle_of_writing(tmp_path: Path) -> None:
    port = free_port(18123)
    prepare(tmp_path, port)
    witness = Witness(tmp_path)

    async with RunningHomeAssistant(tmp_path, port) as running:
        await running.onboard(name="Test", country="DE", currency="EUR", zone="UTC")
        token = await running.long_lived_token("test")
        deadline = time.monotonic() + PATIENCE_S
        percent = 30
        while witness.kwh <= 500.005 or witness.shown_kwh < 500.0:
            assert time.monotonic() < deadline, running.log_tail()
            percent = 31 if percent == 30 else 30
            await change_reserve(running, percent)
            await asyncio.sleep(0.25)
            await witness.see(running)
        # Every change writes the file: the signal comes while it is being written.
        writing = [
            asyncio.create_task(change_reserve(running, 32 + n % 8)) for n in range(5)
        ]
        await asyncio.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
        killed_s = time.time()
        await running.ended()
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)

    witness.look()
    assert witness.stored.time_s is not None
    assert killed_s - witness.stored.time_s <= 60.0
    assert witness.stored.units[UNIT_ID].settings.mode is UnitMode.DISCHARGE
    assert not list((tmp_path / ".storage").glob(f"{KEY}.corrupt*"))
    assert witness.kwh + ROUNDED_KWH >= witness.shown_kwh >= 500.0

    async with RunningHomeAssistant(tmp_path, port) as running:
        await running.connect(token)
        deadline = time.monotonic() + PATIENCE_S
        while witness.stored.units[UNIT_ID].settings.reserve_percent != 45.0:
            assert time.monotonic() < deadline, running.log_tail()
            await change_reserve(running, 45)
            await asyncio.sleep(0.25)
            await witness.see(running)
    assert witness.stored.units[UNIT_ID].charged_kwh >= 1000.0
    assert witness.stored.settings.mode is HomeMode.AUTOMATIC


PAST_DAY = datetime.now(UTC).date().toordinal() - 1


def plan_text(storage: Path, kind: str) -> Any:
    """Return what is on disk of plans, which is never half of it."""
    stored = json.loads((storage / f"{DOMAIN}.{kind}.{HOME_ID}").read_text())
    return json.loads(stored["data"]["text"])


async def planned_after(running: RunningHomeAssistant, time_s: float) -> bool:
    """Return whether the home is there, and goes by a plan made after that."""
    try:
        answer = await running.call(
            "call_service",
            domain=DOMAIN,
            service="get_plan",
            service_data={"config_entry_id": HOME_ID},
            return_response=True,
        )
    except DemoError:
        # It is not loaded yet.
        return False
    plan = answer["response"]
    made = datetime.fromisoformat(plan["units"][UNIT_ID]["made"])
    return bool(plan["followed"]) and made.timestamp() > time_s + 1.0


@pytest.mark.usefixtures("socket_enabled")
async def test_sigkill_keeps_the_plan_and_what_it_is_made_from(tmp_path: Path) -> None:
    port = free_port(18163)
    prepare(tmp_path, port, UnitMode.AUTOMATIC)
    storage = tmp_path / ".storage"
    past = {"draw": {"load": {str(PAST_DAY): [400] * 96}}, "presence": {}}
    key = f"{DOMAIN}.past.{HOME_ID}"
    write(storage / key, {"text": json.dumps(past)}, 1, 1)
    plan = storage / f"{DOMAIN}.plan.{HOME_ID}"

    async with RunningHomeAssistant(tmp_path, port) as running:
        await running.onboard(name="Test", country="DE", currency="EUR", zone="UTC")
        token = await running.long_lived_token("test")
        deadline = time.monotonic() + PATIENCE_S
        while not plan.exists():
            assert time.monotonic() < deadline, running.log_tail()
            await asyncio.sleep(0.25)
        # Every change makes a new plan: the signal comes while one is being made.
        changing = [
            asyncio.create_task(change_reserve(running, 32 + n)) for n in range(3)
        ]
        await asyncio.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)
        await running.ended()
        for task in changing:
            task.cancel()
        await asyncio.gather(*changing, return_exceptions=True)

    kept = plan_text(storage, "plan")["plans"][UNIT_ID]
    assert kept["steps"]
    assert plan_text(storage, "past")["draw"]["load"] == past["draw"]["load"]

    async with RunningHomeAssistant(tmp_path, port) as running:
        await running.connect(token)
        deadline = time.monotonic() + PATIENCE_S
        while not await planned_after(running, kept["made_s"]):
            assert time.monotonic() < deadline, running.log_tail()
            await asyncio.sleep(0.25)
        assert "cannot be read" not in running.log_tail()
    # A stop that is none too sudden keeps what has been learnt since.
    learnt = plan_text(storage, "past")
    assert learnt["draw"]["load"][str(PAST_DAY)] == [400] * 96
    assert learnt["presence"].keys() == {UNIT_ID}
    assert plan_text(storage, "plan")["plans"][UNIT_ID]["made_s"] > kept["made_s"]
