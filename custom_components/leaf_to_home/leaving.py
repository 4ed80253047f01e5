"""Parting from a unit: idle where no outage is near, else exactly as it is."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .const import LOGGER

if TYPE_CHECKING:
    from .unit_runtime import UnitRuntime

# Home Assistant gives all of its shutdown jobs together 20 s.
LEAVE_S: Final = 8.0
PARK_S: Final = 4.0


async def async_leave(runtime: UnitRuntime, should_park: Callable[[], bool]) -> None:
    """End the worker, idle the unit if it should be at that moment, and let it go."""
    try:
        async with asyncio.timeout(LEAVE_S):
            await runtime.worker.async_stop()
            try:
                if should_park():
                    async with asyncio.timeout(PARK_S):
                        await runtime.unit.park()
            finally:
                await runtime.unit.detach()
    except Exception as err:  # noqa: BLE001 a driver may fail in any way
        # Whatever one driver does, the others are left and the state is saved.
        LOGGER.warning("%s was not left as it should: %r", runtime.name, err)
