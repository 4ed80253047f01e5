"""A home to which two cars belong, and a third one that comes along."""

import asyncio
from typing import Any

from homeassistant.components.repairs import (
    DOMAIN as REPAIRS_DOMAIN,
    RepairsFlowManager,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    ReasonCode,
    UnitMode,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.units.echonet_lite.hub import Hub
from custom_components.leaf_to_home.units.echonet_lite.station import vehicle_key
from tests.conftest import UNIT_ID, setup
from tests.flow_walk import TEXTS

from .conftest import MakeNode
from .emulator import Emulator, loopback
from .stations import CHARGER, Car, board_of, charger
from .test_in_home import make_home, until

BIG, SMALL, VISITOR = b"BIGLEAF0000000001", b"SMALLLEAF00000002", b"VISITOR0000000003"
ISSUE = f"echonet_unknown_vehicle_{UNIT_ID}"


def key_of(vehicle: bytes) -> str:
    key = vehicle_key(bytes([len(vehicle)]) + vehicle)
    assert key is not None
    return key


VEHICLES: list[dict[str, Any]] = [
    {"key": key_of(BIG), "name": "Big one", "preset": "leaf-62", "soh_percent": 90},
    {"key": key_of(SMALL), "name": "Small one", "usable_kwh": 20, "soh_percent": 100},
]


async def two_cars(
    hass: HomeAssistant, make_node: MakeNode, car: Car, **data: Any
) -> tuple[MockConfigEntry, Home, Emulator]:
    node = await make_node(charger(car), board_of(car))
    entry = make_home(node, loopback(), vehicles=VEHICLES, **data)
    home = await setup(hass, entry)
    await until(lambda: home.state.guard is Guard.CLEAR)
    return entry, home, node


async def plug(hass: HomeAssistant, node: Emulator, car: Car, vehicle: bytes) -> None:
    """Take the car away and bring another one, as the station announces it."""
    thing = node.things[CHARGER]
    for plugged in (False, True):
        car.plugged, car.vehicle = plugged, vehicle
        node.live()
        node.announce_to_group(CHARGER, [(0xC7, thing.values[0xC7])])
        await asyncio.sleep(0.3)
    await hass.async_block_till_done()


def shown(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state.state


async def flows(hass: HomeAssistant) -> RepairsFlowManager:
    assert await async_setup_component(hass, REPAIRS_DOMAIN, {})
    await hass.async_block_till_done()
    manager: RepairsFlowManager = hass.data[REPAIRS_DOMAIN]["flow_manager"]
    return manager


async def test_each_car_has_its_own(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    """What the entities show and change is of the car at the plug."""
    car = Car(soc_percent=60.0, vehicle=BIG)
    entry, home, node = await two_cars(hass, make_node, car)
    await until(lambda: shown(hass, "sensor.leaf_car") == "Big one")
    state = hass.states.get("sensor.leaf_car")
    assert state is not None
    assert state.attributes["options"] == ["Big one", "Small one", "none", "other"]
    assert float(shown(hass, "sensor.leaf_stored_energy")) == pytest.approx(
        56.0 * 0.9 * 0.605, abs=0.1
    )
    for entity_id, value in (("reserve", 50), ("highest_state_of_charge", 80)):
        await hass.services.async_call(
            "number",
            "set_value",
            {ATTR_ENTITY_ID: f"number.leaf_{entity_id}", "value": value},
            blocking=True,
        )
    await hass.services.async_call(
        "switch", "turn_on", {ATTR_ENTITY_ID: "switch.leaf_ready_by"}, blocking=True
    )

    await plug(hass, node, car, SMALL)
    await until(lambda: home.state.units[UNIT_ID].vehicle == key_of(SMALL))
    await until(lambda: shown(hass, "sensor.leaf_car") == "Small one")
    await until(lambda: shown(hass, "number.leaf_reserve") == "30.0")
    assert shown(hass, "switch.leaf_ready_by") == "off"
    assert shown(hass, "number.leaf_highest_state_of_charge") == "95.0"
    assert float(shown(hass, "sensor.leaf_stored_energy")) == pytest.approx(
        20.0 * 0.605, abs=0.1
    )

    # Over a restart, and with the car away: what is changed then is of the last one.
    car.plugged = False
    await until(lambda: shown(hass, "sensor.leaf_car") == "none")
    await hass.services.async_call(
        "number",
        "set_value",
        {ATTR_ENTITY_ID: "number.leaf_reserve", "value": 20},
        blocking=True,
    )
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert shown(hass, "number.leaf_reserve") == "20.0"
    await plug(hass, node, car, BIG)
    await until(lambda: shown(hass, "sensor.leaf_car") == "Big one")
    await until(lambda: shown(hass, "number.leaf_reserve") == "50.0")
    assert shown(hass, "switch.leaf_ready_by") == "on"
    await hass.config_entries.async_unload(entry.entry_id)
    assert shown(hass, "sensor.leaf_car") == "unavailable"


async def test_a_car_that_is_not_told_is_held(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode
) -> None:
    car = Car(soc_percent=60.0, vehicle=BIG)
    entry, home, node = await two_cars(hass, make_node, car)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    await until(lambda: (0xDA, b"\x42") in node.writes())
    await plug(hass, node, car, b"")
    await until(
        lambda: (
            home.decision is not None
            and home.decision.units[UNIT_ID].reason.code is ReasonCode.VEHICLE_UNKNOWN
        )
    )
    await until(lambda: shown(hass, "sensor.leaf_car") == "unknown")
    assert home.state.units[UNIT_ID].settings.mode is UnitMode.AUTOMATIC
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    writes = len(node.writes(CHARGER))
    await asyncio.sleep(1.0)
    assert {epc for epc, _ in node.writes(CHARGER)[writes:]} <= {0xCD}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_the_offer_to_add_a_car(
    hass: HomeAssistant,
    hub: Hub,
    make_node: MakeNode,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Held, offered, named, and then a car like the others."""
    car = Car(soc_percent=60.0, vehicle=VISITOR)
    entry, home, node = await two_cars(hass, make_node, car)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await until(lambda: shown(hass, "sensor.leaf_car") == "other")
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    await asyncio.sleep(0.5)
    assert not any(epc == 0xDA for epc, _ in node.writes(CHARGER))
    issue = issue_registry.async_get_issue(DOMAIN, ISSUE)
    assert issue is not None
    assert issue.is_fixable
    assert not issue.is_persistent
    manager = await flows(hass)
    result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE})
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == ["add", "leave"]
    result = await choose(manager, result, "add")
    assert result["type"] is FlowResultType.FORM
    check_texts(result)
    result = await manager.async_configure(
        result["flow_id"], {"name": "big ONE", "preset": "as_unit"}
    )
    assert result["errors"] == {"name": "car_name_used"}
    check_texts(result)
    result = await manager.async_configure(
        result["flow_id"],
        {"name": "Grandma's", "preset": "leaf-30", "soh_percent": 75},
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (unit,) = entry.subentries.values()
    assert unit.data["vehicles"] == [
        *VEHICLES,
        {
            "key": key_of(VISITOR),
            "name": "Grandma's",
            "preset": "leaf-30",
            "soh_percent": 75,
        },
    ]
    await until(lambda: shown(hass, "sensor.leaf_car") == "Grandma's")
    assert issue_registry.async_get_issue(DOMAIN, ISSUE) is None
    await until(lambda: (0xDA, b"\x42") in node.writes(CHARGER))
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_car_may_be_left_alone_for_good(
    hass: HomeAssistant,
    hub: Hub,
    make_node: MakeNode,
    issue_registry: ir.IssueRegistry,
) -> None:
    car = Car(soc_percent=60.0, vehicle=VISITOR)
    entry, _, node = await two_cars(hass, make_node, car)
    await until(lambda: issue_registry.async_get_issue(DOMAIN, ISSUE) is not None)
    manager = await flows(hass)
    result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE})
    result = await choose(manager, result, "leave")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (unit,) = entry.subentries.values()
    assert unit.data["visitors"] == [key_of(VISITOR)]
    assert unit.data["vehicles"] == VEHICLES
    await until(lambda: shown(hass, "sensor.leaf_car") == "other")
    await plug(hass, node, car, VISITOR)
    await until(lambda: shown(hass, "sensor.leaf_car") == "other")
    assert issue_registry.async_get_issue(DOMAIN, ISSUE) is None
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("steps", [[], ["add"], ["add", "form"], ["leave"]])
async def test_the_unit_is_gone_meanwhile(
    hass: HomeAssistant, hub: Hub, make_node: MakeNode, steps: list[str]
) -> None:
    car = Car(soc_percent=60.0, vehicle=VISITOR)
    entry, _, _ = await two_cars(hass, make_node, car)
    await until(lambda: ir.async_get(hass).async_get_issue(DOMAIN, ISSUE) is not None)
    manager = await flows(hass)
    flow = await manager.async_create_flow(DOMAIN, context={"issue_id": ISSUE})
    flow.hass, flow.context = hass, {"issue_id": ISSUE}
    result: Any = None
    if "form" in steps:
        result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE})
        result = await choose(manager, result, "add")
    elif steps:
        result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE})
    await hass.config_entries.async_remove(entry.entry_id)
    if result is None:
        result = await flow.async_step_init()  # type: ignore[attr-defined]
    elif "form" in steps:
        result = await manager.async_configure(
            result["flow_id"], {"name": "Any", "preset": "as_unit"}
        )
    else:
        result = await choose(manager, result, steps[0])
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "unit_gone"


async def test_no_car_is_named_in_diagnostics(
    hass: HomeAssistant,
    hub: Hub,
    make_node: MakeNode,
    hass_client: ClientSessionGenerator,
) -> None:
    """Neither by its number, nor by what is made of it, nor by what it is called."""
    car = Car(soc_percent=60.0, vehicle=BIG)
    entry, home, node = await two_cars(hass, make_node, car, visitors=[key_of(VISITOR)])
    await until(lambda: home.state.units[UNIT_ID].vehicle_here)
    await plug(hass, node, car, SMALL)
    await until(lambda: home.state.units[UNIT_ID].vehicle == key_of(SMALL))
    await asyncio.sleep(0.6)
    text = str(await get_diagnostics_for_config_entry(hass, hass_client, entry))
    for vehicle in (BIG, SMALL, VISITOR):
        assert key_of(vehicle) not in text
        assert vehicle.hex() not in text
        assert vehicle.decode() not in text
    assert "Small one" not in text
    assert "'vehicle': 'car 2'" in text
    for name in ("sensor.leaf_car", "number.leaf_reserve", "sensor.leaf_reason"):
        assert key_of(SMALL) not in str(hass.states.get(name))
    await hass.config_entries.async_unload(entry.entry_id)


async def choose(manager: RepairsFlowManager, result: Any, option: str) -> Any:
    """Choose from the menu, after a look at its texts."""
    check_texts(result)
    return await manager.async_configure(result["flow_id"], {"next_step_id": option})


def check_texts(result: Any) -> None:
    """Every language has what the screen shows."""
    for texts in TEXTS.values():
        flow = texts["issues"]["echonet_unknown_vehicle"]["fix_flow"]
        step = flow["step"][result["step_id"]]
        placeholders = result["description_placeholders"] or {}
        assert step["title"].format(**placeholders)
        assert step["description"].format(**placeholders)
        if result["type"] is FlowResultType.MENU:
            assert step["menu_options"].keys() == set(result["menu_options"])
        else:
            fields = {str(field) for field in result["data_schema"].schema}
            assert step["data"].keys() == step["data_description"].keys() == fields
            assert flow["error"].keys() >= set((result["errors"] or {}).values())
