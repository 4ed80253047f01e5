"""What a home with one unit costs a real Home Assistant: time, memory, recorder rows.

Set-up time is what Home Assistant itself reports for the integration. Memory is the
process's resident set with the home loaded, less that with the home disabled, after the
same start. Rows are counted in the recorder's database over the first minutes of the
evening peak, the busiest time of the simulated house, and scaled to a day.
"""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
import sqlite3
from statistics import median
import tempfile
from typing import Any

from scripts.tools.demo import prepare, set_up
from scripts.tools.demo_home import DOMAIN
from scripts.tools.running_home_assistant import RunningHomeAssistant, free_port

FIRST_PORT = 8200
SETTLE_S = 20.0
DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Medians over the runs."""

    setup_ms: float
    memory_mb: float
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
            await set_up(running, now)
            token = await running.long_lived_token("bench")
            # The rows of the evening, from the minute in which it begins.
            await asyncio.sleep(60.0)
            before = _rows(folder)
            await asyncio.sleep(minutes * 60.0)
            rows = _rows(folder) - before
        with_home = [await _start(folder, port, token) for _ in range(runs)]
        await _disable(folder, port, token)
        without = [await _start(folder, port, token) for _ in range(runs)]
    return Cost(
        setup_ms=median(setup_s for setup_s, _ in with_home if setup_s) * 1e3,
        memory_mb=median(mb for _, mb in with_home) - median(mb for _, mb in without),
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
            "WHERE states_meta.entity_id LIKE '%.demo_house_%' OR states_meta.entity_id LIKE '%.leaf_%'"
        ).fetchone()
    return int(count)


async def _start(folder: Path, port: int, token: str) -> tuple[float | None, float]:
    """Start once; return our set-up time in s and the process's memory in MB."""
    async with RunningHomeAssistant(folder, port) as running:
        await running.connect(token)
        await asyncio.sleep(SETTLE_S)
        times: list[dict[str, Any]] = await running.call("integration/setup_info")
        setup_s = next(
            (item["seconds"] for item in times if item["domain"] == DOMAIN), None
        )
        memory_mb = await _memory_mb(running.pid)
    return setup_s, memory_mb


async def _memory_mb(pid: int) -> float:
    """Return the resident set of a process, as ps tells it."""
    process = await asyncio.create_subprocess_exec(
        "ps", "-o", "rss=", "-p", str(pid), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return int(output) * 1024 / 1e6


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
        f"set-up of a home with one unit   {cost.setup_ms:7.0f} ms  (<= 150)\n"
        f"memory it adds                   {cost.memory_mb:7.1f} MB  (<= 15)\n"
        f"recorder rows a day              {cost.rows_per_day:7.0f}     (<= 20,000; "
        f"{cost.minutes:g} min of evening peak, scaled)"
    )


if __name__ == "__main__":
    print(report(asyncio.run(measure())))
