"""The forms of outages: the home's, a unit's and a tier's."""

from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import SUBENTRY_TIER, SUBENTRY_UNIT
from custom_components.leaf_to_home.engine.outage_model import (
    OutageSettings,
    Tier,
    UnitBackup,
)
from custom_components.leaf_to_home.outage_setup import build_backup, build_outage
from tests.conftest import GRID, OPTIONS, UNIT_ID, make_entry, setup, unit_data
from tests.flow_walk import Walk
from tests.recording import DRIVER

TIER: dict[str, Any] = {
    "name": "Comfort",
    "loads": ["switch.heater", "climate.living"],
    "soc_percent": 50,
    "runtime_h": 6,
    "min_on_min": 10,
    "strict": True,
    "leg": "second",
    "order": 2,
}
OUTAGE: dict[str, Any] = {
    "debounce_s": 5,
    "stable_s": 300,
    "driving_percent": 25,
    "stagger_s": 20,
    "put_back": ["light.hall"],
    "test_sheds": True,
}
BACKUP: dict[str, Any] = {
    "by_hand": True,
    "by_hand_back": True,
    "steps": "Turn the key",
    "steps_back": "Turn it back",
    "limit_w": 6000,
    "leg_limit_w": 3000,
    "station_floor_percent": 10,
    "solar_in_island": True,
    "sockets_only": False,
}


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home with a simulated unit, not loaded."""
    entry = make_entry(unit_data("simulated", trips="none", seed=7, dead_time_s=1))
    entry.add_to_hass(hass)
    return entry


async def tier_flow(
    hass: HomeAssistant, entry: MockConfigEntry, subentry_id: str | None = None
) -> Walk:
    walk = Walk(hass.config_entries.subentries, "config_subentries", SUBENTRY_TIER)
    if subentry_id is None:
        return await walk.start((entry.entry_id, SUBENTRY_TIER), source=SOURCE_USER)
    return await walk.start(
        (entry.entry_id, SUBENTRY_TIER),
        source=SOURCE_RECONFIGURE,
        subentry_id=subentry_id,
    )


async def options(hass: HomeAssistant, entry: MockConfigEntry, step: str) -> Walk:
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    await walk.choose(step)
    return walk


async def unit_flow(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    return await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (entry.entry_id, SUBENTRY_UNIT),
        source=SOURCE_RECONFIGURE,
        subentry_id=UNIT_ID,
    )


async def test_a_tier(hass: HomeAssistant, home: MockConfigEntry) -> None:
    walk = await tier_flow(hass, home)
    assert walk.suggested()["order"] == 1
    await walk.submit(**TIER)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    walk = await tier_flow(hass, home)
    assert walk.suggested()["order"] == 3
    await walk.submit(**TIER | {"name": "comfort"})
    assert walk.errors == {"name": "name_used", "loads": "load_used"}
    await walk.submit(**TIER | {"name": " ", "loads": []})
    assert walk.errors == {"name": "name_missing", "loads": "loads_missing"}
    first = {"name": "First", "loads": ["light.hall"], "min_on_min": 0}
    await walk.submit(**first, strict=False, leg="both", order=1)
    tiers = list(home.subentries.values())[1:]
    assert build_outage(home).tiers == (
        Tier(key=tiers[1].subentry_id, loads=("light.hall",)),
        Tier(
            key=tiers[0].subentry_id,
            loads=("switch.heater", "climate.living"),
            soc_percent=50,
            runtime_h=6,
            min_on_s=600.0,
            strict=True,
            leg=1,
        ),
    )

    walk = await tier_flow(hass, home, tiers[0].subentry_id)
    assert walk.suggested() == TIER
    await walk.submit(**TIER | {"name": "Heating", "leg": "both"})
    assert walk.result["reason"] == "reconfigure_successful"
    changed = home.subentries[tiers[0].subentry_id]
    assert changed.title == "Heating"
    assert "leg" not in changed.data
    assert changed.data["loads"] == TIER["loads"]


async def test_our_own_entities_are_no_loads(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    await setup(hass, home)
    own = "switch.leaf_ready_by"
    assert hass.states.get(own) is not None
    walk = await tier_flow(hass, home)
    await walk.submit(**TIER | {"loads": [own]})
    assert walk.errors == {"loads": "own_entity"}
    walk = await options(hass, home, "outage")
    await walk.submit(**OUTAGE | {"put_back": [own]})
    assert walk.errors == {"put_back": "own_entity"}
    walk = await options(hass, home, "watch")
    await walk.submit(
        reserve_percent=80,
        lead_h=24,
        warning="binary_sensor.home_outage",
        warning_states=["on"],
        after_h=12,
    )
    assert walk.errors == {"warning": "own_entity"}


async def test_outage_settings(hass: HomeAssistant, home: MockConfigEntry) -> None:
    assert build_outage(home) == OutageSettings()
    walk = await options(hass, home, "outage")
    assert walk.suggested() == {
        "debounce_s": 3.0,
        "stable_s": 120.0,
        "stagger_s": 10.0,
        "put_back": [],
        "test_sheds": False,
    }
    await walk.submit(**OUTAGE)
    assert home.options == {**OPTIONS, "outage": OUTAGE}
    assert build_outage(home) == OutageSettings(
        debounce_s=5,
        stable_s=300,
        driving_percent=25,
        stagger_s=20,
        put_back=("light.hall",),
        test_sheds=True,
    )
    walk = await options(hass, home, "outage")
    assert walk.suggested() == OUTAGE


async def test_what_announces_outages(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await options(hass, home, "watch")
    given = {"reserve_percent": 90, "lead_h": 12, "after_h": 6}
    await walk.submit(**given, warning="sensor.storm", warning_states=[" "])
    assert walk.errors == {"warning_states": "words_missing"}
    await walk.submit(
        **given,
        calendar="calendar.cuts",
        warning="sensor.storm",
        warning_states=["red ", "red", "orange"],
    )
    watch = {
        **given,
        "calendar": "calendar.cuts",
        "warning": "sensor.storm",
        "warning_states": ["red", "orange"],
    }
    assert home.options["watch"] == watch
    walk = await options(hass, home, "watch")
    assert walk.suggested() == watch
    await walk.submit(**given, warning_states=[])
    assert "watch" not in home.options


async def test_a_units_part_in_outages(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await unit_flow(hass, home)
    assert walk.step == "reconfigure_backup"
    await walk.choose("backup")
    await walk.submit(
        **BACKUP | {"leg_limit_w": 7000},
        stop={"stop_at_floor": True, "stop_tested": False},
    )
    assert walk.errors == {"leg_limit_w": "leg_above_limit", "stop": "stop_untested"}
    stop = {"stop_at_floor": True, "stop_tested": True}
    await walk.submit(**BACKUP, stop=stop)
    assert walk.result["reason"] == "reconfigure_successful"
    data = home.subentries[UNIT_ID].data
    assert data["backup"] == {**BACKUP, **stop}
    assert data["driver"] == "simulated"
    assert build_backup(data) == UnitBackup(
        by_hand=True,
        by_hand_back=True,
        limit_w=6000,
        leg_limit_w=3000,
        station_floor_percent=10,
        solar_in_island=True,
        stop_at_floor=True,
        stop_tested=True,
    )
    walk = await unit_flow(hass, home)
    await walk.choose("backup")
    assert walk.suggested() == BACKUP
    assert walk.suggested(of="stop") == stop


async def test_a_unit_that_cannot_island_is_not_asked(
    hass: HomeAssistant, recording_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "custom_components.leaf_to_home.config_flow.DRIVERS", {DRIVER: None}
    )
    entry = make_entry(
        unit_data(DRIVER), data={"grid": {"kind": "sensor", "entity": GRID}}
    )
    await setup(hass, entry)
    walk = await unit_flow(hass, entry)
    assert walk.step == "reconfigure"
    assert set(walk.result["menu_options"]) == {"car_sources", "hardware", "trips"}
