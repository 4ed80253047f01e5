"""The demo's house with a portable unit between two plugs, and appliances behind it.

Home Assistant's own Modbus integration makes the plugs and the house's meter of what a
process of its own offers.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
import json
from pathlib import Path
import time
from typing import Any, Final

from .demo_home import DOMAIN, METER, SEED, SOLAR_PEAK_W, evening_begins, quasar_answers
from .running_home_assistant import RunningHomeAssistant, free_port
from .running_station import RunningStation

NAME: Final = "Portable"
LOAD_W: Final = 80
PORT_OF_PLUGS: Final = 5120
PLUG: Final = """\
    switches:
      - name: Portable input
        device_address: 1
        address: 0
        write_type: holding
        command_on: 1
        command_off: 0
        scan_interval: 1
        verify:
"""
POWER: Final = """\
      - name: Portable {plug} power
        device_address: 1
        address: {address}
        data_type: uint16
        scale: 0.1
        precision: 1
        scan_interval: 1
        unit_of_measurement: W
        device_class: power
        state_class: measurement
"""


@asynccontextmanager
async def running_plugs(
    folder: Path, now: datetime, zone: str
) -> AsyncGenerator[tuple[RunningStation, int]]:
    """Start the plugs and have them configured; yield them and their port."""
    port = free_port(PORT_OF_PLUGS)
    print(f"==> Starting the plugs at 127.0.0.1, TCP port {port}")
    powers = ((1, "input"), (2, "output"))
    sensors = "".join(POWER.format(address=at, plug=plug) for at, plug in powers)
    with (folder / "configuration.yaml").open("a") as file:
        file.write(METER.format(port=port) + sensors + PLUG)
    async with RunningStation(
        folder / "station.jsonl",
        *(f"--port={port}", f"--load={LOAD_W}", f"--seed={SEED}"),
        *(f"--solar-peak={SOLAR_PEAK_W}", f"--zone={zone}"),
        f"--evening-peak={evening_begins(now):%H:%M:%S}",
        program="portable_station",
    ) as station:
        yield station, port


def portable_answers(now: datetime, port: int) -> dict[str, Any]:
    """Return an answer for each step where appliances stand behind a portable unit."""
    answers = quasar_answers(now, port)
    return answers | {
        "first_unit": "metered",
        "metered": {
            "input_switch": "switch.portable_input",
            "input_power": "sensor.portable_input_power",
            "output_power": "sensor.portable_output_power",
            "pass_through": "bypass",
            "max_input_w": 300,
            "metered_more": {},
        },
        "metered_check": {},
        "battery": answers["battery"]
        | {"name": NAME, "preset": "portable", "soh_percent": 100},
    }


async def was_full(running: RunningHomeAssistant) -> None:
    """Let the unit have been seen full just now: to see it takes half an hour else."""
    entries = await running.call("config_entries/get", domain=DOMAIN)
    entry_id = entries[0]["entry_id"]
    units = await running.call("config_entries/subentries/list", entry_id=entry_id)
    unit_id = next(
        unit["subentry_id"] for unit in units if unit["subentry_type"] == "unit"
    )
    # Leaving, it writes what it has counted; coming, it reads that.
    await running.call("config_entries/disable", entry_id=entry_id, disabled_by="user")
    path = running.config / ".storage" / f"{DOMAIN}.metered.{unit_id}"
    stored = json.loads(path.read_text())
    stored["data"]["count"] |= {
        "stored_kwh": 0.63,
        "error_kwh": 0.025,
        "anchor": "full",
        "anchor_s": time.time(),
    }
    path.write_text(json.dumps(stored))
    await running.call("config_entries/disable", entry_id=entry_id, disabled_by=None)
