"""Trips that are announced: by action, kept over restarts, shown and met."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr, translation
from homeassistant.util import dt as dt_util
import probatio as vol
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.leaf_to_home.engine.model import HomeMode, ReasonCode
from custom_components.leaf_to_home.engine.requirement import (
    LATE_S,
    Ask,
    Requirement,
    TripSource,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.services_trips import MOST_TRIPS
from custom_components.leaf_to_home.trips import build_patterns
from tests import recording
from tests.conftest import EVENING, UNIT_ID, Advance, make_entry, unit_data
from tests.planned import live, planned, settle
from tests.platforms import HOME_ID, recorded_home, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

MODE = "select.leaf_mode"
SECOND = f"{UNIT_ID[:-1]}2"
NEXT = "sensor.leaf_next_departure"
NEXT_SOC = "sensor.leaf_state_of_charge_for_the_next_departure"
NEXT_SOURCE = "sensor.leaf_source_of_the_next_departure"
PLATFORMS = (Platform.SELECT, Platform.SENSOR)


async def act(
    hass: HomeAssistant,
    action: str,
    data: Mapping[str, Any] | None = None,
    *,
    target: Mapping[str, Any] | None = None,
    answer: bool = False,
) -> Any:
    result = await hass.services.async_call(
        DOMAIN,
        action,
        dict(data or {}),
        target=dict(target or {ATTR_ENTITY_ID: MODE}),
        blocking=True,
        return_response=answer,
    )
    await hass.async_block_till_done()
    return result


async def trips(hass: HomeAssistant, key: str = UNIT_ID) -> Any:
    answer = await hass.services.async_call(
        DOMAIN, "get_trips", {}, blocking=True, return_response=True
    )
    assert isinstance(answer, dict)
    units: Any = answer["units"]
    return units[key]


def stored(home: Home, key: str = UNIT_ID) -> list[Requirement]:
    return home.state.units[key].requirements


def local(text: str) -> float:
    at = dt_util.parse_datetime(text)
    assert at is not None
    return dt_util.as_utc(at).timestamp()


@pytest.fixture
async def home(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> Home:
    """A home at 18:00 on a Sunday, with its unit at 60 %."""
    freezer.move_to(EVENING)
    return await setup_platforms(hass, monkeypatch, *PLATFORMS)


@pytest.mark.parametrize(
    ("data", "departure", "back", "ask"),
    [
        ({"departure": "07:30"}, "2026-11-23 07:30", None, Ask()),
        (
            {"departure": "2026-11-24 07:30:00", "return": "17:00", "soc_percent": 85},
            "2026-11-24 07:30",
            "2026-11-24 17:00",
            Ask(soc_percent=85.0),
        ),
        (
            {"departure": "22:00", "return": "06:00", "energy_kwh": 6},
            "2026-11-22 22:00",
            "2026-11-23 06:00",
            Ask(energy_kwh=6.0),
        ),
        (
            {"departure": "2026-11-23T08:00:00-08:00", "distance_km": 60},
            "2026-11-23 08:00",
            None,
            Ask(distance_km=60.0),
        ),
    ],
)
async def test_a_trip_is_announced(
    hass: HomeAssistant,
    home: Home,
    data: dict[str, Any],
    departure: str,
    back: str | None,
    ask: Ask,
) -> None:
    answer = await act(hass, "announce_trip", data, answer=True)
    (trip,) = stored(home)
    assert trip == Requirement(
        departure_s=local(departure),
        back_s=None if back is None else local(back),
        ask=ask,
        source=TripSource.ACTION,
        id=answer[MODE]["trip_id"],
    )
    assert trip.id


async def test_a_trip_is_shown_and_withdrawn(hass: HomeAssistant, home: Home) -> None:
    assert state(hass, NEXT) == STATE_UNKNOWN
    assert (await trips(hass)) == {"name": "LEAF", "next": None, "trips": []}
    await act(
        hass,
        "announce_trip",
        {
            "departure": "2026-11-23 07:30:00",
            "return": "2026-11-23 17:00:00",
            "distance_km": 54,
            "name": "Airport",
            "trip_id": "airport",
        },
    )
    # 54 km at 18 kWh/100 km of 32.4 kWh, on top of the reserve.
    shown = {
        "departure": "2026-11-23T15:30:00+00:00",
        "return": "2026-11-24T01:00:00+00:00",
        "soc_percent": 60.0,
        "sources": ["action"],
        "trip_id": "airport",
        "name": "Airport",
        "vehicle": None,
        "expires": "2026-11-24T01:00:00+00:00",
    }
    assert (await trips(hass)) == {"name": "LEAF", "next": shown, "trips": [shown]}
    assert state(hass, NEXT) == "2026-11-23T15:30:00+00:00"
    assert float(state(hass, NEXT_SOC)) == 60.0
    assert state(hass, NEXT_SOURCE) == "action"

    # What driving takes is a number of the unit's.
    home.async_change_unit(UNIT_ID, kwh_per_100_km=24.0)
    await hass.async_block_till_done()
    assert float(state(hass, NEXT_SOC)) == 70.0

    # The same id again is the same trip.
    await act(hass, "announce_trip", {"departure": "09:00", "trip_id": "airport"})
    (trip,) = stored(home)
    assert trip.departure_s == local("2026-11-23 09:00")
    await act(hass, "withdraw_trip", {"trip_id": "airport"})
    assert stored(home) == []
    assert state(hass, NEXT) == STATE_UNKNOWN


async def test_all_that_was_announced_is_withdrawn(
    hass: HomeAssistant, home: Home
) -> None:
    other = Requirement(
        departure_s=local("2026-11-23 12:00"), source=TripSource.CALENDAR
    )
    home.async_change_trips(UNIT_ID, [other])
    await act(hass, "announce_trip", {"departure": "07:30"})
    await act(hass, "announce_trip", {"departure": "20:30"})
    assert len(stored(home)) == 3
    await act(hass, "withdraw_trip")
    assert stored(home) == [other], "a calendar takes back its own"


@pytest.mark.parametrize(
    ("data", "key", "shown"),
    [
        (
            {"departure": "2026-11-22 17:59:00"},
            "trip_in_the_past",
            "2026-11-22 17:59",
        ),
        ({"departure": "2026-12-23 07:00:00"}, "trip_too_far", "30"),
        ({"departure": "9999-12-31 23:00:00"}, "trip_too_far", "9999"),
        (
            {"departure": "07:30", "return": "2026-11-23 07:30:00"},
            "trip_return_wrong",
            "2026-11-23 07:30",
        ),
        (
            {"departure": "07:30", "return": "2027-01-23 07:30:00"},
            "trip_return_wrong",
            "30",
        ),
        ({"departure": "07:30", "soc_percent": 96}, "target_above_highest", "95"),
        ({"departure": "07:30", "soc_percent": 29}, "target_below_reserve", "30"),
        # 32.4 kWh from 10 to 95 %.
        ({"departure": "07:30", "energy_kwh": 28}, "trip_too_long", "27.5"),
        ({"departure": "07:30", "distance_km": 200}, "trip_too_long", "36.0"),
        ({"departure": "07:30", "vehicle": "Red"}, "car_unknown", "Red"),
    ],
)
async def test_refused(
    hass: HomeAssistant, home: Home, data: dict[str, Any], key: str, shown: str
) -> None:
    with pytest.raises(ServiceValidationError) as info:
        await act(hass, "announce_trip", data)
    assert info.value.translation_key == key
    assert shown in await message(hass, info.value)
    assert stored(home) == []


async def test_what_stays_goes_on_no_trip(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the car beside it told, where both are asked."""
    freezer.move_to(EVENING)
    pack = unit_data(recording.DRIVER, preset="pack-24")
    home = await setup_platforms(
        hass, monkeypatch, Platform.SELECT, entry=recorded_home(pack)
    )
    both = {ATTR_ENTITY_ID: [MODE, "select.leaf_2_mode"]}
    with pytest.raises(ServiceValidationError) as info:
        await act(hass, "announce_trip", {"departure": "07:30"}, target=both)
    assert info.value.translation_key == "trip_stays"
    assert "LEAF 2" in await message(hass, info.value)
    assert stored(home) == stored(home, SECOND) == []


