"""An outage from its first second to the summary, in a real Home Assistant."""

from itertools import pairwise
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.persistent_notification import (
    _async_get_or_create_notifications,
)
from homeassistant.core import (
    Context,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest

from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.engine.outage_model import OutagePhase
from custom_components.leaf_to_home.home import Home
from tests.conftest import EVENING, UNIT_ID, Advance, setup
from tests.outages.houses import HEATER, LAMP, PUMP, cut, furnish, house, phase, shown

ALERT = "event.home_outage_alert"
OUTAGE = "binary_sensor.home_outage"


def notices(hass: HomeAssistant) -> dict[str, str]:
    """Return the notifications that stand, by what they are about."""
    return {
        key.removeprefix("leaf_to_home_").partition("_")[2]: str(each["message"])
        for key, each in _async_get_or_create_notifications(hass).items()
    }


def heard(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return the list in which every event of outages will be."""
    events: list[dict[str, Any]] = []

    # Not in an executor, where they would come in any order.
    @callback
    def hear(event: Event) -> None:
        events.append(dict(event.data))

    hass.bus.async_listen("leaf_to_home_outage", hear)
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def start(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    **of_house: Any,
) -> Home:
    """Return a home in its evening, with everything on."""
    freezer.move_to(EVENING)
    await furnish(hass)
    home = await setup(hass, house(**of_house))
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await advance(150)
    assert phase(home) is OutagePhase.NORMAL
    return home


async def test_from_the_first_second_to_the_summary(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance, soc_percent=99)
    events = heard(hass)
    assert shown(hass, OUTAGE) == "off"
    assert shown(hass, "binary_sensor.leaf_backup_possible") == "on"
    assert shown(hass, "sensor.comfort_loads") == "on"

    cut(hass, home)
    await advance(6)
    assert phase(home) is OutagePhase.OUTAGE
    assert shown(hass, OUTAGE) == "on"
    assert shown(hass, "sensor.home_outage_phase") == "outage"
    assert shown(hass, ALERT) != "unknown"
    # The station takes a while to carry the house.
    await advance(60)
    # Everything is off, and what it was is known.
    assert shown(hass, HEATER) == "off"
    assert shown(hass, LAMP) == "off"
    assert shown(hass, PUMP) == "off"
    assert shown(hass, "sensor.comfort_loads") == "state_of_charge"
    assert kinds(events) == ["began", "shed"]
    assert events[1]["tier"] == "Comfort"
    assert "loads_shed" in notices(hass)
    runtime = hass.states.get("sensor.home_backup_runtime")
    assert runtime is not None
    assert float(runtime.state) > 0.0
    assert runtime.attributes["low"] <= float(runtime.state)

    await advance(20)
    assert float(shown(hass, "sensor.home_carried_power")) > 0.0
    cut(hass, home, back=True)
    await advance(1)
    await advance(400)
    assert phase(home) is OutagePhase.NORMAL
    assert shown(hass, OUTAGE) == "off"
    assert kinds(events)[2:] == ["grid_back", "brought_back", "ended"]
    heater, lamp = hass.states.get(HEATER), hass.states.get(LAMP)
    assert heater is not None
    assert lamp is not None
    assert heater.state == "heat"
    assert heater.attributes["temperature"] == 21.5
    assert lamp.state == "on"
    assert lamp.attributes["brightness"] == 51
    assert shown(hass, PUMP) == "on"
    assert shown(hass, "sensor.home_outages_this_year") == "1"
    assert float(shown(hass, "sensor.home_last_outage_energy")) > 0.0
    assert set(notices(hass)) == {"outage_summary"}
    assert "heater" in notices(hass)["outage_summary"]


async def test_what_people_turn_on_stays_on(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance, soc_percent=99)
    cut(hass, home)
    await advance(70)
    assert shown(hass, PUMP) == "off"
    await hass.services.async_call(
        "input_boolean",
        "turn_on",
        {"entity_id": PUMP},
        blocking=True,
        context=Context(parent_id="01JAUTOMATION0000000000000"),
    )
    await advance(120)
    assert shown(hass, PUMP) == "on"
    assert shown(hass, HEATER) == "off"


async def test_a_strict_tier_is_shed_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(
        hass, freezer, advance, soc_percent=99, strict=True, loads=(PUMP,)
    )
    cut(hass, home)
    await advance(70)
    await hass.services.async_call(
        "input_boolean",
        "turn_on",
        {"entity_id": PUMP},
        blocking=True,
        context=Context(parent_id="01JAUTOMATION0000000000000"),
    )
    await advance(120)
    assert shown(hass, PUMP) == "off"


async def test_the_test_button_exercises_all_but_the_wire(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance, options={"outage": {"test_sheds": True}})
    events = heard(hass)
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.home_test_an_outage"}, blocking=True
    )
    await advance(15)
    assert phase(home) is OutagePhase.OUTAGE
    outage = hass.states.get(OUTAGE)
    assert outage is not None
    assert outage.state == "on"
    assert outage.attributes["test"] is True
    assert shown(hass, PUMP) == "off"
    assert shown(hass, "sensor.comfort_loads") == "test"
    assert [kinds(events)[0], events[0].get("test")] == ["began", True]
    # It ends by itself.
    await advance(400)
    assert phase(home) is OutagePhase.NORMAL
    assert shown(hass, PUMP) == "on"
    assert kinds(events)[-1] == "ended"
    assert {"shed", "brought_back"} < set(kinds(events))
    assert all(event["test"] is True for event in events), "each says that it is played"
    assert set(notices(hass)) == {"outage_summary_test"}
    assert "heater" in notices(hass)["outage_summary_test"]
    assert shown(hass, "sensor.home_outages_this_year") == "0"
    assert shown(hass, "sensor.home_last_outage") == "unknown"


async def test_a_test_takes_nothing_from_the_last_outage(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance)
    cut(hass, home)
    await advance(120)
    cut(hass, home, back=True)
    await advance(400)
    assert phase(home) is OutagePhase.NORMAL
    summary = notices(hass)["outage_summary"]
    figures = ("", "_duration", "_energy", "_lowest_state_of_charge")

    def last() -> list[str]:
        return [shown(hass, f"sensor.home_last_outage{part}") for part in figures]

    before = last()
    assert "unknown" not in before
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.home_test_an_outage"}, blocking=True
    )
    for seconds in (15, 400):
        await advance(seconds)
        assert last() == before
    assert phase(home) is OutagePhase.NORMAL
    assert notices(hass)["outage_summary"] == summary
    assert "outage_summary_test" in notices(hass)


async def test_until_when_it_lasts_is_a_row_only_when_it_moved(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    """Minute by minute the outage goes on as it was foreseen."""
    home = await start(hass, freezer, advance)
    told: list[str] = []

    @callback
    def hear(event: Event[EventStateChangedData]) -> None:
        if (state := event.data["new_state"]) is not None:
            told.append(state.state)

    async_track_state_change_event(hass, "sensor.home_backup_lasts_until", hear)
    cut(hass, home)
    await advance(900)
    assert phase(home) is OutagePhase.OUTAGE
    moments = [dt_util.parse_datetime(text, raise_on_error=True) for text in told]
    assert len(moments) < 15, "not each minute"
    for one, other in pairwise(moments):
        assert abs((other - one).total_seconds()) >= 240.0
    lasting = hass.states.get("sensor.home_backup_runtime")
    assert lasting is not None
    left_s = (moments[-1] - dt_util.utcnow()).total_seconds()
    assert left_s == pytest.approx(float(lasting.state) * 3600.0, rel=0.2)


async def test_a_second_press_ends_the_test(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance)
    home.outages.async_test()
    await advance(10)
    assert phase(home) is OutagePhase.OUTAGE
    assert shown(hass, PUMP) == "on", "a test sheds only where that is wanted"
    home.outages.async_test()
    await advance(200)
    assert phase(home) is OutagePhase.NORMAL


async def test_a_station_that_starts_by_hand_tells_how(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    backup = {"by_hand": True, "steps": "Turn the {key}", "steps_back": "Turn it back"}
    home = await start(hass, freezer, advance, backup=backup)
    events = heard(hass)
    cut(hass, home)
    await advance(10)
    assert phase(home) is OutagePhase.WAITING_FOR_PERSON
    assert "Turn the {key}" in notices(hass)[f"waiting_for_person_{UNIT_ID}"]
    # Somebody did.
    await advance(60)
    assert phase(home) is OutagePhase.OUTAGE
    assert not any(key.startswith("waiting") for key in notices(hass))
    assert kinds(events) == ["began", "waiting_for_person", "carried"]


async def test_a_home_that_goes_while_loads_are_off_tells_which(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance, soc_percent=99)
    cut(hass, home)
    await advance(70)
    assert shown(hass, PUMP) == "off"
    assert await hass.config_entries.async_remove(home.entry.entry_id)
    await hass.async_block_till_done()
    assert set(notices(hass)) == {"outage_loads_left"}
    assert all(
        load in notices(hass)["outage_loads_left"]
        for load in ("heater", "Lamp", "pump")
    )


async def test_a_home_that_is_back_looks_after_its_loads_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance, soc_percent=99)
    cut(hass, home)
    await advance(70)
    entry = home.entry
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert "outage_loads_left" in notices(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await advance(10)
    assert "outage_loads_left" not in notices(hass)
    assert "loads_shed" in notices(hass)
    assert shown(hass, PUMP) == "off"


async def test_a_load_that_fails_is_logged_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = await start(hass, freezer, advance, loads=("switch.broken",), soc_percent=99)
    cut(hass, home)
    await advance(200)
    assert caplog.text.count("switch.broken could not be switched") == 1
    refusing = [key for key in notices(hass) if key.startswith("load_refuses")]
    assert refusing == ["load_refuses_switch.broken"]
