"""A real mosquitto on loopback, for the demo and the tests."""

import asyncio
import getpass
import os
from pathlib import Path
import shutil
from typing import Self

from .running_home_assistant import DemoError

START_TIMEOUT_S = 20.0
# Debian keeps it where only root's PATH looks.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
user {user}
log_type error
log_type warning
"""


def find_mosquitto() -> str | None:
    """Return where mosquitto is, None where it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_FOLDERS))
    return shutil.which("mosquitto", path=path)


class RunningBroker:
    """One broker; it can be stopped, and started again at the same port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait until it takes connections."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it takes connections."""
        program = find_mosquitto()
        if program is None:
            raise DemoError(
                "mosquitto is not installed: install the package 'mosquitto' with "
                "your system's package manager and try again"
            )
        configuration = self._folder / f"mosquitto-{self.port}.conf"
        configuration.write_text(
            CONFIGURATION.format(port=self.port, user=getpass.getuser())
        )
        with self._log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program,
                "-c",
                str(configuration),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C at the demo is not for the broker: others leave it first.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise DemoError(
                            f"mosquitto has ended:\n{self._log_path.read_text()}"
                        )
                    await asyncio.sleep(0.05)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it; every connection is cut."""
        process = self._process
        self._process = None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(10.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _log_path(self) -> Path:
        return self._folder / f"mosquitto-{self.port}.log"

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
