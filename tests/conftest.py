"""Homes to test with."""

# The test library puts a `custom_components` of its own first on the path.
import custom_components.leaf_to_home  # isort: skip

import asyncio
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
import os
import sys
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, UnitOfPower
from homeassistant.core import HomeAssistant
from hypothesis import HealthCheck, settings
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from custom_components.leaf_to_home.home import Home
from tests import recording

__all__ = ["custom_components"]

# An example may take its time on a machine that is busy.
settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

# Tests that may take this long wait for real processes most of the time.
WAITS_S = 180

UNIT_ID = "01JUNIT00000000000000000A1"
GRID = "sensor.grid"
SOLAR = "sensor.solar"
# 18:00 on a Sunday in US/Pacific, the time zone of the test library.
EVENING = "2026-11-23T02:00:00+00:00"

OPTIONS: dict[str, Any] = {
    "tariff": {
        "import": {
            "bands": [
                {"price": 0.12, "from": "23:00", "to": "07:00"},
                {"price": 0.45, "from": "17:00", "to": "21:00"},
                {"price": 0.30},
            ]
        },
        "export": 0.05,
    },
    "window_min": 30,
    "battery_export_limit_w": 0,
    "export_only_without_solar": False,
}

type Advance = Callable[[float], Awaitable[None]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers begin with the tests that wait, and one with those that compute.

    Workers begin with equal parts of the list and then take from each other: what
    waits for minutes at the end would keep all others idle.
    """
    waits = [item for item in items if _waits(item)]
    rest = [item for item in items if not _waits(item)]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting = max(1, workers - 1)
    part = -(-len(items) // workers)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        mine = waits[worker::waiting] if worker < waiting else []
        ordered += mine
        room = part - len(mine)
        ordered += rest[:room]
        del rest[:room]
    items[:] = ordered + rest


def _waits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("timeout")
    return mark is not None and bool(mark.args) and mark.args[0] >= WAITS_S


def unit_data(driver: str, **data: Any) -> dict[str, Any]:
    """Return the data of a unit subentry."""
    return {
        "driver": driver,
        "preset": "leaf-40",
        "soh_percent": 90.0,
        "spec": {},
        **data,
    }


def make_entry(
    *units: dict[str, Any],
    data: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    first_id: str = UNIT_ID,
    **entry: Any,
) -> MockConfigEntry:
    """Return a home with these units; the first has the subentry id `first_id`."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Home",
        data={"grid": {"kind": "sensor", "entity": GRID}} if data is None else data,
        options=OPTIONS | (options or {}),
        subentries_data=[
            {
                "data": unit,
                "subentry_id": f"{first_id[:-1]}{index}",
                "subentry_type": SUBENTRY_UNIT,
                "title": "LEAF" if index == 1 else f"LEAF {index}",
                "unique_id": None,
            }
            for index, unit in enumerate(units, 1)
        ],
        **entry,
    )


def set_power(
    hass: HomeAssistant,
    entity_id: str,
    value: object,
    unit: str | None = UnitOfPower.WATT,
) -> None:
    """Let a power sensor report."""
    attributes = {} if unit is None else {ATTR_UNIT_OF_MEASUREMENT: unit}
    hass.states.async_set(entity_id, str(value), attributes)


async def setup(hass: HomeAssistant, entry: MockConfigEntry) -> Home:
    """Load a home."""
    if hass.config_entries.async_get_entry(entry.entry_id) is None:
        entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    home: Home = entry.runtime_data.home
    return home


@pytest.fixture(autouse=True)
def _custom_integrations(request: pytest.FixtureRequest) -> None:
    """Let a Home Assistant that a test asks for find the integration."""
    if "recorder_mock" in request.fixturenames:
        # It has to be there before Home Assistant is.
        request.getfixturevalue("recorder_mock")
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")


@pytest.fixture
def advance(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Advance:
    """Return what lets time pass in steps of a second, timers included."""
    # The loop's clock is frozen too: a tick looks to it like a callback that hangs.
    hass.loop.slow_callback_duration = 1e9

    async def advance(seconds: float) -> None:
        left_s = seconds
        while left_s > 0.0:
            freezer.tick(timedelta(seconds=min(1.0, left_s)))
            left_s -= 1.0
            async_fire_time_changed(hass)
            await hass.async_block_till_done()

    return advance


async def wait_for(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    task: asyncio.Task[Any],
    *,
    seconds: int,
) -> None:
    """Let seconds pass until `task` is done, at most so many."""
    hass.loop.slow_callback_duration = 1e9
    for _ in range(seconds):
        for _ in range(10):
            # A way to the executor and back takes real time, which is not frozen.
            await hass.loop.run_in_executor(None, int)
            await asyncio.sleep(0)
        if task.done():
            return
        freezer.tick(timedelta(seconds=1))
    # Its time is over; what executors still do takes none of it.
    for _ in range(2000):
        if task.done():
            return
        await hass.loop.run_in_executor(None, time.sleep, 0.01)


@pytest.fixture
def recording_driver(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Offer the recording driver."""
    monkeypatch.setitem(
        sys.modules,
        f"custom_components.{DOMAIN}.units.{recording.DRIVER}",
        recording,
    )
    yield
    recording.UNITS.clear()


@pytest.fixture
def home_entry() -> MockConfigEntry:
    """A home with a grid sensor and a simulated unit, in automatic mode."""
    return make_entry(unit_data("simulated", dead_time_s=1, seed=7, trips="none"))


@pytest.fixture
def simulated_entry() -> MockConfigEntry:
    """A home whose simulated unit brings house and meter."""
    return make_entry(
        unit_data("simulated", dead_time_s=1, seed=7, trips="none"),
        data={"grid": {"kind": "unit"}},
    )


@pytest.fixture
def recorded_entry(recording_driver: None) -> MockConfigEntry:
    """A home with a grid sensor and a unit that only remembers."""
    return make_entry(unit_data(recording.DRIVER))
