"""Starts a real Home Assistant with a simulated LEAF house, ready in the browser.

    scripts/demo [--port N] [--check]
                 [--unit simulated|echonet|quasar|battery_emulator|portable|all]

It listens on 127.0.0.1 only and begins afresh each time. With --unit echonet the LEAF
stands behind a station in a process of its own, which is reached by ECHONET Lite over
UDP; with --unit quasar it is at a Wallbox Quasar, which is reached by Modbus over TCP,
as is the meter of the house; with --unit battery_emulator it is a LEAF's battery in its
second life, which is heard on an MQTT broker and led at an inverter; with --unit
portable it is a portable unit between two plugs, with appliances behind it; with --unit
all the house has charger and second-life battery, and draws more than either may give.
With --check it waits for the LEAF to carry the evening, prints the entities with their
values, and what the station was told, takes the grid away for a while where the LEAF
can carry the house, and ends.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime, timedelta
import fcntl
from pathlib import Path
import shutil
import signal
import sys
import time
from typing import Any

from .demo_all import PACK, all_answers, configuration, pack_answers, running_both
from .demo_emulator import connect, emulator_answers, running_site
from .demo_home import (
    CHEAP,
    DASHBOARD,
    DEAR,
    DOMAIN,
    HOME,
    ISLANDING,
    LEAF,
    LOADS,
    MAINS,
    METER,
    STABLE_S,
    SUBENTRY_TIER,
    SUBENTRY_UNIT,
    TIERS,
    UNITS,
    Entities,
    dashboard,
    energy_preferences,
    evening_begins,
    outage_answers,
    quasar_answers,
    quasar_arguments,
    setup_answers,
    station_arguments,
    tier_answers,
    tiers_of,
)
from .demo_portable import (
    LOAD_W,
    NAME as PORTABLE,
    portable_answers,
    running_plugs,
    was_full,
)
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
# Enough for the peak to begin, the meters to settle and the charger to start.
CHECK_TIMEOUT_S = 240.0
METER_TIMEOUT_S = 60.0
PORT_OF_CHARGER = 5020
# It takes a few seconds; a machine may be busy.
OUTAGE_TIMEOUT_S = 60.0
RELOAD_TIMEOUT_S = 120.0
NAMES = tuple(name.lower().replace(" ", "_") for name in (HOME, LEAF, PACK, PORTABLE))
type States = dict[str, dict[str, Any]]
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
        "between two plugs; all: Quasar and Battery-Emulator in one house "
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
            arguments = station_arguments(now, _zone(now), address)
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
                    *quasar_arguments(now, _zone(now), modbus_port),
                    program="quasar_station",
                )
            )
        broker_port = 0
        more: list[dict[str, Any]] = []
        others: list[RunningStation] = []
        if options.unit == "battery_emulator":
            answers = emulator_answers(now)
            station, broker_port = await stack.enter_async_context(
                running_site(folder, now, _zone(now))
            )
        elif options.unit == "all":
            modbus_port = free_port(PORT_OF_CHARGER)
            print(f"==> Starting the charger at 127.0.0.1, TCP port {modbus_port}")
            answers, more = all_answers(now, modbus_port), [pack_answers(now)]
            written = folder / "configuration.yaml"
            written.write_text(
                written.read_text().replace(MAINS, configuration(modbus_port))
            )
            station, other, broker_port = await stack.enter_async_context(
                running_both(folder, now, _zone(now), modbus_port)
            )
            others = [other]
        elif options.unit == "portable":
            station, modbus_port = await stack.enter_async_context(
                running_plugs(folder, now, _zone(now))
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
        if options.unit == "portable":
            await was_full(running)
        print(f"==> Ready after {time.monotonic() - begun_s:.0f} s\n")
        if options.check:
            shown = await _check(running, found, station, others, options.unit)
            if shown and options.unit in ISLANDING:
                return await _check_outage(running, found, station)
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


async def set_up(
    running: RunningHomeAssistant,
    now: datetime,
    answers: dict[str, Any] | None = None,
    more: Sequence[dict[str, Any]] = (),
    *,
    broker_port: int = 0,
) -> Entities:
    """Onboard, set the home up by its own flow, switch it on, lay the dashboard.

    `more` are the answers by which other units are added. With a broker, what is on it
    is found first.
    """
    await running.onboard(name=HOME, country="DE", currency="EUR", zone=_zone(now))
    # A changed port is taken back after five minutes unless it is confirmed.
    if (await running.call("http/config"))["pending"]:
        await running.call("http/config/promote")
    for issue in (await running.call("repairs/list_issues"))["issues"]:
        if issue["domain"] == "http":
            # That the port is in the file is not the visitor's business.
            await running.call(
                "repairs/ignore_issue",
                domain="http",
                issue_id=issue["issue_id"],
                ignore=True,
            )
    # What the first run adds by itself would only ask the internet in vain.
    for entry in await running.call("config_entries/get"):
        if entry["domain"] in ("google_translate", "met", "radio_browser"):
            await running.delete(
                f"/api/config/config_entries/entry/{entry['entry_id']}"
            )
    if broker_port:
        await connect(running, broker_port)
    answers = answers or setup_answers(now)
    meter = answers.get("grid", {}).get("entity")
    if meter is not None:
        await _meter_speaks(running, meter)
    created = await running.flow("/api/config/config_entries/flow", DOMAIN, answers)
    found = Entities(await running.call("config/entity_registry/list"))
    # The step from observing to acting is the owner's one choice.
    await running.action(
        "select",
        "select_option",
        entity_id=found.home("select", "mode"),
        option="automatic",
    )
    found = await _complete(running, created["result"]["entry_id"], more)
    await running.call(
        "lovelace/dashboards/create",
        url_path=DASHBOARD,
        title=HOME,
        icon="mdi:home-lightning-bolt",
        show_in_sidebar=True,
        require_admin=False,
    )
    await running.call(
        "lovelace/config/save", url_path=DASHBOARD, config=dashboard(found)
    )
    await running.call(
        "frontend/set_system_data", key="core", value={"default_panel": DASHBOARD}
    )
    await running.call("energy/save_prefs", **energy_preferences(found))
    return found


async def _complete(
    running: RunningHomeAssistant, entry_id: str, more: Sequence[dict[str, Any]]
) -> Entities:
    """Say how outages go, add units, and wait for the home to be loaded with it."""
    await running.flow(
        "/api/config/config_entries/options/flow", entry_id, outage_answers()
    )
    for unit in more:
        await running.flow(
            "/api/config/config_entries/subentries/flow",
            [entry_id, SUBENTRY_UNIT],
            unit,
        )
    listed = await running.call("config_entries/subentries/list", entry_id=entry_id)
    units = {unit["title"]: unit["subentry_id"] for unit in listed}
    for number in range(len(TIERS)):
        await running.flow(
            "/api/config/config_entries/subentries/flow",
            [entry_id, SUBENTRY_TIER],
            tier_answers(number),
        )
    end_s = time.monotonic() + RELOAD_TIMEOUT_S
    while time.monotonic() < end_s:
        registry = await running.call("config/entity_registry/list")
        found, tiers = Entities(registry, units), tiers_of(registry)
        states = await running.states()
        awaited = [found.home("select", "mode"), *tiers]
        complete = len(tiers) == len(TIERS) and all(
            unit.has_unit("select", "mode") for unit in found.more.values()
        )
        if complete and all(
            states.get(entity, {"state": "unavailable"})["state"] != "unavailable"
            for entity in awaited
        ):
            return found
        await asyncio.sleep(0.2)
    raise DemoError(f"the home was not loaded again:\n{running.log_tail()}")


def _zone(now: datetime) -> str:
    """Return the machine's time zone, so that clocks on page and machine agree."""
    with suppress(OSError):
        link = Path("/etc/localtime").resolve()
        if "zoneinfo" in link.parts:
            return "/".join(link.parts[link.parts.index("zoneinfo") + 1 :])
    hours = round((now.utcoffset() or timedelta()).total_seconds() / 3600)
    # The names of these zones count the other way round.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


