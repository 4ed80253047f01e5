"""A LEAF at a Wallbox Quasar 1."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from homeassistant.components.modbus import async_get_unit
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from modbus_connection import ModbusTcpParams

from ...const import CONF_MAIN_LIMIT, CONF_PHASES, DOMAIN, LOGGER
from ...engine.battery import UnitSpec
from ...engine.model import Capabilities, Outcome, OutcomeKind, Reading, Setpoint
from ...site import main_limits_w
from ..base import UnitContext, UnitInfo, UnitUnreachable
from .carrier import ASKING, SLOW, Carrier, outcome
from .commander import OutOfTime
from .conduct import MOVES_W, STOPPED
from .link import Link, Refused
from .notices import ISSUE_NOT_GIVEN_BACK, ISSUE_OTHER_CHARGER, Notices
from .pace import PACE, Pace
from .registers import LEAST_AVAILABLE_W, MOST_W, UNIT_ID
from .watcher import Watcher

CONF_SERIAL: Final = "serial_number"


class QuasarUnit:
    """One charger; connected from `connect` until `detach`."""

    has_vehicle = True

    def __init__(
        self, hass: HomeAssistant, context: UnitContext, pace: Pace, available_w: int
    ) -> None:
        self.capabilities = Capabilities(
            watchdog_s=pace.watchdog_s,
            dead_time_s=pace.dead_time_s,
            export=True,
            soc_on_request=True,
            remembers=True,
        )
        self.poll_interval: timedelta | None = timedelta(seconds=pace.poll_s)
        self._hass = hass
        self._context = context
        self._pace = pace
        self._available_w = available_w
        self._notices = Notices(hass, context)
        self._watcher = Watcher(self._notices, pace, available_w)
        self._carrier: Carrier | None = None
        self._command = asyncio.Lock()
        self._listeners: list[Callable[[Reading], None]] = []
        self._left_alone = False

    async def connect(self) -> UnitInfo:
        """Reach the charger, and see that it is the one."""
        if self._carrier is None:
            self._carrier = self._open()
        else:
            # It may be up and silent.
            await self._carrier.link.drop()
        link = self._carrier.link
        identity = await link.identity()
        other = identity.serial != self._context.data[CONF_SERIAL]
        self._notices.settle(ISSUE_OTHER_CHARGER, other)
        if other:
            raise UnitUnreachable("another charger answers at this address")
        if self._watcher.conduct.standing_w is None:
            await self._adopt(link)
        return UnitInfo(
            manufacturer="Wallbox",
            model="Quasar",
            sw_version=str(identity.firmware),
            serial_number=str(identity.serial),
        )

    @callback
    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back with what a command has changed."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Ask the charger, unless that would keep going what nobody renews."""
        reading = self._watcher.reading
        if reading is not None and (self._command.locked() or self._leaves_alone()):
            return reading
        return await self._connected().look()

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Command the charger and read back what it took."""
        if self._command.locked():
            return outcome(OutcomeKind.PENDING, detail=ASKING)
        async with self._command:
            done = await self._carry_out(
                lambda carrier: carrier.apply(setpoint), self._pace.apply_s
            )
        self._push()
        return done

    async def park(self) -> Outcome:
        """Rest under our control: in its own the charger would start by itself."""
        async with self._command:
            return await self._carry_out(Carrier.rest_if_ours, self._pace.park_s)

    async def give_back(self, *, allowed: bool = True) -> Outcome:
        """Rest, and leave the charger to its app; only grid-tied."""
        async with self._command:
            if not allowed:
                if self._watcher.ours:
                    self._notices.settle(ISSUE_NOT_GIVEN_BACK, True)
                return outcome(OutcomeKind.PENDING)
            done = await self._carry_out(Carrier.give_back, self._pace.apply_s)
        self._push()
        return done

    async def detach(self) -> None:
        """Drop the connection; the charger goes on as long as its watchdog lets it."""
        self._notices.clear()
        self._watcher.reading = None
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            with suppress(UnitUnreachable):
                await carrier.link.drop()

    async def async_refresh_vehicle(self) -> None:
        """Let the car tell its state of charge now, because a person wants to know.

        That starts the charger with next to no power. It is its app's again afterwards
        where it was before.
        """
        async with self._command:
            done = await self._carry_out(Carrier.ask_now, self._pace.ask_s + 30.0)
        self._push()
        if done.kind is not OutcomeKind.APPLIED:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="soc_not_told",
                translation_placeholders={
                    "unit": self._context.name,
                    "error": done.detail or done.kind,
                },
            )

    def diagnostics(self) -> dict[str, Any]:
        """Return what helps to understand a charger that does otherwise."""
        watcher, conduct = self._watcher, self._watcher.conduct
        now_s = asyncio.get_running_loop().time()
        sight, orders = watcher.sight, watcher.orders
        return {
            "connected": self._carrier is not None,
            "state": sight.raw_state if sight else None,
            "soc_register": sight.raw_soc if sight else None,
            "errors": list(sight.errors) if sight else None,
            "remote": orders.remote if orders else None,
            "autostart": orders.autostart if orders else None,
            "locked": orders.locked if orders else None,
            "setpoint_w": orders.power_w if orders else None,
            "standing_w": conduct.standing_w,
            "elsewhere": conduct.elsewhere,
            "changed_elsewhere_today": len(watcher.changes_s),
            "unattended_s": conduct.unattended_for(now_s),
            "restarts": conduct.restarts,
            "available_w": self._available_w,
            "writes": list(self._carrier.commander.log) if self._carrier else [],
        }

    def _open(self) -> Carrier:
        entry = _entry_of(self._hass, self._context.subentry_id)
        try:
            unit = async_get_unit(
                self._hass, entry, params_of(self._context.data), UNIT_ID
            )
        except HomeAssistantError as err:
            raise UnitUnreachable(str(err)) from err
        return Carrier(
            Link(unit, self._pace),
            self._watcher,
            self._notices,
            self._pace,
            self._available_w,
        )

    async def _adopt(self, link: Link) -> None:
        """Take for ours what the charger was told before we were started.

        What another controller has begun is respected, as if it had come later.
        """
        orders = await link.orders()
        if not orders.remote:
            return
        sight = await link.sight()
        if not await link.is_ours(orders):
            self._watcher.find_led(sight, orders)
        elif orders.power_w == 0 or sight.state not in STOPPED:
            now_s = asyncio.get_running_loop().time()
            self._watcher.conduct.command(orders.power_w, now_s)
        # Else its watchdog has ended the power that still stands in the register.

    def _connected(self) -> Carrier:
        if self._carrier is None:
            raise UnitUnreachable("not connected")
        return self._carrier

    def _leaves_alone(self) -> bool:
        """Return whether the charger is not read, so that its watchdog stops it.

        Afterwards it is read again. Where somebody else has taken over that is done
        only once: they may renew it themselves.
        """
        now_s = asyncio.get_running_loop().time()
        pace, sight = self._pace, self._watcher.sight
        conduct = self._watcher.conduct
        unattended_s = conduct.unattended_for(now_s)
        alone_s = (
            unattended_s - pace.renew_s
            if conduct.elsewhere
            else conduct.silent_for(now_s)
        )
        moves = sight is not None and (
            sight.running or abs(sight.power_w or 0.0) > MOVES_W
        )
        alone = (
            moves
            and unattended_s >= pace.renew_s
            and alone_s < pace.watchdog_s + pace.settle_s
        )
        if alone and not self._left_alone:
            LOGGER.warning(
                "%s: nobody has renewed its set-point for %.0f s; it is not asked any "
                "more until its watchdog has stopped it",
                self._context.name,
                unattended_s,
            )
        self._left_alone = alone
        return alone

    async def _carry_out(
        self,
        command: Callable[[Carrier], Coroutine[Any, Any, Outcome]],
        within_s: float,
    ) -> Outcome:
        carrier = self._connected()
        carrier.commander.begin(within_s)
        try:
            return await command(carrier)
        except Refused as err:
            return outcome(OutcomeKind.REFUSED, detail=f"refused_{err.address}")
        except OutOfTime:
            # What is done is done: the next attempt goes on from there.
            return outcome(OutcomeKind.PENDING, detail=SLOW)

    @callback
    def _push(self) -> None:
        reading = self._watcher.reading
        if reading is not None:
            for listener in list(self._listeners):
                listener(reading)


def params_of(data: dict[str, Any]) -> ModbusTcpParams:
    """Return where the charger is."""
    return ModbusTcpParams(host=data[CONF_HOST], port=data[CONF_PORT])


def available_w(entry: ConfigEntry, spec: UnitSpec) -> int:
    """Return what the charger is to take at most, also when nobody tells it anything.

    It is on one phase. Below 6 A it cannot be limited.
    """
    home_w, phase_w = main_limits_w(
        entry.options.get(CONF_MAIN_LIMIT), len(entry.data.get(CONF_PHASES, ()))
    )
    limits_w = (spec.max_charge_w, phase_w, home_w, MOST_W)
    least_w = min(limit for limit in limits_w if limit is not None)
    return max(LEAST_AVAILABLE_W, int(least_w))


def _entry_of(hass: HomeAssistant, subentry_id: str) -> ConfigEntry:
    return next(
        entry
        for entry in hass.config_entries.async_entries(DOMAIN)
        if subentry_id in entry.subentries
    )


async def async_create(hass: HomeAssistant, context: UnitContext) -> QuasarUnit:
    """Make the unit; nothing is sent before it connects."""
    entry = _entry_of(hass, context.subentry_id)
    return QuasarUnit(
        hass,
        context,
        hass.data.get(PACE, Pace()),
        available_w(entry, context.spec),
    )
