"""Looks whether the demo does what it shows: an evening that is carried, an outage."""

import asyncio
from collections.abc import Callable, Sequence
import sys
import time
from typing import Any

from .demo_all import PACK
from .demo_home import DEAR, HOME, LEAF, LOADS, STABLE_S, TIERS, Entities
from .demo_portable import LOAD_W, NAME as PORTABLE
from .demo_setup import as_number
from .running_home_assistant import RunningHomeAssistant
from .running_station import RunningStation

# Enough for the peak to begin, the meters to settle and the charger to start, also on a
# machine that does much else.
CHECK_TIMEOUT_S = 420.0
# It takes a few seconds; a machine may be busy.
OUTAGE_TIMEOUT_S = 60.0
NAMES = tuple(name.lower().replace(" ", "_") for name in (HOME, LEAF, PACK, PORTABLE))
type States = dict[str, dict[str, Any]]


async def check(
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
    who, what = "LEAF", "the house"
    if portable:
        who, what = "portable unit", "its appliances"
    units = {PORTABLE if portable else LEAF: found} | found.more
    statuses = [each.unit("sensor", "status") for each in units.values()]
    least_w = {
        each.unit("sensor", "power"): 0.9 * LOAD_W if name == PORTABLE else 0.0
        for name, each in units.items()
    }
    price = found.home("sensor", "import_price")
    grid = found.home("sensor", "grid_power")
    stations = [station, *others] if station is not None else []
    *first, last = (who, *(name.lower() for name in found.more))
    names = f"{', the '.join(first)} and the {last}" if first else last
    end_s = time.monotonic() + CHECK_TIMEOUT_S
    print(f"==> Waiting for the evening peak and the {names}'s first decisions")
    states = await running.states()
    while time.monotonic() < end_s:
        states = await running.states()
        if (
            all(states[status]["state"] == "discharging" for status in statuses)
            and as_number(states[price]["state"]) == DEAR
            and all(
                (as_number(states[each]["state"]) or 0.0) > least
                for each, least in least_w.items()
            )
            and (portable or abs(as_number(states[grid]["state"]) or 1e9) < 200.0)
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


async def check_outage(
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
        return dark(states) and (as_number(states[runtime]["state"]) or 0.0) > 0.0

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


def _print_states(states: dict[str, dict[str, object]]) -> None:
    for entity_id, state in sorted(states.items()):
        attributes = state["attributes"]
        assert isinstance(attributes, dict)
        if any(name in entity_id for name in NAMES):
            unit = attributes.get("unit_of_measurement", "")
            print(f"    {entity_id:<58} {state['state']} {unit}")
