"""The demo, as a newcomer runs it."""

import argparse
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
import re
import socket
import subprocess
import sys

import pytest
import yaml

from custom_components.leaf_to_home.engine.formats import parse_unit
from scripts.tools import demo
from scripts.tools.demo_all import (
    MOST_W,
    SHORT_EVENING,
    STEADY_W,
    all_answers,
    other_answers,
)
from scripts.tools.demo_home import (
    DEAR,
    Entities,
    evening_begins,
    quasar_arguments,
    setup_answers,
)
from scripts.tools.demo_portable import LOAD_W
from scripts.tools.running_broker import find_mosquitto
from scripts.tools.running_home_assistant import DemoError, free_port
from scripts.tools.running_station import free_addresses
from scripts.tools.station_house import add_house_options, simulated_house

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "custom_components" / "leaf_to_home" / "presets"
# The hob is on by then, the oven not yet.
FIRST_S = 420


@pytest.mark.timeout(560)
def test_check_shows_a_leaf_that_carries_the_evening() -> None:
    """A real Home Assistant, set up by its own flow, in the evening peak."""
    result = subprocess.run(
        [sys.executable, "-m", "scripts.tools.demo", "--check", "--port", "8440"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The LEAF carries the house through the evening peak." in result.stdout
    shown = dict(re.findall(r"^ {4}(\S+)\s+(\S+)", result.stdout, re.MULTILINE))
    assert shown["sensor.leaf_status"] == "discharging"
    assert shown["select.demo_house_mode"] == "automatic"
    assert float(shown["sensor.leaf_power"]) > 100.0
    assert float(shown["sensor.demo_house_grid_power"]) < 200.0
    assert float(shown["sensor.demo_house_import_price"]) == 0.36
    _check_outage(result.stdout)


@pytest.mark.timeout(560)
def test_check_shows_a_station_that_was_told_to_carry_the_evening() -> None:
    """The same house behind a station, over real UDP; the station's log says so."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "scripts.tools.demo", "--check"),
            *("--unit", "echonet", "--port", "8540"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The LEAF carries the house through the evening peak." in result.stdout
    shown = dict(re.findall(r"^ {4}(\S+\.\S+)\s+(\S+)", result.stdout, re.MULTILINE))
    assert shown["sensor.leaf_status"] == "discharging"
    assert float(shown["sensor.demo_house_import_price"]) == 0.36
    told = re.findall(r"^ {4}\S+ 027e01 (\w\w)=(\w+)", result.stdout, re.MULTILINE)
    assert ("da", "43") in told
    # It follows the load by itself, within a bound, and needs no power to be set.
    bounds_wh = [int(value, 16) for epc, value in told if epc == "ea"]
    assert bounds_wh
    assert max(bounds_wh) > 1000
    assert "ec" not in [epc for epc, _ in told]
    _check_outage(result.stdout)


def _check_outage(shown: str) -> None:
    """See that the grid went, what was told of it, and that all came back."""
    for what in ("the outage shows", "the runtime shows", "the tier 'Heavy' is off"):
        assert f"    {what} after " in shown
    assert "the outage is over and every load back after" in shown


@pytest.mark.timeout(560)
@pytest.mark.skipif(
    find_mosquitto() is None,
    reason="mosquitto is not installed; scripts/test installs it as root",
)
def test_check_shows_a_house_whose_batteries_share_the_evening() -> None:
    """A LEAF at a Quasar, a second-life battery and a portable unit, in one home.

    What each was told is in its own log.
    """
    result = subprocess.run(
        [
            *(sys.executable, "-m", "scripts.tools.demo", "--check"),
            *("--unit", "all", "--port", "8840"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The LEAF, the pack and the portable carry the house" in result.stdout
    shown = dict(re.findall(r"^ {4}(\S+\.\S+)\s+(\S+)", result.stdout, re.MULTILINE))
    for unit, most_w in MOST_W.items():
        assert shown[f"sensor.{unit}_status"] == "discharging"
        assert float(shown[f"sensor.{unit}_power"]) > 0.0
        assert 0.0 < float(shown[f"sensor.{unit}_set_point"]) <= most_w
    assert float(shown["sensor.demo_house_house_load"]) > max(MOST_W.values())
    assert abs(float(shown["sensor.demo_house_grid_power"])) < 200.0
    told = re.findall(r"^ {4}\S+ quasar 260=(\d+)", result.stdout, re.MULTILINE)
    assert any(int(value) > 0x8000 for value in told)
    assert "battery-emulator-inverter/set" in result.stdout
    assert "command/PAUSE" not in result.stdout
    assert shown["sensor.portable_status"] == "discharging"
    assert float(shown["sensor.portable_power"]) == pytest.approx(LOAD_W, abs=1.0)
    switched = re.findall(r"^ {4}\S+ plug input=(\d)", result.stdout, re.MULTILINE)
    assert switched[-1] == "0"


@pytest.mark.timeout(560)
def test_check_shows_a_portable_unit_that_was_switched_off_for_the_evening() -> None:
    """Its appliances run from it; the plug's own log says that it was switched."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "scripts.tools.demo", "--check"),
            *("--unit", "portable", "--port", "8740"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "carries its appliances through the evening peak." in result.stdout
    shown = dict(re.findall(r"^ {4}(\S+\.\S+)\s+(\S+)", result.stdout, re.MULTILINE))
    assert shown["sensor.portable_status"] == "discharging"
    assert shown["switch.portable_input"] == "off"
    # What the plug at the input measures is asked for once a second only.
    assert float(shown["sensor.portable_power"]) == pytest.approx(80.0, abs=1.0)
    told = re.findall(r"^ {4}\S+ plug input=(\d)", result.stdout, re.MULTILINE)
    assert told[-1] == "0"


@pytest.mark.usefixtures("socket_enabled")
def test_a_second_demo_takes_other_addresses() -> None:
    station, home = free_addresses()
    assert station != home
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((home, 3610))
        assert free_addresses()[0] != station


@pytest.mark.usefixtures("socket_enabled")
def test_no_free_address_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(DemoError, match=r"3610.*Address already in use.*ss -ulnp"):
        free_addresses()


@pytest.mark.parametrize("second", [0, 1, 30, 59])
def test_the_evening_begins_within_a_minute(second: int) -> None:
    now = datetime(2026, 11, 22, 23, 59, second, 5, tzinfo=UTC)
    wait = evening_begins(now) - now
    assert timedelta() < wait <= timedelta(minutes=1)
    bands = setup_answers(now)["band"]
    assert bands[0]["from"] == bands[1]["to"] == "00:00:00"
    assert bands[0]["to"] == bands[1]["from"] == "05:00:00"


@pytest.mark.parametrize("day", range(0, 365, 13))
def test_the_batteries_of_one_house_can_carry_its_evening(day: int) -> None:
    """In power at first, and in energy, each its part: else a plan shares it out."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    leaf = all_answers(now, 5020)
    dear = next(band for band in leaf["band"] if band["price"] == DEAR)
    begin, end = (time.fromisoformat(dear[key]) for key in ("from", "to"))
    assert end.hour - begin.hour == SHORT_EVENING // timedelta(hours=1)
    parser = argparse.ArgumentParser()
    add_house_options(parser)
    options, _ = parser.parse_known_args(quasar_arguments(now, "UTC", 5020))
    house = simulated_house(options)
    draws_w = [
        STEADY_W + house.load_w(at_s) - house.solar_w(at_s)
        for second in range(int(SHORT_EVENING.total_seconds()))
        for at_s in [datetime.combine(now, begin, UTC).timestamp() + second]
    ]
    most_w = MOST_W["leaf"], MOST_W["pack"]
    first_w = draws_w[:FIRST_S]
    assert min(first_w) > max(most_w)
    # A compressor that starts takes more for two seconds.
    assert sum(draw_w > sum(most_w) for draw_w in first_w) <= 2
    pack = other_answers(now)[0]
    for answers, parts_w in (
        (leaf, [min(draw_w, most_w[0]) for draw_w in draws_w]),
        (pack, [min(max(0.0, draw_w - most_w[0]), most_w[1]) for draw_w in draws_w]),
    ):
        battery = answers["battery"]
        preset = PRESETS / f"{battery['preset']}.yaml"
        fields = yaml.safe_load(preset.read_text())
        spec = parse_unit(
            fields | {"soh_percent": battery["soh_percent"]}, battery["preset"]
        )
        reserve_percent = battery["reserve_percent"] + spec.soc_step_percent
        # Both begin with 60 %; a tenth is lost on the way.
        kwh = spec.capacity_kwh * (60.0 - reserve_percent) / 100.0 * 0.9
        assert sum(parts_w) / 3.6e6 < kwh


@pytest.mark.usefixtures("socket_enabled")
def test_a_taken_port_makes_room_for_the_next() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) < port + 100


@pytest.mark.usefixtures("socket_enabled")
def test_no_free_port_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        raise OSError

    # All hundred ports cannot be taken for real without disturbing others.
    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(DemoError, match="--port"):
        free_port(8123)


def test_a_missing_entity_is_named() -> None:
    with pytest.raises(LookupError, match="the LEAF has no sensor 'soc'"):
        Entities([]).unit("sensor", "soc")


@pytest.mark.usefixtures("socket_enabled")
def test_no_port_is_looked_for_beyond_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 65535))
        except OSError:
            pass
        else:
            taken.listen()
        with pytest.raises(DemoError, match="from 65535 to 65535"):
            free_port(65535)


@pytest.mark.parametrize("port", ["99999", "-1", "0", "x"])
def test_a_port_that_is_none(port: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "scripts.tools.demo", f"--port={port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert f"expected a port from 1 to 65535, found '{port}'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("socket_enabled")
def test_a_second_demo_leaves_the_first_its_folder(tmp_path: Path) -> None:
    """Home Assistant takes some seconds to take the port: a lock tells until then."""
    with demo.own_folder(tmp_path, 8470) as (folder, port):
        (folder / "kept").touch()
        with demo.own_folder(tmp_path, 8470) as (other, next_port):
            assert next_port > port
            assert other != folder
        assert (folder / "kept").exists()
    with demo.own_folder(tmp_path, port) as (again, same_port):
        assert (again, same_port) == (folder, port)
        assert list(again.iterdir()) == [], "it begins afresh"
