"""What plans cannot meet: an event when it is new, a repair when it stays."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.engine.problems import Finding, Problem
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.plan_problems import PlanProblems
from tests.conftest import UNIT_ID, Advance
from tests.planned import live, planned, settle
from tests.platforms import HOME_ID, check_snapshot, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

PLATFORMS = (Platform.EVENT, Platform.SENSOR)
EVENT = "event.home_plan_alert"
SENSOR = "sensor.home_plan_problem"


def told(hass: HomeAssistant) -> dict[str, Any]:
    """Return the last event without what never changes."""
    event = hass.states.get(EVENT)
    assert event is not None
    hidden = ("event_types", "friendly_name")
    return {key: v for key, v in event.attributes.items() if key not in hidden}


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    return {
        str(issue.translation_key): issue
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN and issue.active
    }


def leave_in(home: Home, minutes: int, soc_percent: float) -> None:
    """Ask for the car in so many minutes, every day."""
    local = dt_util.now() + timedelta(minutes=minutes)
    home.async_change_unit(
        UNIT_ID,
        ready_by=True,
        ready_by_minute=local.hour * 60 + local.minute,
        ready_by_soc_percent=soc_percent,
    )


async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.EVENT)
    await check_snapshot(hass, entity_registry, snapshot)


async def test_a_departure_that_cannot_be_met(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    assert state(hass, EVENT) == STATE_UNKNOWN
    assert state(hass, SENSOR) == "none"
    leave_in(home, 30, 95.0)
    await settle(hass, home)
    assert state(hass, SENSOR) == "departure"
    first = state(hass, EVENT)
    event = told(hass)
    expected = event.pop("expected_percent")
    assert 60.0 < expected < 75.0
    at = dt_util.parse_datetime(event.pop("time"))
    assert at is not None
    assert timedelta(minutes=28) < at - dt_util.utcnow() < timedelta(minutes=31)
    assert event == {
        "event_type": "departure",
        "unit": "LEAF",
        "wanted_percent": 95.0,
    }
    soc = state(hass, "sensor.leaf_expected_state_of_charge_at_departure")
    assert float(soc) == pytest.approx(expected, abs=0.6)

    # The next plan says the same: nobody is told twice.
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    assert state(hass, SENSOR) == "departure"
    assert state(hass, EVENT) == first

    # What the user puts right is solved at once.
    leave_in(home, 600, 60.0)
    await settle(hass, home)
    assert state(hass, SENSOR) == "none"
    assert told(hass) == {"event_type": "solved"}
    assert issues(hass) == {}


async def test_an_import_limit_below_what_the_house_draws(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    home.async_change_unit(UNIT_ID, discharge_limit_w=0.0)
    home.async_change_home(import_limit_w=300.0)
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert state(hass, SENSOR) == "import_limit"
    event = told(hass)
    assert event["wanted_w"] == 300.0
    assert event["expected_w"] > 300.0
    assert "unit" not in event


async def test_a_reserve_that_cannot_be_restored(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    home.async_change_unit(UNIT_ID, charge_limit_w=0.0, reserve_percent=70.0)
    await settle(hass, home)
    assert state(hass, SENSOR) == "reserve"
    event = told(hass)
    assert event["wanted_percent"] == 70.0
    assert event["expected_percent"] < 70.0


async def test_a_departure_is_told_of_in_a_mode_without_plans(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    """It cannot be met there either, and somebody has to know at once."""
    home = await planned(
        hass,
        monkeypatch,
        freezer,
        advance,
        platforms=PLATFORMS,
        mode=HomeMode.SELF_CONSUMPTION,
    )
    assert home.plans.plans == {}
    assert state(hass, EVENT) == STATE_UNKNOWN
    leave_in(home, 30, 95.0)
    await hass.async_block_till_done()
    assert state(hass, SENSOR) == "departure"
    event = told(hass)
    assert event["event_type"] == "departure"
    assert event["unit"] == "LEAF"
    assert event["wanted_percent"] == 95.0
    # 30 minutes at 6 kW, beside what is there.
    assert 68.0 < event["expected_percent"] < 70.0

    # What the user puts right is solved at once, and what comes anew told anew.
    leave_in(home, 600, 60.0)
    await hass.async_block_till_done()
    assert state(hass, SENSOR) == "none"
    assert told(hass) == {"event_type": "solved"}
    leave_in(home, 20, 95.0)
    await hass.async_block_till_done()
    assert told(hass)["event_type"] == "departure"


async def test_a_restart_tells_nothing_twice_in_a_mode_without_plans(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await planned(
        hass,
        monkeypatch,
        freezer,
        advance,
        platforms=PLATFORMS,
        mode=HomeMode.SELF_CONSUMPTION,
    )
    leave_in(home, 30, 95.0)
    await hass.async_block_till_done()
    assert await hass.config_entries.async_unload(HOME_ID)
    freezer.tick(60.0)
    assert await hass.config_entries.async_setup(HOME_ID)
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    home = entry.runtime_data.home
    events: list[str] = []
    home.plans.problems.async_subscribe(lambda kind, _values: events.append(kind))
    await live(hass, home, advance, 3)
    assert state(hass, SENSOR) == "departure"
    assert events == []


async def test_a_departure_without_a_plan_that_is_past_is_over(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(
        hass,
        monkeypatch,
        freezer,
        advance,
        platforms=PLATFORMS,
        mode=HomeMode.SELF_CONSUMPTION,
    )
    leave_in(home, 30, 95.0)
    await hass.async_block_till_done()
    assert told(hass)["event_type"] == "departure"
    freezer.tick(timedelta(minutes=31))
    await live(hass, home, advance, 2)
    assert state(hass, SENSOR) == "none"
    assert told(hass)["event_type"] == "departure"
    freezer.tick(timedelta(minutes=62))
    await live(hass, home, advance, 2)
    assert told(hass) == {"event_type": "solved"}


async def test_a_departure_without_numbers_is_told_once(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await setup_platforms(hass, monkeypatch, *PLATFORMS)
    problems: PlanProblems = home.plans.problems
    events: list[str] = []
    problems.async_subscribe(lambda kind, _values: events.append(kind))
    odd = Finding(problem=Problem.DEPARTURE, unit=UNIT_ID)
    now_s = dt_util.utcnow().timestamp()
    for hours in range(4):
        problems.async_see([odd], now_s + hours * 3000.0)
    assert events == ["departure"]
    other = Finding(
        problem=Problem.DEPARTURE, unit=UNIT_ID, time_s=now_s + 7200.0, wanted=80.0
    )
    problems.async_see([odd, other], now_s + 9300.0)
    assert events == ["departure", "departure"]


async def test_a_unit_that_the_user_holds_will_not_be_ready(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    leave_in(home, 240, 80.0)
    await settle(hass, home)
    assert state(hass, SENSOR) == "none"
    home.async_change_unit(
        UNIT_ID, mode=UnitMode.HOLD, until_s=dt_util.utcnow().timestamp() + 4 * 3600.0
    )
    await live(hass, home, advance, 1)
    assert told(hass)["expected_percent"] == pytest.approx(60.0, abs=0.5)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await live(hass, home, advance, 1)
    assert state(hass, SENSOR) == "departure"
    # Whoever turns the home off knows.
    home.async_change_home(mode=HomeMode.OFF)
    await live(hass, home, advance, 1)
    assert state(hass, SENSOR) == "none"


async def test_what_was_told_stays_told_in_a_mode_without_plans(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    leave_in(home, 30, 95.0)
    await settle(hass, home)
    first = state(hass, EVENT)
    home.async_change_home(mode=HomeMode.SELF_CONSUMPTION)
    await live(hass, home, advance, 70)
    assert state(hass, SENSOR) == "departure"
    assert state(hass, EVENT) == first


async def test_what_stands_for_three_days_is_a_repair_that_goes_away(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    """The charger is too weak for this driver, every evening anew."""
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    home.async_change_unit(UNIT_ID, charge_limit_w=500.0)
    leave_in(home, 240, 95.0)
    await settle(hass, home)
    await live(hass, home, advance, 2)
    for day in range(1, 4):
        found = issues(hass)
        assert ("plan_departure" in found) is (day > 2)
        if day == 3:
            break
        freezer.tick(timedelta(days=1))
        await live(hass, home, advance, 3)
        assert state(hass, SENSOR) == "departure"
    issue = issues(hass)["plan_departure"]
    assert not issue.is_fixable
    assert issue.translation_placeholders is not None
    placeholders = dict(issue.translation_placeholders)
    assert 60 <= int(placeholders.pop("expected")) < 70
    assert placeholders.pop("time").endswith(":00")
    assert placeholders == {"home": "Home", "unit": "LEAF", "wanted": "95"}

    # A restart in between forgets nothing, and says it again.
    assert await hass.config_entries.async_reload(HOME_ID)
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    home = entry.runtime_data.home
    await live(hass, home, advance, 2)
    assert "plan_departure" in issues(hass)

    home.async_change_unit(UNIT_ID, charge_limit_w=6000.0)
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert state(hass, SENSOR) == "none"
    assert issues(hass) == {}


async def test_a_repair_goes_after_a_day_without_the_problem(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, platforms=PLATFORMS)
    home.async_change_unit(UNIT_ID, charge_limit_w=500.0)
    leave_in(home, 240, 95.0)
    await settle(hass, home)
    await live(hass, home, advance, 2)
    for _ in range(2):
        freezer.tick(timedelta(days=1))
        await live(hass, home, advance, 3)
    assert "plan_departure" in issues(hass)
    # The car comes home fuller than it used to.
    unit().push(connected=False)
    await live(hass, home, advance, 3)
    unit().push(connected=True, soc_percent=97.0)
    await live(hass, home, advance, 90)
    assert state(hass, SENSOR) == "none"
    assert "plan_departure" in issues(hass)
    freezer.tick(timedelta(days=2))
    await live(hass, home, advance, 90)
    assert issues(hass) == {}
    assert told(hass) == {"event_type": "solved"}


async def test_every_structural_problem_has_a_repair(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is raised as a home does it, for three days in a row."""
    home = await setup_platforms(hass, monkeypatch, *PLATFORMS)
    await settle(hass, home)
    problems: PlanProblems = home.plans.problems
    found = [Finding(problem=problem, unit=UNIT_ID) for problem in Problem]
    for day in range(3):
        problems.async_see(found, 1.7e9 + day * 86400.0)
    assert issues(hass).keys() == {f"plan_{problem}" for problem in Problem}
    for issue in issues(hass).values():
        assert issue.translation_placeholders == {
            "home": "Home",
            "unit": "LEAF",
            "time": "–",
            "wanted": "–",
            "expected": "–",
        }
    problems.async_see([], 1.7e9 + 4 * 86400.0)
    assert issues(hass) == {}
