"""The demo, as a newcomer runs it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
import re
import socket
import subprocess
import sys

import pytest

from scripts.tools.demo_home import Entities, evening_begins, setup_answers
from scripts.tools.running_home_assistant import DemoError, free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(400)
def test_check_shows_a_leaf_that_carries_the_evening() -> None:
    """A real Home Assistant, set up by its own flow, in the evening peak."""
    result = subprocess.run(
        [sys.executable, "-m", "scripts.tools.demo", "--check", "--port", "8440"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=390,
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


@pytest.mark.parametrize("second", [0, 1, 30, 59])
def test_the_evening_begins_within_a_minute(second: int) -> None:
    now = datetime(2026, 11, 22, 23, 59, second, 5, tzinfo=UTC)
    wait = evening_begins(now) - now
    assert timedelta() < wait <= timedelta(minutes=1)
    bands = setup_answers(now)["band"]
    assert bands[0]["from"] == bands[1]["to"] == "00:00:00"
    assert bands[0]["to"] == bands[1]["from"] == "05:00:00"


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
