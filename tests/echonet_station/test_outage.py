"""An outage over the wire: the station islands, loads go off, Home Assistant dies.

Home Assistant and the station are processes of their own; the station's log is the
witness of what was written to it, which in an outage is nothing.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
import time

import pytest

from custom_components.leaf_to_home.engine.control import START_GAP_S
from custom_components.leaf_to_home.engine.model import UnitMode
from scripts.tools.running_home_assistant import RunningHomeAssistant, free_port
from scripts.tools.running_station import RunningStation

from .homes import PATIENCE_S, Lan, OutageHome, prepare, station, until, until_state
from .test_lifecycle import STATUS, kill, onboard

OUTAGE = "binary_sensor.home_outage"
PHASE = "sensor.home_outage_phase"
RUNTIME = "sensor.home_backup_runtime"
CARRIED = "sensor.home_carried_power"
DURATION = "sensor.home_last_outage_duration"
HEATER = "input_boolean.water_heater"
POWER = "sensor.leaf_power"
MAINS = "binary_sensor.mains"
TIER_ID = "01JTIER0000000000000000001"
# The heater comes on with the power, whoever had turned it off.
HOUSE = OutageHome(
    options={"outage": {"debounce_s": 1.0, "stable_s": 10.0, "stagger_s": 1.0}},
    tiers=[
        {
            "data": {"loads": [HEATER], "soc_percent": 90.0, "order": 1},
            "subentry_id": TIER_ID,
            "subentry_type": "shedding_tier",
            "title": "Comfort",
            "unique_id": None,
        }
    ],
    configuration="""\
input_boolean:
  water_heater:
    name: Water heater
    initial: true
""",
)

pytestmark = [
    pytest.mark.usefixtures("socket_enabled"),
    pytest.mark.timeout(900),
]


def told(peer: RunningStation, since: int, property_: str) -> list[str]:
    """Return what was written to a property after so many commands."""
    lines = peer.commands()[since:]
    return [line["value"] for line in lines if line["property"] == property_]


async def until_between(
    running: RunningHomeAssistant, entity_id: str, low: float, high: float
) -> None:
    """Wait for a number of an entity that lies in a range."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        state = (await running.states()).get(entity_id, {"state": "missing"})["state"]
        with suppress(ValueError):
            if low <= float(state) <= high:
                return
        assert time.monotonic() < end_s, f"{entity_id}: {state}\n{running.log_tail()}"
        await asyncio.sleep(0.2)


async def test_home_assistant_is_killed_in_an_outage_and_knows_of_it(
    tmp_path: Path,
) -> None:
    """Shed stays shed, although the heater came on by itself; then all comes back."""
    lan, port = Lan(), free_port(18623)
    prepare(tmp_path, port, lan, UnitMode.DISCHARGE, power_w=600.0, outage=HOUSE)
    async with station(tmp_path / "station.jsonl", lan, "--load", "900") as peer:
        async with RunningHomeAssistant(tmp_path, port) as running:
            token = await onboard(running)
            await until_state(running, STATUS, "discharging")
            await until_state(running, OUTAGE, "off")
            await until_state(running, HEATER, "on")
            await peer.ask("grid off")
            commands = len(peer.commands())
            await until_state(running, OUTAGE, "on")
            await until_state(running, HEATER, "off")
            await until_between(running, RUNTIME, 1.0, 48.0)
            await until_between(running, CARRIED, 850.0, 950.0)
            await kill(running)
        async with RunningHomeAssistant(tmp_path, port) as running:
            await running.connect(token)
            await until_state(running, OUTAGE, "on")
            await until_state(running, PHASE, "outage")
            await until_state(running, HEATER, "off")
            await until_between(running, RUNTIME, 1.0, 48.0)
            assert peer.commands()[commands:] == []
            assert not (await peer.ask())["dark"]

            await peer.ask("grid on")
            await until_state(running, OUTAGE, "off")
            assert peer.commands()[commands:] == [], "the grid has to be stable first"
            await until_state(running, HEATER, "on")
            await until_state(running, PHASE, "normal")
            await until_between(running, DURATION, 0.01, 60.0)

            # It returns to what its owner wants, once it may start again.
            await until_state(
                running, STATUS, "discharging", patience_s=PATIENCE_S + START_GAP_S
            )
            assert "43" in told(peer, commands, "da"), "it was told to discharge"
            await until_between(running, POWER, 550.0, 650.0)
            assert (await peer.ask())["mode"] == "discharge"
        assert "the house is dark" not in peer.events()


async def test_a_station_that_is_started_by_hand_is_waited_for(tmp_path: Path) -> None:
    """Home Assistant lives on a UPS, and has a mains sensor."""
    lan, port = Lan(), free_port(18723)
    house = OutageHome(
        data={"mains_sensors": [{"entity": MAINS, "kind": "present"}]},
        options=HOUSE.options,
        unit={"backup": {"by_hand": True, "steps": "Turn the switch to BATTERY."}},
        tiers=HOUSE.tiers,
        configuration=HOUSE.configuration,
    )
    prepare(tmp_path, port, lan, UnitMode.DISCHARGE, power_w=600.0, outage=house)
    arguments = ("--load", "900", "--by-hand")
    async with station(tmp_path / "station.jsonl", lan, *arguments) as peer:
        async with RunningHomeAssistant(tmp_path, port) as running:
            token = await onboard(running)
            await running.post(f"/api/states/{MAINS}", {"state": "on"})
            await until_state(running, STATUS, "discharging")
            await until_state(running, PHASE, "normal")
            await peer.ask("grid off")
            await running.post(f"/api/states/{MAINS}", {"state": "off"})
            await until_state(running, PHASE, "waiting_for_person")
            await kill(running)
        async with RunningHomeAssistant(tmp_path, port) as running:
            await running.connect(token)
            await running.post(f"/api/states/{MAINS}", {"state": "off"})
            await until_state(running, PHASE, "waiting_for_person")
            commands = len(peer.commands())
            await peer.ask("island")
            await until_state(running, PHASE, "outage")
            await until_state(running, HEATER, "off")
            await until_between(running, CARRIED, 850.0, 950.0)
            await until(
                running, lambda: "started by hand" in peer.events(), patience_s=5.0
            )
            assert peer.commands()[commands:] == []

            await peer.ask("grid on")
            await running.post(f"/api/states/{MAINS}", {"state": "on"})
            await until_state(running, PHASE, "normal")
            await until_state(running, HEATER, "on")
