"""How a station lives: it obeys lines, keeps a log, and ends with input or signal."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
import json
import os
import signal
import stat
import sys
import time
from typing import Any, TextIO


def signalled() -> asyncio.Event:
    """Return what is set as soon as a signal asks the process to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def live(
    stop: asyncio.Event,
    tick: Coroutine[Any, Any, None],
    act: Callable[[str], dict[str, Any]],
) -> None:
    """Run `tick` until `stop` or the end of the input; print what `act` answers."""
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(tick),
        asyncio.create_task(stop.wait()),
    ]
    if _lives(sys.stdin):
        tasks.append(asyncio.create_task(_obey(act)))
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    for task in done:
        task.result()


def note(log: TextIO, line: dict[str, Any]) -> None:
    """Write a line to the log, with the time."""
    log.write(json.dumps({"time": clock(time.time())} | line) + "\n")
    log.flush()


def clock(time_s: float) -> str:
    """Return a time as it stands in the log."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")


async def _obey(act: Callable[[str], dict[str, Any]]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        print(json.dumps(act(line.decode().strip())), flush=True)


def _lives(stream: TextIO) -> bool:
    """Return whether somebody may write lines to it."""
    with suppress(OSError, ValueError):
        mode = os.fstat(stream.fileno()).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stream.isatty()
    return False
