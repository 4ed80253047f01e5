"""The station process, started and watched by the demo and the tests."""

import asyncio
import json
from pathlib import Path
import socket
import sys
from typing import Any, Self

from .echonet_emulator import PORT
from .running_home_assistant import DemoError

ROOT = Path(__file__).resolve().parents[2]
# So many demos can run at the same time.
NETS = 10
START_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 10.0


def free_addresses() -> tuple[str, str]:
    """Return two loopback addresses at which ECHONET Lite's only port is free."""
    error: OSError | None = None
    for net in range(NETS):
        addresses = f"127.0.{net}.2", f"127.0.{net}.3"
        try:
            for address in addresses:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    # Without reuse, so that whoever would share the port is noticed.
                    probe.bind((address, PORT))
        except OSError as err:
            error = error or err
        else:
            return addresses
    assert error
    raise DemoError(
        f"UDP port {PORT} can't be used at 127.0.0.2 and 127.0.0.3 "
        f"({error.strerror}). ECHONET Lite has only this port: end the program that "
        f"has it, which 'ss -ulnp sport = :{PORT}' names"
    ) from error


class RunningStation:
    """One station: its process, its log, and the lines that it obeys."""

    def __init__(
        self, log: Path, *arguments: str, program: str = "echonet_station"
    ) -> None:
        self.log_path = log
        self._program = f"{__package__}.{program}"
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Start it and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._program,
            "--log",
            str(self.log_path),
            *self._arguments,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C at the demo is not for the station: it hears Home Assistant out.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._answer()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self.stop()

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        assert self._process
        return self._process.pid

    async def stop(self) -> None:
        """End the process."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def ask(self, line: str = "state") -> dict[str, Any]:
        """Give it a line and return what is going on."""
        assert self._process
        assert self._process.stdin
        # Two who ask at once would read each other's answers.
        async with self._asking:
            self._process.stdin.write(f"{line}\n".encode())
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await self._answer()
        if "error" in answer:
            raise DemoError(f"the station: {answer['error']}")
        return answer

    def log(self) -> list[dict[str, Any]]:
        """Return everything that the log says so far."""
        text = self.log_path.read_text()
        # The last line may still be on its way.
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in lines]

    def commands(self) -> list[dict[str, Any]]:
        """Return every command that came over the network."""
        return [line for line in self.log() if line["event"] == "set"]

    def events(self) -> list[str]:
        """Return what happened beside requests."""
        return [
            line["event"] for line in self.log() if line["event"] not in ("get", "set")
        ]

    async def _answer(self) -> dict[str, Any]:
        assert self._process
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr
            error = (await self._process.stderr.read()).decode(errors="replace")
            raise DemoError(f"the station has ended:\n{error.strip()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
