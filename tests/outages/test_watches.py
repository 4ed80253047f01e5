"""What raises the reserve before an outage: an action, a calendar, a warning."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.outage_model import Watch, WatchSource
from custom_components.leaf_to_home.engine.state import HomeSettings
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.sources.watches import WatchSources
from tests.conftest import EVENING, UNIT_ID
from tests.platforms import recorded_home, setup_platforms

pytestmark = pytest.mark.usefixtures("recording_driver")

CUTS = "calendar.cuts"
STORM = "sensor.storm"
MODE = "select.home_mode"


def now_s() -> float:
    return dt_util.utcnow().timestamp()


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """A configuration of its own: the calendar writes a file there."""
    (Path(hass_tmp_config_dir) / ".storage").mkdir()
    return hass_tmp_config_dir


@pytest.fixture
async def home(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Home:
    """A home at 18:00."""
    freezer.move_to(EVENING)
    return await setup_platforms(
        hass, monkeypatch, Platform.SELECT, entry=recorded_home()
    )


async def call(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(
        "leaf_to_home",
        "watch",
        {"entity_id": MODE, **data},
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    told = answer[MODE]
    assert isinstance(told, dict)
    return told


async def test_an_action_raises_the_reserve_and_says_what_it_does(
    hass: HomeAssistant, home: Home
) -> None:
    told = await call(
        hass, reserve_percent=80, duration={"hours": 6}, needed_by="20:00"
    )
    watch = home.state.settings.watch
    assert watch == Watch(
        reserve_percent=80.0,
        until_s=now_s() + 6 * 3600,
        needed_s=now_s() + 2 * 3600,
        source=WatchSource.USER,
    )
    assert told["until"] == (dt_util.utcnow() + timedelta(hours=6)).isoformat()
    assert told["needed_by"] == (dt_util.utcnow() + timedelta(hours=2)).isoformat()
    unit = told["units"][UNIT_ID]
    assert unit["goal_percent"] == 80.0
    assert unit["soc_percent"] == pytest.approx(60.0, abs=1.0)
    lacks = (80.0 - unit["soc_percent"]) / 100.0 * 36.0 * 0.9
    assert unit["lacks_kwh"] == pytest.approx(lacks, abs=0.06)

    await hass.services.async_call(
        "leaf_to_home", "end_watch", {"entity_id": MODE}, blocking=True
    )
    assert settings(home).watch is None
    await call(hass, reserve_percent=80)
    watch = settings(home).watch
    assert watch is not None
    assert watch.until_s == now_s() + 24 * 3600
    assert watch.needed_s is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"until": "2026-11-22 17:00:00"}, "watch_in_the_past"),
        ({"until": "2027-11-22 17:00:00"}, "watch_too_long"),
        ({"until": "0001-01-01 00:00:00"}, "watch_too_long"),
        ({"until": "19:00:00", "needed_by": "20:00:00"}, "watch_needed_late"),
        ({"entity_id": "select.leaf_mode"}, "no_home"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    hass: HomeAssistant, home: Home, data: dict[str, Any], error: str
) -> None:
    if "0001" in str(data.get("until")):
        hass.config.time_zone = "Asia/Tokyo"
        dt_util.set_default_time_zone(dt_util.get_time_zone("Asia/Tokyo"))  # type: ignore[arg-type]  # it is known
    with pytest.raises(ServiceValidationError) as raised:
        await hass.services.async_call(
            "leaf_to_home",
            "watch",
            {"entity_id": MODE, "reserve_percent": 80, **data},
            blocking=True,
        )
    assert raised.value.translation_key == error
    assert home.state.settings.watch is None


def settings(home: Home) -> HomeSettings:
    return home.state.settings


class Heard:
    """Counts changes."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def test_a_warning_holds_for_a_while(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    conf = {
        "reserve_percent": 90,
        "warning": STORM,
        "warning_states": ["Red"],
        "after_h": 6,
    }
    heard = Heard()
    sources = WatchSources(hass, conf, {}, heard)
    sources.async_start()
    assert sources.watches(now_s()) == ()
    for text in ("green", STATE_UNAVAILABLE):
        hass.states.async_set(STORM, text)
        assert sources.watches(now_s()) == ()
    hass.states.async_set(STORM, "red")
    await hass.async_block_till_done()
    assert heard.times == 3
    began_s = now_s()
    assert sources.watches(began_s) == (
        Watch(
            reserve_percent=90,
            until_s=began_s + 6 * 3600,
            source=WatchSource.WARNING,
        ),
    )
    # The storm takes the network with it, and Home Assistant starts anew.
    hass.states.async_set(STORM, STATE_UNAVAILABLE)
    sources.async_stop()
    again = WatchSources(hass, conf, sources.stored(), heard)
    freezer.tick(timedelta(hours=5))
    assert len(again.watches(now_s())) == 1
    freezer.tick(timedelta(hours=1))
    assert again.watches(now_s()) == ()
    # A clock that is set back does not make it last.
    assert len(again.watches(began_s - 7200.0)) == 1
    assert again.watches(began_s - 7200.0 + 6 * 3600.0) == ()


async def test_planned_cuts_of_a_calendar(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(EVENING)
    entry = MockConfigEntry(
        domain="local_calendar",
        data={"calendar_name": "Cuts", "storage_key": "cuts"},
        title="Cuts",
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    for start, end in (
        ("2026-11-23T09:00:00", "2026-11-23T11:00:00"),
        ("2026-11-22T00:00:00", "2026-12-22T00:00:00"),
    ):
        await hass.services.async_call(
            "calendar",
            "create_event",
            {
                "entity_id": CUTS,
                "summary": "Rolling blackout",
                "start_date_time": start,
                "end_date_time": end,
            },
            blocking=True,
        )
    heard = Heard()
    conf = {"reserve_percent": 70, "calendar": CUTS, "lead_h": 24}
    sources = WatchSources(hass, conf, {}, heard)
    sources.async_start()
    await hass.async_block_till_done(wait_background_tasks=True)
    begin_s = dt_util.parse_datetime("2026-11-23T17:00:00+00:00").timestamp()  # type: ignore[union-attr]  # it is one
    expected = Watch(
        reserve_percent=70,
        until_s=begin_s + 7200.0,
        needed_s=begin_s,
        source=WatchSource.CALENDAR,
    )
    assert sources.watches(now_s()) == (expected,), "a month is no cut"
    assert heard.times == 1
    assert sources.watches(begin_s - 25 * 3600) == ()
    assert sources.watches(begin_s + 7199.0) == (expected,)
    assert sources.watches(begin_s + 7200.0) == ()
    # Without its calendar it is known all the same.
    stored = sources.stored()
    sources.async_stop()
    hass.states.async_set(CUTS, STATE_UNAVAILABLE)
    again = WatchSources(hass, conf, stored, heard)
    again.async_start()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert again.watches(now_s()) == (expected,)
    again.async_stop()


@pytest.mark.parametrize("stored", [{"cuts": 5}, {"cuts": [[1]]}, {"warned_s": "x"}])
async def test_what_was_stored_and_cannot_be_read_is_left(
    hass: HomeAssistant, stored: dict[str, Any]
) -> None:
    sources = WatchSources(hass, {"calendar": CUTS, "warning": STORM}, stored, Heard())
    assert sources.watches(now_s()) == ()
