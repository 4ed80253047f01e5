"""The mappings that are proposed: what they name exists, and nothing is silent."""

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

import homeassistant.components
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.units import mappings
from custom_components.leaf_to_home.units.entities import (
    CONF_INVERTED,
    CONF_MAX_AGE,
    READ_KEYS,
)
from custom_components.leaf_to_home.units.mapped.mapping import SetpointMap, Way
from custom_components.leaf_to_home.units.mappings import (
    async_load_mappings,
    async_propose_mappings,
)
from tests.conftest import make_entry

from . import foreign
from .test_entities_form import BATTERY, begin, setpoint

NAMES = sorted(path.stem for path in mappings.MAPPINGS_PATH.glob("*.yaml"))
CORE = Path(homeassistant.components.__path__[0])
# The integration of that name that is meant is not the one of Home Assistant itself.
CUSTOM = {"solarman"}
READING_ONLY = {"indevolt", "bms_ble", "solarman", "ecoflow_cloud"}


def patterns(part: Any) -> Iterator[dict[str, str]]:
    """Yield the patterns of a part of a mapping."""
    if isinstance(part, list):
        for item in part:
            yield from patterns(item)
    elif isinstance(part, dict):
        if "entity" in part:
            yield part
        else:
            for item in part.values():
                yield from patterns(item)


@pytest.mark.parametrize("name", NAMES)
async def test_every_mapping_is_one(hass: HomeAssistant, name: str) -> None:
    mapping = (await async_load_mappings(hass))[name]
    assert mapping["name"]
    assert set(mapping["read"]) <= {*READ_KEYS, CONF_INVERTED, CONF_MAX_AGE}
    assert "soc" in mapping["needs"]
    leads = SetpointMap.from_data(
        {
            key: "number.any"
            if isinstance(value, dict) and "entity" in value
            else value
            for key, value in mapping.get("setpoint", {}).items()
            if key not in ("actions", "enable")
        }
    )
    assert bool(mapping.get("setpoint")) is (name not in READING_ONLY)
    assert (
        leads.park is Way.IDLE or leads.able(Way.AUTO) or mapping["setpoint"]["enable"]
    )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if name not in CUSTOM and (CORE / name / "manifest.json").exists()
    ],
)
async def test_what_a_mapping_names_of_a_core_integration_exists(
    hass: HomeAssistant, name: str
) -> None:
    mapping = (await async_load_mappings(hass))[name]
    path = CORE / mapping["platform"] / "translations" / "en.json"
    texts = json.loads(path.read_text())["entity"]
    for pattern in patterns([mapping["read"], mapping.get("setpoint", {})]):
        if "key" in pattern:
            assert pattern["key"] in texts[pattern["entity"]], pattern
    setpoint_part = mapping.get("setpoint", {})
    if "mode" in setpoint_part and "mode_options" in setpoint_part:
        states = texts["select"][setpoint_part["mode"]["key"]]["state"]
        assert set(setpoint_part["mode_options"].values()) <= states.keys()


def register(
    hass: HomeAssistant, entry: MockConfigEntry, domain: str, key: str, **more: Any
) -> str:
    """Let an integration have an entity in the registry."""
    return (
        er.async_get(hass)
        .async_get_or_create(
            domain,
            entry.domain,
            f"{key}-12345",
            config_entry=entry,
            translation_key=key,
            **more,
        )
        .entity_id
    )


async def test_a_mapping_is_proposed_where_its_integration_is(
    hass: HomeAssistant,
) -> None:
    assert await async_propose_mappings(hass) == {}
    wallbox = MockConfigEntry(domain="wallbox", title="Wallbox in the garage")
    wallbox.add_to_hass(hass)
    soc = register(hass, wallbox, "sensor", "state_of_charge")
    # Without what carries the power there is nothing to propose.
    assert await async_propose_mappings(hass) == {}
    current = register(hass, wallbox, "number", "maximum_charging_current")
    register(
        hass,
        wallbox,
        "sensor",
        "charging_power",
        disabled_by=er.RegistryEntryDisabler.USER,
    )
    (proposal,) = (await async_propose_mappings(hass)).values()
    assert proposal.title == "Wallbox, charging only: Wallbox in the garage"
    assert proposal.read == {"soc": soc, "power_inverted": True}
    assert proposal.setpoint == {
        "charge_power": current,
        "number_unit": "A",
        "voltage_v": 230,
        "dead_time_s": 120,
        "min_interval_s": 60,
    }
    assert not SetpointMap.from_data(proposal.setpoint).able(Way.DISCHARGE)


async def test_a_proposal_is_filled_in_for_the_user_to_confirm(
    hass: HomeAssistant,
) -> None:
    await foreign.install(hass)
    wallbox = MockConfigEntry(domain="wallbox", title="Garage")
    wallbox.add_to_hass(hass)
    soc = register(hass, wallbox, "sensor", "state_of_charge")
    power = register(hass, wallbox, "sensor", "charging_power")
    current = register(hass, wallbox, "number", "maximum_charging_current")
    switch = register(hass, wallbox, "switch", "pause_resume")
    hass.states.async_set(soc, "55", {"unit_of_measurement": "%"})
    hass.states.async_set(power, "2.3", {"unit_of_measurement": "kW"})
    hass.states.async_set(current, "10", {"min": 6, "max": 32, "step": 1})
    hass.states.async_set(switch, "on")
    home = make_entry()
    home.add_to_hass(hass)
    walk = await begin(hass, home)
    assert walk.step == "entities"
    (offered,) = await async_propose_mappings(hass)
    await walk.submit(mapping=offered)
    assert walk.suggested()["soc"] == soc
    assert walk.suggested()["power"] == power
    await walk.submit(soc=soc, power=power, islanding_start="never")
    assert walk.step == "entities_charging"
    assert walk.placeholders["power"] == "2300"
    await walk.choose("entities_acts")
    assert walk.suggested()["charge_power"] == current
    assert walk.suggested(of="actions")["charge"] == [switch]
    assert walk.suggested(of="details")["number_unit"] == "A"
    await walk.submit(
        **setpoint(
            charge_power=current,
            actions={"charge": [switch]},
            number_unit="A",
            voltage_v=230,
            dead_time_s=120,
            min_interval_s=60,
        )
    )
    assert walk.placeholders["discharge"] == "–"
    assert walk.placeholders["idle"] == f"`{switch}` → off"
    await walk.choose("setpoint_done")
    await walk.submit(**BATTERY)
    (unit,) = home.subentries.values()
    assert unit.data["setpoint"]["actions"] == {"charge": [switch]}
    assert unit.data["read"]["power_inverted"] is True


async def test_whoever_wants_no_proposal_maps_by_hand(hass: HomeAssistant) -> None:
    await foreign.install(hass)
    battery = MockConfigEntry(domain="bms_ble", title="Pack")
    battery.add_to_hass(hass)
    er.async_get(hass).async_get_or_create(
        "sensor", "bms_ble", "aabb-battery_level", config_entry=battery
    )
    home = make_entry()
    home.add_to_hass(hass)
    walk = await begin(hass, home)
    assert walk.step == "entities"
    await walk.submit()
    assert walk.step == "entities_read"
    assert "soc" not in walk.suggested()
