"""A LEAF-to-Home station on ECHONET Lite, as a process with a network of its own.

    python -m scripts.tools.echonet_station --address 127.0.0.2 --log station.jsonl

Behind it stands a simulated LEAF, and the house that it carries, with a distribution
board and solar panels, so that a home needs no other meter. Everything is real UDP on
one loopback address. Each request is a line of JSON in the log, with its time.

It obeys lines on its input and answers each with what is going on, as JSON: `state`,
`grid off`, `grid on`, `island` (the button of a station that is started by hand),
`meter off`, `meter on`, `unplug`, `plug`, `panel charge|discharge|standby`,
`skip SECONDS`. SIGUSR1 takes the grid away and gives
it back. It ends with its input, where that is a pipe or a terminal.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
import json
import os
from pathlib import Path
import signal
import sys
import time
from typing import Any, TextIO

import yaml

from .light import FOLDER, engine_alone

# The engine is imported after this, or Home Assistant would come with it.
engine_alone()

from custom_components.leaf_to_home.engine.formats import parse_unit  # noqa: E402
from custom_components.leaf_to_home.engine.plant import Plant  # noqa: E402

from .echonet_emulator import GET, INF_REQ, PORT, SETC, SETI, Emulator, Request  # noqa: E402
from .echonet_plant import CHARGER, MODES, StationPlant, meaning  # noqa: E402
from .station_house import add_house_options, add_load_option, house_of  # noqa: E402
from .station_life import clock, live, note, signalled  # noqa: E402

TICK_S = 1.0
SERVICES = {GET: "get", SETC: "set", SETI: "set", INF_REQ: "get"}


class Station:
    """The process: node, plant, log, and the lines that it obeys."""

    def __init__(self, options: argparse.Namespace, log: TextIO) -> None:
        self._log = log
        self.plant = StationPlant(
            plant=_plant(options),
            house=house_of(options),
            board_apart=options.meter_address is not None,
            by_hand=options.by_hand,
            on_event=self._event,
        )
        self._node = Emulator(options.address, self.plant.things, serial=options.serial)
        self._node.on_request = self._requested
        self._nodes = [self._node]
        self._meter: Emulator | None = None
        self._meter_is_dead = False
        if options.meter_address is not None:
            self._meter = Emulator(
                options.meter_address, [self.plant.board], serial=options.serial + 1000
            )
            self._meter.on_request = self._requested
            self._nodes.append(self._meter)
        self._told = dict(self.plant.charger.values)

    async def run(self) -> None:
        """Live until the input or a signal ends it."""
        stop = signalled()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._toggle_grid)
        for node in self._nodes:
            await node.start()
        self._event("start")
        for node in self._nodes:
            node.boot()
        print(json.dumps(self.plant.state() | {"pid": os.getpid()}), flush=True)
        try:
            await live(stop, self._tick(), self.act)
        finally:
            for node in self._nodes:
                await node.stop()

    def act(self, line: str) -> dict[str, Any]:
        """Obey a line and return what is going on."""
        plant = self.plant
        match line.split():
            case ["state"]:
                pass
            case ["grid", ("on" | "off") as how]:
                plant.set_grid(how == "on")
            case ["island"]:
                plant.start_island()
            case ["meter", ("on" | "off") as how] if self._meter is not None:
                self._meter_is_dead = how == "off"
            case ["plug" | "unplug" as how]:
                plant.set_car(how == "plug")
            case ["panel", word] if word in MODES.values():
                plant.set_mode(next(key for key in MODES if MODES[key] == word))
            case ["skip", seconds] if seconds.isdigit():
                plant.skip(float(seconds))
            case _:
                return {"error": f"not understood: {line}"}
        self._changed()
        return plant.state()

    async def _tick(self) -> None:
        while True:
            self.plant.run()
            self._changed()
            await asyncio.sleep(TICK_S)

    @property
    def _grid(self) -> bool:
        return not self.plant.plant.grid_lost

    def _toggle_grid(self) -> None:
        self.act("grid off" if self._grid else "grid on")

    def _changed(self) -> None:
        """Announce what has changed, as the standard asks for."""
        if self._meter is not None:
            self._meter.habits.silent = self._meter_is_dead or not self._grid
        values = self.plant.charger.values
        changed = sorted(
            epc
            for epc in self.plant.charger.announced
            if values.get(epc) != self._told.get(epc)
        )
        self._told = dict(values)
        if changed:
            self._node.announce(CHARGER, *changed)

    def _requested(self, request: Request) -> None:
        word = SERVICES.get(request.service, "other")
        for epc, edt in request.properties:
            line: dict[str, Any] = {
                "event": word,
                "from": request.sender,
                "object": f"{request.eoj:06x}",
                "property": f"{epc:02x}",
            }
            if word == "set":
                line |= {
                    "value": edt.hex(),
                    "meaning": meaning(epc, edt),
                    "islanding": self.plant.islanding,
                }
            self._write(line)

    def _event(self, what: str) -> None:
        self._write({"event": what})

    def _write(self, line: dict[str, Any]) -> None:
        # It is ahead when hours were skipped.
        note(self._log, {"station_time": clock(self.plant.time_s)} | line)


def _plant(options: argparse.Namespace) -> Plant:
    path = FOLDER / "presets" / f"{options.preset}.yaml"
    data = yaml.safe_load(path.read_text()) | {"soh_percent": options.soh}
    spec = parse_unit(data, options.preset)
    if options.start_delay is not None:
        spec = replace(spec, start_delay_s=options.start_delay)
    return Plant(
        spec,
        time_s=time.time(),
        dead_time_s=options.dead_time,
        stored_kwh=spec.capacity_kwh * options.soc / 100.0,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="echonet_station",
        description="A LEAF-to-Home station with a simulated LEAF and house, over UDP.",
    )
    parser.add_argument("--address", default="127.0.0.2", help="loopback address")
    parser.add_argument(
        "--meter-address", help="give the board a node of its own, at this address"
    )
    parser.add_argument("--log", type=Path, required=True, help="JSON lines")
    parser.add_argument("--serial", type=int, default=1)
    parser.add_argument("--preset", default="leaf-40")
    parser.add_argument("--soh", type=float, default=92.0, help="percent")
    parser.add_argument("--soc", type=float, default=60.0, help="percent")
    parser.add_argument("--dead-time", type=float, default=2.0, help="seconds")
    parser.add_argument("--start-delay", type=float, help="seconds")
    parser.add_argument(
        "--by-hand", action="store_true", help="a person has to start the island"
    )
    add_house_options(parser)
    add_load_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the station; return the exit code."""
    options = _options(arguments)
    try:
        with options.log.open("a") as log:
            asyncio.run(Station(options, log).run())
    except OSError as err:
        print(
            f"The station can't listen at {options.address}, port {PORT}: {err}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
