"""Trips from a calendar: Home Assistant's own local calendar."""

import asyncio
from datetime import timedelta
from pathlib import Path
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.calendar.const import DOMAIN as CALENDAR_DOMAIN
from homeassistant.const import ATTR_ENTITY_ID, STATE_OFF, STATE_UNAVAILABLE, Platform
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.engine.requirement import (
    Ask,
    Requirement,
    TripSource,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.sources.calendar import COOLDOWN_S, REFRESH
from custom_components.leaf_to_home.sources.trips import MOST_TRIPS
from tests import recording
from tests.conftest import EVENING, UNIT_ID, Advance, make_entry, unit_data
from tests.platforms import HOME_ID, setup_platforms, state

pytestmark = pytest.mark.usefixtures("recording_driver")

CALENDAR = "calendar.car"
NEXT = "sensor.leaf_next_departure"
NAME = "local_calendar"


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """A configuration of its own: the calendar writes a file there."""
    (Path(hass_tmp_config_dir) / ".storage").mkdir()
    return hass_tmp_config_dir


@pytest.fixture
async def calendar(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> MockConfigEntry:
    """A local calendar at 18:00 on a Sunday, without any event."""
    freezer.move_to(EVENING)
    entry = MockConfigEntry(
        domain=NAME, data={"calendar_name": "Car", "storage_key": "car"}, title="Car"
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, CALENDAR) == STATE_OFF
    return entry


async def load(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, **data: Any
) -> Home:
    """Load a home whose unit follows the calendar."""
    home = await setup_platforms(
        hass,
        monkeypatch,
        Platform.SENSOR,
        entry=make_entry(
            unit_data(recording.DRIVER, **{"calendar": CALENDAR} | data),
            entry_id=HOME_ID,
        ),
    )
    await settle(hass)
    return home


@pytest.fixture
async def home(
    hass: HomeAssistant, calendar: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> Home:
    return await load(hass, monkeypatch)


async def add(
    hass: HomeAssistant, advance: Advance, start: str, end: str, **texts: str
) -> None:
    """Add an event, as a user does."""
    kind = "date" if len(start) == len("2026-11-23") else "date_time"
    await hass.services.async_call(
        CALENDAR_DOMAIN,
        "create_event",
        {
            ATTR_ENTITY_ID: CALENDAR,
            "summary": "Trip",
            f"start_{kind}": start,
            f"end_{kind}": end,
            **texts,
        },
        blocking=True,
    )
    await heard(hass, advance)


async def settle(hass: HomeAssistant) -> None:
    """Let the calendar answer: it reads in the executor, and we in the background."""
    for _ in range(2000):
        await hass.async_block_till_done()
        if not any("debouncer" in task.get_name() for task in asyncio.all_tasks()):
            return
        # The executor's time is not frozen.
        await hass.loop.run_in_executor(None, time.sleep, 0.01)
    raise AssertionError("the calendar is still being read")


async def heard(hass: HomeAssistant, advance: Advance) -> None:
    """Let what the calendar says arrive, also where it has just been read."""
    await advance(COOLDOWN_S + 1.0)
    await settle(hass)


async def refresh(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let it become time to read again."""
    freezer.tick(REFRESH)
    async_fire_time_changed(hass)
    await settle(hass)


def trips(home: Home) -> list[Requirement]:
    return home.state.units[UNIT_ID].requirements


def local(text: str) -> float:
    at = dt_util.parse_datetime(text)
    assert at is not None
    return dt_util.as_utc(at).timestamp()


@pytest.mark.parametrize(
    ("texts", "ask"),
    [
        ({}, Ask()),
        ({"summary": "Ski 80 %"}, Ask(soc_percent=80.0)),
        ({"description": "there and back: 60 km"}, Ask(distance_km=60.0)),
        ({"location": "Naeba, 12kWh"}, Ask(energy_kwh=12.0)),
        ({"summary": "70％", "description": "60 km"}, Ask(soc_percent=70.0)),
    ],
)
async def test_an_event_is_a_trip(
    hass: HomeAssistant, advance: Advance, home: Home, texts: dict[str, str], ask: Ask
) -> None:
    assert trips(home) == []
    await add(hass, advance, "2026-11-23 07:30:00", "2026-11-23 17:00:00", **texts)
    assert trips(home) == [
        Requirement(
            departure_s=local("2026-11-23 07:30:00"),
            back_s=local("2026-11-23 17:00:00"),
            ask=ask,
            source=TripSource.CALENDAR,
            id=CALENDAR,
            name=texts.get("summary", "Trip"),
        )
    ]
    assert state(hass, NEXT) == "2026-11-23T15:30:00+00:00"


async def test_events_that_are_there_at_the_start_are_trips(
    hass: HomeAssistant,
    advance: Advance,
    calendar: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await add(hass, advance, "2026-11-24 07:30:00", "2026-11-24 17:00:00")
    home = await load(hass, monkeypatch)
    assert len(trips(home)) == 1


async def test_whole_days_are_trips_only_where_they_say_so(
    hass: HomeAssistant, advance: Advance, freezer: FrozenDateTimeFactory, home: Home
) -> None:
    home.async_change_unit(UNIT_ID, ready_by_minute=8 * 60 + 30)
    await add(hass, advance, "2026-11-24", "2026-11-25", summary="Birthday")
    assert trips(home) == []
    await add(hass, advance, "2026-11-24", "2026-11-26", summary="Skiing 90 %")
    await refresh(hass, freezer)
    (trip,) = trips(home)
    assert trip.departure_s == local("2026-11-24 08:30:00")
    assert trip.back_s == local("2026-11-26 00:00:00")
    assert trip.ask == Ask(soc_percent=90.0)


async def test_an_event_that_vanishes_is_withdrawn(
    hass: HomeAssistant,
    advance: Advance,
    freezer: FrozenDateTimeFactory,
    home: Home,
) -> None:
    await add(hass, advance, "2026-11-23 07:30:00", "2026-11-23 17:00:00")
    await add(hass, advance, "2026-11-24 07:30:00", "2026-11-24 17:00:00")
    await refresh(hass, freezer)
    said = Requirement(departure_s=local("2026-11-25 09:00:00"), id="said")
    home.async_change_trips(UNIT_ID, [*trips(home), said])
    assert len(trips(home)) == 3
    component = hass.data[CALENDAR_DOMAIN]
    entity = component.get_entity(CALENDAR)
    assert entity is not None
    events = await entity.async_get_events(
        hass, dt_util.now(), dt_util.now() + timedelta(days=5)
    )
    await entity.async_delete_event(events[0].uid)
    await refresh(hass, freezer)
    assert [trip.departure_s for trip in trips(home)] == [
        said.departure_s,
        local("2026-11-24 07:30:00"),
    ]


async def test_a_change_far_ahead_is_seen_within_a_quarter_hour(
    hass: HomeAssistant, advance: Advance, freezer: FrozenDateTimeFactory, home: Home
) -> None:
    """The calendar's state tells of its next event only."""
    await add(hass, advance, "2026-11-23 07:30:00", "2026-11-23 17:00:00")
    before = hass.states.get(CALENDAR)
    await add(hass, advance, "2026-11-25 07:30:00", "2026-11-25 17:00:00")
    assert hass.states.get(CALENDAR) == before
    assert len(trips(home)) == 1
    await refresh(hass, freezer)
    assert len(trips(home)) == 2


async def test_a_calendar_that_is_away_takes_no_trip_away(
    hass: HomeAssistant,
    advance: Advance,
    freezer: FrozenDateTimeFactory,
    calendar: MockConfigEntry,
    home: Home,
) -> None:
    await add(hass, advance, "2026-11-23 07:30:00", "2026-11-23 17:00:00")
    assert await hass.config_entries.async_unload(calendar.entry_id)
    await heard(hass, advance)
    assert state(hass, CALENDAR) == STATE_UNAVAILABLE
    assert len(trips(home)) == 1
    # Not even over a restart.
    assert await hass.config_entries.async_reload(HOME_ID)
    await settle(hass)
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    home = entry.runtime_data.home
    assert len(trips(home)) == 1
    # Until it expires.
    freezer.move_to("2026-11-23T17:01:00+00:00")
    home.async_step()
    assert trips(home) == []

    assert await hass.config_entries.async_setup(calendar.entry_id)
    await add(hass, advance, "2026-11-25 07:30:00", "2026-11-25 17:00:00")
    assert len(trips(home)) == 1, "the calendar is back"


async def test_another_calendar_has_other_trips(
    hass: HomeAssistant, advance: Advance, home: Home
) -> None:
    await add(hass, advance, "2026-11-23 07:30:00", "2026-11-23 17:00:00")
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    hass.config_entries.async_update_subentry(
        entry,
        entry.subentries[UNIT_ID],
        data=unit_data(recording.DRIVER, calendar="calendar.other"),
    )
    await settle(hass)
    assert trips(entry.runtime_data.home) == []


async def test_a_car_that_an_event_names_is_the_one(
    hass: HomeAssistant,
    advance: Advance,
    calendar: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cars = [{"key": "a", "name": "LEAF"}, {"key": "b", "name": "Red LEAF"}]
    home = await load(hass, monkeypatch, vehicles=cars)
    await add(hass, advance, "2026-11-23 07:30:00", "2026-11-23 08:00:00")
    for day, text in ((24, "with the red leaf"), (25, "leaf: 60 km")):
        await add(
            hass,
            advance,
            f"2026-11-{day} 07:30:00",
            f"2026-11-{day} 17:00:00",
            description=text,
        )
    await advance(1)
    assert await hass.config_entries.async_reload(HOME_ID)
    await settle(hass)
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    home = entry.runtime_data.home
    assert [trip.vehicle for trip in trips(home)] == [None, "b", "a"]


async def test_a_trip_while_the_clock_changes(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    calendar: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """US/Pacific goes back to standard time in the night before."""
    freezer.move_to("2026-10-31T18:00:00-07:00")
    home = await load(hass, monkeypatch)
    await add(hass, advance, "2026-11-01 07:30:00", "2026-11-01 17:00:00")
    (trip,) = trips(home)
    hours = (trip.departure_s - dt_util.utcnow().timestamp()) / 3600.0
    assert hours == pytest.approx(14.5, abs=0.05)
    assert state(hass, NEXT) == "2026-11-01T15:30:00+00:00"


# What no real calendar can be brought to do on demand.


async def test_a_calendar_that_cannot_be_read_is_logged_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(EVENING)
    answers: list[Any] = []

    async def get_events(call: ServiceCall) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    hass.services.async_register(
        CALENDAR_DOMAIN,
        "get_events",
        get_events,
        supports_response=SupportsResponse.ONLY,
    )
    hass.states.async_set(CALENDAR, STATE_OFF)
    event = {
        "start": "2026-11-23T07:30:00-08:00",
        "end": "2026-11-23T07:30:00-08:00",
        "summary": None,
    }
    answers[:] = [{CALENDAR: {"events": [event]}}]
    home = await load(hass, monkeypatch)
    (trip,) = trips(home)
    assert trip.back_s is None, "an event without a length has no return"
    assert trip.name is None
    odd = [
        {"start": None, "end": None},
        {"start": "soon", "end": "later"},
        {"start": "2026-11-24", "end": "2026-11-25", "summary": 7},
    ]
    for answer, count in (
        (HomeAssistantError("no network"), 1),
        (TimeoutError(), 1),
        ({}, 1),
        ({CALENDAR: {"events": None}}, 1),
        ({CALENDAR: {"events": [event, event]}}, 2),
        ({CALENDAR: {"events": [event | {"end": "9999-12-31T23:59:00-08:00"}]}}, 1),
        ({CALENDAR: {"events": odd}}, 0),
    ):
        answers[:] = [answer]
        hass.states.async_set(CALENDAR, STATE_OFF, {"count": str(answer)})
        await heard(hass, advance)
        assert answers == []
        assert len(trips(home)) == count, answer
    assert caplog.text.count(f"{CALENDAR} cannot be read") == 1
    assert caplog.text.count(f"{CALENDAR} can be read again") == 1


async def test_the_next_trips_of_a_full_calendar_are_the_ones_that_count(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not every integration tells its events in order, and anybody may invite."""
    freezer.move_to(EVENING)
    first = dt_util.now() + timedelta(hours=6)
    starts = [first + timedelta(hours=number) for number in range(MOST_TRIPS + 1)]
    events = [
        {
            "start": start.isoformat(),
            "end": (start + timedelta(minutes=30)).isoformat(),
            "summary": "Meeting",
        }
        for start in reversed(starts)
    ]

    async def get_events(call: ServiceCall) -> Any:
        return {CALENDAR: {"events": events}}

    hass.services.async_register(
        CALENDAR_DOMAIN,
        "get_events",
        get_events,
        supports_response=SupportsResponse.ONLY,
    )
    hass.states.async_set(CALENDAR, STATE_OFF)
    home = await load(hass, monkeypatch)
    found = trips(home)
    assert len(found) == MOST_TRIPS
    assert found[0].departure_s == first.timestamp()
