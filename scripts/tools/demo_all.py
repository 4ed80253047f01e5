"""The demo's house with a LEAF at a Quasar and a second-life battery at an inverter.

Each stands behind a process of its own with a meter before it; the house's meter is the
sum of both. The house draws more than either is allowed to give.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from .demo_emulator import GRID as PACK_METER, emulator_answers, running_site
from .demo_home import METER, METER_ENTITY, quasar_answers, quasar_arguments
from .running_station import RunningStation

GRID: Final = "sensor.house_grid"
PACK: Final = "Pack"
# What draws steadily beside the house's people, and what a battery may give, W.
STEADY_W: Final = 3000
MOST_W: Final = {"leaf": 2300, "pack": 2500}
CONFIGURATION: Final = f"""\
template:
  - sensor:
      - name: House grid
        unit_of_measurement: W
        device_class: power
        state_class: measurement
        state: >-
          {{{{ states('{METER_ENTITY}') | float + states('{PACK_METER}') | float }}}}
        availability: >-
          {{{{ has_value('{METER_ENTITY}') and has_value('{PACK_METER}') }}}}
"""


@asynccontextmanager
async def running_both(
    folder: Path, now: datetime, zone: str, port: int
) -> AsyncGenerator[tuple[RunningStation, RunningStation, int]]:
    """Start charger, broker and emulator; yield both and the broker's port."""
    async with AsyncExitStack() as stack:
        charger = await stack.enter_async_context(
            RunningStation(
                folder / "station.jsonl",
                *quasar_arguments(now, zone, port),
                program="quasar_station",
            )
        )
        emulator, broker_port = await stack.enter_async_context(
            running_site(folder, now, zone, f"--load={STEADY_W}")
        )
        yield charger, emulator, broker_port


def configuration(port: int) -> str:
    """Return what Home Assistant is told of the meters."""
    return METER.format(port=port) + CONFIGURATION


def all_answers(now: datetime, port: int) -> dict[str, Any]:
    """Return an answer for each step of the set-up with the LEAF."""
    answers = quasar_answers(now, port)
    return answers | {
        "grid": {"entity": GRID},
        "battery": answers["battery"] | {"spec": _limits("leaf")},
    }


def pack_answers(now: datetime) -> dict[str, Any]:
    """Return an answer for each step by which the second-life battery is added."""
    answers = emulator_answers(now)
    return answers | {
        "user": "battery_emulator",
        "battery": answers["battery"] | {"name": PACK, "spec": _limits("pack")},
    }


def _limits(battery: str) -> dict[str, int]:
    return dict.fromkeys(("max_charge_w", "max_discharge_w"), MOST_W[battery])
