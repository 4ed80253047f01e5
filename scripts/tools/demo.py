"""Starts a real Home Assistant with a simulated LEAF house, ready in the browser.

    scripts/demo [--port N] [--check]
                 [--unit simulated|echonet|quasar|battery_emulator|portable|all]

It listens on 127.0.0.1 only and begins afresh each time. With --unit echonet the LEAF
stands behind a station in a process of its own, which is reached by ECHONET Lite over
UDP; with --unit quasar it is at a Wallbox Quasar, which is reached by Modbus over TCP,
as is the meter of the house; with --unit battery_emulator it is a LEAF's battery in its
second life, which is heard on an MQTT broker and led at an inverter; with --unit
portable it is a portable unit between two plugs, with appliances behind it; with --unit
all the house has charger, second-life battery and portable unit, and draws more than
any of them may give.
With --check it waits for the LEAF to carry the evening, prints the entities with their
values, and what the station was told, takes the grid away for a while where the LEAF
can carry the house, and ends.
"""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime
import fcntl
from pathlib import Path
import shutil
import signal
import sys
import time
from typing import Any

from .demo_all import all_answers, other_answers, running_all
from .demo_check import check, check_outage
from .demo_emulator import emulator_answers, running_site
from .demo_home import (
    CHEAP,
    DASHBOARD,
    DEAR,
    DOMAIN,
    ISLANDING,
    LOADS,
    MAINS,
    METER,
    UNITS,
    evening_begins,
    quasar_answers,
    quasar_arguments,
    setup_answers,
    station_arguments,
)
from .demo_portable import portable_answers, running_plugs, was_full
from .demo_setup import set_up, zone_of
from .echonet_emulator import PORT as PORT_OF_STATION
from .running_home_assistant import (
    PASSWORD,
    USERNAME,
    DemoError,
    RunningHomeAssistant,
    free_port,
)
from .running_station import RunningStation, free_addresses

ROOT = Path(__file__).resolve().parents[2]
PORT = 8123
PORT_OF_CHARGER = 5020
CONFIGURATION = """\
# Written by scripts/demo at each start.
homeassistant:
config:
energy:
frontend:
history:
input_boolean:
{loads}http:
  server_host: 127.0.0.1
  server_port: {port}
logger:
  default: warning
  logs:
    custom_components.leaf_to_home: info
lovelace:
onboarding:
recorder:
"""


def main() -> int:
    """Run the demo; return the exit code."""
    options = _options()
    try:
        with own_folder(ROOT / ".demo", options.port) as (folder, options.port):
            return asyncio.run(_run(folder, options))
    except DemoError as err:
        print(f"The demo failed: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A real Home Assistant with a simulated LEAF house, on 127.0.0.1.",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        help="port of the page, the next free one if it is taken (default %(default)s)",
    )
    parser.add_argument(
        "--unit",
        choices=UNITS,
        default=UNITS[0],
        help="the LEAF: simulated in Home Assistant, behind a station that is reached "
        "by ECHONET Lite, at a Wallbox Quasar over Modbus, or its battery behind "
        "Battery-Emulator and an inverter, over MQTT; or instead a portable unit "
        "between two plugs; all: Quasar, Battery-Emulator and portable in one house "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="wait for the LEAF to carry the evening, print the entities, then end",
    )
    return parser.parse_args()


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, found {text!r}")


