"""A Wallbox Quasar with a simulated LEAF, as a process with a Modbus port of its own.

    python -m scripts.tools.quasar_station --port 5020 --log station.jsonl

The charger is unit 1; unit 2 is the house's meter, with the grid power in registers 0
and 1 and the sun's in 2 and 3, each one signed number in W; the grid's is positive when
importing. Each write is a line of JSON in the log, with its time.

It obeys lines on its input and answers each with what is going on, as JSON: `state`,
`unplug`, `plug`, `app take|start|stop`, `client ADDRESS VALUE`, `restart SECONDS`,
`lock on|off`, `glitch PERCENT|off`, `hold STATE|off`, `error CODE`, `reset`,
`habit none|silent|partial|empty|busy`. It ends with its input, where that is a pipe or
a terminal.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
import json
import os
from pathlib import Path
import sys
import time
from typing import Any, TextIO

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
import yaml

from .light import FOLDER, engine_alone

# The engine is imported after this, or Home Assistant would come with it.
engine_alone()

from custom_components.leaf_to_home.engine.formats import parse_unit  # noqa: E402
from custom_components.leaf_to_home.engine.plant import Plant  # noqa: E402

from .quasar_plant import DEAD_TIME_S, SEED, QuasarPlant  # noqa: E402
from .station_house import add_house_options, add_load_option, house_of  # noqa: E402
from .station_life import live, note, signalled  # noqa: E402

TICK_S = 0.2
WRITES = {6, 16}
HABITS = ("none", "silent", "partial", "empty", "busy")
MEANINGS = {
    81: {0: "control to the app", 1: "remote control"},
    82: {0: "no start by itself", 1: "start by itself"},
    83: {0: "by current", 1: "by power"},
    257: {1: "start", 2: "stop"},
}


def meaning(address: int, value: int) -> str:
    """Return what a write says."""
    signed = value - 0x10000 if value >= 0x8000 else value
    words = {
        88: f"stop after {value} s without us",
        260: f"{'discharge' if signed < 0 else 'charge'} with {abs(signed)} W",
        514: f"at most {signed} W",
    }
    fixed = MEANINGS.get(address, {}).get(value)
    return fixed or words.get(address, f"{address}={value}")


class Station:
    """The process: server, plant, log, and the lines that it obeys."""

    def __init__(self, options: argparse.Namespace, log: TextIO) -> None:
        self._log = log
        self._options = options
        self._habit = "none"
        self.plant = QuasarPlant(
            plant=_plant(options), house=house_of(options), on_event=self._event
        )
        self._server: ModbusTcpServer | None = None

    async def run(self) -> None:
        """Live until the input or a signal ends it."""
        stop = signalled()
        charger = SimDevice(
            id=1,
            simdata=[
                # What stands in them is the plant's business.
                SimData(address, values=0, datatype=DataType.REGISTERS)
                for address in sorted(SEED)
            ],
            action=self._charger,
        )
        meter = SimDevice(
            id=2,
            simdata=[SimData(0, count=4, values=0, datatype=DataType.REGISTERS)],
            action=self._meter,
        )
        self._server = ModbusTcpServer(
            [charger, meter],
            address=("127.0.0.1", self._options.port),
            trace_packet=self._packet,
        )
        await self._server.serve_forever(background=True)
        self._event("start")
        print(json.dumps(self.plant.state() | {"pid": os.getpid()}), flush=True)
        try:
            await live(stop, self._tick(), self.act)
        finally:
            await self._server.shutdown()  # type: ignore[no-untyped-call] # it has no types

    def act(self, line: str) -> dict[str, Any]:
        """Obey a line and return what is going on."""
        plant = self.plant
        match line.split():
            case ["state"]:
                plant.run()
            case ["plug" | "unplug" as how]:
                plant.set_car(how == "plug")
            case ["app", ("take" | "start" | "stop") as word]:
                plant.app(word)
            case ["client", address, value]:
                plant.write(int(address), int(value) & 0xFFFF)
            case ["restart", seconds]:
                plant.restart(float(seconds))
                self._reset()
            case ["lock", ("on" | "off") as how]:
                plant.locked = how == "on"
            case ["glitch", value]:
                plant.glitch = None if value == "off" else int(value)
            case ["error", value]:
                plant.told_error = int(value)
            case ["hold", value]:
                plant.held_state = None if value == "off" else int(value)
            case ["reset"]:
                self._reset()
            case ["habit", habit] if habit in HABITS:
                self._habit = habit
            case _:
                return {"error": f"not understood: {line}"}
        return plant.state()

    async def _tick(self) -> None:
        while True:
            self.plant.run()
            await asyncio.sleep(TICK_S)

    async def _charger(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: Any,
    ) -> ExcCodes | None:
        """Answer for the charger, before the server does with the registers."""
        if self._habit == "busy":
            return ExcCodes.DEVICE_BUSY
        plant = self.plant
        plant.hear()
        if function in WRITES and values is not None:
            for number, value in enumerate(values):
                if not plant.write(address + number, int(value)):
                    return ExcCodes.ILLEGAL_VALUE
                note(
                    self._log,
                    {
                        "event": "set",
                        "object": "quasar",
                        "property": str(address + number),
                        "value": str(int(value)),
                        "meaning": meaning(address + number, int(value)),
                    },
                )
            # The server takes from here what the registers have become.
            values[:] = [int(plant.registers[address + n]) for n in range(count)]
        for known, value in plant.registers.items():
            registers[known - start] = value
        return None

    async def _meter(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Answer for the meter."""
        plant = self.plant
        plant.run()
        for first, power_w in ((0, plant.grid_w), (2, plant.solar_w)):
            whole = divmod(round(power_w) & 0xFFFFFFFF, 0x10000)
            registers[first : first + 2] = whole
        return None

    def _packet(self, sending: bool, packet: bytes) -> bytes:
        """Spoil the answers of the charger, as its habit is."""
        if not sending or len(packet) < 9 or packet[6] != 1 or packet[7] != 3:
            return b"" if sending and self._habit == "silent" else packet
        match self._habit:
            case "silent":
                return b""
            case "partial":
                # Fewer registers than were asked for, in a sound frame.
                return _answer(packet, packet[9:-2] if packet[8] > 2 else packet[9:])
            case "empty":
                return _answer(packet, b"")
        return packet

    def _reset(self) -> None:
        """Cut all connections."""
        assert self._server is not None
        for connection in list(self._server.active_connections.values()):
            assert isinstance(connection.transport, asyncio.Transport)
            connection.transport.abort()

    def _event(self, what: str) -> None:
        note(self._log, {"event": what})


