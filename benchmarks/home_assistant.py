"""What a home with one unit costs a real Home Assistant: time, memory, recorder rows.

Set-up is the import of the integration into a process that has Home Assistant's own
platforms already, plus loading the home in a running Home Assistant.
Memory is the process's resident set with the home loaded in a mode that plans nothing,
less that with the home disabled, after the same start; planning is what a start in mode
automatic takes on top: numpy, the past and the first plan. Rows are counted in the
recorder's database over the first minutes of the evening peak, the busiest of the
house, and scaled to a day.
"""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
import sqlite3
from statistics import median
import sys
import tempfile
from time import perf_counter

from scripts.tools.demo import ROOT, prepare
from scripts.tools.demo_home import DOMAIN
from scripts.tools.demo_setup import set_up
from scripts.tools.running_home_assistant import RunningHomeAssistant, free_port

FIRST_PORT = 8200
SETTLE_S = 20.0
# What any Home Assistant has imported before it comes to a custom integration.
IMPORT = """
import importlib, pkgutil, time
import homeassistant.bootstrap, homeassistant.helpers.update_coordinator
import homeassistant.helpers.selector, homeassistant.components.http
for name in ("diagnostics", "repairs", "system_health", "sensor", "binary_sensor",
             "number", "select", "switch", "button", "event", "time", "recorder",
             "energy"):
    importlib.import_module(f"homeassistant.components.{name}")
begun = time.perf_counter()
package = importlib.import_module("custom_components.leaf_to_home")
for module in ("sensor", "binary_sensor", "number", "select", "switch", "button",
               "event", "time", "units.simulated"):
    importlib.import_module(f"{package.__name__}.{module}")
print(time.perf_counter() - begun)
"""
DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Medians over the runs."""

    import_ms: float
    load_ms: float
    memory_mb: float
    planning_mb: float
    rows_per_day: float
    runs: int
    minutes: float


async def measure(*, runs: int = 3, minutes: float = 5.0) -> Cost:
    """Measure with `runs` restarts each, and `minutes` of evening for the rows."""
    with tempfile.TemporaryDirectory(prefix="leaf-to-home-bench-") as name:
        folder = Path(name)
        port = free_port(FIRST_PORT)
        prepare(folder, port)
        async with RunningHomeAssistant(folder, port) as running:
            now = datetime.now().astimezone()
            found = await set_up(running, now)
            token = await running.long_lived_token("bench")
            load_s = [await _load(running) for _ in range(runs)]
            # The rows of the evening, from the minute in which it begins.
            await asyncio.sleep(60.0)
            before = _rows(folder)
            await asyncio.sleep(minutes * 60.0)
            rows = _rows(folder) - before
        with_plan = [await _start(folder, port, token) for _ in range(runs)]
        await _plan_nothing(folder, port, token, found.home("select", "mode"))
        with_home = [await _start(folder, port, token) for _ in range(runs)]
        await _disable(folder, port, token)
        without = [await _start(folder, port, token) for _ in range(runs)]
    return Cost(
        import_ms=median([await _import_s() for _ in range(runs)]) * 1e3,
        load_ms=median(load_s) * 1e3,
        memory_mb=median(with_home) - median(without),
        planning_mb=median(with_plan) - median(with_home),
        rows_per_day=rows * DAY_S / (minutes * 60.0),
        runs=runs,
        minutes=minutes,
    )


def _rows(folder: Path) -> int:
    """Return how many states of our entities the recorder holds."""
    uri = f"file:{folder / 'home-assistant_v2.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        (count,) = database.execute(
            "SELECT COUNT(*) FROM states JOIN states_meta USING (metadata_id) "
            "WHERE states_meta.entity_id LIKE '%.demo_house_%' "
            "OR states_meta.entity_id LIKE '%.leaf_%'"
        ).fetchone()
    return int(count)


async def _import_s() -> float:
    """Return how long a fresh process takes to import the integration, s."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORT, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return float(output)


async def _load(running: RunningHomeAssistant) -> float:
    """Load the home that was taken out of service; return how long that took, s."""
    entries = await running.call("config_entries/get", domain=DOMAIN)
    change = {"entry_id": entries[0]["entry_id"]}
    await running.call("config_entries/disable", disabled_by="user", **change)
    begun_s = perf_counter()
    await running.call("config_entries/disable", disabled_by=None, **change)
    return perf_counter() - begun_s


async def _start(folder: Path, port: int, token: str) -> float:
    """Start once; return the process's memory in MB when it has settled."""
    async with RunningHomeAssistant(folder, port) as running:
        await running.connect(token)
        await asyncio.sleep(SETTLE_S)
        return await _memory_mb(running.pid)


async def _memory_mb(pid: int) -> float:
    """Return the resident set of a process, as ps tells it."""
    process = await asyncio.create_subprocess_exec(
        "ps", "-o", "rss=", "-p", str(pid), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return int(output) * 1024 / 1e6


async def _plan_nothing(folder: Path, port: int, token: str, mode: str) -> None:
    async with RunningHomeAssistant(folder, port) as running:
        await running.connect(token)
        await asyncio.sleep(SETTLE_S)
        await running.action(
            "select", "select_option", entity_id=mode, option="self_consumption"
        )


async def _disable(folder: Path, port: int, token: str) -> None:
    async with RunningHomeAssistant(folder, port) as running:
        await running.connect(token)
        entries = await running.call("config_entries/get", domain=DOMAIN)
        await running.call(
            "config_entries/disable",
            entry_id=entries[0]["entry_id"],
            disabled_by="user",
        )


def report(cost: Cost) -> str:
    """Return the figures as lines of text."""
    return (
        f"  set-up of a home with one unit   {cost.import_ms + cost.load_ms:7.0f} ms  "
        f"(<= 150; import {cost.import_ms:.0f}, load {cost.load_ms:.0f})\n"
        f"  memory it adds                   {cost.memory_mb:7.1f} MB  (<= 15)\n"
        f"  memory of planning on top        {cost.planning_mb:7.1f} MB  (<= 30)\n"
        f"  recorder rows a day              {cost.rows_per_day:7.0f}     (<= 20,000; "
        f"{cost.minutes:g} min of evening peak, scaled)"
    )


if __name__ == "__main__":
    print(report(asyncio.run(measure())))
