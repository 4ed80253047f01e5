"""A house of Home Assistant's own helpers, with a simulated unit that can island."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import SUBENTRY_TIER
from custom_components.leaf_to_home.engine.outage_model import OutagePhase
from custom_components.leaf_to_home.home import Home
from tests.conftest import UNIT_ID, make_entry, unit_data

HEATER = "climate.heater"
LAMP = "light.lamp"
PUMP = "input_boolean.pump"
TIER_ID = "01JTIER00000000000000000A1"
MAINS = "binary_sensor.mains"

# A lamp and a heater as people have them, made of helpers that keep what they are told.
TEMPLATE: dict[str, Any] = {
    "switch": [
        {
            "name": "Broken",
            "state": "{{ true }}",
            "turn_on": [],
            "turn_off": [{"action": "script.that_is_gone"}],
        }
    ],
    "light": [
        {
            "name": "Lamp",
            "state": "{{ is_state('input_boolean.lamp', 'on') }}",
            "level": "{{ states('input_number.level') | int }}",
            "turn_on": [
                {
                    "action": "input_boolean.turn_on",
                    "target": {"entity_id": "input_boolean.lamp"},
                }
            ],
            "turn_off": [
                {
                    "action": "input_boolean.turn_off",
                    "target": {"entity_id": "input_boolean.lamp"},
                }
            ],
            "set_level": [
                {
                    "action": "input_number.set_value",
                    "target": {"entity_id": "input_number.level"},
                    "data": {"value": "{{ brightness }}"},
                },
                {
                    "action": "input_boolean.turn_on",
                    "target": {"entity_id": "input_boolean.lamp"},
                },
            ],
        }
    ],
}


async def furnish(hass: HomeAssistant) -> None:
    """Set up the loads, all on: the lamp dimmed, the heater at 21.5 degrees."""
    hass.states.async_set(MAINS, "on")
    hass.states.async_set("sensor.room", "15", {"unit_of_measurement": "°C"})
    for domain, conf in (
        ("homeassistant", {}),
        (
            "input_boolean",
            {
                "pump": {"initial": True},
                "lamp": {"initial": True},
                "element": {"initial": False},
            },
        ),
        ("input_number", {"level": {"min": 0, "max": 255, "initial": 51}}),
        ("template", TEMPLATE),
        (
            "climate",
            {
                "platform": "generic_thermostat",
                "name": "heater",
                "heater": "input_boolean.element",
                "target_sensor": "sensor.room",
                "target_temp": 21.5,
                "initial_hvac_mode": "heat",
            },
        ),
    ):
        assert await async_setup_component(hass, domain, {domain: conf})
    await hass.async_block_till_done()


def house(
    *,
    options: dict[str, Any] | None = None,
    loads: tuple[str, ...] = (HEATER, LAMP, PUMP),
    backup: dict[str, Any] | None = None,
    **tier: Any,
) -> MockConfigEntry:
    """Return a home that sheds heater, lamp and pump."""
    unit = unit_data("simulated", dead_time_s=1, seed=7, trips="none")
    entry = make_entry(
        unit | ({"backup": backup} if backup is not None else {}),
        data={"grid": {"kind": "unit"}, "mains": MAINS},
        options=options,
    )
    return with_tier(entry, loads, **tier)


def with_tier(
    entry: MockConfigEntry, loads: tuple[str, ...], **tier: Any
) -> MockConfigEntry:
    """Return the home with one more subentry."""
    return MockConfigEntry(
        domain=entry.domain,
        title=entry.title,
        data=dict(entry.data),
        options=dict(entry.options),
        entry_id=entry.entry_id,
        subentries_data=[
            *(subentry.as_dict() for subentry in entry.subentries.values()),
            {
                "data": {"loads": list(loads), "order": 1, **tier},
                "subentry_id": TIER_ID,
                "subentry_type": SUBENTRY_TIER,
                "title": "Comfort",
                "unique_id": None,
            },
        ],
    )


def cut(hass: HomeAssistant, home: Home, *, back: bool = False) -> None:
    """Take the mains away from the simulated house, or give them back."""
    driver: Any = home.units[UNIT_ID].unit
    driver.set_grid(back)
    hass.states.async_set(MAINS, "on" if back else "off")


def phase(home: Home) -> OutagePhase:
    assert home.outages.decision is not None
    return home.outages.decision.phase


def shown(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state.state
