"""The demo's house with a LEAF at a Quasar, a second-life battery and a portable unit.

Each stands behind a process of its own with a meter before it; the house's meter is the
sum of all. The house draws more than LEAF or second-life battery is allowed to give,
and in the first minutes no more than both. They hold enough for its evening: with less,
a plan would be right to give but half of what they can at a time.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from .demo_emulator import GRID as PACK_METER, emulator_answers, running_site
from .demo_home import (
    MAINS,
    METER,
    METER_ENTITY,
    bands,
    quasar_answers,
    quasar_arguments,
)
from .demo_portable import (
    HUB,
    INPUT_POWER,
    PORT_OF_PLUGS,
    plugs,
    portable_answers,
    running_unit,
)
from .running_home_assistant import free_port
from .running_station import RunningStation

GRID: Final = "sensor.house_grid"
PACK: Final = "Pack"
# What draws steadily beside the house's people, and what a battery may give, W.
STEADY_W: Final = 3100
MOST_W: Final = {"leaf": 3300, "pack": 2500}
# How long they can keep that up.
SHORT_EVENING: Final = timedelta(hours=2)
METERS: Final = (METER_ENTITY, PACK_METER, INPUT_POWER)
CONFIGURATION: Final = f"""\
template:
  - sensor:
      - name: House grid
        unit_of_measurement: W
        device_class: power
        state_class: measurement
        state: >-
          {{{{ {METERS} | map('states') | map('float') | sum }}}}
        availability: >-
          {{{{ {METERS} | map('has_value') | min }}}}
"""


@asynccontextmanager
async def running_all(
    folder: Path, now: datetime, zone: str, port: int
) -> AsyncGenerator[tuple[list[RunningStation], int]]:
    """Start charger, broker, emulator and plugs; yield all and the broker's port.

    What Home Assistant is told of the meters is written when the ports are known.
    """
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
        plugs_port = free_port(PORT_OF_PLUGS)
        portable = await stack.enter_async_context(
            running_unit(folder / "portable.jsonl", now, zone, plugs_port)
        )
        written = folder / "configuration.yaml"
        written.write_text(
            written.read_text().replace(MAINS, configuration(port, plugs_port))
        )
        yield [charger, emulator, portable], broker_port


def configuration(port: int, plugs_port: int) -> str:
    """Return what Home Assistant is told of meters and plugs."""
    hubs = METER.format(port=port) + HUB.format(port=plugs_port) + plugs()
    return hubs + CONFIGURATION


def all_answers(now: datetime, port: int) -> dict[str, Any]:
    """Return an answer for each step of the set-up with the LEAF."""
    answers = quasar_answers(now, port)
    return answers | {
        "grid": {"entity": GRID},
        "band": bands(now, SHORT_EVENING),
        "battery": answers["battery"] | {"spec": _limits("leaf")},
    }


def other_answers(now: datetime) -> list[dict[str, Any]]:
    """Return an answer for each step by which either other unit is added."""
    pack = emulator_answers(now)
    return [
        pack
        | {
            "user": "battery_emulator",
            "battery": pack["battery"] | {"name": PACK, "spec": _limits("pack")},
        },
        portable_answers(now, 0) | {"user": "metered"},
    ]


def _limits(battery: str) -> dict[str, int]:
    return dict.fromkeys(("max_charge_w", "max_discharge_w"), MOST_W[battery])
