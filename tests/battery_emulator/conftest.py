"""A real mosquitto, Home Assistant's own MQTT, and an emulator in a process."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
import random
from typing import Any

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.model import Reading
from custom_components.leaf_to_home.units.base import UnitContext
from custom_components.leaf_to_home.units.battery_emulator import finding, hearing
from custom_components.leaf_to_home.units.battery_emulator.driver import (
    BatteryEmulatorUnit,
)
from scripts.tools.running_broker import RunningBroker, find_mosquitto
from scripts.tools.running_emulator import RunningEmulator
from scripts.tools.running_home_assistant import free_port

# Generous, since many test at the same time; everything ends as soon as it happened.
PATIENCE_S = 60.0
NAME = "leaf-pack"
SPEC = UnitSpec(
    kind=UnitKind.STATIONARY,
    usable_kwh=21.5,
    soh_percent=68.0,
    max_charge_w=6000.0,
    max_discharge_w=6000.0,
    charge_loss=LossCurve(linear=0.05),
    discharge_loss=LossCurve(linear=0.05),
)

type StartEmulator = Callable[..., Awaitable[RunningEmulator]]
type MakeUnit = Callable[..., BatteryEmulatorUnit]


async def until(condition: Callable[[], Any], *, what: str = "it") -> None:
    """Wait until something is true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{what} did not happen in {PATIENCE_S:.0f} s")


@pytest.fixture
async def broker(socket_enabled: None, tmp_path: Path) -> AsyncGenerator[RunningBroker]:
    """Start a broker at a port of its own."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed; scripts/test installs it as root")
    port = free_port(random.randrange(20_000, 60_000))
    async with RunningBroker(tmp_path, port) as running:
        yield running


@pytest.fixture
def own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    """Give Home Assistant a configuration file, which its MQTT reads."""
    (tmp_path / "configuration.yaml").touch()
    hass.config.config_dir = str(tmp_path)


@pytest.fixture
async def mqtt_entry(
    hass: HomeAssistant, own_folder: None, broker: RunningBroker
) -> AsyncGenerator[MockConfigEntry]:
    """Connect Home Assistant's MQTT integration to the broker."""
    entry = mqtt_config(broker.port)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: mqtt.is_connected(hass), what="the connection to the broker")
    yield entry
    # It says good-bye while the broker is there.
    await hass.config_entries.async_unload(entry.entry_id)


def mqtt_config(port: int) -> MockConfigEntry:
    """Return the entry of a broker on loopback."""
    return MockConfigEntry(
        domain=mqtt.DOMAIN,
        data={
            "broker": "127.0.0.1",
            "port": port,
            "protocol": "5",
            # Core says it seconds later, and fails where the broker has gone by then.
            "birth_message": {},
        },
        version=mqtt.CONFIG_ENTRY_VERSION,
        minor_version=mqtt.CONFIG_ENTRY_MINOR_VERSION,
    )


@pytest.fixture
async def start_emulator(
    broker: RunningBroker, tmp_path: Path
) -> AsyncGenerator[StartEmulator]:
    """Return what starts an emulator; all end with the test."""
    started: list[RunningEmulator] = []

    async def start(*arguments: str, name: str = NAME) -> RunningEmulator:
        emulator = RunningEmulator(
            tmp_path / f"{name}.jsonl",
            *(f"--port={broker.port}", f"--name={name}"),
            *("--interval=0.5", "--load=600", *arguments),
        )
        started.append(emulator)
        return await emulator.__aenter__()

    yield start
    for emulator in started:
        await emulator.stop()


@pytest.fixture
async def make_unit(hass: HomeAssistant) -> AsyncGenerator[MakeUnit]:
    """Return what makes a unit without a home; all are detached at the end."""
    made: list[BatteryEmulatorUnit] = []

    def make(
        topic: str = NAME, spec: UnitSpec = SPEC, **data: Any
    ) -> BatteryEmulatorUnit:
        context = UnitContext(
            subentry_id="01JUNIT",
            name="Pack",
            spec=spec,
            data={"driver": "battery_emulator", "topic": topic, **data},
        )
        unit = BatteryEmulatorUnit(hass, context)
        made.append(unit)
        return unit

    yield make
    for unit in made:
        await unit.detach()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon where nothing will come."""
    monkeypatch.setattr(hearing, "FIRST_WAIT_S", 2.0)
    monkeypatch.setattr(finding, "WAIT_S", 6.0)
    # What is there speaks twice a second, on a machine that may be busy.
    monkeypatch.setattr(finding, "OTHERS_S", 3.0)


def collect(unit: BatteryEmulatorUnit) -> list[Reading]:
    """Return a list that grows with each reading."""
    readings: list[Reading] = []
    unit.listen(readings.append)
    return readings
