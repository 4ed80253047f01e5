"""The station of the demo and of the tests: it must be able to show what goes wrong."""

import asyncio
import os
from pathlib import Path
import signal

import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.plant import Plant
from scripts.tools.echonet_emulator import Thing
from scripts.tools.echonet_plant import StationPlant, meaning
from scripts.tools.running_home_assistant import DemoError
from scripts.tools.running_station import RunningStation
from scripts.tools.station_house import SteadyHouse

from .homes import Lan, station

SPEC = UnitSpec(
    kind=UnitKind.VEHICLE,
    usable_kwh=40.0,
    max_charge_w=6000.0,
    max_discharge_w=6000.0,
    min_import_w=50.0,
)


def make(*, soc: float = 50.0, load: float = 1000.0) -> StationPlant:
    plant = StationPlant(
        plant=Plant(SPEC, stored_kwh=SPEC.capacity_kwh * soc / 100.0),
        house=SteadyHouse(load=load),
    )
    plant.plant.skip_to(plant.time_s)
    return plant


def put(plant: StationPlant, **values: int) -> None:
    """Set properties by their codes, as a controller does."""
    thing: Thing = plant.charger
    assert thing.on_set is not None
    for name, value in values.items():
        epc = int(name[1:], 16)
        size = 4 if epc in (0xDE, 0xE7, 0xEA, 0xEB, 0xEC) else 1
        assert epc in thing.settable
        assert thing.on_set(epc, value.to_bytes(size))


def signed(edt: bytes) -> int:
    return int.from_bytes(edt, signed=True)


@pytest.mark.parametrize(
    ("values", "power_w"),
    [
        ({"xdc": 0x03, "xeb": 2500, "xda": 0x42}, -2500),
        ({"xdc": 0x01, "xeb": 2500, "xda": 0x42}, -6000),
        ({"xdc": 0x05, "xde": 3000, "xda": 0x42}, -2000),
        ({"xdc": 0x02, "xda": 0x42}, 0),
        ({"xdd": 0x03, "xec": 600, "xda": 0x43}, 600),
        # Without back-feed it gives what the house takes, but for a little.
        ({"xdd": 0x03, "xec": 6000, "xda": 0x43}, 950),
        ({"xdd": 0x02, "xda": 0x43}, 950),
        ({"xdd": 0x05, "xde": 300, "xda": 0x43}, 700),
        ({"xda": 0x44}, 0),
        ({"xda": 0x47}, 0),
    ],
)
def test_what_the_settings_mean(values: dict[str, int], power_w: int) -> None:
    plant = make()
    put(plant, **values)
    plant.skip(5)
    assert plant.plant.power_w == power_w
    told = plant.charger.values
    assert signed(told[0xD3]) == -power_w
    assert signed(plant.board.values[0xC6]) == 1000 - power_w
    assert told[0xDA][0] == values["xda"]


def test_a_bound_ends_the_charge() -> None:
    plant = make()
    put(plant, xdc=0x03, xeb=3000, xe7=1500, xda=0x42)
    plant.skip(3600)
    state = plant.state()
    assert state["mode"] == "standby"
    assert state["charged_kwh"] == pytest.approx(1.5, abs=0.02)


def test_an_empty_car_ends_the_discharge() -> None:
    plant = make(soc=12.0, load=3000.0)
    put(plant, xda=0x43)
    plant.skip(7200)
    assert plant.state()["mode"] == "standby"
    assert plant.state()["soc_percent"] == pytest.approx(SPEC.min_soc_percent, abs=0.1)


def test_refusals() -> None:
    plant = make()
    on_set = plant.charger.on_set
    assert on_set is not None
    assert not on_set(0xDA, b"\x46")
    assert not on_set(0xDC, b"\x06")
    assert not on_set(0xDD, b"\x06")
    assert not on_set(0xEB, b"\x00")
    assert on_set(0xCD, b"\x10")
    plant.set_car(False)
    assert not on_set(0xDA, b"\x42")
    assert plant.charger.values[0xC7] == b"\x30"
    assert 0xE4 in plant.charger.impossible
    plant.set_car(True)
    assert on_set(0xDA, b"\x42")


def test_an_island_ends_when_it_is_told_to() -> None:
    """Else no test could show that nobody told it."""
    events: list[str] = []
    plant = make()
    plant.on_event = events.append
    plant.set_grid(False)
    plant.skip(5)
    assert plant.plant.power_w == 1000.0
    assert plant.charger.values[0xDB] == b"\x01"
    assert plant.board.impossible == {0xC6}
    assert not plant.state()["dark"]
    put(plant, xda=0x44)
    plant.skip(5)
    assert plant.state()["dark"]
    assert events == ["grid lost", "the house is dark"]
    plant.set_grid(True)
    plant.skip(1)
    assert not plant.state()["dark"]
    assert plant.charger.values[0xDB] == b"\x02"


def test_words() -> None:
    assert meaning(0xDA, b"\x43") == "discharge"
    assert meaning(0xDA, b"\x46") == "mode 46"
    assert meaning(0xEB, (2000).to_bytes(4)) == "charge with 2000 W"
    assert meaning(0x81, b"\x08") == ""


@pytest.mark.usefixtures("socket_enabled")
async def test_the_process_obeys(tmp_path: Path) -> None:
    lan = Lan()
    async with station(tmp_path / "log", lan, "--load", "500") as peer:
        assert (await peer.ask("panel charge"))["mode"] == "charge"
        assert not (await peer.ask("unplug"))["connected"]
        assert (await peer.ask("plug"))["mode"] == "standby"
        with pytest.raises(DemoError, match="not understood: sing"):
            await peer.ask("sing")
        os.kill(peer.pid, signal.SIGUSR1)
        await asyncio.sleep(0.2)
        assert not (await peer.ask())["grid"]
        os.kill(peer.pid, signal.SIGUSR1)
        await asyncio.sleep(0.2)
        assert (await peer.ask())["grid"]
    assert peer.events() == [
        "start",
        "panel: charge",
        "car unplugged",
        "car plugged in",
        "grid lost",
        "grid back",
    ]
    assert peer.commands() == []


@pytest.mark.usefixtures("socket_enabled")
async def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    # Of the range that is kept for documentation.
    peer = RunningStation(tmp_path / "log", "--address", "192.0.2.1")
    with pytest.raises(DemoError, match=r"can't listen at 192\.0\.2\.1, port 3610"):
        await peer.__aenter__()
