"""Carries out the latest set-point of one unit, at the pace of its wire."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .const import LOGGER
from .engine.model import Outcome, OutcomeKind, Setpoint
from .units.base import GivesBack, Unit, UnitUnreachable

RETRY_S: Final = 5.0
RETRY_MAX_S: Final = 60.0
# How soon a write that was not allowed is asked about again.
BLOCKED_S: Final = 1.0
WRITE_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 3.0
# A watchdog is fed this many times in its own time.
FEEDS: Final = 3.0

CONFIRMED: Final = (OutcomeKind.APPLIED, OutcomeKind.LIMITED)


class Park:
    """The order to leave the device safe and idle."""


PARK: Final = Park()
# The same at the floor of an outage, where the user asked for it.
END_ISLAND: Final = Park()

type Order = Setpoint | Park


def same(order: Order | None, other: Order | None) -> bool:
    """Return whether two orders ask the same of the device."""
    if isinstance(order, Setpoint) and isinstance(other, Setpoint):
        return order.same_command(other)
    return order is other


class UnitWorker:
    """One task per unit: the latest order wins, and nobody waits for it.

    `may_write(park)` is asked right before each write, since an outage may have come
    after the order. `on_outcome` is called after each write.
    """

    def __init__(
        self,
        *,
        unit: Unit,
        name: str,
        may_write: Callable[[bool], bool],
        on_outcome: Callable[[], None],
    ) -> None:
        self.outcome: Outcome | None = None
        self.writes = 0
        self._unit = unit
        self._name = name
        self._may_write = may_write
        self._on_outcome = on_outcome
        self._order: Order | None = None
        self._confirmed: Order | None = None
        self._feed_s: float | None = None
        self._not_before_s = 0.0
        self._failures = 0
        self._changed = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def parking(self) -> bool:
        """Return whether the safe write of mode off was ordered and is not done."""
        return self._order is PARK and self._confirmed is not PARK

    @callback
    def async_start(self, hass: HomeAssistant) -> None:
        """Begin to work."""
        self._task = hass.async_create_background_task(
            self._async_run(), f"{self._name} worker"
        )

    async def async_stop(self) -> None:
        """Write nothing more; what is under way may end."""
        self._order = None
        if self._task is None:
            return
        try:
            # Cutting an exchange in the middle upsets some stations.
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._at_rest.wait()
        except TimeoutError:
            LOGGER.warning("%s: the last command was not answered in time", self._name)
        self._task.cancel()
        await asyncio.wait([self._task])

    @callback
    def async_set(self, setpoint: Setpoint | None) -> None:
        """Take the latest set-point; None: write nothing, not even what is queued."""
        self._give(setpoint)

    @callback
    def async_park(self) -> None:
        """Order the one safe write of mode off."""
        self._give(PARK)

    @callback
    def async_end_island(self) -> None:
        """Order the one write that takes the light, which only the user can ask for."""
        self._give(END_ISLAND)

    @callback
    def async_forget(self) -> None:
        """Take nothing for confirmed: the device was away, and may have restarted."""
        self._confirmed = None
        self._not_before_s = 0.0
        self._failures = 0
        self._changed.set()

    @callback
    def _give(self, order: Order | None) -> None:
        if same(order, self._order):
            # Only its reason may be another.
            self._order = order
            return
        self._order = order
        if order is None and self._confirmed is not PARK:
            # Whatever happens to the device in the silence, the next one is written.
            self._confirmed = None
        if self.outcome is None or self.outcome.kind is not OutcomeKind.UNREACHABLE:
            self._not_before_s = 0.0
            self._failures = 0
        self._changed.set()

    async def _async_run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            wait_s = self._wait_s(loop.time())
            order = self._order
            if order is None or wait_s is None or wait_s > 0.0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                continue
            if order is not END_ISLAND and not self._may_write(isinstance(order, Park)):
                self._not_before_s = loop.time() + BLOCKED_S
                continue
            self._at_rest.clear()
            try:
                outcome = await self._async_write(order)
            finally:
                self._at_rest.set()
            self._take(order, outcome, loop.time())

    def _wait_s(self, now_s: float) -> float | None:
        """Return how long until the next write, None where none is due."""
        if self._order is None:
            return None
        due_s = self._not_before_s
        if same(self._order, self._confirmed):
            if self._feed_s is None:
                return None
            due_s = max(due_s, self._feed_s)
        return max(0.0, due_s - now_s)

    async def _async_write(self, order: Order) -> Outcome:
        self.writes += 1
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                if isinstance(order, Park):
                    if isinstance(self._unit, GivesBack):
                        return await self._unit.give_back()
                    return await self._unit.park()
                return await self._unit.apply(order)
        except (TimeoutError, UnitUnreachable) as err:
            kind, detail = OutcomeKind.UNREACHABLE, str(err)
        except HomeAssistantError as err:
            kind, detail = OutcomeKind.REFUSED, str(err)
        except Exception as err:  # noqa: BLE001
            # A fault in a driver must not end the only task that can stop its device.
            LOGGER.exception("%s: the driver failed", self._name)
            kind, detail = OutcomeKind.REFUSED, type(err).__name__
        return Outcome(
            kind=kind, time_s=dt_util.utcnow().timestamp(), detail=detail or None
        )

    @callback
    def _take(self, order: Order, outcome: Outcome, now_s: float) -> None:
        """Note what became of `order`, and when to write again."""
        self.outcome = outcome
        if outcome.kind in CONFIRMED:
            self._failures = 0
            self._not_before_s = 0.0
            watchdog_s = self._unit.capabilities.watchdog_s
            self._feed_s = None
            if watchdog_s is not None and isinstance(order, Setpoint):
                self._feed_s = now_s + watchdog_s / FEEDS
            # Silence was ordered while this was on the wire: nothing is known then.
            self._confirmed = None if self._order is None else order
        else:
            self._confirmed = None
            if same(order, self._order) or outcome.kind is OutcomeKind.UNREACHABLE:
                delay_s = min(RETRY_MAX_S, RETRY_S * 2.0**self._failures)
                self._not_before_s = now_s + delay_s
                self._failures += 1
        self._on_outcome()
