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

from .demo_home import (
    DOMAIN,
    METER,
    SEED,
    SOLAR_PEAK_W,
    SUBENTRY_UNIT,
    evening_begins,
    quasar_answers,
)
from .running_home_assistant import RunningHomeAssistant, free_port
from .running_station import RunningStation

NAME: Final = "Portable"
INPUT_POWER: Final = "sensor.portable_input_power"
LOAD_W: Final = 80
PORT_OF_PLUGS: Final = 5120
# Beside a hub that has the meter of the house.
HUB: Final = """\
  - name: plugs
    type: tcp
    host: 127.0.0.1
    port: {port}
    sensors:
"""
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
    with (folder / "configuration.yaml").open("a") as file:
        file.write(METER.format(port=port) + plugs())
    async with running_unit(folder / "station.jsonl", now, zone, port) as station:
        yield station, port


def plugs() -> str:
    """Return what Home Assistant's Modbus hub is told of both plugs."""
    powers = ((1, "input"), (2, "output"))
    return "".join(POWER.format(address=at, plug=plug) for at, plug in powers) + PLUG


@asynccontextmanager
async def running_unit(
    log: Path, now: datetime, zone: str, port: int
) -> AsyncGenerator[RunningStation]:
    """Start the unit between its plugs, which keeps a log."""
    print(f"==> Starting the plugs at 127.0.0.1, TCP port {port}")
    async with RunningStation(
        log,
        *(f"--port={port}", f"--load={LOAD_W}", f"--seed={SEED}"),
        *(f"--solar-peak={SOLAR_PEAK_W}", f"--zone={zone}"),
        f"--evening-peak={evening_begins(now):%H:%M:%S}",
        program="portable_station",
    ) as station:
        yield station


def portable_answers(now: datetime, port: int) -> dict[str, Any]:
    """Return an answer for each step where appliances stand behind a portable unit."""
    answers = quasar_answers(now, port)
    return answers | {
        "first_unit": "metered",
        "metered": {
            "input_switch": "switch.portable_input",
            "input_power": INPUT_POWER,
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
        unit["subentry_id"]
        for unit in units
        if unit["subentry_type"] == SUBENTRY_UNIT and unit["title"] == NAME
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
