"""A home remembers what the recorder knows of the time before it, and of gaps."""

from asyncio import all_tasks
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.core import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy.exc import OperationalError

from custom_components.leaf_to_home import recorder_past
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.home import Home
from tests.conftest import EVENING, GRID, UNIT_ID, Advance
from tests.planned import live, settle, store, stored, until
from tests.platforms import HOME_ID, recorded_home, setup_platforms
from tests.statistics import DAY_S, hours, write

pytestmark = pytest.mark.usefixtures("recording_driver")


async def recalled(hass: HomeAssistant, home: Home) -> dict[str, Any]:
    """Wait for what the recorder told."""
    await until(hass, lambda: "recalled" in home.plans.report)
    report: dict[str, Any] = home.plans.report["recalled"]
    return report


async def started(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
    **entry: Any,
) -> Home:
    home = await setup_platforms(hass, monkeypatch, entry=recorded_home(**entry))
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await live(hass, home, advance, 2)
    return home


def evening_s() -> float:
    at = dt_util.parse_datetime(EVENING)
    assert at is not None
    return at.timestamp()


async def test_a_new_home_plans_on_its_last_weeks(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    await write(hass, GRID, hours(evening_s() - 20 * DAY_S, 20 * 24), [777.0] * 480)
    home = await started(hass, monkeypatch, advance)

    report = await recalled(hass, home)
    await live(hass, home, advance, 1)

    # The recorder's rows of the last quarter-hour may not be there yet.
    assert report == {"quarters": 20 * 96 - 1, "without_statistics": ()}
    assert home.plans.report["past"]["days"] == 20
    # Once without the recorder, and at once again with it.
    assert home.plans.report["made"] == 2


async def test_what_the_home_measured_itself_stands(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    day = str(dt_util.now().date().toordinal())
    slots: list[int | None] = [500] * 40 + [None] * 56
    unknown = [None] * 96
    store(
        hass_storage,
        "past",
        HOME_ID,
        {
            "draw": {
                "load": {day: slots},
                "solar": {day: unknown},
                "forecast": {day: unknown},
            }
        },
    )
    # Half a local day, and the evening before.
    await write(hass, GRID, hours(evening_s() - 24 * 3600, 24), [777.0] * 24)
    home = await started(hass, monkeypatch, advance)

    report = await recalled(hass, home)
    await hass.config_entries.async_unload(HOME_ID)

    assert report["quarters"] == 24 * 4 - 40 - 1
    past = stored(hass_storage, "past", HOME_ID)
    load = past["draw"]["load"][day]
    assert load[:40] == [500] * 40
    assert load[40:71] == [777] * 31
    assert past["recalled"]["until_s"] == evening_s() - 900.0


async def test_other_sensors_make_another_past(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    day = str(dt_util.now().date().toordinal())
    store(
        hass_storage,
        "past",
        HOME_ID,
        {
            "draw": {"load": {day: [500] * 96}},
            "recalled": {"until_s": evening_s(), "measured": "another meter"},
        },
    )
    await write(hass, GRID, hours(evening_s() - 6 * 3600, 6), [777.0] * 6)
    home = await started(hass, monkeypatch, advance)

    report = await recalled(hass, home)

    assert report["quarters"] == 23


async def test_who_forgot_what_was_asked_asks_again(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(EVENING)
    store(hass_storage, "past", HOME_ID, {"recalled": {"until_s": "tomorrow"}})
    await write(hass, GRID, hours(evening_s() - 6 * 3600, 6), [777.0] * 6)
    home = await started(hass, monkeypatch, advance)

    assert (await recalled(hass, home))["quarters"] == 23
    assert "asked for the whole past again" in caplog.text


async def test_a_gap_is_asked_for_once(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    asked: list[tuple[float, float]] = []
    ask = recorder_past.async_past_power

    async def watch(hass: HomeAssistant, entry: Any, *span: float) -> Any:
        asked.append(span)  # type: ignore[arg-type]  # it is a start and an end
        return await ask(hass, entry, *span)

    monkeypatch.setattr(recorder_past, "async_past_power", watch)
    freezer.move_to(EVENING)
    home = await started(hass, monkeypatch, advance)
    await recalled(hass, home)
    await live(hass, home, advance, 3)
    assert asked == [(evening_s() - 900.0 - 34 * DAY_S, evening_s() - 900.0)]

    # It goes on to ask for trips, and does not ask twice at a time.
    await until(
        hass,
        lambda: all(task.get_name() != f"{DOMAIN} recall" for task in all_tasks()),
    )
    del home.plans.report["recalled"]
    freezer.tick(2 * 3600.0)
    await live(hass, home, advance, 2)
    await recalled(hass, home)

    # Nothing was heard for two hours: only they are asked for.
    assert asked[1:] == [(evening_s() - 900.0, evening_s() + 6300.0)]


async def test_a_recorder_that_fails_costs_no_plan(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = []

    def fail(*_: Any) -> Any:
        # No real database can be made to fail at a chosen moment.
        failures.append(1)
        raise OperationalError("select", {}, Exception("the disk is gone"))

    monkeypatch.setattr(recorder_past, "_read", fail)
    freezer.move_to(EVENING)
    home = await started(hass, monkeypatch, advance)
    await until(hass, lambda: len(failures) == 1)
    await live(hass, home, advance, 1)
    freezer.tick(3700.0)
    await live(hass, home, advance, 2)
    await settle(hass, home)
    await until(hass, lambda: len(failures) == 2)
    assert home.plans.made_s is not None
    assert "recalled" not in home.plans.report

    monkeypatch.undo()
    freezer.tick(3700.0)
    await live(hass, home, advance, 2)
    await recalled(hass, home)
    assert "the recorder tells again" in caplog.text
    warnings = [r for r in caplog.records if "recorder tells nothing" in r.message]
    assert [r.levelname for r in warnings] == ["WARNING", "DEBUG"]


async def test_without_a_recorder_a_home_learns_for_itself(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await started(hass, monkeypatch, advance)
    await live(hass, home, advance, 3)
    assert home.plans.made_s is not None
    assert "recalled" not in home.plans.report


async def test_a_car_whose_past_was_lost_is_known_from_its_entities(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    registry = er.async_get(hass)
    plug, soc = (
        registry.async_get_or_create(
            domain, DOMAIN, f"{UNIT_ID}_{key}", suggested_object_id=f"leaf_{key}"
        ).entity_id
        for domain, key in (("binary_sensor", "connected"), ("sensor", "soc"))
    )
    for day in (4, 3, 2):
        for hour, there, percent in ((8, "off", 70), (17, "on", 50), (22, "on", 70)):
            midnight_s = evening_s() - (day + 0.75) * DAY_S
            freezer.move_to(dt_util.utc_from_timestamp(midnight_s + hour * 3600.0))
            hass.states.async_set(plug, there)
            hass.states.async_set(soc, str(percent))
    hass.states.async_set(plug, "unavailable")
    hass.states.async_set(soc, "unavailable")
    await async_wait_recording_done(hass)
    freezer.move_to(EVENING)
    home = await started(hass, monkeypatch, advance)
    workshop = home.plans._workshop
    assert workshop is not None
    await until(hass, lambda: bool(workshop._past.presence[UNIT_ID].trips))
    await hass.config_entries.async_unload(HOME_ID)

    presence = stored(hass_storage, "past", HOME_ID)["presence"][UNIT_ID]
    today = dt_util.now().date().toordinal()
    assert [trip[:2] for trip in presence["trips"]] == [
        [today - day, 480] for day in (4, 3, 2)
    ]
    capacity_kwh = home.units[UNIT_ID].spec.capacity_kwh
    assert [trip[2:4] for trip in presence["trips"]] == [
        [9 * 3600, pytest.approx(0.2 * capacity_kwh, abs=0.01)]
    ] * 3
    assert presence["days"] == [today - 4, today - 3, today - 2, today]
