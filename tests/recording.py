"""A driver that remembers what it was told, for tests of what must not be said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Outcome,
    OutcomeKind,
    Reading,
    Setpoint,
    UnitStatus,
)
from custom_components.leaf_to_home.units.base import (
    UnitContext,
    UnitInfo,
    UnitUnreachable,
)

DRIVER = "recording"
UNITS: dict[str, RecordingUnit] = {}


def now_s() -> float:
    return dt_util.utcnow().timestamp()


class RecordingUnit:
    """A unit in memory: says what the test sets, keeps what it is told."""

    def __init__(self, context: UnitContext) -> None:
        data = context.data
        self.context = context
        self.poll_interval: timedelta | None = (
            timedelta(seconds=data["poll_s"]) if "poll_s" in data else None
        )
        self.capabilities = Capabilities(
            dead_time_s=1.0,
            watchdog_s=data.get("watchdog_s"),
            native_follow=data.get("follows", False),
        )
        self.calls: list[str] = []
        self.setpoints: list[Setpoint] = []
        self.reachable = not data.get("dark", False)
        self.outcome = OutcomeKind.APPLIED
        self.error: Exception | None = None
        self.values: dict[str, Any] = {
            "soc_percent": 60.0,
            "power_w": 0.0,
            "connected": True,
            "status": UnitStatus.IDLE,
            "islanding": False,
        }
        self._listeners: list[Callable[[Reading], None]] = []

    @property
    def writes(self) -> list[str]:
        """Return the calls that reach the device."""
        return [call for call in self.calls if call in ("apply", "park")]

    def reading(self) -> Reading:
        return replace(Reading(time_s=now_s()), **self.values)

    def push(self, **values: Any) -> None:
        """Say something new."""
        self.values |= values
        for listener in list(self._listeners):
            listener(self.reading())

    async def connect(self) -> UnitInfo:
        self.calls.append("connect")
        self._reach()
        return UnitInfo(manufacturer="Test", model="Recorder")

    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        self._listeners.append(on_reading)
        return lambda: self._listeners.remove(on_reading)

    async def read(self) -> Reading:
        self.calls.append("read")
        self._reach()
        return self.reading()

    async def apply(self, setpoint: Setpoint) -> Outcome:
        self.calls.append("apply")
        self.setpoints.append(setpoint)
        if self.error is not None:
            raise self.error
        self._reach()
        if self.outcome is OutcomeKind.APPLIED:
            self.values["power_w"] = setpoint.power_w
        return Outcome(kind=self.outcome, time_s=now_s(), power_w=setpoint.power_w)

    async def park(self) -> Outcome:
        self.calls.append("park")
        self._reach()
        self.values["power_w"] = 0.0
        return Outcome(kind=self.outcome, time_s=now_s(), power_w=0.0)

    async def detach(self) -> None:
        self.calls.append("detach")

    def _reach(self) -> None:
        if not self.reachable:
            raise UnitUnreachable("no answer")


async def async_create(hass: HomeAssistant, context: UnitContext) -> RecordingUnit:
    unit = UNITS[context.subentry_id] = RecordingUnit(context)
    return unit
