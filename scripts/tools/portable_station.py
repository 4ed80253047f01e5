"""A simulated portable unit between two plugs, as a process with a Modbus port.

    python -m scripts.tools.portable_station --port 5021 --log station.jsonl

Unit 1 are the plugs: register 0 switches the one at the unit's input, 1 and 2 are what
the plugs at its input and output measure, in tenths of a watt. Unit 2 is the meter of
the house, with the grid power in registers 0 and 1 and the sun's in 2 and 3, each one
signed number in W. Each write is a line of JSON in the log, with its time.

It answers each line on its input with what is going on, as JSON, and ends with that,
where it is a pipe or a terminal.
"""

import argparse
import asyncio
from collections.abc import Sequence
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
from custom_components.leaf_to_home.engine.metered_model import Facts, PassThrough  # noqa: E402
from custom_components.leaf_to_home.engine.metered_plant import MeteredPlant  # noqa: E402

from .quasar_station import WRITES  # noqa: E402
from .station_house import add_house_options, simulated_house  # noqa: E402
from .station_life import live, note, signalled  # noqa: E402

TICK_S = 0.2
MAX_INPUT_W = 300.0


class Station:
    """The process: server, unit, house, and the log."""

    def __init__(self, options: argparse.Namespace, log: TextIO) -> None:
        self._log = log
        self._port: int = options.port
        self._house = simulated_house(options)
        text = (FOLDER / "presets" / "portable.yaml").read_text(encoding="utf-8")
        spec = parse_unit(yaml.safe_load(text), "portable")
        self.plant = MeteredPlant(
            Facts(unit=spec, pass_through=PassThrough.BYPASS, max_input_w=MAX_INPUT_W),
            time_s=time.time(),
            load_w=options.load,
            stored_kwh=spec.capacity_kwh * options.soc / 100.0,
            on=True,
        )

    async def run(self) -> None:
        """Live until the input or a signal ends it."""
        stop = signalled()
        devices = [
            SimDevice(
                id=number,
                simdata=[SimData(0, count=4, values=0, datatype=DataType.REGISTERS)],
                action=action,
            )
            for number, action in ((1, self._plugs), (2, self._meter))
        ]
        server = ModbusTcpServer(devices, address=("127.0.0.1", self._port))
        await server.serve_forever(background=True)
        print(json.dumps(self.state()), flush=True)
        try:
            await live(stop, self._tick(), lambda _line: self.state())
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call] # it has no types

    def state(self) -> dict[str, Any]:
        """Return what is going on."""
        plant = self.plant
        return {
            "pid": os.getpid(),
            "on": plant.on,
            "input_w": plant.input_w,
            "output_w": plant.output_w,
            "power_w": plant.power_w,
            "soc_percent": plant.soc_percent,
        }

    def _advance(self) -> None:
        plant, now_s = self.plant, time.time()
        plant.advance(max(0.0, now_s - plant.time_s), 0.0)

    async def _tick(self) -> None:
        while True:
            self._advance()
            await asyncio.sleep(TICK_S)

    async def _plugs(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        registers: list[int],
        values: Any,
    ) -> ExcCodes | None:
        """Switch the input, and tell what the plugs measure."""
        plant = self.plant
        if function in WRITES and values is not None:
            if address != 0 or len(values) != 1:
                return ExcCodes.ILLEGAL_ADDRESS
            self._advance()
            plant.switch(bool(values[0]))
            line = {
                "event": "set",
                "object": "plug",
                "property": "input",
                "value": str(int(plant.on)),
                "meaning": f"input {'on' if plant.on else 'off'}",
            }
            note(self._log, line)
        registers[0:3] = [
            int(plant.on),
            round(10.0 * plant.input_w),
            round(10.0 * plant.output_w),
        ]
        return None

    async def _meter(
        self,
        _function: int,
        _start: int,
        _address: int,
        _count: int,
        registers: list[int],
        _values: Any,
    ) -> ExcCodes | None:
        """Answer for the meter of the house, of which the appliances are a part."""
        now_s, plant = time.time(), self.plant
        solar_w = self._house.solar_w(now_s)
        load_w = self._house.load_w(now_s) + plant.output_w
        for first, power_w in ((0, load_w - solar_w - plant.power_w), (2, solar_w)):
            registers[first : first + 2] = divmod(round(power_w) & 0xFFFFFFFF, 0x10000)
        return None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="portable_station",
        description="A portable unit between two plugs, and a house, over Modbus.",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True, help="JSON lines")
    parser.add_argument("--load", type=float, default=80.0, help="behind it, W")
    parser.add_argument("--soc", type=float, default=99.0, help="percent")
    add_house_options(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the station; return the exit code."""
    options = _options(arguments)
    try:
        with options.log.open("a") as log:
            asyncio.run(Station(options, log).run())
    except (OSError, RuntimeError) as err:
        print(f"The plugs can't listen at port {options.port}: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
