"""A LEAF-to-Home station or storage battery that speaks ECHONET Lite."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback

from ...const import CONF_VEHICLES, CONF_VISITORS, DOMAIN, LOGGER
from ...engine.model import (
    Capabilities,
    DischargeSemantics,
    IslandingStart,
    Outcome,
    Reading,
    Setpoint,
)
from ..base import UnitContext, UnitInfo, UnitUnreachable
from .classes import BATTERIES, Connection
from .conduct import Conduct
from .contact import Contact
from .control import Commander
from .device import MAKER, PRODUCT, SERIAL, DeviceObject
from .discovery import maker_name
from .endpoint import EndpointError, PortTaken
from .frames import class_code
from .hub import Hub, async_get_hub
from .journal import Journal
from .learning import Learner
from .link import NoAnswer
from .meeting import Acquaintance
from .notices import Notices
from .station import Station
from .whereabouts import Whereabouts

CONF_LOCAL_ADDRESS: Final = "local_address"
CONF_ADDRESS: Final = "address"
CONF_NODE: Final = "node"
CONF_EOJ: Final = "eoj"
CONF_METERS: Final = "meters"

# The car is woken for its data at most this often when nobody asks for it, s.
WAKE_GAP_S: Final = 6 * 3600.0
# A plug that makes bad contact must not wake it again and again, s.
PLUG_GAP_S: Final = 300.0
BUTTON_GAP_S: Final = 60.0


class EchonetLiteUnit:
    """One battery; connected from `connect` until `detach`."""

    def __init__(self, hass: HomeAssistant, context: UnitContext, hub: Hub) -> None:
        data = context.data
        # In an outage it may be long before its maps are read: until then it may carry
        # the house.
        self.capabilities = Capabilities(
            discharge=DischargeSemantics.UNKNOWN, islanding=IslandingStart.BY_HAND
        )
        self.poll_interval: timedelta | None = timedelta(seconds=hub.pace.fast_s)
        self._hass = hass
        self._context = context
        self._hub = hub
        eoj: int = data[CONF_EOJ]
        self.has_vehicle = BATTERIES[class_code(eoj)].vehicle is not None
        self._visitors = frozenset(data.get(CONF_VISITORS, ()))
        # What is learnt outlives a lost connection.
        self._learner = Learner()
        self._journal = Journal()
        self._notices = Notices(hass, context)
        self._contact = Contact(
            hass,
            hub,
            Acquaintance(
                node=data[CONF_NODE],
                eoj=eoj,
                meters=data.get(CONF_METERS),
                vehicles=frozenset(
                    vehicle["key"] for vehicle in data.get(CONF_VEHICLES, ())
                ),
                whereabouts=Whereabouts(hass, context.subentry_id),
                conduct=Conduct(),
                learner=self._learner,
            ),
            name=context.name,
            local_address=data.get(CONF_LOCAL_ADDRESS),
            told_address=data[CONF_ADDRESS],
            on_values=self._announced,
            on_moved=self._push,
        )
        self._listeners: list[Callable[[Reading], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
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
            self._notices.port_is_taken(err)
            await self._drop()
            raise UnitUnreachable(str(err)) from err
        except EndpointError as err:
            await self._drop()
            raise UnitUnreachable(str(err)) from err
        except NoAnswer as err:
            self._notices.port_is_free()
            await self._drop()
            raise self._no_answer() from err
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
        if self._reading is not None and not self._may_ask(station, now_s):
            return self._reading
        try:
            station = await self._contact.async_refresh(station)
        except NoAnswer as err:
            raise self._no_answer() from err
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
        self._notices.clear()

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
                    "error": str(err) or f"no answer from {self._contact.where}",
                },
            ) from err

    @property
    def vehicle(self) -> str | None:
        """Return the key of the car at the plug, None where that is not known."""
        station = self._contact.station
        return station.vehicle if station is not None else None

    def diagnostics(self) -> dict[str, Any]:
        """Return what helps to understand a model that nobody has tried."""
        self._keep()
        station = self._contact.station
        link = station.device.link if station is not None else None
        return {
            "connected": station is not None,
            CONF_ADDRESS: self._contact.where,
            "latency_s": link.latency_s if link is not None else None,
            "learnt_discharge": self._learner.meaning,
            "learnt_dead_time_s": self._learner.dead_time_s,
            **self._journal.report(asyncio.get_running_loop().time()),
        }

    def _keep(self) -> None:
        """Keep what the connection has seen: who reports a fault may have lost it."""
        lan, station = self._contact.lan, self._contact.station
        if lan is None:
            return
        objects: list[DeviceObject] = []
        if station is not None:
            objects = [station.device, *station.siblings]
            objects += [meter.device for meter in station.house.meters]
        self._journal.keep(
            objects,
            lan.endpoint.log,
            [self._contact.where, *(device.link.address for device in objects)],
        )

    async def _connect(self) -> UnitInfo:
        station = await self._contact.async_open()
        self._notices.port_is_free()
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

    async def _drop(self) -> None:
        """Let go of everything; a later `connect` begins anew."""
        self._keep()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._contact.async_close()
        self._reading = None

    def _connected(self) -> Station:
        if self._contact.station is None:
            raise UnitUnreachable("not connected")
        return self._contact.station

    def _no_answer(self) -> UnitUnreachable:
        return UnitUnreachable(f"no answer from {self._contact.where}")

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
            await self._contact.async_prove()
            station, commander = self._connected(), self._contact.commander
            assert commander is not None
            outcome = await command(commander)
        except NoAnswer as err:
            raise self._no_answer() from err
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
        self._reading = replace(station.reading(), restarts=self._contact.restarts)
        latency_s = station.device.link.latency_s or 0.0
        if 5.0 * latency_s > self._reading.max_age_s:
            self._reading = replace(self._reading, max_age_s=5.0 * latency_s)
        self._see_plug(station)
        self._see_vehicle(station)
        return self._reading

    @callback
    def _push(self, station: Station) -> None:
        if station is not self._contact.station:
            # It is another one by now.
            return
        reading = self._take(station)
        for listener in list(self._listeners):
            listener(reading)

    @callback
    def _announced(self, eoj: int, values: dict[int, bytes]) -> None:
        """Take what the node announces of its objects."""
        station = self._contact.station
        if station is None:
            return
        for device in (station.device, *station.siblings):
            if device.eoj == eoj:
                device.take(values)
                station.look()
                self._push(station)
                # The power is not announced, and may have changed with it.
                self._start("follow", self._follow(at_once=True))

    async def _follow(self, *, at_once: bool = False) -> None:
        """Look soon at what a command or a notice has changed."""
        station, pace = self._contact.station, self._hub.pace
        if station is None:
            return
        if not at_once:
            await asyncio.sleep(pace.follow_s)
        if (station.device.link.latency_s or 0.0) >= pace.slow_node_s:
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
        await self._contact.async_prove()
        station, commander = self._contact.station, self._contact.commander
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
        if (
            station.stranger
            and station.vehicle is not None
            and station.vehicle not in self._visitors
        ):
            self._notices.vehicle_is_strange(station.vehicle)
        else:
            self._notices.vehicle_is_known()


async def async_create(hass: HomeAssistant, context: UnitContext) -> EchonetLiteUnit:
    """Make the unit; nothing is sent before it connects."""
    return EchonetLiteUnit(hass, context, async_get_hub(hass))