async def message(hass: HomeAssistant, error: ServiceValidationError) -> str:
    texts = await translation.async_get_translations(hass, "en", "exceptions", [DOMAIN])
    text = texts[f"component.{DOMAIN}.exceptions.{error.translation_key}.message"]
    assert error.translation_placeholders is not None
    return text.format(**error.translation_placeholders)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"departure": "soon"},
        {"departure": "07:30", "soc_percent": 80, "energy_kwh": 5},
        {"departure": "07:30", "energy_kwh": 0},
        {"departure": "07:30", "soc_percent": 101},
        {"departure": "07:30", "trip_id": ""},
        {"departure": "07:30", "name": "x" * 65},
    ],
)
async def test_what_makes_no_sense(
    hass: HomeAssistant, home: Home, data: dict[str, Any]
) -> None:
    with pytest.raises(vol.Invalid):
        await act(hass, "announce_trip", data)
    assert stored(home) == []


async def test_an_unknown_trip_is_not_withdrawn(
    hass: HomeAssistant, home: Home
) -> None:
    await act(hass, "announce_trip", {"departure": "07:30", "trip_id": "airport"})
    with pytest.raises(ServiceValidationError) as info:
        await act(hass, "withdraw_trip", {"trip_id": "dentist"})
    assert info.value.translation_key == "trip_unknown"
    assert "airport" in await message(hass, info.value)


