"""A LEAF-to-Home station or storage battery that speaks ECHONET Lite."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
import logging
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ...const import CONF_VEHICLES, CONF_VISITORS, DOMAIN, LOGGER
from ...engine.model import Capabilities, DischargeSemantics, Outcome, Reading, Setpoint
from ..base import ISSUE_VEHICLE, UnitContext, UnitInfo, UnitUnreachable
from .classes import BATTERIES, OPERATION, Connection
from .conduct import Conduct
from .control import Commander
from .device import MAKER, PRODUCT, SERIAL, DeviceObject
from .discovery import (
    INSTANCES_ANNOUNCED,
    announced_instances,
    async_node_name,
    maker_name,
)
from .endpoint import EndpointError, PortTaken
from .finding import async_is_at, async_is_still_at
from .frames import NODE_PROFILE, Message, Service, class_code
from .hub import Hub, Lan, async_get_hub, program_name
from .journal import Journal
from .learning import Learner
from .link import Link, NoAnswer
from .meeting import Acquaintance, async_meet
from .station import Station
from .whereabouts import Whereabouts

CONF_LOCAL_ADDRESS: Final = "local_address"
CONF_ADDRESS: Final = "address"
CONF_NODE: Final = "node"
CONF_EOJ: Final = "eoj"
CONF_METERS: Final = "meters"

ISSUE_PORT: Final = "echonet_port_taken"

# The car is woken for its data at most this often when nobody asks for it, s.
WAKE_GAP_S: Final = 6 * 3600.0
# A plug that makes bad contact must not wake it again and again, s.
PLUG_GAP_S: Final = 300.0
BUTTON_GAP_S: Final = 60.0


class EchonetLiteUnit:
    """One battery; connected from `connect` until `detach`."""

    def __init__(self, hass: HomeAssistant, context: UnitContext, hub: Hub) -> None:
        data = context.data
        self.capabilities = Capabilities(discharge=DischargeSemantics.UNKNOWN)
        self.poll_interval: timedelta | None = timedelta(seconds=hub.pace.fast_s)
        self._hass = hass
        self._context = context
        self._hub = hub
        self._whereabouts = Whereabouts(hass, context.subentry_id)
        # As it was told in the set-up; the node may be elsewhere by now.
        self._told_address: str = data[CONF_ADDRESS]
        self._node: str = data[CONF_NODE]
        self._eoj: int = data[CONF_EOJ]
        self.has_vehicle = BATTERIES[class_code(self._eoj)].vehicle is not None
        self._local_address: str | None = data.get(CONF_LOCAL_ADDRESS)
        self._visitors = frozenset(data.get(CONF_VISITORS, ()))
        self._lan: Lan | None = None
        self._link: Link | None = None
        self._station: Station | None = None
        self._commander: Commander | None = None
        # What is learnt outlives a lost connection, and what carries the house.
        self._conduct = Conduct()
        self._learner = Learner()
        self._journal = Journal()
        self._known = Acquaintance(
            node=self._node,
            eoj=self._eoj,
            meters=data.get(CONF_METERS),
            vehicles=frozenset(
                vehicle["key"] for vehicle in data.get(CONF_VEHICLES, ())
            ),
            whereabouts=self._whereabouts,
            conduct=self._conduct,
            learner=self._learner,
        )
        self._before: Station | None = None
        # How long the node takes at most, as far as is known.
        self._patience_s: float | None = None
        self._woken_s: float | None = None
        self._listeners: list[Callable[[Reading], None]] = []
        self._stops: list[CALLBACK_TYPE] = []
        self._tasks: set[asyncio.Task[None]] = set()
        # It said that it has started: it may be another one, or able to do more.
        self._unproven = False
        self._anew = False
        self._anew_from_s = 0.0
        self._warned = False
        self._restarts = 0
        self._plugged: bool | None = None
        self._reading: Reading | None = None
        self._read_s: float | None = None
        self._waiting_until_s = 0.0

    async def connect(self) -> UnitInfo:
        """Find the node, learn what it can do and what it is doing."""
        await self._drop()
        try:
            return await self._connect()
        except PortTaken as err:
            self._raise_port_issue(err)
            await self._drop()
            raise UnitUnreachable(str(err)) from err
        except EndpointError as err:
            await self._drop()
            raise UnitUnreachable(str(err)) from err
        except NoAnswer as err:
            await self._drop()
            raise UnitUnreachable(f"no answer from {self._where}") from err
        except BaseException:
            await self._drop()
            raise

    @callback
    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back with what the station announces."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Ask the station what is due."""
        station = self._connected()
        now_s = asyncio.get_running_loop().time()
        try:
            await self._prove()
            if self._anew and now_s >= self._anew_from_s:
                station = await self._begin_anew(station, station.device.link)
            elif self._reading is None or self._may_ask(station, now_s):
                await station.refresh()
            else:
                return self._reading
        except NoAnswer as err:
            moved = await self._moved(station)
            if moved is None:
                raise UnitUnreachable(f"no answer from {self._where}") from err
            station = moved
        self._read_s = asyncio.get_running_loop().time()
        return self._take(station)

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Command the station and read back what it took."""
        context = self._context
        spec = context.vehicles.get(self.vehicle or "", context.spec)
        capacity_wh = 1000.0 * spec.capacity_kwh
        return await self._command(
            lambda commander: commander.apply(setpoint, capacity_wh)
        )

    async def park(self) -> Outcome:
        """Stand by, unless the station carries the house."""
        return await self._command(Commander.park)

    async def detach(self) -> None:
        """Close what is ours; the station goes on as it is."""
        await self._drop()
        self._clear_port_issue()
        ir.async_delete_issue(
            self._hass, DOMAIN, f"{ISSUE_VEHICLE}_{self._context.subentry_id}"
        )

    async def async_refresh_vehicle(self) -> None:
        """Ask the car for its data now, because a person wants to know."""
        try:
            self._connected()
            await self._wake(BUTTON_GAP_S)
        except (NoAnswer, UnitUnreachable) as err:
            raise UnitUnreachable(
                translation_domain=DOMAIN,
                translation_key="unit_unreachable",
                translation_placeholders={
                    "unit": self._context.name,
                    "error": str(err) or f"no answer from {self._where}",
                },
            ) from err

    @property
    def vehicle(self) -> str | None:
        """Return the key of the car at the plug, None where that is not known."""
        return self._station.vehicle if self._station is not None else None

    @property
    def _where(self) -> str:
        """Return where the node is, or was last."""
        if self._link is not None:
            return self._link.address
        return self._whereabouts.last(self._node, self._told_address)

    def diagnostics(self) -> dict[str, Any]:
        """Return what helps to understand a model that nobody has tried."""
        self._keep()
        link = self._link
        return {
            "connected": self._station is not None,
            CONF_ADDRESS: self._where,
            "latency_s": link.latency_s if link is not None else None,
            "learnt_discharge": self._learner.meaning,
            "learnt_dead_time_s": self._learner.dead_time_s,
            **self._journal.report(asyncio.get_running_loop().time()),
        }

    def _keep(self) -> None:
        """Keep what the connection has seen: who reports a fault may have lost it."""
        if self._lan is None:
            return
        station = self._station
        objects: list[DeviceObject] = []
        if station is not None:
            objects = [station.device, *station.siblings]
            objects += [meter.device for meter in station.house.meters]
        self._journal.keep(
            objects,
            self._lan.endpoint.log,
            [self._where, *(device.link.address for device in objects)],
        )

    async def _connect(self) -> UnitInfo:
        lan = self._lan = await self._hub.async_acquire(self._local_address)
        self._clear_port_issue()
        await self._whereabouts.async_load()
        address = await self._whereabouts.async_find(
            lan,
            self._node,
            self._eoj,
            self._told_address,
            patience_s=self._patience_s,
        )
        link = self._link = lan.acquire_link(address)
        link.forget()
        self._conduct.forget()
        self._unproven = self._anew = False
        station = await async_meet(lan, link, self._known, self._before)
        self._seat(lan, station)
        self._listen_to(lan, link)
        self._take(station)
        device = station.device
        maker = device.raw(MAKER)
        return UnitInfo(
            manufacturer=maker_name(
                int.from_bytes(maker) if maker else None, self._hass.config.language
            ),
            model=device.text(PRODUCT),
            sw_version=f"Release {device.release}" if device.release else None,
            serial_number=device.text(SERIAL),
        )

    async def _prove(self) -> None:
        """Make sure that who has started is our node; raise NoAnswer."""
        if not self._unproven or self._link is None:
            return
        if await async_node_name(self._link, self._eoj) != self._node:
            raise UnitUnreachable(f"another node answers at {self._where}")
        self._unproven = False
        self._anew = True

    async def _begin_anew(self, station: Station, link: Link) -> Station:
        """Learn the node anew while what was known still counts; raise NoAnswer."""
        lan = self._lan
        assert lan is not None
        self._anew = False
        link.forget()
        new = await async_meet(lan, link, self._known, station)
        if self._station is not station:
            # Somebody else was quicker, or it was let go of.
            raise NoAnswer
        self._restarts += 1
        self._seat(lan, new)
        LOGGER.debug("%s has started anew", self._context.name)
        return new

    @callback
    def _seat(self, lan: Lan, station: Station) -> None:
        """Take a station for what is read and commanded from now on."""
        before, self._station = self._commander, station
        self._commander = Commander(station, lan.pace)
        self._commander.woken_s = before.woken_s if before else self._woken_s
        slow = (station.device.link.latency_s or 0.0) / lan.pace.slow_node_s
        now_s = asyncio.get_running_loop().time()
        self._anew_from_s = now_s + lan.pace.anew_s * max(1.0, slow)

    @callback
    def _listen_to(self, lan: Lan, link: Link) -> None:
        """Hear what the node announces, and who announces the same elsewhere."""
        while self._stops:
            self._stops.pop()()
        self._stops = [link.listen(self._announced), lan.endpoint.listen(self._heard)]

    async def _drop(self) -> None:
        """Let go of everything; a later `connect` begins anew."""
        self._keep()
        while self._stops:
            self._stops.pop()()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._commander is not None:
            self._woken_s = self._commander.woken_s
        station, self._station, self._commander = self._station, None, None
        if station is not None:
            self._before = station
            await station.house.close()
        if self._lan is not None:
            if self._link is not None:
                if self._link.latency_s is not None:
                    self._patience_s = self._link.long_s
                self._lan.release_link(self._link)
            self._hub.async_release(self._lan)
        self._lan = self._link = None
        self._reading = None

    def _connected(self) -> Station:
        if self._station is None:
            raise UnitUnreachable("not connected")
        return self._station

    def _may_ask(self, station: Station, now_s: float) -> bool:
        """Return whether a slow node is left alone for as long as it was busy."""
        latency_s = station.device.link.latency_s or 0.0
        if latency_s < self._hub.pace.slow_node_s or self._read_s is None:
            return True
        return now_s >= max(self._read_s + latency_s, self._waiting_until_s)

    async def _command(
        self, command: Callable[[Commander], Coroutine[Any, Any, Outcome]]
    ) -> Outcome:
        station = self._connected()
        try:
            await self._prove()
            station, commander = self._connected(), self._commander
            assert commander is not None
            outcome = await command(commander)
        except NoAnswer as err:
            raise UnitUnreachable(f"no answer from {self._where}") from err
        finally:
            # The next attempt is not made to wait for a reading.
            now_s = asyncio.get_running_loop().time()
            self._waiting_until_s = now_s + 2.0 * station.device.link.patience_s
        self._push(station)
        self._start("follow", self._follow())
        return outcome

    @callback
    def _take(self, station: Station) -> Reading:
        """Make the reading and see what it gives reason for."""
        self.capabilities = station.capabilities()
        self._reading = replace(station.reading(), restarts=self._restarts)
        latency_s = station.device.link.latency_s or 0.0
        if 5.0 * latency_s > self._reading.max_age_s:
            self._reading = replace(self._reading, max_age_s=5.0 * latency_s)
        self._see_plug(station)
        self._see_vehicle(station)
        return self._reading

    @callback
    def _push(self, station: Station) -> None:
        if station is not self._station:
            # It is another one by now.
            return
        reading = self._take(station)
        for listener in list(self._listeners):
            listener(reading)

    @callback
    def _announced(self, eoj: int, values: dict[int, bytes]) -> None:
        """Take what the node announces of its objects."""
        station = self._station
        if station is None:
            return
        if eoj == NODE_PROFILE:
            # It announces its objects when it starts. Its mode may be gone, and that
            # is nobody's doing.
            if INSTANCES_ANNOUNCED in values or OPERATION in values:
                self._unproven = True
                self._conduct.forget()
            return
        for device in (station.device, *station.siblings):
            if device.eoj == eoj:
                device.take(values)
                station.look()
                self._push(station)
                # The power is not announced, and may have changed with it.
                self._start("follow", self._follow(at_once=True))

    @callback
    def _heard(self, address: str, message: Message) -> None:
        """Look at who announces what our node has: nodes do when they have moved."""
        if (
            self._link is not None
            and address != self._link.address
            and message.service in (Service.INF, Service.INFC)
            and self._eoj in (announced_instances(message) or ())
        ):
            self._start("move", self._move(address))

    async def _move(self, address: str) -> None:
        """Go where the node announces itself from.

        Its name can be copied: as long as it answers where it is, it is nowhere else.
        """
        lan, before = self._lan, self._station
        if lan is None or before is None:
            return
        if not await async_is_at(lan, self._node, self._eoj, address):
            return
        link = before.device.link
        if await async_is_still_at(link, self._node, self._eoj):
            LOGGER.log(
                logging.DEBUG if self._warned else logging.WARNING,
                "%s is at %s; who says to be it at %s is somebody else",
                self._context.name,
                link.address,
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
        await self._whereabouts.async_remember(self._node, self._told_address, address)
        self._push(station)

    async def _moved(self, before: Station) -> Station | None:
        """Return the station where it was followed to another address meanwhile."""
        moving = [task for task in self._tasks if task.get_name() == "move"]
        if moving:
            await asyncio.wait(moving, timeout=before.device.link.long_s)
        return None if self._station is before else self._station

    async def _follow(self, *, at_once: bool = False) -> None:
        """Look soon at what a command or a notice has changed."""
        station, lan = self._station, self._lan
        if station is None or lan is None:
            return
        if not at_once:
            await asyncio.sleep(lan.pace.follow_s)
        if (station.device.link.latency_s or 0.0) >= lan.pace.slow_node_s:
            return
        try:
            await station.refresh_fast()
            await station.house.refresh()
        except NoAnswer:
            # The next reading will say so.
            return
        self._push(station)

    @callback
    def _see_plug(self, station: Station) -> None:
        """Let a car that was just plugged in tell its data."""
        connection = station.connection
        if connection is None or connection == Connection.UNDEFINED:
            return
        plugged = connection != Connection.NONE
        was_plugged, self._plugged = self._plugged, plugged
        if not plugged:
            return
        if was_plugged is False:
            self._start("wake", self._wake_beside(PLUG_GAP_S))
        elif station.soc_percent is None or station.nameless:
            self._start("wake", self._wake_beside(WAKE_GAP_S))

    async def _wake_beside(self, gap_s: float) -> None:
        try:
            await self._wake(gap_s)
        except (NoAnswer, UnitUnreachable) as err:
            LOGGER.debug("%s: no answer about the car: %r", self._context.name, err)

    async def _wake(self, gap_s: float) -> None:
        """Let the car tell its data, if it may be asked; raise NoAnswer."""
        await self._prove()
        station, commander = self._station, self._commander
        if station is None or commander is None:
            return
        if await commander.wake(gap_s=gap_s):
            await station.refresh_fast()
            await station.refresh_slow()
            self._push(station)

    @callback
    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside; at most one of a kind at a time."""
        if any(task.get_name() == name for task in self._tasks):
            work.close()
            return
        task = self._hass.async_create_background_task(work, name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @callback
    def _see_vehicle(self, station: Station) -> None:
        """Offer to add a car that is not known."""
        issue = f"{ISSUE_VEHICLE}_{self._context.subentry_id}"
        if station.stranger and station.vehicle not in self._visitors:
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                issue,
                data={
                    "subentry_id": self._context.subentry_id,
                    "vehicle": station.vehicle,
                },
                is_fixable=True,
                severity=ir.IssueSeverity.WARNING,
                translation_key=ISSUE_VEHICLE,
                translation_placeholders={"unit": self._context.name},
            )
        else:
            ir.async_delete_issue(self._hass, DOMAIN, issue)

    @callback
    def _raise_port_issue(self, err: PortTaken) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{ISSUE_PORT}_{self._context.subentry_id}",
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=ISSUE_PORT,
            translation_placeholders={
                "unit": self._context.name,
                "program": program_name(self._hass, err),
            },
        )

    @callback
    def _clear_port_issue(self) -> None:
        ir.async_delete_issue(
            self._hass, DOMAIN, f"{ISSUE_PORT}_{self._context.subentry_id}"
        )


async def async_create(hass: HomeAssistant, context: UnitContext) -> EchonetLiteUnit:
    """Make the unit; nothing is sent before it connects."""
    return EchonetLiteUnit(hass, context, async_get_hub(hass))