@contextmanager
def own_folder(parent: Path, wanted: int) -> Iterator[tuple[Path, int]]:
    """Yield an empty folder that no other demo has, and the port that it goes with.

    A demo locks its port's folder, since Home Assistant takes the port only after some
    seconds.
    """
    parent.mkdir(exist_ok=True)
    port = free_port(wanted)
    while True:
        with (parent / f"{port}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                port = free_port(port + 1)
                continue
            if port != wanted:
                print(f"==> Port {wanted} is taken, taking {port}")
            folder = parent / str(port)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder, port
            return


def prepare(folder: Path, port: int) -> None:
    """Write a configuration that runs this checkout's integration."""
    loads = "".join(
        f"  {load}:\n    name: {name}\n    initial: true\n"
        for load, name in LOADS.items()
    )
    (folder / "configuration.yaml").write_text(
        CONFIGURATION.format(port=port, loads=loads) + MAINS
    )
    (folder / "custom_components").mkdir()
    (folder / "custom_components" / DOMAIN).symlink_to(
        ROOT / "custom_components" / DOMAIN, target_is_directory=True
    )


async def _run(folder: Path, options: argparse.Namespace) -> int:
    begun_s = time.monotonic()
    port = free_port(options.port)
    if port != options.port:
        print(f"==> Port {options.port} is taken, taking {port}")
    prepare(folder, port)
    async with AsyncExitStack() as stack:
        now = datetime.now().astimezone()
        answers = setup_answers(now)
        station: RunningStation | None = None
        if options.unit == "echonet":
            address, local = free_addresses()
            print(f"==> Starting the station at {address}, UDP port {PORT_OF_STATION}")
            answers = setup_answers(now, options.unit, address, local)
            arguments = station_arguments(now, zone_of(now), address)
            station = await stack.enter_async_context(
                RunningStation(folder / "station.jsonl", *arguments)
            )
        elif options.unit == "quasar":
            modbus_port = free_port(PORT_OF_CHARGER)
            print(f"==> Starting the charger at 127.0.0.1, TCP port {modbus_port}")
            answers = quasar_answers(now, modbus_port)
            with (folder / "configuration.yaml").open("a") as file:
                file.write(METER.format(port=modbus_port))
            station = await stack.enter_async_context(
                RunningStation(
                    folder / "station.jsonl",
                    *quasar_arguments(now, zone_of(now), modbus_port),
                    program="quasar_station",
                )
            )
        broker_port = 0
        more: list[dict[str, Any]] = []
        others: list[RunningStation] = []
        if options.unit == "battery_emulator":
            answers = emulator_answers(now)
            station, broker_port = await stack.enter_async_context(
                running_site(folder, now, zone_of(now))
            )
        elif options.unit == "all":
            modbus_port = free_port(PORT_OF_CHARGER)
            print(f"==> Starting the charger at 127.0.0.1, TCP port {modbus_port}")
            answers, more = all_answers(now, modbus_port), other_answers(now)
            stations, broker_port = await stack.enter_async_context(
                running_all(folder, now, zone_of(now), modbus_port)
            )
            station, *others = stations
        elif options.unit == "portable":
            station, modbus_port = await stack.enter_async_context(
                running_plugs(folder, now, zone_of(now))
            )
            answers = portable_answers(now, modbus_port)
        print("==> Starting Home Assistant")
        running = await stack.enter_async_context(RunningHomeAssistant(folder, port))
        # A second SIGINT still ends the program; the first lets it shut down.
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
        print("==> Setting up the house")
        found = await set_up(running, now, answers, more, broker_port=broker_port)
        if options.unit in ("portable", "all"):
            await was_full(running)
        print(f"==> Ready after {time.monotonic() - begun_s:.0f} s\n")
        if options.check:
            shown = await check(running, found, station, others, options.unit)
            if shown and options.unit in ISLANDING:
                return await check_outage(running, found, station)
            return 0 if shown else 1
        print(
            f"    Open   {running.url}/{DASHBOARD}\n"
            f"    User   {USERNAME}\n"
            f"    Password {PASSWORD}\n\n"
            f"The evening peak begins at {evening_begins(now):%H:%M}: a kWh costs "
            f"{DEAR} then, {CHEAP} before.\n"
            "Watch the LEAF stop charging and carry the house. Ctrl-C ends the demo."
        )
        if station is not None:
            for each in (station, *others):
                print(f"\nThe station notes what it is told in {each.log_path}.")
            if options.unit == "echonet":
                print(
                    f"'kill -USR1 {station.pid}' takes the mains away, and gives them "
                    "back."
                )
        ended = asyncio.create_task(running.ended())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not stopped.done():
            raise DemoError(f"Home Assistant ended by itself:\n{running.log_tail()}")
        print("\n==> Ending")
    return 0


if __name__ == "__main__":
    sys.exit(main())
