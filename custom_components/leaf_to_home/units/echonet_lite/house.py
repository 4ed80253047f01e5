"""What the same network measures of the house: grid and sun."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from .classes import (
    CODE_BOARD,
    CODE_METER,
    CODE_SOLAR,
    METER_INTERCONNECTION,
    METER_POWER,
)
from .device import DeviceObject
from .frames import class_code
from .hub import Lan
from .link import Link, NoAnswer
from .whereabouts import Whereabouts

ROLE_GRID = "grid"
ROLE_SOLAR = "solar"


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterChoice:
    """A meter that belongs to the house, as the form stores it."""

    address: str
    node: str
    eoj: int
    role: str
    inverted: bool = False

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """Return the choice as it was stored."""
        return cls(**data)


def own_meters(address: str, node: str, instances: Iterable[int]) -> list[MeterChoice]:
    """Return the meters that a station brings itself.

    The multi-input power conditioner is not one: makers disagree about what its power
    is and which way it counts, so it has to be chosen.
    """
    by_code: dict[int, list[int]] = {}
    for eoj in instances:
        by_code.setdefault(class_code(eoj), []).append(eoj)
    grid = (by_code.get(CODE_METER) or by_code.get(CODE_BOARD) or [])[:1]
    chosen = [(eoj, ROLE_GRID) for eoj in grid]
    chosen += [(eoj, ROLE_SOLAR) for eoj in by_code.get(CODE_SOLAR, [])]
    return [
        MeterChoice(address=address, node=node, eoj=eoj, role=role)
        for eoj, role in chosen
    ]


class Meter:
    """One measurement of the house."""

    def __init__(
        self,
        lan: Lan,
        choice: MeterChoice,
        station: Link | None,
        whereabouts: Whereabouts,
    ) -> None:
        self.choice = choice
        # On the station's own node the two share the link, and its fate.
        self.with_station = station is not None
        self._lan = lan
        self._whereabouts = whereabouts
        self._link = station or lan.acquire_link(
            whereabouts.last(choice.node, choice.address)
        )
        self._device = DeviceObject(self._link, choice.eoj, brief=self.with_station)
        self._known = False
        self._called_s: float | None = None
        self._silent_until_s = 0.0

    @property
    def device(self) -> DeviceObject:
        """Return the device object."""
        return self._device

    def close(self) -> None:
        """Let go of the node."""
        if not self.with_station:
            self._lan.release_link(self._link)

    async def refresh(self) -> None:
        """Ask for the power; a silent meter has none."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._silent_until_s:
            return
        code = self._device.code
        epcs = [METER_POWER[code]]
        if code in METER_INTERCONNECTION:
            epcs.append(METER_INTERCONNECTION[code])
        try:
            if not self._known:
                await self._reach()
            await self._device.refresh(epcs)
        except NoAnswer:
            self._known = False
            if self.with_station:
                # The station has to be asked meanwhile.
                self._silent_until_s = now_s + self._lan.pace.silent_s

    def power_w(self, now_s: float, max_age_s: float) -> float | None:
        """Return the power, positive importing or producing, None where it is old."""
        epc = METER_POWER[self._device.code]
        told_s = self._device.told_s(epc)
        value = self._device.number(epc)
        if value is None or told_s is None or now_s - told_s > max_age_s:
            return None
        return 0.0 - value if self.choice.inverted else value

    async def _reach(self) -> None:
        """Make sure that this is the meter that was chosen; raise NoAnswer."""
        if not self.with_station:
            await self._find()
        await self._device.load_maps()
        self._known = True

    async def _find(self) -> None:
        """Find the node, which may have another address; raise NoAnswer."""
        now_s = asyncio.get_running_loop().time()
        call = self._called_s is None or (
            now_s - self._called_s >= self._lan.pace.seek_s
        )
        if call:
            self._called_s = now_s
        choice = self.choice
        address = await self._whereabouts.async_find(
            self._lan, choice.node, choice.eoj, choice.address, call=call
        )
        if address != self._link.address:
            self._lan.release_link(self._link)
            self._link = self._lan.acquire_link(address)
            self._device = DeviceObject(self._link, choice.eoj)


class House:
    """The meters of one house."""

    def __init__(
        self,
        lan: Lan,
        choices: Iterable[MeterChoice],
        node: str,
        link: Link,
        whereabouts: Whereabouts,
    ) -> None:
        self.meters = [
            Meter(lan, choice, link if choice.node == node else None, whereabouts)
            for choice in choices
        ]
        self._pace = lan.pace
        self._tasks: dict[Meter, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        for meter in self.meters:
            meter.close()

    async def refresh(self) -> None:
        """Ask all meters; one of another node may answer later than that."""
        for meter in self.meters:
            if not meter.with_station:
                task = self._tasks.get(meter)
                if task is None or task.done():
                    self._tasks[meter] = asyncio.create_task(meter.refresh())
        for meter in self.meters:
            if meter.with_station:
                await meter.refresh()
        waiting = [task for task in self._tasks.values() if not task.done()]
        if waiting:
            # Its node may have died with the grid: the station is not kept waiting.
            await asyncio.wait(waiting, timeout=self._pace.meter_wait_s)

    def grid_w(self, now_s: float) -> float | None:
        """Return the grid power, positive importing."""
        for meter in self.meters:
            if meter.choice.role == ROLE_GRID:
                return meter.power_w(now_s, self._pace.meter_age_s)
        return None

    def solar_w(self, now_s: float) -> float | None:
        """Return the sun's power, None where there is none or a part is unknown."""
        parts = [
            meter.power_w(now_s, self._pace.meter_age_s)
            for meter in self.meters
            if meter.choice.role == ROLE_SOLAR
        ]
        known = [part for part in parts if part is not None]
        return sum(known) if known and len(known) == len(parts) else None
