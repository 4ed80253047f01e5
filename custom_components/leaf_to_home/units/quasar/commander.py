"""Carries a set-point out: writes what differs, one register at a time, reads back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from homeassistant.util import dt as dt_util

from .link import Link, Refused
from .pace import Pace
from .registers import (
    ACTION,
    AUTOSTART,
    AVAILABLE,
    CONTROL,
    POWER,
    POWER_TYPE,
    REMOTE,
    SETPOINT_TYPE,
    START,
    STOP,
    TIMEOUT,
    USER,
    Orders,
    Sight,
    to_register,
)

ATTEMPTS: Final = 2


class OutOfTime(Exception):
    """The next write would come too late; the next attempt goes on from there."""


class Commander:
    """Writes to one charger; raises Refused, OutOfTime and UnitUnreachable.

    Everything but the control register is heard under remote control only, which is
    therefore written first.
    """

    def __init__(self, link: Link, pace: Pace, available_w: int) -> None:
        self.available_w = available_w
        # The latest writes: when, which register, which value.
        self.log: deque[tuple[float, int, int]] = deque(maxlen=40)
        self._link = link
        self._pace = pace
        self._deadline_s = 0.0

    def begin(self, within_s: float) -> None:
        """Be done within so many seconds from now."""
        self._deadline_s = asyncio.get_running_loop().time() + within_s

    async def take_control(self, orders: Orders) -> Orders:
        """Have the charger obey us, start nothing by itself and stop without us."""
        if not orders.remote:
            await self._write(CONTROL, REMOTE)
        for _ in range(ATTEMPTS):
            orders = await self._link.orders()
            if not orders.remote:
                await self._write(CONTROL, REMOTE)
                continue
            wrong = [pair async for pair in self._wrong_settings(orders)]
            if not wrong:
                return orders
            for address, value in wrong:
                await self._write(address, value)
        orders = await self._link.orders()
        if not orders.remote:
            raise Refused(CONTROL)
        async for address, _ in self._wrong_settings(orders):
            raise Refused(address)
        return orders

    async def run(self, power_w: int, *, start: bool) -> tuple[Sight, Orders]:
        """Charge or discharge at `power_w`; return what stands afterwards.

        The power comes before the start, so that nothing begins with an old one. A
        charger that forgets it by starting is told once more.
        """
        orders = await self._link.orders()
        if orders.power_w != power_w:
            await self._write(POWER, to_register(power_w))
        if start:
            await self._write(ACTION, START)
        orders = await self._set_power(power_w)
        return await self._link.sight(), orders

    async def rest(self, *, stop: bool) -> tuple[Sight, Orders]:
        """Stop: the stop first, which counts most where there is little time.

        It is said without a car as well: a start that still stands would begin with the
        next one.
        """
        if stop:
            await self._write(ACTION, STOP)
        orders = await self._set_power(0)
        return await self._link.sight(), orders

    async def give_back(self) -> bool:
        """Leave the charger to its app; return whether it says so."""
        await self._write(CONTROL, USER)
        return not (await self._link.orders()).remote

    async def _set_power(self, power_w: int) -> Orders:
        for _ in range(ATTEMPTS):
            orders = await self._link.orders()
            if orders.power_w == power_w:
                return orders
            await self._write(POWER, to_register(power_w))
        orders = await self._link.orders()
        if orders.power_w != power_w:
            raise Refused(POWER)
        return orders

    async def _wrong_settings(self, orders: Orders) -> AsyncIterator[tuple[int, int]]:
        """Yield what has to be written to other registers, the watchdog first."""
        timeout_s = round(self._pace.watchdog_s)
        if await self._link.value(TIMEOUT) != timeout_s:
            yield TIMEOUT, timeout_s
        if orders.autostart:
            yield AUTOSTART, 0
        if not orders.by_power:
            yield SETPOINT_TYPE, POWER_TYPE
        if await self._link.value(AVAILABLE) != self.available_w:
            yield AVAILABLE, self.available_w

    async def _write(self, address: int, value: int) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() + self._pace.after_write_s > self._deadline_s:
            raise OutOfTime
        await self._link.write(address, value)
        self.log.append((dt_util.utcnow().timestamp(), address, value))
