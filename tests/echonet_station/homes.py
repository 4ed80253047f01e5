"""A Home Assistant whose home has a station, without a browser in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
import random
import time
from typing import Any

from homeassistant.config_entries import STORAGE_VERSION, STORAGE_VERSION_MINOR

from custom_components.leaf_to_home import units
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitSettings,
    UnitState,
)
from custom_components.leaf_to_home.engine.stored import to_dict
from scripts.tools.echonet_emulator import MAKER
from scripts.tools.echonet_plant import BOARD, CHARGER
from scripts.tools.running_home_assistant import RunningHomeAssistant
from scripts.tools.running_station import RunningStation
from tests.conftest import UNIT_ID, make_entry, unit_data

INTEGRATION = Path(units.__file__).parents[1]
HOME_ID = "01JHOME0000000000000000001"
# Enough for a command to be noticed, written and read back.
PATIENCE_S = 120.0
CONFIGURATION = """\
config:
http:
  server_host: 127.0.0.1
  server_port: {port}
logger:
  default: warning
  logs:
    custom_components.leaf_to_home: info
onboarding:
"""


@dataclass(frozen=True, kw_only=True)
class OutageHome:
    """What a home says of outages: data of entry and unit, options, tiers, YAML."""

    data: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    unit: dict[str, Any] = field(default_factory=dict)
    tiers: list[dict[str, Any]] = field(default_factory=list)
    configuration: str = ""


class Lan:
    """Loopback addresses of one test: ours, the station's, the board's."""

    def __init__(self) -> None:
        # Others may test on this machine at the same time.
        net = f"127.{random.randint(2, 250)}.{random.randint(1, 250)}"
        self.home, self.station, self.board = (f"{net}.{host}" for host in (3, 2, 4))


def identification(serial: int) -> str:
    """Return what an emulated node says that it is."""
    return (b"\xfe" + MAKER + serial.to_bytes(13)).hex()


def prepare(
    config: Path,
    port: int,
    lan: Lan,
    mode: UnitMode,
    *,
    tariff: dict[str, Any] | None = None,
    outage: OutageHome | None = None,
    **settings: Any,
) -> None:
    """Write the configuration of a home whose owner gave a command for hours."""
    outage = outage or OutageHome()
    yaml = CONFIGURATION.format(port=port) + outage.configuration
    (config / "configuration.yaml").write_text(yaml)
    (config / "custom_components").mkdir()
    (config / "custom_components" / DOMAIN).symlink_to(INTEGRATION)
    storage = config / ".storage"
    storage.mkdir()
    entry = make_entry(
        unit_data(
            "echonet_lite",
            local_address=lan.home,
            address=lan.station,
            node=identification(1),
            eoj=CHARGER,
            meters=[
                {
                    "address": lan.board,
                    "node": identification(1001),
                    "eoj": BOARD,
                    "role": "grid",
                }
            ],
            # What wear costs in yen.
            spec={"start_delay_s": 1.0, "wear_per_kwh": 3.0},
            **outage.unit,
        ),
        data={"grid": {"kind": "unit"}, **outage.data},
        options=outage.options | ({"tariff": tariff} if tariff is not None else {}),
        entry_id=HOME_ID,
    )
    stored = json.loads(json.dumps(entry.as_dict(), default=str))
    stored["subentries"] += outage.tiers
    state = HomeState(
        settings=HomeSettings(mode=HomeMode.AUTOMATIC),
        units={
            UNIT_ID: UnitState(
                settings=replace(
                    UnitSettings(),
                    mode=mode,
                    until_s=time.time() + 36_000.0,
                    **settings,
                )
            )
        },
    )
    _write(
        storage / "core.config_entries",
        {"entries": [stored]},
        STORAGE_VERSION,
        STORAGE_VERSION_MINOR,
    )
    _write(
        storage / f"{DOMAIN}.{HOME_ID}",
        {"state": to_dict(state), "intervals": {}},
        1,
        1,
    )


def station(log: Path, lan: Lan, *arguments: str) -> RunningStation:
    """Return a quick station with a board that has a node of its own."""
    return RunningStation(
        log,
        *("--address", lan.station, "--meter-address", lan.board),
        *("--start-delay", "1", "--dead-time", "1", *arguments),
    )


async def until(
    running: RunningHomeAssistant,
    condition: Callable[[], bool],
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait for something that the station's log shows."""
    end_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end_s, running.log_tail()
        # It hangs up on who does not answer its pings for a minute.
        await running.states()
        await asyncio.sleep(0.2)


async def until_state(
    running: RunningHomeAssistant,
    entity_id: str,
    *wanted: str,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait for the state of an entity."""
    end_s = time.monotonic() + patience_s
    while True:
        states = await running.states()
        shown = states.get(entity_id, {"state": "missing"})["state"]
        if shown in wanted:
            return
        assert time.monotonic() < end_s, f"{entity_id}: {shown}\n{running.log_tail()}"
        await asyncio.sleep(0.2)


def _write(path: Path, data: Any, version: int, minor_version: int) -> None:
    content = {
        "version": version,
        "minor_version": minor_version,
        "key": path.name,
        "data": data,
    }
    path.write_text(json.dumps(content))
