"""All that may be shed, each as its own integration has it: off, and back as it was."""

from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.water_heater import WaterHeaterEntity
from homeassistant.components.water_heater.const import WaterHeaterEntityFeature
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import (
    device_registry as dr,
    entity_component,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.engine.outage_model import OutagePhase
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.loads import KEPT
from tests.conftest import EVENING, Advance, setup
from tests.outages.houses import PUMP, TIER_ID, cut, furnish, house, phase, shown
from tests.outages.test_outages import notices

DEMO: dict[str, str] = {
    "climate.ecobee": "heat_cool",
    "climate.hvac": "cool",
    "fan.living_room_fan": "on",
    "humidifier.dehumidifier": "on",
    "media_player.bedroom": "playing",
    "water_heater.demo_water_heater_celsius": "eco",
}
HEATER = "water_heater.demo_water_heater_celsius"


async def furnish_demo(hass: HomeAssistant) -> None:
    """Set up the platforms of Home Assistant's own demo that have such loads."""
    platforms = sorted({Platform(load.partition(".")[0]) for load in DEMO})
    assert await async_setup_component(hass, "homeassistant", {})
    entry = MockConfigEntry(domain="demo")
    entry.add_to_hass(hass)
    # The whole demo takes its time, and needs what no load does.
    with patch(
        "homeassistant.components.demo.COMPONENTS_WITH_CONFIG_ENTRY_DEMO_PLATFORM",
        platforms,
    ):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
    await hass.services.async_call(
        "fan",
        "turn_on",
        {"entity_id": "fan.living_room_fan", "percentage": 66},
        blocking=True,
    )
    await hass.async_block_till_done()


def looks(hass: HomeAssistant) -> dict[str, dict[str, Any]]:
    """Return how each load is, without what only describes it.

    What can be told of humidity is whole percents.
    """
    found: dict[str, dict[str, Any]] = {}
    for load in DEMO:
        state = hass.states.get(load)
        assert state is not None, load
        kept = {key: value for key, value in state.attributes.items() if key in KEPT}
        if "humidity" in kept:
            kept["humidity"] = int(kept["humidity"])
        found[load] = {"state": state.state, **kept}
    return found


async def begin(
    hass: HomeAssistant, advance: Advance, loads: tuple[str, ...], **tier: Any
) -> Home:
    home = await setup(hass, house(loads=loads, **tier))
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await advance(150)
    return home


async def go_out_and_back(hass: HomeAssistant, home: Home, advance: Advance) -> None:
    cut(hass, home, back=True)
    await advance(400)
    assert phase(home) is OutagePhase.NORMAL


async def test_each_kind_of_load_goes_off_and_comes_back_as_it_was(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(EVENING)
    await furnish_demo(hass)
    before = looks(hass)
    assert {load: look["state"] for load, look in before.items()} == DEMO
    assert before["climate.ecobee"]["target_temp_high"] == 24
    assert before[HEATER]["away_mode"] == "on"
    home = await begin(hass, advance, tuple(DEMO), soc_percent=99)
    cut(hass, home)
    await advance(70)
    assert {shown(hass, load) for load in DEMO} == {"off"}
    await go_out_and_back(hass, home, advance)
    assert looks(hass) == before


async def test_a_water_heater_without_a_switch_is_turned_off_by_its_mode(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(EVENING)
    await furnish_demo(hass)
    component = hass.data[entity_component.DATA_INSTANCES]["water_heater"]
    heater = component.get_entity(HEATER)
    assert isinstance(heater, WaterHeaterEntity)
    # The demo has none of this kind.
    features = heater.supported_features & ~WaterHeaterEntityFeature.ON_OFF
    heater._attr_supported_features = features
    heater.async_write_ha_state()
    home = await begin(hass, advance, (HEATER,), soc_percent=99)
    cut(hass, home)
    await advance(70)
    assert shown(hass, HEATER) == "off"
    await go_out_and_back(hass, home, advance)
    assert shown(hass, HEATER) == "eco"


async def furnish_plugs(hass: HomeAssistant, *, sockets: int) -> None:
    """Set up a plug strip with one meter: helpers that belong to one device."""
    owner = MockConfigEntry(domain="test")
    owner.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=owner.entry_id, identifiers={("test", "strip")}, name="Strip"
    )
    helpers: list[dict[str, Any]] = [
        {
            "name": "Power",
            "template_type": "sensor",
            "device_class": "power",
            "unit_of_measurement": "kW",
            "state": "{{ 1.5 if is_state('input_boolean.pump', 'on') else 0 }}",
        }
    ]
    helpers += [
        {
            "name": f"Socket {socket}",
            "template_type": "switch",
            "value_template": "{{ is_state('input_boolean.pump', 'on') }}",
            "turn_on": [
                {
                    "action": "input_boolean.turn_on",
                    "target": {"entity_id": "input_boolean.pump"},
                }
            ],
            "turn_off": [
                {
                    "action": "input_boolean.turn_off",
                    "target": {"entity_id": "input_boolean.pump"},
                }
            ],
        }
        for socket in range(1, sockets + 1)
    ]
    for options in helpers:
        entry = MockConfigEntry(
            domain="template",
            title=options["name"],
            options={**options, "device_id": device.id},
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


@pytest.mark.parametrize(("sockets", "known"), [(1, True), (2, False)])
async def test_the_meter_of_a_plug_says_what_its_tier_would_add(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    *,
    sockets: int,
    known: bool,
) -> None:
    """One meter for two sockets is nobody's own."""
    freezer.move_to(EVENING)
    await furnish(hass)
    await furnish_plugs(hass, sockets=sockets)
    home = await begin(hass, advance, ("switch.strip_socket_1",), soc_percent=1)

    def gain_h() -> float:
        runtime = hass.states.get("sensor.home_backup_runtime")
        assert runtime is not None
        return float(runtime.attributes["without_tier"]["Comfort"])

    assert (gain_h() > 0.5) is known
    # Once it is off, it is what the plug drew before.
    tier = home.entry.subentries[TIER_ID]
    hass.config_entries.async_update_subentry(
        home.entry, tier, data={**tier.data, "soc_percent": 99}
    )
    await hass.async_block_till_done()
    home = home.entry.runtime_data.home
    cut(hass, home)
    await advance(90)
    assert shown(hass, "switch.strip_socket_1") == "off"
    runtime = hass.states.get("sensor.home_backup_runtime")
    assert runtime is not None
    assert ("Comfort" in runtime.attributes["without_tier"]) is known


async def test_a_load_that_is_gone_is_a_repair_before_it_is_needed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(EVENING)
    await furnish(hass)
    await begin(hass, advance, (PUMP, "switch.renamed"), soc_percent=99)
    assert missing(hass) == set()
    freezer.tick(900.0)
    await advance(5)
    assert missing(hass) == {"switch.renamed"}
    hass.states.async_set("switch.renamed", "on")
    await advance(5)
    assert missing(hass) == set()


async def test_a_shed_load_that_vanishes_from_its_tier_is_not_waited_for(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(EVENING)
    await furnish(hass)
    home = await begin(hass, advance, (PUMP, "switch.guest"), soc_percent=99)
    hass.states.async_set("switch.guest", "on")
    hass.services.async_register("switch", "turn_off", _ignore)
    cut(hass, home)
    await advance(70)
    assert "loads_shed" in notices(hass)
    hass.states.async_remove("switch.guest")
    await go_out_and_back(hass, home, advance)
    assert shown(hass, PUMP) == "on"
    assert not home.state.outage.loads
    assert "loads_shed" not in notices(hass)


async def test_a_shed_load_that_is_renamed_comes_back_as_it_was(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, advance: Advance
) -> None:
    freezer.move_to(EVENING)
    await furnish_demo(hass)
    before = looks(hass)["climate.ecobee"]
    home = await begin(hass, advance, tuple(DEMO), soc_percent=99)
    cut(hass, home)
    await advance(70)
    assert shown(hass, "climate.ecobee") == "off"
    renamed = "climate.den"
    er.async_get(hass).async_update_entity("climate.ecobee", new_entity_id=renamed)
    await advance(2)
    first, home = home, home.entry.runtime_data.home
    assert home is not first
    cut(hass, home)
    await advance(70)
    assert shown(hass, renamed) == "off"
    assert home.state.outage.loads.keys() == {*DEMO, renamed} - {"climate.ecobee"}
    await go_out_and_back(hass, home, advance)
    after = hass.states.get(renamed)
    assert after is not None
    assert after.state == before["state"]
    assert after.attributes["target_temp_high"] == 24


def missing(hass: HomeAssistant) -> set[str]:
    """Return the loads of which a repair says that they do not exist."""
    return {
        issue.translation_placeholders["entity_id"]
        for issue in ir.async_get(hass).issues.values()
        if issue.translation_key == "load_missing" and issue.translation_placeholders
    }


async def _ignore(_call: ServiceCall) -> None:
    """Do nothing: the guest's switch is a state alone."""
