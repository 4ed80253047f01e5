"""Reads and writes registers at the charger's pace, one request after the other."""

import asyncio
from collections.abc import Awaitable, Callable

from modbus_connection import (
    ModbusConnectionError,
    ModbusDesyncError,
    ModbusError,
    ModbusExceptionError,
    ModbusProtocolError,
    ModbusUnit,
)

from ...const import LOGGER
from ..base import UnitUnreachable
from .pace import Pace
from .registers import (
    COMMAND_BLOCK,
    CONTROL_BLOCK,
    IDENTITY_BLOCK,
    STATE_BLOCK,
    TIMEOUT,
    Identity,
    Nonsense,
    Orders,
    Sight,
)


class Refused(Exception):
    """The charger does not take what was written to a register."""

    def __init__(self, address: int) -> None:
        super().__init__(str(address))
        self.address = address


class Link:
    """One charger on a connection that Home Assistant shares.

    Everything raises UnitUnreachable where no sensible answer comes.
    """

    def __init__(self, unit: ModbusUnit, pace: Pace) -> None:
        unit.require_timeout(pace.answer_s)
        unit.set_message_spacing(pace.after_read_s)
        self._unit = unit
        self._pace = pace
        self._lock = asyncio.Lock()
        self._not_before_s = 0.0

    async def drop(self) -> None:
        """Close the connection; the next request opens another one."""
        try:
            await self._unit.disconnect()
        except ModbusError as err:
            raise UnitUnreachable(str(err)) from err

    async def identity(self) -> Identity:
        """Read which charger it is."""
        return Identity.decode(await self.read(*IDENTITY_BLOCK))

    async def orders(self) -> Orders:
        """Read what it was told."""
        control = await self.read(*CONTROL_BLOCK)
        return Orders.decode(control, await self.read(*COMMAND_BLOCK))

    async def sight(self) -> Sight:
        """Read what it measures."""
        return Sight.decode(await self.read(*STATE_BLOCK))

    async def value(self, address: int) -> int:
        """Read one register."""
        return (await self.read(address, 1))[0]

    async def is_ours(self, orders: Orders) -> bool:
        """Return whether it is us who control: nobody else sets the same watchdog."""
        timeout_s = round(self._pace.watchdog_s)
        return orders.remote and await self.value(TIMEOUT) == timeout_s

    async def read(self, address: int, count: int) -> list[int]:
        """Read registers."""
        try:
            values = await self._paced(
                lambda: self._unit.read_holding_registers(address, count)
            )
        except ModbusExceptionError as err:
            raise Nonsense(str(err)) from err
        if len(values) != count:
            raise Nonsense(f"{len(values)} registers instead of {count} at {address}")
        return values

    async def write(self, address: int, value: int) -> None:
        """Write one register; raise Refused."""

        async def write() -> None:
            loop = asyncio.get_running_loop()
            try:
                await self._unit.write_register(address, value)
            except ModbusDesyncError:
                raise
            except ModbusProtocolError as err:
                # It answers with what it took instead; reading back tells.
                LOGGER.debug("Register %s: %s", address, err)
            finally:
                self._not_before_s = loop.time() + self._pace.after_write_s

        try:
            await self._paced(write)
        except ModbusExceptionError as err:
            raise Refused(address) from err

    async def _paced[ResultT](self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        async with self._lock:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._not_before_s - loop.time()))
            try:
                try:
                    return await ask()
                except ModbusConnectionError:
                    # A connection that idled may have been closed at the other end.
                    return await ask()
            except ModbusExceptionError:
                raise
            except (ModbusError, TimeoutError, OSError) as err:
                raise UnitUnreachable(str(err)) from err