async def _meter_speaks(running: RunningHomeAssistant, meter: str) -> None:
    """Wait until the house's meter is there: the set-up wants to see its value."""
    end_s = time.monotonic() + METER_TIMEOUT_S
    while True:
        state = (await running.states()).get(meter, {"state": "missing"})
        if _number(str(state["state"])) is not None:
            return
        if time.monotonic() > end_s:
            raise DemoError(f"the meter is silent:\n{running.log_tail()}")
        await asyncio.sleep(0.5)


async def _check(
    running: RunningHomeAssistant,
    found: Entities,
    station: RunningStation | None,
    others: Sequence[RunningStation],
    unit: str,
) -> bool:
    """Wait until the LEAF carries the house at the dear price; print what is shown.

    So do the units beside it; a portable unit carries what is plugged into it. A
    station has to have heard it, and to say so itself.
    """
    portable = unit == "portable"
    least_w = 0.9 * LOAD_W if portable else 0.0
    who, what = "LEAF", "the house"
    if portable:
        who, what = "portable unit", "its appliances"
    units = [found, *found.more.values()]
    statuses = [each.unit("sensor", "status") for each in units]
    powers = [each.unit("sensor", "power") for each in units]
    price = found.home("sensor", "import_price")
    grid = found.home("sensor", "grid_power")
    stations = [station, *others] if station is not None else []
    names = " and the ".join((who, *(name.lower() for name in found.more)))
    end_s = time.monotonic() + CHECK_TIMEOUT_S
    print(f"==> Waiting for the evening peak and the {names}'s first decisions")
    states = await running.states()
    while time.monotonic() < end_s:
        states = await running.states()
        if (
            all(states[status]["state"] == "discharging" for status in statuses)
            and _number(states[price]["state"]) == DEAR
            and all(
                (_number(states[each]["state"]) or 0.0) > least_w for each in powers
            )
            and (portable or abs(_number(states[grid]["state"]) or 1e9) < 200.0)
            and all([await _carries(each) for each in stations])
        ):
            _print_states(states)
            for each in stations:
                _print_commands(each)
            carry = "carry" if found.more else "carries"
            print(f"\nThe {names} {carry} {what} through the evening peak.")
            return True
        await asyncio.sleep(1.0)
    _print_states(states)
    for each in stations:
        _print_commands(each)
    print(
        f"\nThe {names} did not carry {what} within {CHECK_TIMEOUT_S:.0f} s.\n"
        f"The end of the log:\n{running.log_tail()}",
        file=sys.stderr,
    )
    return False


