"""A battery inverter that some other integration brought into Home Assistant.

It is made of Home Assistant's own helpers and templates, with nothing of ours: numbers
and a select to write to, a switch, a button and scripts, and sensors that follow them.
"""

from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.setup import async_setup_component

SIGNED = "input_number.inverter_setpoint"
CHARGE = "input_number.inverter_charge"
DISCHARGE = "input_number.inverter_discharge"
AMPERE = "input_number.inverter_current"
PERCENT = "input_number.inverter_share"
MODE = "input_select.inverter_mode"
REMOTE = "input_boolean.inverter_remote"
STOP = "input_button.inverter_stop"
SCRIPT = "script.inverter_set"
POWER = "sensor.inverter_power"
SOC = "input_number.inverter_soc"
SOC_SENSOR = "sensor.inverter_soc"
PLUGGED = "input_boolean.inverter_plugged"
ISLAND = "input_boolean.inverter_island"

CONFIG: dict[str, Any] = {
    "input_number": {
        # Positive charges, as many inverters have it.
        "inverter_setpoint": {
            "min": -5000,
            "max": 4000,
            "step": 50,
            "initial": 0,
            "unit_of_measurement": "W",
        },
        "inverter_charge": {
            "min": 0,
            "max": 3,
            "step": 0.1,
            "initial": 0,
            "unit_of_measurement": "kW",
        },
        "inverter_discharge": {
            "min": 0,
            "max": 2.5,
            "step": 0.1,
            "initial": 0,
            "unit_of_measurement": "kW",
        },
        "inverter_current": {
            "min": 6,
            "max": 32,
            "step": 1,
            "initial": 6,
            "unit_of_measurement": "A",
        },
        "inverter_share": {
            "min": 0,
            "max": 100,
            "step": 1,
            "initial": 0,
            "unit_of_measurement": "%",
        },
        "inverter_soc": {"min": 0, "max": 100, "step": 0.1, "initial": 60},
        "inverter_forced": {"min": -9000, "max": 9000, "step": 1, "initial": 0},
    },
    "input_select": {
        "inverter_mode": {
            "options": ["Self use", "Force charge", "Force discharge", "Pause"],
            "initial": "Self use",
        }
    },
    "input_boolean": {
        "inverter_remote": {"initial": False},
        "inverter_plugged": {"initial": True},
        "inverter_island": {"initial": False},
    },
    "input_button": {"inverter_stop": {}},
    "script": {
        "inverter_set": {
            "fields": {"power_w": {}, "way": {}},
            "sequence": [
                {
                    "action": "input_number.set_value",
                    "target": {"entity_id": SIGNED},
                    "data": {"value": "{{ -(power_w | float(0)) }}"},
                }
            ],
        }
    },
    "template": [
        {
            "sensor": [
                {
                    # Positive discharges, against its own set-point.
                    "name": "Inverter power",
                    "unique_id": "inverter_power",
                    "device_class": "power",
                    "unit_of_measurement": "W",
                    "state": (
                        "{{ -(states('input_number.inverter_setpoint') | float(0))"
                        " + states('input_number.inverter_forced') | float(0) }}"
                    ),
                },
                {
                    "name": "Inverter SOC",
                    "unique_id": "inverter_soc",
                    "device_class": "battery",
                    "unit_of_measurement": "%",
                    "state": "{{ states('input_number.inverter_soc') }}",
                },
            ]
        }
    ],
}


async def install(hass: HomeAssistant) -> None:
    """Bring the inverter into Home Assistant."""
    for domain, config in CONFIG.items():
        assert await async_setup_component(hass, domain, {domain: config})
    await hass.async_block_till_done()


async def turn(hass: HomeAssistant, entity_id: str, value: object) -> None:
    """Turn a knob of the inverter by hand."""
    domain = entity_id.partition(".")[0]
    data: dict[str, Any] = {"entity_id": entity_id}
    if domain == "input_number":
        action, data["value"] = "set_value", value
    elif domain == "input_select":
        action, data["option"] = "select_option", value
    else:
        action = "turn_on" if value else "turn_off"
    await hass.services.async_call(domain, action, data, blocking=True)
    await hass.async_block_till_done()


def state(hass: HomeAssistant, entity_id: str) -> str | float:
    """Return what an entity says, as a number where it is one."""
    found = hass.states.get(entity_id)
    assert found is not None
    try:
        return float(found.state)
    except ValueError:
        return found.state


def count_calls(hass: HomeAssistant) -> list[tuple[str, str]]:
    """Return a list that grows with each action that is called."""
    calls: list[tuple[str, str]] = []

    @callback
    def heard(event: Any) -> None:
        calls.append((event.data["domain"], event.data["service"]))

    hass.bus.async_listen("call_service", heard)
    return calls
