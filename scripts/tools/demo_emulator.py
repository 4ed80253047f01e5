"""The demo's house with a second-life battery behind Battery-Emulator and an inverter.

Home Assistant finds the inverter and the house's meters by MQTT discovery, as it would
find real ones, and hears the emulator on the same broker.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
import time
from typing import Any, Final

from .demo_home import HOME, SEED, evening_begins, setup_answers
from .running_broker import RunningBroker
from .running_emulator import RunningEmulator
from .running_home_assistant import DemoError, RunningHomeAssistant, free_port

PORT_OF_BROKER: Final = 18_830
NAME: Final = "battery-emulator"
SETPOINT: Final = "number.inverter_battery_power"
GRID: Final = "sensor.house_meter_grid_power"
SOLAR: Final = "sensor.house_meter_solar_power"
FOUND_TIMEOUT_S: Final = 60.0
# A pack of the first generation at the end of its life in a car.
SOH_PERCENT: Final = 68


@asynccontextmanager
async def running_site(
    folder: Path, now: datetime, zone: str, *arguments: str
) -> AsyncGenerator[tuple[RunningEmulator, int]]:
    """Start broker and emulator; yield the emulator and the broker's port."""
    port = free_port(PORT_OF_BROKER)
    print(f"==> Starting the broker at 127.0.0.1, TCP port {port}, and the emulator")
    async with (
        RunningBroker(folder, port),
        RunningEmulator(
            folder / "emulator.jsonl",
            *(f"--port={port}", f"--name={NAME}", "--meters", "--interval=1"),
            *(f"--soh={SOH_PERCENT}", f"--seed={SEED}", "--solar-peak=0"),
            *(f"--zone={zone}", f"--evening-peak={evening_begins(now):%H:%M}"),
            *arguments,
        ) as emulator,
    ):
        yield emulator, port


async def connect(running: RunningHomeAssistant, port: int) -> None:
    """Set up MQTT as its owner would, and wait for what is discovered."""
    await running.flow(
        "/api/config/config_entries/flow",
        "mqtt",
        {
            "broker": {
                "broker": "127.0.0.1",
                "port": port,
                "protocol": "5",
                "other_settings": {"set_client_cert": False, "set_ca_cert": "off"},
            }
        },
    )
    end_s = time.monotonic() + FOUND_TIMEOUT_S
    states: dict[str, Any] = {}
    while time.monotonic() < end_s:
        states = await running.states()
        if all(
            states.get(entity_id, {}).get("state", "unknown")
            not in ("unknown", "unavailable")
            for entity_id in (SETPOINT, GRID, SOLAR)
        ):
            return
        await asyncio.sleep(0.5)
    raise DemoError(f"inverter and meters were not found:\n{running.log_tail()}")


def emulator_answers(now: datetime) -> dict[str, Any]:
    """Return an answer for each step of the home's set-up."""
    answers = setup_answers(now, "battery_emulator")
    battery = answers["battery"] | {"preset": "pack-24", "soh_percent": SOH_PERCENT}
    meters = ("grid_importing", "grid_exporting", "grid_balanced", "grid_unavailable")
    return answers | {
        "user": {"name": HOME, "kind": "sensor"},
        "grid": {"entity": GRID},
        # However much the house draws at this moment.
        **dict.fromkeys(meters, "grid_done"),
        "sensors": {"solar": [SOLAR]},
        "battery_emulator": {"topic": NAME},
        "emulator": {
            "topic": NAME,
            "islanding_start": "never",
            # What the emulator comes with.
            "emulator_charge_a": 30,
            "emulator_discharge_a": 30,
        },
        "setpoint": {
            "power": SETPOINT,
            "positive": "discharge",
            "actions": {},
            "details": {
                "keep_power": False,
                "park": "idle",
                "dead_time_s": 3,
                "watchdog_s": 60,
                "min_interval_s": 0,
            },
        },
        "setpoint_check": "setpoint_done",
        "battery": battery,
    }
