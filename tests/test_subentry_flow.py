"""The flow of a unit: a new one, and what is known of its hardware."""

from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import SUBENTRY_UNIT
from custom_components.leaf_to_home.presets import async_load_presets
from custom_components.leaf_to_home.units.simulated_form import SimulatedSteps
from tests.conftest import UNIT_ID, make_entry, setup, unit_data
from tests.flow_walk import Walk
from tests.test_config_flow import BATTERY, SIMULATED, at_first_unit

UNIT_DATA: dict[str, Any] = {
    "driver": "simulated",
    "preset": "leaf-62",
    "soh_percent": 91,
    "spec": {"max_charge_w": 3000, "reserve_percent": 40},
    "dead_time_s": 20,
    "trips": "none",
    "solar_peak_w": 0,
    "seed": 3,
    "evening_peak": "19:30:00",
}


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home with one unit, not loaded."""
    entry = make_entry(UNIT_DATA)
    entry.add_to_hass(hass)
    return entry


async def add(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    return await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start((entry.entry_id, SUBENTRY_UNIT), source=SOURCE_USER)


async def change(
    hass: HomeAssistant, entry: MockConfigEntry, subentry_id: str = UNIT_ID
) -> Walk:
    walk = await reconfigure(hass, entry, subentry_id)
    await walk.choose("hardware")
    return walk


async def reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, subentry_id: str = UNIT_ID
) -> Walk:
    return await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (entry.entry_id, SUBENTRY_UNIT),
        source=SOURCE_RECONFIGURE,
        subentry_id=subentry_id,
    )


async def at_battery(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await add(hass, entry)
    await walk.choose("simulated")
    await walk.submit(**SIMULATED)
    return walk


def added(entry: MockConfigEntry) -> ConfigSubentry:
    """Return the unit that was added last."""
    return list(entry.subentries.values())[-1]


async def test_add(hass: HomeAssistant, home: MockConfigEntry) -> None:
    walk = await add(hass, home)
    assert walk.step == "user"
    await walk.choose("simulated")
    assert walk.suggested() == {
        "dead_time_s": "5",
        "trips": "commuter",
        "solar_peak_w": 4000,
        "seed": 1,
    }
    await walk.submit(**SIMULATED | {"evening_peak": "18:00:00"})
    assert walk.step == "battery"
    assert walk.suggested() == {
        "name": "LEAF",
        "preset": "leaf-40",
        "soh_percent": 100,
        "reserve_percent": 30,
    }
    assert walk.suggested(of="spec") == {}
    spec = {"usable_kwh": 34, "max_charge_w": 6000, "min_soc_percent": 15}
    await walk.submit(**BATTERY | {"name": " Second LEAF ", "spec": spec})

    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    unit = added(home)
    assert unit.title == "Second LEAF"
    assert unit.unique_id is None
    assert unit.subentry_type == SUBENTRY_UNIT
    assert unit.data == {
        "driver": "simulated",
        "preset": "leaf-40",
        "soh_percent": 88,
        # 6000 W is what the preset says anyway.
        "spec": {"usable_kwh": 34, "min_soc_percent": 15},
        "dead_time_s": 5,
        "trips": "commuter",
        "solar_peak_w": 4000,
        "seed": 7,
        "evening_peak": "18:00:00",
    }


async def test_every_preset_can_be_taken(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    presets = await async_load_presets(hass)
    sizes = ("24", "30", "40", "62")
    assert presets.keys() == {
        *(f"leaf-{size}" for size in sizes),
        *(f"pack-{size}" for size in sizes),
        "portable",
        "portable-generic",
    }
    for preset in presets:
        walk = await at_battery(hass, home)
        await walk.submit(**BATTERY | {"preset": preset})
        assert walk.result["type"] is FlowResultType.CREATE_ENTRY
        assert added(home).data["preset"] == preset
        assert added(home).data["spec"] == {}


async def test_wear_in_yen(hass: HomeAssistant, home: MockConfigEntry) -> None:
    """The presets' wear fits euros; in yen it would be next to nothing."""
    hass.config.currency = "JPY"
    walk = await at_battery(hass, home)
    assert walk.suggested(of="spec") == {"wear_per_kwh": 3.0}
    walk = await change(hass, home)
    await walk.submit(**SIMULATED)
    assert "wear_per_kwh" not in walk.suggested(of="spec")


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"name": "  "}, {"name": "name_missing"}),
        ({"reserve_percent": 9}, {"reserve_percent": "reserve_outside"}),
        ({"reserve_percent": 96}, {"reserve_percent": "reserve_outside"}),
        (
            {"spec": {"min_soc_percent": 80, "max_soc_percent": 80}},
            {"spec": "min_soc_above_max"},
        ),
        ({"spec": {"min_soc_percent": 96}}, {"spec": "min_soc_above_max"}),
        ({"spec": {"min_power_w": 6001}}, {"spec": "min_power_above_max"}),
        ({"spec": {"max_discharge_w": 100}}, {"spec": "min_power_above_max"}),
        ({"spec": {"usable_kwh": 0}}, {"spec": "out_of_range"}),
        (
            {"name": "", "spec": {"max_charge_w": 0}},
            {"name": "name_missing", "spec": "out_of_range"},
        ),
    ],
)
async def test_wrong_batteries(
    hass: HomeAssistant,
    home: MockConfigEntry,
    wrong: dict[str, Any],
    errors: dict[str, str],
) -> None:
    walk = await at_battery(hass, home)
    await walk.submit(**BATTERY | wrong)
    assert walk.step == "battery"
    assert walk.errors == errors
    battery = BATTERY | wrong
    assert walk.suggested(of="spec") == battery["spec"]
    # A section that hides the error would leave the user searching.
    section = walk.result["data_schema"].schema["spec"]
    assert section.options["collapsed"] is ("spec" not in errors)

    await walk.submit(**BATTERY)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY


