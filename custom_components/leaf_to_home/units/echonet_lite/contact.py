"""Keeping in touch with the node of a unit, which may restart, move, or be another."""

import asyncio
from collections.abc import Callable
import logging

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ...const import LOGGER
from ..base import UnitUnreachable
from .classes import OPERATION
from .control import Commander
from .discovery import INSTANCES_ANNOUNCED, announced_instances, async_node_name
from .finding import async_is_at, async_is_still_at
from .frames import NODE_PROFILE, Message, Service
from .hub import Hub, Lan
from .link import Link, NoAnswer
from .meeting import Acquaintance, async_meet
from .station import Station


class Contact:
    """Finds the node, learns what it is, and goes after it.

    `on_values` is called with object and values that it announces, `on_moved` with the
    station when it was followed to another address.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        hub: Hub,
        known: Acquaintance,
        *,
        name: str,
        local_address: str | None,
        told_address: str,
        on_values: Callable[[int, dict[int, bytes]], None],
        on_moved: Callable[[Station], None],
    ) -> None:
        self.lan: Lan | None = None
        self.station: Station | None = None
        self.commander: Commander | None = None
        # How often the node has started anew, and may have lost what it was told.
        self.restarts = 0
        self._hass = hass
        self._hub = hub
        self._known = known
        self._name = name
        self._local_address = local_address
        # As it was told in the set-up; the node may be elsewhere by now.
        self._told_address = told_address
        self._on_values = on_values
        self._on_moved = on_moved
        self._link: Link | None = None
        self._stops: list[CALLBACK_TYPE] = []
        self._moving: asyncio.Task[None] | None = None
        # What is known of an island outlasts a lost connection.
        self._island: bool | None = None
        # How long the node takes at most, as far as is known.
        self._patience_s: float | None = None
        self._woken_s: float | None = None
        # It said that it has started: it may be another one, or able to do more.
        self._unproven = False
        self._anew = False
        self._anew_from_s = 0.0
        self._warned = False

    @property
    def where(self) -> str:
        """Return where the node is, or was last."""
        if self._link is not None:
            return self._link.address
        return self._known.whereabouts.last(self._known.node, self._told_address)

    async def async_open(self) -> Station:
        """Find the node and learn it; raise EndpointError or NoAnswer."""
        known = self._known
        lan = self.lan = await self._hub.async_acquire(self._local_address)
        await known.whereabouts.async_load()
        address = await known.whereabouts.async_find(
            lan,
            known.node,
            known.eoj,
            self._told_address,
            patience_s=self._patience_s,
        )
        link = self._link = lan.acquire_link(address)
        link.forget()
        known.conduct.forget()
        self._unproven = self._anew = False
        station = await async_meet(lan, link, known, island=self._island)
        self._seat(lan, station)
        self._listen_to(lan, link)
        return station

    async def async_close(self) -> None:
        """Let go of the node; what it does it goes on to do."""
        while self._stops:
            self._stops.pop()()
        if self._moving is not None:
            self._moving.cancel()
            await asyncio.wait([self._moving])
        if self.commander is not None:
            self._woken_s = self.commander.woken_s
        station, self.station, self.commander = self.station, None, None
        if station is not None:
            self._island = station.witnessed_island
            await station.house.close()
        lan, link, self.lan, self._link = self.lan, self._link, None, None
        if lan is not None:
            if link is not None:
                if link.latency_s is not None:
                    self._patience_s = link.long_s
                lan.release_link(link)
            self._hub.async_release(lan)

    async def async_prove(self) -> None:
        """Make sure that who has started is our node; raise NoAnswer."""
        if not self._unproven or self._link is None:
            return
        if await async_node_name(self._link, self._known.eoj) != self._known.node:
            raise UnitUnreachable(f"another node answers at {self.where}")
        self._unproven = False
        self._anew = True

    async def async_refresh(self, station: Station) -> Station:
        """Ask for what is due, and return who answered; raise NoAnswer."""
        now_s = asyncio.get_running_loop().time()
        try:
            await self.async_prove()
            if not self._anew or now_s < self._anew_from_s:
                await station.refresh()
                return station
            return await self._begin_anew(station, station.device.link)
        except NoAnswer:
            moved = await self._moved(station)
            if moved is None:
                raise
            return moved

    async def _begin_anew(self, station: Station, link: Link) -> Station:
        """Learn the node anew while what was known still counts; raise NoAnswer."""
        lan = self.lan
        assert lan is not None
        self._anew = False
        link.forget()
        new = await async_meet(
            lan,
            link,
            self._known,
            # Another link has other meters on it.
            house=station.house if station.device.link is link else None,
            island=station.witnessed_island,
        )
        if self.station is not station:
            # Somebody else was quicker, or it was let go of.
            raise NoAnswer
        self.restarts += 1
        self._seat(lan, new)
        LOGGER.debug("%s has started anew", self._name)
        return new

    @callback
    def _seat(self, lan: Lan, station: Station) -> None:
        """Take a station for what is read and commanded from now on."""
        before, self.station = self.commander, station
        self.commander = Commander(station, lan.pace)
        self.commander.woken_s = before.woken_s if before else self._woken_s
        slow = (station.device.link.latency_s or 0.0) / lan.pace.slow_node_s
        now_s = asyncio.get_running_loop().time()
        self._anew_from_s = now_s + lan.pace.anew_s * max(1.0, slow)

    @callback
    def _listen_to(self, lan: Lan, link: Link) -> None:
        """Hear what the node announces, and who announces the same elsewhere."""
        while self._stops:
            self._stops.pop()()
        self._stops = [link.listen(self._announced), lan.endpoint.listen(self._heard)]

    @callback
    def _announced(self, eoj: int, values: dict[int, bytes]) -> None:
        if eoj != NODE_PROFILE:
            self._on_values(eoj, values)
        elif INSTANCES_ANNOUNCED in values or OPERATION in values:
            # So nodes do when they start. Its mode may be gone: that is nobody's doing.
            self._unproven = True
            self._known.conduct.forget()

    @callback
    def _heard(self, address: str, message: Message) -> None:
        """Look at who announces what our node has: nodes do when they have moved."""
        if (
            self._link is not None
            and address != self._link.address
            and message.service in (Service.INF, Service.INFC)
            and self._known.eoj in (announced_instances(message) or ())
            and (self._moving is None or self._moving.done())
        ):
            self._moving = self._hass.async_create_background_task(
                self._async_move(address), f"{self._name} moves"
            )

    async def _async_move(self, address: str) -> None:
        """Go where the node announces itself from.

        Its name can be copied: as long as it answers where it is, it is nowhere else.
        """
        known, lan, before = self._known, self.lan, self.station
        if lan is None or before is None:
            return
        if not await async_is_at(lan, known.node, known.eoj, address):
            return
        if await async_is_still_at(before.device.link, known.node, known.eoj):
            LOGGER.log(
                logging.DEBUG if self._warned else logging.WARNING,
                "%s answers at %s: it is not looked for at %s, where its name is too",
                self._name,
                before.device.link.address,
                address,
            )
            self._warned = True
            return
        link = lan.acquire_link(address)
        try:
            station = await self._begin_anew(before, link)
        except BaseException as err:
            lan.release_link(link)
            if not isinstance(err, NoAnswer):
                raise
            # It is looked for with the next reading.
            return
        assert self._link is not None
        old, self._link = self._link, link
        self._unproven = False
        self._listen_to(lan, link)
        lan.release_link(old)
        await before.house.close()
        await known.whereabouts.async_remember(known.node, self._told_address, address)
        self._on_moved(station)

    async def _moved(self, before: Station) -> Station | None:
        """Return the station where it was followed to another address meanwhile."""
        if self._moving is not None and not self._moving.done():
            await asyncio.wait([self._moving], timeout=before.device.link.long_s)
        return None if self.station is before else self.station
