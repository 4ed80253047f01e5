"""An evening that the station itself leads, over real UDP.

Both are processes of their own; the station's own log is the witness.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
import time

import pytest

from custom_components.leaf_to_home.engine.model import UnitMode
from scripts.tools.running_home_assistant import RunningHomeAssistant, free_port
from scripts.tools.running_station import RunningStation

from .homes import Lan, prepare, station, until, until_state

MODE = "select.leaf_mode"
SETPOINT = "sensor.leaf_set_point"
STATUS = "sensor.leaf_status"
# Home Assistant has to come up, and the start of the unit waits for 20 s.
EVENING_S = 120.0

pytestmark = [
    pytest.mark.usefixtures("socket_enabled"),
    pytest.mark.timeout(900),
]


def clock(moment: datetime, hours: float = 0.0) -> str:
    return (moment + timedelta(hours=hours)).strftime("%H:%M")


def told(peer: RunningStation) -> list[tuple[str, str]]:
    return [(line["property"], line["value"]) for line in peer.commands()]


async def test_the_evening_is_left_to_the_station_and_ends_in_standby(
    tmp_path: Path,
) -> None:
    """Load-following (DD = 02) while it is dear, standby (DA = 44) when it is not."""
    lan, port = Lan(), free_port(18523)
    now = datetime.now(UTC)
    ends = (now + timedelta(seconds=EVENING_S + 60.0)).replace(second=0, microsecond=0)
    # Its owner begins with a power, so that the station does not follow already.
    prepare(
        tmp_path,
        port,
        lan,
        UnitMode.DISCHARGE,
        power_w=600.0,
        tariff={
            "import": {
                "bands": [
                    {"price": 60.0, "from": clock(now, -1), "to": clock(ends)},
                    # Less than wear: what is in the battery stays there.
                    {"price": 2.0},
                ]
            },
            "export": 0,
        },
    )
    log = tmp_path / "station.jsonl"
    # Full, so that nothing follows the evening.
    async with (
        station(log, lan, "--load", "900", "--soc", "95") as peer,
        RunningHomeAssistant(tmp_path, port) as running,
    ):
        await running.onboard(name="Test", country="JP", currency="JPY", zone="UTC")
        await until(running, lambda: ("da", "43") in told(peer))
        await until_state(running, STATUS, "discharging")
        assert ("dd", "03") in told(peer)
        assert ("ec", f"{600:08x}") in told(peer)
        led = len(told(peer))
        await running.action(
            "select", "select_option", entity_id=MODE, option="automatic"
        )
        await until(running, lambda: told(peer)[led:] != [])
        await asyncio.sleep(10.0)
        state = await peer.ask()
        assert (state["mode"], state["power_w"]) == ("discharge", 850)
        shown = (await running.states())[SETPOINT]
        assert shown["state"] == "unknown"
        assert shown["attributes"]["native"] == "follow"

        # Home Assistant hangs up on who does not answer its pings for a minute.
        while time.time() < ends.timestamp():
            await running.states()
            await asyncio.sleep(5.0)
        await until(running, lambda: told(peer)[-1] == ("da", "44"), 45.0)
        assert time.time() >= ends.timestamp()
        await until_state(running, STATUS, "idle")
        # All that it was told after the owner let go: the bound may move with it.
        evening = [command for command in told(peer)[led:] if command[0] != "ea"]
        assert evening == [("dd", "02"), ("da", "44")]