async def test_change(hass: HomeAssistant, home: MockConfigEntry) -> None:
    walk = await change(hass, home)
    assert walk.step == "simulated"
    assert walk.suggested() == {
        "dead_time_s": "20",
        "trips": "none",
        "solar_peak_w": 0,
        "seed": 3,
        "evening_peak": "19:30:00",
    }
    await walk.submit(**walk.suggested() | {"dead_time_s": "1"})
    # The reserve belongs to its entity by now.
    assert walk.fields == {"name", "preset", "soh_percent", "spec"}
    assert walk.suggested() == {
        "name": "LEAF",
        "preset": "leaf-62",
        "soh_percent": 91,
    }
    assert walk.suggested(of="spec") == {"max_charge_w": 3000}
    await walk.submit(
        name="Grey LEAF",
        preset="leaf-62",
        soh_percent=90,
        spec={"max_charge_w": 3000, "max_discharge_w": 3000},
    )
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "reconfigure_successful"
    unit = home.subentries[UNIT_ID]
    assert unit.title == "Grey LEAF"
    assert unit.data == UNIT_DATA | {
        "dead_time_s": 1,
        "soh_percent": 90,
        "spec": {"max_charge_w": 3000, "max_discharge_w": 3000, "reserve_percent": 40},
    }


@pytest.mark.parametrize(
    ("spec", "reserve"),
    [
        ({"min_soc_percent": 50}, 50),
        ({"max_soc_percent": 35}, 35),
        ({"min_soc_percent": 20, "max_soc_percent": 80}, 40),
    ],
)
async def test_first_reserve_follows_the_limits(
    hass: HomeAssistant, home: MockConfigEntry, spec: dict[str, float], reserve: float
) -> None:
    """What the form no longer shows must not make the unit unusable."""
    walk = await change(hass, home)
    await walk.submit(**SIMULATED)
    await walk.submit(name="LEAF", preset="leaf-62", soh_percent=91, spec=spec)
    assert walk.result["reason"] == "reconfigure_successful"
    assert home.subentries[UNIT_ID].data["spec"] == spec | {"reserve_percent": reserve}


async def test_change_with_wrong_values(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await change(hass, home)
    await walk.submit(**SIMULATED)
    battery = {"name": "LEAF", "preset": "leaf-62", "soh_percent": 91}
    await walk.submit(**battery, spec={"min_soc_percent": 99})
    assert walk.errors == {"spec": "min_soc_above_max"}
    await walk.submit(**battery, spec={"min_soc_percent": 70, "max_soc_percent": 60})
    assert walk.errors == {"spec": "min_soc_above_max"}
    await walk.submit(**battery, spec={})
    assert walk.result["reason"] == "reconfigure_successful"


async def test_driver_of_a_newer_version(hass: HomeAssistant) -> None:
    entry = make_entry(unit_data("telepathy"))
    entry.add_to_hass(hass)
    walk = await reconfigure(hass, entry)
    assert walk.result["reason"] == "unknown_driver"


async def test_run_time_values_outlive_a_change(hass: HomeAssistant) -> None:
    """Whatever an entity has changed stays; the form holds first values only."""
    entry = make_entry(UNIT_DATA, data={"grid": {"kind": "unit"}})
    home = await setup(hass, entry)
    assert home.state.units[UNIT_ID].settings.reserve_percent == 40
    home.async_change_unit(UNIT_ID, reserve_percent=55)

    walk = await change(hass, entry)
    await walk.submit(**SIMULATED)
    await walk.submit(name="LEAF", preset="leaf-40", soh_percent=80, spec={})
    await hass.async_block_till_done()

    assert entry.runtime_data.home is not home
    runtime = entry.runtime_data
    assert runtime.units[UNIT_ID].spec.usable_kwh == 36
    assert runtime.units[UNIT_ID].spec.soh_percent == 80
    assert runtime.home.state.units[UNIT_ID].settings.reserve_percent == 55
    assert await hass.config_entries.async_unload(entry.entry_id)


# ------------------------------------------------ devices that have an address


@pytest.fixture
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the simulated unit an address, as drivers of devices do."""
    monkeypatch.setattr(SimulatedSteps, "_unit_unique_id", "192.0.2.7")


@pytest.mark.usefixtures("_address")
async def test_one_device_is_one_unit(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_battery(hass, home)
    await walk.submit(**BATTERY)
    unit = added(home)
    assert unit.unique_id == "192.0.2.7"

    # In the same home, in another one, and as the first unit of a new one.
    walk = await at_battery(hass, home)
    assert walk.result["reason"] == "unit_already_configured"
    other = make_entry(data={"grid": {"kind": "unit"}})
    other.add_to_hass(hass)
    walk = await at_battery(hass, other)
    assert walk.result["reason"] == "unit_already_configured"
    hass.config_entries.async_update_entry(home, data={"grid": {"kind": "unit"}})
    walk = await at_first_unit(hass)
    await walk.choose("simulated")
    await walk.submit(**SIMULATED)
    assert walk.result["reason"] == "unit_already_configured"

    # Changing the unit itself is no duplicate.
    walk = await change(hass, home, unit.subentry_id)
    await walk.submit(**SIMULATED)
    await walk.submit(name="LEAF", preset="leaf-30", soh_percent=88, spec={})
    assert walk.result["reason"] == "reconfigure_successful"
    assert home.subentries[unit.subentry_id].unique_id == "192.0.2.7"
