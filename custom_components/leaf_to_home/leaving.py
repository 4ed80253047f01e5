"""Parting from a unit: idle where no outage is near, else exactly as it is."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .const import LOGGER
from .units.base import GivesBack

if TYPE_CHECKING:
    from .unit_runtime import UnitRuntime

# Home Assistant gives all of its shutdown jobs together 20 s.
LEAVE_S: Final = 8.0
PARK_S: Final = 5.5
# A unit that was removed is not left in a hurry.
GIVE_BACK_S: Final = 30.0


async def async_leave(
    runtime: UnitRuntime, should_park: Callable[[], bool], *, removed: bool
) -> None:
    """End the worker, idle the unit if it should be at that moment, and let it go.

    One that was `removed` is left to its own app, where it has one.
    """
    unit = runtime.unit
    park_s = GIVE_BACK_S if removed and isinstance(unit, GivesBack) else PARK_S
    try:
        async with asyncio.timeout(LEAVE_S - PARK_S + park_s):
            await runtime.worker.async_stop()
            try:
                parks = should_park()
                async with asyncio.timeout(park_s):
                    if removed and isinstance(unit, GivesBack):
                        await unit.give_back(allowed=parks)
                    elif parks:
                        await unit.park()
            finally:
                await unit.detach()
    except Exception as err:  # noqa: BLE001 a driver may fail in any way
        # Whatever one driver does, the others are left and the state is saved.
        LOGGER.warning("%s was not left as it should: %r", runtime.name, err)
