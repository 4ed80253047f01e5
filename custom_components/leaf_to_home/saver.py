"""Writes the home's state to disk, soon enough and never half."""

import asyncio
from collections.abc import Callable, Mapping

from homeassistant.core import HomeAssistant, callback

from .engine.state import HomeState
from .engine.tariff import Tariff
from .store import HomeStore, Persistent


class Saver:
    """Saves on request; `persisted` is what is on disk now.

    `snapshot` gives what is to be written, `units` what is saved along with it.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        store: HomeStore,
        *,
        state: HomeState,
        snapshot: Callable[[], tuple[HomeState, Mapping[str, float]]],
        units: Callable[[], list[object]],
    ) -> None:
        self.persisted = state.copy()
        self._hass = hass
        self._store = store
        self._snapshot = snapshot
        self._units = units
        self._wanted = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @callback
    def async_request(self) -> None:
        """Save without waiting; what changes meanwhile is saved right after."""
        if self._closed:
            return
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = self._hass.async_create_task(
                self._async_save(), "leaf_to_home save"
            )

    async def async_save_now(self) -> None:
        """Write the state as it is now."""
        if not self._closed:
            await self._async_write()

    async def async_close(self) -> None:
        """Write the state for the last time: what comes later is not of this home.

        The file may be deleted then, or belong to the home that was loaded anew.
        """
        self._closed = True
        self._wanted = False
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._async_write()

    async def _async_write(self) -> None:
        async with self._lock:
            state, intervals = self._snapshot()
            # What a unit stores of its own is never older than the home's state: its
            # counters must not seem to run backwards after a crash.
            for unit in self._units():
                if isinstance(unit, Persistent):
                    await unit.async_save()
            if await self._store.async_save(state, intervals):
                self.persisted = state

    async def _async_save(self) -> None:
        while self._wanted:
            self._wanted = False
            await self._async_write()


def worth_saving(
    before: HomeState, after: HomeState, tariff: Tariff, now_s: float
) -> bool:
    """Return whether a step changed what must not be lost with the next minute."""
    if before.guard is not after.guard or before.settings != after.settings:
        return True
    was, is_ = before.outage, after.outage
    if was.phase is not is_.phase or was.tiers != is_.tiers or was.loads != is_.loads:
        return True
    month = tariff.month(now_s)
    if before.window.peaks_w.get(month) != after.window.peaks_w.get(month):
        return True
    return any(
        (known := before.units.get(key)) is None
        or known.settings != unit.settings
        or known.islanding != unit.islanding
        or known.parked != unit.parked
        or known.vehicle != unit.vehicle
        or known.vehicle_here != unit.vehicle_here
        for key, unit in after.units.items()
    )
