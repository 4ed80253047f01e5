"""What a station hears while Home Assistant reloads, stops, dies and comes back.

Both are processes of their own; the station's own log is the witness.
"""

import os
from pathlib import Path
import signal

import pytest

from custom_components.leaf_to_home.engine.model import UnitMode
from scripts.tools.running_home_assistant import RunningHomeAssistant, free_port

from .homes import HOME_ID, Lan, prepare, station, until, until_state

STATUS = "sensor.leaf_status"
SOC = "sensor.leaf_state_of_charge"
GRID = "sensor.home_grid_power"

pytestmark = [
    pytest.mark.usefixtures("socket_enabled"),
    pytest.mark.timeout(900),
]


async def onboard(running: RunningHomeAssistant) -> str:
    await running.onboard(name="Test", country="JP", currency="JPY", zone="UTC")
    return await running.long_lived_token("test")


async def kill(running: RunningHomeAssistant) -> None:
    os.kill(running.pid, signal.SIGKILL)
    await running.ended()


async def test_the_station_islands_while_home_assistant_comes_and_goes(
    tmp_path: Path,
) -> None:
    """Grid and meter die together; nobody takes the light from the house."""
    lan, port = Lan(), free_port(18223)
    prepare(tmp_path, port, lan, UnitMode.DISCHARGE, power_w=600.0)
    async with station(tmp_path / "station.jsonl", lan, "--load", "900") as peer:
        async with RunningHomeAssistant(tmp_path, port) as running:
            token = await onboard(running)
            await until(
                running,
                lambda: (
                    ("da", "43")
                    in [(line["property"], line["value"]) for line in peer.commands()]
                ),
            )
            await until_state(running, STATUS, "discharging")
            await peer.ask("grid off")
            commands = len(peer.commands())
            await until_state(running, STATUS, "islanding")
            # What would stop it on any other day.
            await running.action(
                "select", "select_option", entity_id="select.home_mode", option="off"
            )
            await running.post(f"/api/config/config_entries/entry/{HOME_ID}/reload", {})
            await until_state(running, STATUS, "islanding")
        # It has stopped in good order.
        assert len(peer.commands()) == commands
        async with RunningHomeAssistant(tmp_path, port) as running:
            await running.connect(token)
            await until_state(running, STATUS, "islanding")
            await kill(running)
        async with RunningHomeAssistant(tmp_path, port) as running:
            await running.connect(token)
            await until_state(running, STATUS, "islanding")
            state = await peer.ask()
        assert peer.commands()[commands:] == []
        assert state["islanding"]
        assert not state["dark"]
        assert state["power_w"] > 800
        assert "the house is dark" not in peer.events()


async def test_the_meter_is_gone_when_home_assistant_stops(tmp_path: Path) -> None:
    """A grid meter that falls silent may be the first sign of an outage."""
    lan, port = Lan(), free_port(18323)
    prepare(tmp_path, port, lan, UnitMode.DISCHARGE, power_w=600.0)
    async with station(tmp_path / "station.jsonl", lan, "--load", "900") as peer:
        async with RunningHomeAssistant(tmp_path, port) as running:
            await onboard(running)
            await until_state(running, STATUS, "discharging")
            await peer.ask("meter off")
            await until_state(running, GRID, "unknown", "unavailable")
            commands = len(peer.commands())
            await running.action(
                "select", "select_option", entity_id="select.leaf_mode", option="hold"
            )
        assert peer.commands()[commands:] == []
        assert (await peer.ask())["mode"] == "discharge"


async def test_killed_while_charging_and_back_after_eight_hours(
    tmp_path: Path,
) -> None:
    """The station itself ends what nobody watches, and is read before it is told."""
    lan, port = Lan(), free_port(18423)
    prepare(
        tmp_path,
        port,
        lan,
        UnitMode.CHARGE,
        power_w=6000.0,
        until_soc_percent=70.0,
    )
    async with station(
        tmp_path / "station.jsonl", lan, "--load", "400", "--soc", "40"
    ) as peer:
        async with RunningHomeAssistant(tmp_path, port) as running:
            token = await onboard(running)
            await until_state(running, STATUS, "charging")
            before = await peer.ask()
            await kill(running)
        told = {line["property"]: line for line in peer.commands()}
        assert told["da"]["meaning"] == "charge"
        assert told["eb"]["meaning"] == "charge with 6000 W"
        # 30 % of the battery, and what is lost on the way into it.
        assert int(told["e7"]["value"], 16) <= 12_000

        after = await peer.ask("skip 28800")
        assert before["soc_percent"] < 45.0
        assert after["mode"] == "standby"
        assert 60.0 < after["soc_percent"] <= 71.0
        assert "charge ended by itself" in peer.events()

        seen = len(peer.log())
        async with RunningHomeAssistant(tmp_path, port) as running:
            await running.connect(token)
            await until_state(running, STATUS, "idle", "charging", "discharging")
            shown = float((await running.states())[SOC]["state"])
            assert abs(shown - after["soc_percent"]) < 2.0
        news = [line for line in peer.log()[seen:] if line.get("object") == "027e01"]
        asked = [line["event"] for line in news]
        assert "get" in asked
        reads = {
            line["property"]
            for line in news[: asked.index("set") if "set" in asked else None]
        }
        assert {"da", "e4", "d3", "c7"} <= reads