async def _check_outage(
    running: RunningHomeAssistant, found: Entities, station: RunningStation | None
) -> int:
    """Take the grid away and give it back; print how soon it shows."""
    outage = found.home("binary_sensor", "outage")
    runtime = found.home("sensor", "backup_runtime")
    first, last = TIERS[0]["loads"], TIERS[-1]["loads"]

    def dark(states: States) -> bool:
        return bool(states[outage]["state"] == "on")

    def shed(states: States) -> bool:
        return all(states[f"input_boolean.{load}"]["state"] == "off" for load in first)

    def lasts(states: States) -> bool:
        return dark(states) and (_number(states[runtime]["state"]) or 0.0) > 0.0

    def back(states: States) -> bool:
        return not dark(states) and all(
            states[f"input_boolean.{load}"]["state"] == "on" for load in LOADS
        )

    print("\n==> Taking the grid away")
    begun_s = time.monotonic()
    await _switch_grid(running, found, station, on=False)
    for what, condition in (
        ("the outage shows", dark),
        ("the runtime shows", lasts),
        (f"the tier '{TIERS[0]['name']}' is off", shed),
    ):
        states = await _wait(running, condition, OUTAGE_TIMEOUT_S)
        if states is None:
            return _failed(running, f"{what}: not within {OUTAGE_TIMEOUT_S:.0f} s")
        print(f"    {what} after {time.monotonic() - begun_s:.1f} s")
    states = await running.states()
    print(f"    it lasts {states[runtime]['state']} h")
    for load in last:
        if states[f"input_boolean.{load}"]["state"] != "on":
            return _failed(running, f"{load} was shed, for which there was no need")
    print("==> Giving it back")
    begun_s = time.monotonic()
    await _switch_grid(running, found, station, on=True)
    timeout_s = OUTAGE_TIMEOUT_S + STABLE_S
    if await _wait(running, back, timeout_s) is None:
        return _failed(running, f"the loads were not back within {timeout_s:.0f} s")
    print(
        f"    the outage is over and every load back after "
        f"{time.monotonic() - begun_s:.1f} s; the grid has to be stable for "
        f"{STABLE_S} s"
    )
    return 0


async def _switch_grid(
    running: RunningHomeAssistant,
    found: Entities,
    station: RunningStation | None,
    *,
    on: bool,
) -> None:
    """Take the demo's grid away or give it back, whoever has it."""
    if station is not None:
        await station.ask(f"grid {'on' if on else 'off'}")
    else:
        await running.action(
            "switch",
            "turn_on" if on else "turn_off",
            entity_id=found.unit("switch", "grid"),
        )


async def _wait(
    running: RunningHomeAssistant,
    condition: Callable[[States], bool],
    timeout_s: float,
) -> States | None:
    """Return the states as soon as they are as wanted, None if they never are."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        states = await running.states()
        if condition(states):
            return states
        await asyncio.sleep(0.1)
    return None


def _failed(running: RunningHomeAssistant, why: str) -> int:
    print(f"\n{why}\nThe end of the log:\n{running.log_tail()}", file=sys.stderr)
    return 1


async def _carries(station: RunningStation) -> bool:
    """Return whether the station was told to discharge, and does."""
    told = any(
        line["meaning"].startswith(("discharge", "input off"))
        for line in station.commands()
    )
    state = await station.ask()
    return told and state["power_w"] > 0.0


def _print_commands(station: RunningStation) -> None:
    print("\nWhat the station's own log says that it was told:")
    for line in station.commands():
        print(
            f"    {line['time'][11:19]} {line['object']} "
            f"{line['property']}={line['value']:<10} {line['meaning']}"
        )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _print_states(states: dict[str, dict[str, object]]) -> None:
    for entity_id, state in sorted(states.items()):
        attributes = state["attributes"]
        assert isinstance(attributes, dict)
        if any(name in entity_id for name in NAMES):
            unit = attributes.get("unit_of_measurement", "")
            print(f"    {entity_id:<58} {state['state']} {unit}")


if __name__ == "__main__":
    sys.exit(main())
