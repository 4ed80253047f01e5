"""What people are told of outages: repairs, the logbook, and what is put back."""

from collections.abc import Callable
import re
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Context, Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import UnitStatus
from custom_components.leaf_to_home.engine.outage_memory import OutageMemory
from custom_components.leaf_to_home.engine.outage_model import (
    Notice,
    NoticeCode,
    OutageDecision,
    OutagePhase,
)
from custom_components.leaf_to_home.logbook import async_describe_events
from custom_components.leaf_to_home.outage_news import OutageEvent, news
from tests.conftest import UNIT_ID, Advance, make_entry, setup, unit_data
from tests.outages.houses import HEATER, LAMP, MAINS, PUMP, TIER_ID, cut, phase, shown
from tests.outages.test_outages import notices, start
from tests.recording import DRIVER, UNITS

POSSIBLE = "binary_sensor.leaf_backup_possible"
WHY = "sensor.leaf_backup"


def repairs(hass: HomeAssistant) -> set[str]:
    """Return which repairs stand that concern backup."""
    return {
        str(issue.translation_key)
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN and issue.issue_id.startswith("backup_")
    }


async def turn(
    hass: HomeAssistant, service: str, context: Context | None = None
) -> None:
    """Switch the lamp, with somebody's context or as by itself."""
    await hass.services.async_call(
        "input_boolean",
        service,
        {"entity_id": "input_boolean.lamp"},
        blocking=True,
        context=context,
    )
    await hass.async_block_till_done()


@pytest.mark.usefixtures("recording_driver")
@pytest.mark.parametrize(
    ("said", "well", "key"),
    [
        ({"may_island": False}, {"may_island": True}, "backup_wrong_mode"),
        ({"status": UnitStatus.FAULT}, {"status": UnitStatus.IDLE}, "backup_fault"),
    ],
)
async def test_a_unit_that_could_not_start_is_a_repair_when_it_lasts(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    said: dict[str, Any],
    well: dict[str, Any],
    key: str,
) -> None:
    entry = make_entry(unit_data(DRIVER, backup={"by_hand": True}))
    await setup(hass, entry)

    async def go_on(minutes: int, **values: Any) -> None:
        for _ in range(minutes):
            freezer.tick(58.0)
            UNITS[UNIT_ID].push(**values)
            await advance(2)

    await go_on(1)
    assert shown(hass, POSSIBLE) == "on"
    await go_on(14, **said)
    assert shown(hass, POSSIBLE) == "off"
    assert repairs(hass) == set(), "a moment is not worth anybody's time"
    await go_on(2)
    assert repairs(hass) == {key}
    await go_on(1, **well)
    assert repairs(hass) == set()


@pytest.mark.usefixtures("recording_driver")
async def test_of_a_silent_unit_nobody_knows_whether_it_could_start(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    await setup(hass, make_entry(unit_data(DRIVER, backup={"by_hand": True})))
    await advance(2)
    assert shown(hass, POSSIBLE) == "on"
    freezer.tick(300.0)
    await advance(15)
    assert shown(hass, WHY) == "unreachable"
    assert shown(hass, POSSIBLE) == "unknown"


@pytest.mark.usefixtures("recording_driver")
async def test_that_the_grid_is_gone_is_not_said_when_it_is_back(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    hass.states.async_set(MAINS, "on")
    hass.states.async_set(LAMP, "off")
    home = await setup(
        hass,
        make_entry(
            unit_data(DRIVER, backup={"by_hand": True}),
            data={"grid": {"kind": "sensor", "entity": "sensor.grid"}, "mains": MAINS},
            options={"outage": {"put_back": [LAMP], "stable_s": 10.0}},
        ),
    )
    key = f"backup_not_possible_{UNIT_ID}"
    UNITS[UNIT_ID].push(may_island=False)
    hass.states.async_set(MAINS, "off")
    await advance(10)
    assert phase(home) is OutagePhase.OUTAGE
    assert key in notices(hass)
    hass.states.async_set(MAINS, "on")
    for _ in range(12):
        UNITS[UNIT_ID].push()
        await advance(1)
    assert phase(home) is OutagePhase.RESTORING
    assert key not in notices(hass)


async def test_the_logbook_has_what_happened_in_the_words_of_the_event(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    told: dict[str, Callable[[Event], dict[str, str]]] = {}
    async_describe_events(
        hass, lambda domain, kind, describe: told.update({f"{domain} {kind}": describe})
    )
    describe = told["leaf_to_home leaf_to_home_outage"]
    entries: list[dict[str, str]] = []

    # Not in an executor, where they would come in any order.
    @callback
    def hear(event: Event) -> None:
        entries.append(describe(event))

    hass.bus.async_listen("leaf_to_home_outage", hear)
    home = await start(hass, freezer, advance, soc_percent=99)
    cut(hass, home)
    await advance(70)
    assert {"name": "Home", "message": "The grid is gone"} in entries
    assert {"name": "Home", "message": "Loads were shed: Comfort"} in entries
    cut(hass, home, back=True)
    await advance(400)
    over = entries[-1]["message"]
    assert re.fullmatch(
        r"The outage is over: 1 min · \d\.\d kWh · \d\d % · heater · Lamp · pump", over
    )
    entries.clear()
    home.outages.async_test()
    await advance(10)
    home.outages.async_test()
    await advance(150)
    assert [entry["message"] for entry in entries] == [
        "The grid is gone (Test an outage)",
        "The grid is back (Test an outage)",
        "The outage is over: 0 min (Test an outage)",
    ]


def test_an_overload_of_a_leg_names_the_leg_and_no_unit() -> None:
    overload = OutageDecision(
        phase=OutagePhase.OUTAGE,
        since_s=None,
        notices=(Notice(code=NoticeCode.OVERLOAD, subject="1"),),
    )
    calm = OutageDecision(phase=OutagePhase.OUTAGE, since_s=None)
    memory = OutageMemory(phase=OutagePhase.OUTAGE)
    assert list(news(memory, calm, overload)) == [(OutageEvent.OVERLOAD, {"leg": 2})]


async def test_a_lamp_that_comes_on_with_the_power_is_put_back_but_for_people(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(
        hass, freezer, advance, loads=(), options={"outage": {"put_back": [LAMP]}}
    )
    await turn(hass, "turn_off")
    await advance(130)
    cut(hass, home)
    await advance(40)
    await turn(hass, "turn_on")
    await advance(5)
    assert shown(hass, LAMP) == "off"
    await turn(hass, "turn_on", Context(parent_id="01JAUTOMATION0000000000000"))
    await advance(5)
    assert shown(hass, LAMP) == "on"
    cut(hass, home, back=True)
    await advance(300)
    assert phase(home) is OutagePhase.NORMAL
    assert shown(hass, LAMP) == "on"


async def test_a_load_that_no_longer_exists_is_not_called_off_for_ever(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    home = await start(hass, freezer, advance, soc_percent=99)
    entry = home.entry
    cut(hass, home)
    await advance(70)
    assert shown(hass, PUMP) == "off"
    # Somebody throws the pump out and takes it out of its tier.
    er.async_get(hass).async_remove(PUMP)
    hass.states.async_remove(PUMP)
    tier = entry.subentries[TIER_ID]
    hass.config_entries.async_update_subentry(
        entry, tier, data={**tier.data, "loads": [HEATER, LAMP]}
    )
    await hass.async_block_till_done()
    home = entry.runtime_data.home
    cut(hass, home, back=True)
    await advance(400)
    assert phase(home) is OutagePhase.NORMAL
    assert shown(hass, LAMP) == "on"
    assert set(notices(hass)) == {"outage_summary"}