async def test_nobody_announces_without_end(hass: HomeAssistant, home: Home) -> None:
    for number in range(MOST_TRIPS):
        await act(hass, "announce_trip", {"departure": "07:30", "trip_id": str(number)})
    with pytest.raises(ServiceValidationError) as info:
        await act(hass, "announce_trip", {"departure": "07:30"})
    assert info.value.translation_key == "too_many_trips"
    await act(hass, "announce_trip", {"departure": "08:30", "trip_id": "7"})


async def test_a_full_calendar_leaves_room_for_what_is_announced(
    hass: HomeAssistant, home: Home
) -> None:
    """Invitations of others keep nobody from announcing a trip."""
    invited = [
        Requirement(
            departure_s=local("2026-11-23 09:00:00") + 60.0 * number,
            source=TripSource.CALENDAR,
            id="calendar.trips",
        )
        for number in range(MOST_TRIPS)
    ]
    home.async_change_trips(UNIT_ID, invited)
    await act(hass, "announce_trip", {"departure": "07:30"})
    assert len(stored(home)) == MOST_TRIPS + 1


async def test_a_device_is_a_target_and_one_that_refuses_stops_all(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(
        hass,
        monkeypatch,
        *PLATFORMS,
        entry=recorded_home(unit_data(recording.DRIVER)),
    )
    registry = dr.async_get(hass)
    devices = [
        device.id
        for key in (UNIT_ID, SECOND)
        if (
            device := registry.async_get_device_by_identifier(
                (DOMAIN, f"{HOME_ID}_{key}"), HOME_ID
            )
        )
    ]
    await act(
        hass,
        "announce_trip",
        {"departure": "07:30"},
        target={ATTR_DEVICE_ID: devices[:1]},
    )
    assert (len(stored(home)), len(stored(home, SECOND))) == (1, 0)
    home.async_change_unit(SECOND, reserve_percent=60.0)
    with pytest.raises(ServiceValidationError):
        await act(
            hass,
            "announce_trip",
            {"departure": "09:30", "soc_percent": 50},
            target={ATTR_DEVICE_ID: devices},
        )
    assert (len(stored(home)), len(stored(home, SECOND))) == (1, 0)
    with pytest.raises(ServiceValidationError) as info:
        await act(
            hass,
            "announce_trip",
            {"departure": "07:30"},
            target={ATTR_ENTITY_ID: "select.home_mode"},
        )
    assert info.value.translation_key == "no_unit"


async def test_each_car_has_its_own(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer.move_to(EVENING)
    cars = [
        {"key": "a", "name": "Blue"},
        {"key": "b", "name": "Red", "usable_kwh": 18.0},
    ]
    home = await setup_platforms(
        hass,
        monkeypatch,
        *PLATFORMS,
        entry=make_entry(unit_data(recording.DRIVER, vehicles=cars), entry_id=HOME_ID),
    )
    unit().push(vehicle="a")
    home.async_step()
    await hass.async_block_till_done()
    await act(hass, "announce_trip", {"departure": "07:30", "energy_kwh": 6})
    await act(
        hass,
        "announce_trip",
        {"departure": "08:45", "energy_kwh": 6, "vehicle": "red", "trip_id": "red"},
    )
    mine, reds = stored(home)
    assert (mine.vehicle, reds.vehicle) == ("a", "b")
    shown = (await trips(hass))["trips"]
    assert [each["vehicle"] for each in shown] == ["Blue", "Red"]
    assert shown[0]["soc_percent"] == pytest.approx(30 + 600 / 32.4, abs=0.1)
    assert shown[1]["soc_percent"] == pytest.approx(30 + 600 / 16.2, abs=0.1)
    assert state(hass, NEXT) == "2026-11-23T15:30:00+00:00"
    with pytest.raises(ServiceValidationError) as info:
        await act(
            hass,
            "announce_trip",
            {"departure": "08:45", "energy_kwh": 15, "vehicle": "Red"},
        )
    assert info.value.translation_key == "trip_too_long"

    # The other car at the plug has other trips ahead.
    unit().push(connected=False)
    home.async_step()
    unit().push(connected=True, vehicle="b")
    home.async_step()
    await hass.async_block_till_done()
    assert state(hass, NEXT) == "2026-11-23T16:45:00+00:00"


async def test_a_restart_forgets_no_trip(
    hass: HomeAssistant, home: Home, freezer: FrozenDateTimeFactory
) -> None:
    await act(
        hass,
        "announce_trip",
        {"departure": "07:30", "return": "17:00", "soc_percent": 75, "name": "Airport"},
    )
    before = stored(home)
    assert await hass.config_entries.async_reload(HOME_ID)
    await hass.async_block_till_done()
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    home = entry.runtime_data.home
    assert stored(home) == before
    assert state(hass, NEXT) == "2026-11-23T15:30:00+00:00"

    # One that was over meanwhile is forgotten.
    assert await hass.config_entries.async_unload(HOME_ID)
    freezer.tick(timedelta(days=2))
    assert await hass.config_entries.async_setup(HOME_ID)
    await hass.async_block_till_done()
    assert stored(entry.runtime_data.home) == []


async def test_a_trip_is_planned_for_and_one_that_does_not_happen_expires(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    await act(hass, "announce_trip", {"departure": "07:30", "soc_percent": 90})
    await settle(hass, home)
    expected = "sensor.leaf_expected_state_of_charge_at_departure"
    assert 89.0 <= float(state(hass, expected)) <= 95.0
    plan = home.plans.plans[UNIT_ID]
    leaves_s = stored(home)[0].departure_s
    assert [each.home for each in plan.steps if each.start_s == leaves_s] == [False]

    # Nobody has charged this car: it is late, and charged as long as it is there.
    freezer.move_to("2026-11-23T15:31:00+00:00")
    await live(hass, home, advance, 3)
    decision = home.decision
    assert decision is not None
    assert decision.units[UNIT_ID].reason.code is ReasonCode.DEPARTURE
    assert len(stored(home)) == 1
    freezer.tick(LATE_S)
    await live(hass, home, advance, 3)
    assert stored(home) == []
    decision = home.decision
    assert decision is not None
    assert decision.units[UNIT_ID].reason.code is not ReasonCode.DEPARTURE
    assert home.plans.plans[UNIT_ID].steps[0].home


async def test_a_trip_that_began_early_has_no_departure_any_more(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    """What the car will have when it is back is not what it leaves with."""
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    await act(hass, "announce_trip", {"departure": "19:00", "return": "22:00"})
    await settle(hass, home)
    expected = "sensor.leaf_expected_state_of_charge_at_departure"
    assert float(state(hass, expected)) > 50.0
    unit().push(connected=False)
    await live(hass, home, advance, 12)
    assert home.plans.plans[UNIT_ID].steps[0].home is False
    assert state(hass, expected) == "unknown"


async def test_the_rule_meets_a_trip(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    """No plan is made in self-consumption: the departure rule stands alone."""
    home = await planned(
        hass,
        monkeypatch,
        freezer,
        advance,
        mode=HomeMode.SELF_CONSUMPTION,
        platforms=PLATFORMS,
    )
    decision = home.decision
    assert decision is not None
    assert decision.units[UNIT_ID].reason.code is not ReasonCode.DEPARTURE
    await act(hass, "announce_trip", {"departure": "19:00", "soc_percent": 75})
    decision = home.decision
    assert decision is not None
    assert decision.units[UNIT_ID].reason.code is ReasonCode.DEPARTURE
    await live(hass, home, advance, 120)
    assert unit().setpoints[-1].power_w < -1000.0
    await act(hass, "withdraw_trip")
    decision = home.decision
    assert decision is not None
    assert decision.units[UNIT_ID].reason.code is not ReasonCode.DEPARTURE


async def test_weekdays_are_trips(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer.move_to(EVENING)
    pattern = {
        "mon": {
            "on": True,
            "departure": "07:30:00",
            "back": "17:00:00",
            "soc_percent": 70,
        },
        "tue": {"on": False, "departure": "09:00:00"},
        "wed": {"on": True, "departure": "10:00:00"},
    }
    entry = make_entry(unit_data(recording.DRIVER, pattern=pattern), entry_id=HOME_ID)
    home = await setup_platforms(hass, monkeypatch, *PLATFORMS, entry=entry)
    shown = (await trips(hass))["trips"]
    assert [(each["departure"], each["soc_percent"]) for each in shown] == [
        ("2026-11-23T15:30:00+00:00", 70.0),
        ("2026-11-25T18:00:00+00:00", 80.0),
    ]
    assert {each["sources"][0] for each in shown} == {"pattern"}
    assert shown[0]["return"] == "2026-11-24T01:00:00+00:00"
    assert state(hass, NEXT) == "2026-11-23T15:30:00+00:00"
    assert state(hass, NEXT_SOURCE) == "pattern"
    # What is announced for the same morning makes one trip of both.
    await act(hass, "announce_trip", {"departure": "08:00", "soc_percent": 90})
    following = (await trips(hass))["next"]
    assert following["departure"] == "2026-11-23T15:30:00+00:00"
    assert following["soc_percent"] == 90.0
    assert following["sources"] == ["action", "pattern"]
    assert following["return"] == "2026-11-24T01:00:00+00:00"
    assert state(hass, NEXT_SOURCE) == "action"
    assert stored(home)[0].source is TripSource.ACTION


def test_a_pattern_that_says_nothing_is_none() -> None:
    assert build_patterns({}) == {}
    assert build_patterns({"pattern": {"mon": {"on": True}}}) == {}


async def test_diagnostics_name_no_trip(hass: HomeAssistant, home: Home) -> None:
    await act(hass, "announce_trip", {"departure": "07:30", "name": "Oncologist"})
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    data = await async_get_config_entry_diagnostics(hass, entry)
    (trip,) = data["units"][UNIT_ID]["state"]["requirements"]
    assert trip["departure_s"] == local("2026-11-23 07:30")
    assert trip["name"] == "**REDACTED**"
    assert "Oncologist" not in str(data)


async def test_trips_of_a_car_that_is_gone_go_with_it(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer.move_to(EVENING)
    data = unit_data(
        recording.DRIVER,
        vehicles=[{"key": "a" * 20, "name": "Blue"}, {"key": "b" * 20, "name": "Red"}],
        car_patterns={"c" * 20: {"mon": {"on": True, "departure": "07:30:00"}}},
    )
    home = await setup_platforms(
        hass, monkeypatch, *PLATFORMS, entry=make_entry(data, entry_id=HOME_ID)
    )
    for car in ("Blue", "Red"):
        await act(hass, "announce_trip", {"departure": "07:30", "vehicle": car})
    assert [trip.vehicle for trip in stored(home)] == ["a" * 20, "b" * 20]
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    # What names a car for all time is in no report, also of one that is gone.
    shown = str(await async_get_config_entry_diagnostics(hass, entry))
    assert not [key for key in "abc" if key * 20 in shown]
    hass.config_entries.async_update_subentry(
        entry,
        entry.subentries[UNIT_ID],
        data=data | {"vehicles": data["vehicles"][:1]},
    )
    await hass.async_block_till_done()
    assert [trip.vehicle for trip in stored(entry.runtime_data.home)] == ["a" * 20]
