"""The form that makes a unit of another integration's entities."""

from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import SUBENTRY_UNIT
from tests.conftest import UNIT_ID, make_entry, unit_data
from tests.flow_walk import Walk

from . import foreign
from .foreign import turn

DETAILS: dict[str, Any] = {
    "keep_power": False,
    "park": "idle",
    "dead_time_s": 5,
    "min_interval_s": 0,
}
READ: dict[str, Any] = {
    "soc": foreign.SOC_SENSOR,
    "power": foreign.POWER,
    "islanding_start": "never",
}
BATTERY: dict[str, Any] = {
    "name": "Second life",
    "preset": "leaf-24",
    "soh_percent": 70,
    "reserve_percent": 30,
    "spec": {},
}


@pytest.fixture(autouse=True)
async def inverter(hass: HomeAssistant) -> None:
    """The other integration's inverter is there."""
    await foreign.install(hass)


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home without a unit, not loaded."""
    entry = make_entry()
    entry.add_to_hass(hass)
    return entry


async def begin(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start((entry.entry_id, SUBENTRY_UNIT), source=SOURCE_USER)
    await walk.choose("entities")
    return walk


async def at_setpoint(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await begin(hass, entry)
    await walk.submit(**READ)
    await walk.choose("entities_acts")
    assert walk.step == "setpoint"
    return walk


def setpoint(*, actions: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    details = {key: values.pop(key) for key in list(values) if key in ALL_DETAILS}
    return {
        "positive": "charge",
        **values,
        "actions": actions or {},
        "details": DETAILS | details,
    }


ALL_DETAILS = {
    *DETAILS,
    "watchdog_s",
    "voltage_v",
    "voltage_entity",
    "rated_w",
    "number_unit",
}


async def test_a_signed_number_makes_a_unit(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await begin(hass, home)
    assert walk.step == "entities_read"
    await walk.submit(**READ)
    assert walk.step == "entities_resting"
    # A device at work shows its sign.
    await turn(hass, foreign.SIGNED, -1500)
    await walk.choose("entities_sign")
    assert walk.step == "entities_discharging"
    assert walk.placeholders["power"] == "1500"
    await walk.choose("entities_flip")
    assert walk.step == "entities_charging"
    await walk.choose("entities_flip")
    await walk.choose("entities_acts")
    await walk.submit(**setpoint(power=foreign.SIGNED))
    assert walk.step == "setpoint_check"
    assert f"`{foreign.SOC_SENSOR}`: 60" in walk.placeholders["entities"]
    assert walk.placeholders["charge"] == f"`{foreign.SIGNED}` → 1000"
    assert walk.placeholders["discharge"] == f"`{foreign.SIGNED}` → -1000"
    assert walk.placeholders["idle"] == f"`{foreign.SIGNED}` → 0"
    # The test has written nothing.
    assert foreign.state(hass, foreign.SIGNED) == -1500.0
    await walk.choose("setpoint_done")
    await walk.submit(**BATTERY)
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    (unit,) = home.subentries.values()
    assert unit.title == "Second life"
    soc = er.async_get(hass).async_get(foreign.SOC_SENSOR)
    assert soc is not None
    assert unit.unique_id == f"entities_{soc.id}"
    assert dict(unit.data) == {
        "driver": "entities",
        "preset": "leaf-24",
        "soh_percent": 70,
        "spec": {},
        "read": {
            "soc": foreign.SOC_SENSOR,
            "power": foreign.POWER,
            "power_inverted": False,
        },
        "islanding_start": "never",
        "setpoint": {
            "power": foreign.SIGNED,
            "positive": "charge",
            "park": "idle",
            "dead_time_s": 5,
        },
    }


async def test_a_mode_asks_for_its_options(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_setpoint(hass, home)
    await walk.submit(
        **setpoint(
            charge_power=foreign.CHARGE,
            discharge_power=foreign.DISCHARGE,
            mode=foreign.MODE,
            park="auto",
        )
    )
    assert walk.step == "setpoint_mode"
    assert walk.placeholders == {"mode": foreign.MODE, "now": "Self use"}
    await walk.submit(follows=False)
    assert walk.errors == {"charge": "option_missing"}
    await walk.submit(charge="Force charge", idle="Pause", follows=True)
    assert walk.errors == {"auto": "option_missing"}
    await walk.submit(charge="Force charge", idle="Pause", follows=False)
    assert walk.errors == {"auto": "park_missing"}
    options = {
        "charge": "Force charge",
        "discharge": "Force discharge",
        "idle": "Pause",
        "auto": "Self use",
    }
    await walk.submit(**options, follows=True)
    assert walk.step == "setpoint_check"
    assert walk.placeholders["charge"] == (
        f"`{foreign.DISCHARGE}` → 0, `{foreign.CHARGE}` → 1, "
        f"`{foreign.MODE}` → Force charge"
    )
    await walk.choose("setpoint_done")
    await walk.submit(**BATTERY)
    (unit,) = home.subentries.values()
    assert unit.data["setpoint"]["mode_options"] == options
    assert unit.data["setpoint"]["follows"] is True
    assert unit.data["setpoint"]["park"] == "auto"


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        (
            {"power": foreign.SIGNED, "charge_power": foreign.CHARGE},
            {"charge_power": "signed_and_each"},
        ),
        ({"charge_power": foreign.AMPERE}, {"charge_power": "voltage_missing"}),
        ({"charge_power": foreign.PERCENT}, {"charge_power": "rated_missing"}),
        ({"charge_power": foreign.AMPERE, "voltage_v": 230}, {"base": "no_stop"}),
        ({"actions": {"charge": [foreign.STOP]}}, {"base": "no_stop"}),
        (
            {"power": foreign.SIGNED, "watchdog_s": 9},
            {"details": "watchdog_short"},
        ),
        (
            {"power": foreign.SIGNED, "watchdog_s": 60, "min_interval_s": 30},
            {"details": "interval_above_watchdog"},
        ),
        ({"power": foreign.SIGNED, "park": "auto"}, {"details": "park_missing"}),
    ],
)
async def test_what_cannot_be_meant_is_said_at_its_field(
    hass: HomeAssistant,
    home: MockConfigEntry,
    values: dict[str, Any],
    errors: dict[str, str],
) -> None:
    walk = await at_setpoint(hass, home)
    await walk.submit(**setpoint(**values))
    assert walk.errors == errors
    await walk.submit(**setpoint(power=foreign.SIGNED))
    assert walk.step == "setpoint_check"


async def test_what_reads_is_checked_too(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await begin(hass, home)
    await walk.submit(
        **READ | {"max_charge": foreign.SOC_SENSOR, "islanding": foreign.ISLAND}
    )
    assert walk.errors == {
        "max_charge": "used_twice",
        "islanding_start": "islands_after_all",
    }
    await walk.submit(**READ | {"max_charge": foreign.SOC})
    assert walk.errors == {"max_charge": "not_power"}
    hass.states.async_set(foreign.POWER, "unavailable")
    await walk.submit(**READ)
    assert walk.step == "entities_silent"


async def test_a_battery_that_nothing_acts_on_is_only_watched(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await begin(hass, home)
    await walk.submit(soc=foreign.SOC_SENSOR, islanding_start="never")
    assert walk.step == "setpoint"
    await walk.submit(**setpoint())
    assert walk.placeholders["charge"] == "–"
    await walk.choose("setpoint_done")
    await walk.submit(**BATTERY)
    (unit,) = home.subentries.values()
    assert "setpoint" not in unit.data


async def test_two_units_do_not_lead_one_entity(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await at_setpoint(hass, home)
    await walk.submit(**setpoint(power=foreign.SIGNED))
    await walk.choose("setpoint_done")
    await walk.submit(**BATTERY)
    walk = await begin(hass, home)
    await walk.submit(soc=foreign.SOC, islanding_start="never")
    await walk.submit(**setpoint(power=foreign.SIGNED))
    assert walk.errors == {"power": "led_already"}
    # The same battery is not added once more either.
    walk = await begin(hass, home)
    await walk.submit(soc=foreign.SOC_SENSOR, islanding_start="never")
    await walk.submit(**setpoint())
    await walk.choose("setpoint_done")
    assert walk.result["reason"] == "unit_already_configured"


async def test_changing_a_unit_begins_with_what_it_has(hass: HomeAssistant) -> None:
    home = make_entry(
        unit_data(
            "entities",
            read={"soc": foreign.SOC_SENSOR, "power": foreign.POWER},
            islanding_start="by_hand",
            setpoint={
                "mode": foreign.MODE,
                "mode_options": {"charge": "Force charge", "idle": "Pause"},
                "charge_power": foreign.CHARGE,
                "actions": {"charge": [foreign.REMOTE]},
                "enable": [foreign.PLUGGED],
                "dead_time_s": 20,
            },
        )
    )
    home.add_to_hass(hass)
    walk = await Walk(
        hass.config_entries.subentries, "config_subentries", SUBENTRY_UNIT
    ).start(
        (home.entry_id, SUBENTRY_UNIT),
        source=SOURCE_RECONFIGURE,
        subentry_id=UNIT_ID,
    )
    await walk.choose("hardware")
    assert walk.suggested()["islanding_start"] == "by_hand"
    await walk.submit(**READ | {"islanding_start": "by_hand"})
    await walk.choose("entities_flip")
    await walk.choose("entities_acts")
    assert walk.suggested()["mode"] == foreign.MODE
    assert walk.suggested(of="actions")["charge"] == [foreign.REMOTE]
    assert walk.suggested(of="actions")["enable"] == [foreign.PLUGGED]
    assert walk.suggested(of="details")["dead_time_s"] == 20
    await walk.submit(
        **setpoint(charge_power=foreign.CHARGE, mode=foreign.MODE, dead_time_s=30)
    )
    assert walk.suggested()["charge"] == "Force charge"
    await walk.submit(charge="Force charge", idle="Pause", follows=False)
    await walk.choose("setpoint_done")
    await walk.submit(name="LEAF", preset="leaf-40", soh_percent=90, spec={})
    assert walk.result["reason"] == "reconfigure_successful"
    (unit,) = home.subentries.values()
    assert unit.data["read"]["power_inverted"] is True
    assert unit.data["setpoint"]["dead_time_s"] == 30
    assert "actions" not in unit.data["setpoint"]
