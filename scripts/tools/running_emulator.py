"""The process with the emulator, started and watched by the demo and the tests."""

from pathlib import Path
from typing import Any, override

from .running_station import RunningStation


class RunningEmulator(RunningStation):
    """One emulator: its process, its log, and the lines that it obeys."""

    def __init__(self, log: Path, *arguments: str) -> None:
        super().__init__(log, *arguments, program="battery_emulator")

    @override
    def commands(self) -> list[dict[str, Any]]:
        """Return every command that came over the broker."""
        return [line for line in self.log() if line["event"] == "command"]