def _answer(packet: bytes, registers: bytes) -> bytes:
    """Return an answer with other registers."""
    head, function = packet[:4], packet[6:8]
    body = function + bytes([len(registers)]) + registers
    return head + len(body).to_bytes(2) + body


def _plant(options: argparse.Namespace) -> Plant:
    path = FOLDER / "presets" / f"{options.preset}.yaml"
    data = yaml.safe_load(path.read_text()) | {"soh_percent": options.soh}
    spec = replace(
        parse_unit(data, options.preset),
        max_charge_w=7400.0,
        max_discharge_w=7400.0,
        min_import_w=0.0,
        start_delay_s=options.start_delay,
        ramp_w_per_s=options.ramp,
    )
    return Plant(
        spec,
        time_s=time.time(),
        dead_time_s=DEAD_TIME_S,
        stored_kwh=spec.capacity_kwh * options.soc / 100.0,
        islands=False,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quasar_station",
        description="A Wallbox Quasar with a simulated LEAF and house, over Modbus.",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True, help="JSON lines")
    parser.add_argument("--preset", default="leaf-40")
    parser.add_argument("--soh", type=float, default=92.0, help="percent")
    parser.add_argument("--soc", type=float, default=60.0, help="percent")
    parser.add_argument("--start-delay", type=float, default=3.0, help="seconds")
    parser.add_argument("--ramp", type=float, default=2000.0, help="W per second")
    add_house_options(parser)
    add_load_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the station; return the exit code."""
    options = _options(arguments)
    try:
        with options.log.open("a") as log:
            asyncio.run(Station(options, log).run())
    except (OSError, RuntimeError) as err:
        print(
            f"The charger can't listen at port {options.port}: {err}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
