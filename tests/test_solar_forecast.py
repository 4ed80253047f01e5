"""The Energy dashboard's solar forecast, from a real integration that has one.

Only the answers of Forecast.Solar's server are made here, in its form: times of the
place, a day that begins with nothing at sunrise, and energies of the time before each.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.energy.data import async_get_manager
from homeassistant.components.forecast_solar.const import DOMAIN as FORECAST_SOLAR
from homeassistant.components.recorder.core import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import numpy as np
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.sources import solar_forecast
from tests.conftest import SOLAR, Advance, make_entry, set_power, unit_data
from tests.planned import live, store, stored, until
from tests.platforms import HOME_ID, setup_platforms

pytestmark = pytest.mark.usefixtures("recording_driver")

# 09:58 on a Saturday in US/Pacific.
MORNING = "2026-11-21T17:58:00+00:00"
HOURS_WH = [0, 95, 640, 1410, 2050, 2400, 2380, 1990, 1200, 310, 12]


def answer(days: int = 2, scale: float = 1.0) -> dict[str, Any]:
    """Return what the server sends: each day from sunrise to sunset."""
    watts: dict[str, int] = {}
    energies: dict[str, int] = {}
    per_day: dict[str, int] = {}
    for day in range(days):
        date = datetime(2026, 11, 21) + timedelta(days=day)  # noqa: DTZ001 - its form
        rise, fall = timedelta(hours=6, minutes=39, seconds=11), timedelta(hours=16.8)
        times = [rise, *(timedelta(hours=hour) for hour in range(7, 17)), fall]
        values = [round(wh * scale) for wh in [*HOURS_WH, 0][: len(times)]]
        for at, wh in zip(times, values, strict=True):
            text = f"{(date + at).isoformat()}-08:00"
            energies[text], watts[text] = wh, wh
        per_day[date.date().isoformat()] = sum(values)
    return {
        "result": {
            "watts": watts,
            "watt_hours_period": energies,
            "watt_hours_day": per_day,
        },
        "message": {
            "code": 0,
            "type": "success",
            "text": "",
            "info": {"timezone": "America/Los_Angeles"},
            "ratelimit": {"period": 3600, "limit": 12, "remaining": 10},
        },
    }


async def forecast_solar(
    hass: HomeAssistant,
    aioclient_mock: AiohttpClientMocker,
    payload: dict[str, Any] | None = None,
) -> MockConfigEntry:
    """Set up Forecast.Solar and name it in the Energy dashboard."""
    aioclient_mock.get(
        "https://api.forecast.solar/estimate/32.87/-117.22/30/10/5.1",
        json=payload or answer(),
        headers={
            "X-Ratelimit-Limit": "12",
            "X-Ratelimit-Period": "3600",
            "Content-Type": "application/json",
        },
        params=None,
    )
    entry = MockConfigEntry(
        domain=FORECAST_SOLAR,
        version=3,
        data={"latitude": 32.87, "longitude": -117.22},
        options={"api_key": "", "damping_morning": 0.0, "damping_evening": 0.0},
        subentries_data=[
            {
                "data": {"declination": 30, "azimuth": 190, "modules_power": 5100},
                "subentry_id": "plane",
                "subentry_type": "plane",
                "title": "Roof",
                "unique_id": None,
            }
        ],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert await async_setup_component(hass, "energy", {})
    manager = await async_get_manager(hass)
    await manager.async_update(
        {
            "energy_sources": [
                {
                    "type": "solar",
                    "stat_energy_from": "sensor.produced",
                    "config_entry_solar_forecast": [entry.entry_id, "gone"],
                }
            ],
            "device_consumption": [],
        }
    )
    return entry


def home_with_sun() -> MockConfigEntry:
    return make_entry(
        unit_data("recording"),
        data={"grid": {"kind": "sensor", "entity": "sensor.grid"}, "solar": [SOLAR]},
        entry_id=HOME_ID,
    )


async def started(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> Home:
    set_power(hass, SOLAR, 2000.0)
    home = await setup_platforms(hass, monkeypatch, entry=home_with_sun())
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await live(hass, home, advance, 2)
    return home


async def forecast(hass: HomeAssistant, home: Home) -> int:
    """Wait for the forecasts, and return how many there are."""
    await until(hass, lambda: "solar_forecasts" in home.plans.report)
    count: int = home.plans.report["solar_forecasts"]
    return count


def sun_w(home: Home, hours: int) -> list[float]:
    """Return what the planner expects of so many hours, from the present one on."""
    workshop = home.plans._workshop
    assert workshop is not None
    begin_s = dt_util.utcnow().timestamp() // 3600.0 * 3600.0
    starts_s = begin_s + 3600.0 * np.arange(hours + 1, dtype=np.float64)
    means_w = workshop._sun.mean_w(starts_s)
    assert means_w is not None
    return [round(mean_w, 3) for mean_w in means_w.tolist()]


async def test_plans_go_by_the_forecast_of_the_dashboard(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    freezer.move_to(MORNING)
    await forecast_solar(hass, aioclient_mock)
    home = await started(hass, monkeypatch, advance)

    assert await forecast(hass, home) == 1
    await live(hass, home, advance, 1)

    # What comes by 10, 11, 12 and 13 o'clock.
    assert sun_w(home, 4) == [2050.0, 2400.0, 2380.0, 1990.0]


async def test_the_forecast_is_kept_with_what_was_measured(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    freezer.move_to(MORNING)
    await forecast_solar(hass, aioclient_mock)
    home = await started(hass, monkeypatch, advance)
    assert await forecast(hass, home) == 1
    for _ in range(36):
        freezer.tick(29.0)
        set_power(hass, SOLAR, 1234.0)
        await live(hass, home, advance, 1)
    await hass.config_entries.async_unload(HOME_ID)

    draw = stored(hass_storage, "past", HOME_ID)["draw"]
    day = str(dt_util.now().date().toordinal())
    assert draw["solar"][day][40] == 1234
    # The one that began at 10 o'clock; a quarter of what is expected by 11.
    assert draw["forecast"][day][39:42] == [None, 2400, None]


async def test_the_past_of_such_forecasts_makes_the_next_one(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    """Ten days on which the sun gave half of what was said: so it does today."""
    freezer.move_to(MORNING)
    today = dt_util.now().date().toordinal()
    said = [*([0] * 28), *([2400] * 36), *([0] * 32)]
    days = {str(day): said for day in range(today - 10, today)}
    halved = {str(day): [w // 2 for w in said] for day in range(today - 10, today)}
    load = {str(day): [500] * 96 for day in range(today - 10, today)}
    draw = {"load": load, "solar": halved, "forecast": days}
    store(hass_storage, "past", HOME_ID, {"draw": draw})
    await forecast_solar(hass, aioclient_mock)
    home = await started(hass, monkeypatch, advance)
    assert await forecast(hass, home) == 1
    await live(hass, home, advance, 1)

    noon = next(
        step
        for plan in home.plans.plans.values()
        for step in plan.steps
        if step.start_s >= dt_util.utcnow().timestamp() + 2.2 * 3600.0
    )
    draw_w = noon.grid_w + noon.unit_w
    assert draw_w == pytest.approx(500.0 - 1200.0, abs=150.0)


async def test_an_integration_that_is_not_loaded_is_asked_again_soon(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    freezer.move_to(MORNING)
    other = await forecast_solar(hass, aioclient_mock)
    await hass.config_entries.async_unload(other.entry_id)
    home = await started(hass, monkeypatch, advance)
    await live(hass, home, advance, 3)
    assert "solar_forecasts" not in home.plans.report
    await hass.config_entries.async_setup(other.entry_id)
    freezer.tick(900.0)
    await live(hass, home, advance, 2)

    assert await forecast(hass, home) == 1


async def test_an_integration_that_fails_costs_no_plan(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    aioclient_mock: AiohttpClientMocker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from homeassistant.components.forecast_solar import energy

    async def fail(*_: Any) -> Any:
        # The real one never raises.
        raise TimeoutError

    monkeypatch.setattr(energy, "async_get_solar_forecast", fail)
    freezer.move_to(MORNING)
    await forecast_solar(hass, aioclient_mock)
    home = await started(hass, monkeypatch, advance)
    await live(hass, home, advance, 2)

    def told() -> list[str]:
        records = [r for r in caplog.records if "no solar forecast" in r.message]
        return [record.levelname for record in records]

    await until(hass, lambda: told() == ["WARNING"])
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    await until(hass, lambda: told() == ["WARNING", "DEBUG"])
    assert home.plans.made_s is not None


async def test_an_integration_that_never_answers_is_asked_again(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    from homeassistant.components.forecast_solar import energy

    asked = []

    async def hang(*_: Any) -> Any:
        # The real one never waits.
        asked.append(1)
        await asyncio.Event().wait()

    monkeypatch.setattr(energy, "async_get_solar_forecast", hang)
    monkeypatch.setattr(solar_forecast, "ANSWER_S", 0.01)
    freezer.move_to(MORNING)
    await forecast_solar(hass, aioclient_mock)
    home = await started(hass, monkeypatch, advance)
    await until(hass, lambda: len(asked) == 1)
    await until(hass, lambda: home.plans._sun._failed)
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    await until(hass, lambda: len(asked) == 2)
