"""What a LEAF would have saved here, from a real recorder's statistics."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from sqlalchemy.exc import OperationalError

from custom_components.leaf_to_home import recorder_past, recorder_prices, replay_work
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.replaying import Ask, async_replay
from tests.conftest import GRID, SOLAR, make_entry, set_power, setup
from tests.flow_walk import Walk
from tests.statistics import HOUR_S, hours, house, write

WEST = ZoneInfo("US/Pacific")
# A Tuesday; the days before lie after the end of summer time.
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=WEST)
MIDNIGHT_S = datetime(2026, 11, 24, tzinfo=WEST).timestamp()


@pytest.fixture
def persistent_database() -> bool:
    """Keep the database in a file, as homes have it."""
    return True


async def loaded(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, **data: Any
) -> MockConfigEntry:
    """Return a home without any unit, on a Tuesday morning."""
    freezer.move_to(NOW)
    set_power(hass, GRID, 800.0)
    entry = make_entry(data={"grid": {"kind": "sensor", "entity": GRID}, **data})
    await setup(hass, entry)
    return entry


async def lived(hass: HomeAssistant, days: int, *, hole: int | None = None) -> None:
    """Let the recorder know so many days, but for five hours of one of them."""
    starts_s = hours(MIDNIGHT_S - days * 24 * HOUR_S, days * 24 + 9)
    load_w, _ = house(starts_s)
    if hole is not None:
        begin_s = MIDNIGHT_S - hole * 24 * HOUR_S + 3 * HOUR_S
        kept = (starts_s < begin_s) | (starts_s >= begin_s + 5 * HOUR_S)
        starts_s, load_w = starts_s[kept], load_w[kept]
    await write(hass, GRID, starts_s, load_w)


async def act(hass: HomeAssistant, **data: Any) -> Mapping[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, "replay", data, blocking=True, return_response=True
    )
    assert answer is not None
    return answer


@pytest.mark.usefixtures("recorder_mock")
async def test_a_home_without_a_unit_learns_what_one_would_have_saved(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await loaded(hass, freezer)
    await lived(hass, 9, hole=4)

    answer = await act(hass, preset="leaf-24", soh_percent=80)

    assert (answer["first_day"], answer["last_day"]) == ("2026-11-15", "2026-11-23")
    assert answer["days"] == 8
    assert answer["days_left_out"] == ["2026-11-20"]
    assert (answer["preset"], answer["trips"]) == ("leaf-24", "commuter")
    assert answer["currency"] == hass.config.currency
    cost = answer["cost"]
    assert cost["on_arrival"] > cost["smart_charging"] > cost["with_discharge"]
    for line in ("on_arrival", "smart_charging"):
        assert answer["saved"][line] == pytest.approx(
            cost[line] - cost["with_discharge"], abs=0.011
        )
    (month,) = answer["months"]
    assert {key: month[key] for key in cost} == cost
    assert (month["month"], month["days"]) == ("2026-11", 8)
    assert answer["backup_hours"]["median"] > 3.0
    assert answer["discharged_kwh"] > 5.0


@pytest.mark.usefixtures("recorder_mock")
async def test_the_dialog_shows_progress_and_the_lines(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await loaded(hass, freezer)
    await lived(hass, 7)
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    await walk.choose("replay")
    assert walk.suggested() == {
        "days": 30,
        "preset": "leaf-40",
        "soh_percent": 100.0,
        "trips": "commuter",
    }
    heard: list[float] = []
    hass.bus.async_listen(
        "data_entry_flow_progress_update",
        callback(lambda event: heard.append(event.data["progress"])),
    )
    await walk.submit(days=10, preset="portable", soh_percent=90, trips="none")
    assert walk.result["type"] is FlowResultType.SHOW_PROGRESS
    assert walk.result["progress_action"] == "replay"
    await hass.async_block_till_done()
    walk._take(
        await hass.config_entries.options.async_configure(walk.result["flow_id"])
    )
    assert walk.step == "replay_result"
    assert heard == sorted(heard)
    assert heard[-1] > 0.9
    shown = walk.placeholders
    assert (shown["days"], shown["left_out"]) == ("7", "0")
    assert shown["months"].startswith("| 2026-11 (7) | ")
    before = dict(entry.options)
    await walk.choose("init")
    assert entry.options == before


@pytest.mark.usefixtures("recorder_mock")
async def test_the_dialog_says_how_much_history_there_is(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await loaded(hass, freezer)
    await lived(hass, 3)
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    await walk.choose("replay")
    await walk.submit(days=20, preset="leaf-30", soh_percent=70, trips="none")
    await hass.async_block_till_done()
    walk._take(
        await hass.config_entries.options.async_configure(walk.result["flow_id"])
    )
    assert walk.step == "replay"
    assert walk.errors == {"base": "history_too_short"}
    assert walk.placeholders == {"days": "3", "least": "7"}
    # What was filled in is still there.
    assert walk.suggested()["preset"] == "leaf-30"


async def test_a_home_that_is_not_loaded_has_no_dialog(hass: HomeAssistant) -> None:
    entry = make_entry()
    entry.add_to_hass(hass)
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    await walk.choose("replay")
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "not_loaded"


@pytest.mark.usefixtures("recorder_mock")
async def test_a_dialog_that_is_closed_ends_the_work(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await loaded(hass, freezer)
    await lived(hass, 7)
    options = hass.config_entries.options
    walk = await Walk(options, "options").start(entry.entry_id)
    await walk.choose("replay")
    heard: list[float] = []
    hass.bus.async_listen(
        "data_entry_flow_progress_update",
        callback(lambda event: heard.append(event.data["progress"])),
    )
    await walk.submit(days=7, preset="leaf-40", soh_percent=90, trips="none")
    await working(heard)
    options.async_abort(walk.result["flow_id"])
    await hass.async_block_till_done()
    # There is room for the next one.
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, preset="leaf-99")
    assert raised.value.translation_key == "preset_unknown"


async def working(heard: list[float]) -> None:
    """Wait until the work has begun; the clock of the loop stands still."""
    while not heard:
        await asyncio.sleep(0)


# --- what cannot be answered ---------------------------------------------------------


@pytest.mark.usefixtures("recorder_mock")
@pytest.mark.parametrize(
    ("days", "solar", "key", "placeholders"),
    [
        (5, [], "history_too_short", {"days": "5", "least": "7"}),
        (0, [], "history_silent", {"days": "0", "least": "7", "entities": GRID}),
        (9, [SOLAR], "history_silent", {"days": "0", "least": "7", "entities": SOLAR}),
    ],
)
async def test_too_little_history_is_said_with_how_much_there_is(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    days: int,
    solar: list[str],
    key: str,
    placeholders: dict[str, str],
) -> None:
    await loaded(hass, freezer, **({"solar": solar} if solar else {}))
    if days:
        await lived(hass, days)
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass)
    assert raised.value.translation_key == key
    assert raised.value.translation_placeholders == placeholders


async def test_without_a_recorder_there_is_no_answer(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await loaded(hass, freezer)
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass)
    assert raised.value.translation_key == "recorder_missing"


async def test_a_tariff_that_is_none_is_refused_with_the_reason(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await loaded(hass, freezer)
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, tariff={"import": "cheap"})
    assert raised.value.translation_key == "tariff_invalid"
    assert "import" in (raised.value.translation_placeholders or {})["error"]


async def test_only_an_administrator_may_keep_it_busy(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, hass_read_only_user: MockUser
) -> None:
    await loaded(hass, freezer)
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            "replay",
            {},
            blocking=True,
            return_response=True,
            context=Context(user_id=hass_read_only_user.id),
        )


# --- one at a time, and not for ever -------------------------------------------------


@pytest.mark.usefixtures("recorder_mock")
async def test_one_at_a_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await loaded(hass, freezer)
    await lived(hass, 7)
    heard: list[float] = []
    asked = async_replay(hass, entry, Ask(days=7), heard.append)
    first = hass.async_create_task(asked)
    await working(heard)
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass)
    assert raised.value.translation_key == "replay_running"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert f"{DOMAIN}_replay" not in hass.data


@pytest.mark.usefixtures("recorder_mock")
async def test_it_ends_when_home_assistant_stops(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await loaded(hass, freezer)
    await lived(hass, 7)
    before = set(hass._shutdown_jobs)
    heard: list[float] = []
    asked = async_replay(hass, entry, Ask(days=7), heard.append)
    task = hass.async_create_task(asked)
    await working(heard)
    (job,) = set(hass._shutdown_jobs) - before
    hass.async_run_hass_job(job.job, *job.args)
    with pytest.raises(HomeAssistantError) as raised:
        await task
    assert raised.value.translation_key == "replay_stopped"
    assert set(hass._shutdown_jobs) == before


@pytest.mark.usefixtures("recorder_mock")
async def test_it_ends_with_its_home_and_not_with_another_one(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await loaded(hass, freezer)
    other = make_entry(entry_id="another", unique_id="another")
    await setup(hass, other)
    await lived(hass, 7)
    heard: list[float] = []
    asked = async_replay(hass, entry, Ask(days=7), heard.append)
    task = hass.async_create_task(asked)
    await working(heard)
    assert await hass.config_entries.async_unload(other.entry_id)
    begun = len(heard)
    while len(heard) == begun:
        await asyncio.sleep(0)
    assert await hass.config_entries.async_remove(entry.entry_id)
    with pytest.raises(HomeAssistantError) as raised:
        await task
    assert raised.value.translation_key == "replay_stopped"


@pytest.mark.usefixtures("recorder_mock")
@pytest.mark.parametrize("module", [recorder_past, recorder_prices])
async def test_a_recorder_that_cannot_be_read_is_said(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
) -> None:
    def fail(*_: Any) -> Any:
        # No real database can be made to fail at a chosen moment.
        raise OperationalError("select", {}, Exception("the disk is gone"))

    await loaded(hass, freezer)
    await lived(hass, 7)
    monkeypatch.setattr(module, "_read", fail)
    for action in ("replay", "export_history"):
        with pytest.raises(HomeAssistantError) as raised:
            await hass.services.async_call(
                DOMAIN, action, {}, blocking=True, return_response=True
            )
        assert raised.value.translation_key == "recorder_failed"


# --- contracts -----------------------------------------------------------------------


async def test_another_tariff_leaves_the_limits_of_the_house(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(NOW)
    entry = make_entry(
        options={
            "main_limit": {"value": 9000, "unit": "W"},
            "battery_export_limit_w": 500,
        }
    )
    await setup(hass, entry)
    entry.runtime_data.home.async_change_home(import_limit_w=4000.0)
    own = await replay_work.async_own_contract(hass, entry, MIDNIGHT_S, MIDNIGHT_S)
    assert replay_work._contract(hass, own, Ask()) is own
    assert own.site.main_limit_w == 9000.0
    assert own.import_limit_w == 4000.0
    other = replay_work._contract(
        hass, own, Ask(tariff={"import": 0.2, "main_limit_w": 5000})
    )
    assert other.site.main_limit_w == 5000.0
    assert other.site.battery_export_limit_w == 500.0
    assert other.import_limit_w == 4000.0
    assert other.site.tariff.currency == hass.config.currency
    assert other.site.tariff.zone.key == hass.config.time_zone
    limited = replay_work._contract(
        hass, own, Ask(tariff={"import": 0.2, "import_limit_kw": 2})
    )
    assert limited.import_limit_w == 2000.0


@pytest.mark.parametrize(("currency", "wear"), [("EUR", 0.02), ("JPY", 3.0)])
async def test_wear_is_in_the_money_of_the_home(
    hass: HomeAssistant, currency: str, wear: float
) -> None:
    hass.config.currency = currency
    spec = await replay_work._async_spec(hass, Ask(soh_percent=75.0))
    assert spec.wear_per_kwh == wear
    assert spec.capacity_kwh == pytest.approx(27.0)
