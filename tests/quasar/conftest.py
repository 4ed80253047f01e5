"""A charger in a process of its own, and units in more of a hurry than in a house."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
import random
import socket
from typing import Any

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.battery import UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.model import Reason, ReasonCode, Setpoint
from custom_components.leaf_to_home.units.base import UnitContext
from custom_components.leaf_to_home.units.quasar import async_create
from custom_components.leaf_to_home.units.quasar.driver import QuasarUnit
from custom_components.leaf_to_home.units.quasar.pace import PACE, Pace
from scripts.tools.running_station import RunningStation
from tests.conftest import UNIT_ID, make_entry, unit_data

SERIAL = 100000
QUICK = Pace(
    poll_s=0.4,
    dead_time_s=1.0,
    answer_s=1.0,
    after_read_s=0.0,
    after_write_s=0.05,
    apply_s=4.0,
    park_s=2.0,
    watchdog_s=3.0,
    renew_s=3.0,
    error_s=2.5,
    lasting_s=1.0,
    settle_s=1.6,
    heard_s=0.6,
    gap_s=6.0,
    soc_stable_s=0.8,
    ask_s=8.0,
    ask_again_s=20.0,
)
SPEC = UnitSpec(
    kind=UnitKind.VEHICLE,
    usable_kwh=36.0,
    max_charge_w=7400.0,
    max_discharge_w=7400.0,
)

type MakeUnit = Callable[..., Awaitable[QuasarUnit]]
type MakeStation = Callable[..., Awaitable[Charger]]


class Charger(RunningStation):
    """The station, with its port and what it was told."""

    def __init__(self, log: Path, port: int, *arguments: str) -> None:
        super().__init__(
            log,
            *("--port", str(port), "--load", "900", "--start-delay", "0.3"),
            *("--ramp", "20000"),
            *arguments,
            program="quasar_station",
        )
        self.port = port

    def writes(self) -> list[tuple[int, int]]:
        """Return register and value of each write, powers as the charger counts."""
        return [
            (int(line["property"]), _signed(int(line["value"])))
            for line in self.commands()
        ]


def _signed(value: int) -> int:
    return value - 0x10000 if value >= 0x8000 else value


def free_port() -> int:
    """Return a port that nobody has; others may test on this machine."""
    while True:
        port = random.randint(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def setpoint(power_w: float, *, ask_soc: bool = False) -> Setpoint:
    return Setpoint(
        power_w=power_w, reason=Reason(code=ReasonCode.PLAN), ask_soc=ask_soc
    )


async def until(
    condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = 30.0
) -> None:
    """Wait for something that happens within seconds on an idle machine."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.05)


def quasar_data(port: int, **data: Any) -> dict[str, Any]:
    """Return the data of a unit at this port."""
    return unit_data(
        "quasar",
        host="127.0.0.1",
        port=port,
        serial_number=SERIAL,
        **{"spec": {"min_import_w": 0, "start_delay_s": 1.0}, **data},
    )


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest) -> None:
    if "hass" in request.fixturenames:
        request.getfixturevalue("hass").data[PACE] = QUICK


@pytest.fixture
async def make_station(
    tmp_path: Path, socket_enabled: None
) -> AsyncGenerator[MakeStation]:
    """Return what starts a charger; all are stopped at the end."""
    stations: list[Charger] = []

    async def make_station(*arguments: str, port: int | None = None) -> Charger:
        station = Charger(
            tmp_path / f"station{len(stations)}.jsonl", port or free_port(), *arguments
        )
        stations.append(station)
        await station.__aenter__()
        return station

    yield make_station
    for station in stations:
        await station.stop()


@pytest.fixture
async def station(make_station: MakeStation) -> Charger:
    """Return a charger with a car at 60 %."""
    return await make_station()


@pytest.fixture
async def make_unit(hass: HomeAssistant) -> AsyncGenerator[MakeUnit]:
    """Return what makes a unit of a charger; all are detached at the end."""
    units: list[QuasarUnit] = []

    async def make_unit(
        station: Charger | int, spec: UnitSpec = SPEC, **options: Any
    ) -> QuasarUnit:
        port = station if isinstance(station, int) else station.port
        entry: MockConfigEntry = make_entry(quasar_data(port), options=options)
        entry.add_to_hass(hass)
        unit = await async_create(
            hass,
            UnitContext(
                subentry_id=UNIT_ID, name="LEAF", spec=spec, data=quasar_data(port)
            ),
        )
        units.append(unit)
        return unit

    yield make_unit
    for unit in units:
        await unit.detach()
