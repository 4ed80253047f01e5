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
from homeassistant.util import dt as dt_util
from modbus_connection import ModbusTcpParams

from ...const import CONF_MAIN_LIMIT, CONF_PHASES, DOMAIN, LOGGER
from ...engine.battery import UnitSpec
from ...engine.model import (
    Capabilities,
    Outcome,
    OutcomeKind,
    Reading,
    Setpoint,
    UnitStatus,
)
from ...site import main_limits_w
from ..base import UnitContext, UnitInfo, UnitUnreachable
from .commander import Commander, OutOfTime
from .conduct import MOVES_W, Conduct
from .link import Link, Refused
from .notices import (
    ISSUE_ERROR,
    ISSUE_GIVEN_BACK,
    ISSUE_LOCKED,
    ISSUE_NOT_GIVEN_BACK,
    ISSUE_OTHER_CHARGER,
    ISSUE_QUEUED,
    ISSUE_TWO_CONTROLLERS,
    Notices,
)
from .pace import PACE, Pace
from .registers import (
    AWAY,
    FULL_PERCENT,
    LEAST_AVAILABLE_W,
    MOST_W,
    QUEUED,
    TIMEOUT,
    UNIT_ID,
    ChargerState,
    Orders,
    Sight,
)
from .soc import StateOfCharge

CONF_SERIAL: Final = "serial_number"

# The power at which a car tells its state of charge, W.
ASK_W: Final = -1
# What is further from the set-point than this is worth saying, W.
DEVIATION_W: Final = 500.0
# So many changes by somebody else in a day are no accident.
CONTESTED: Final = 3
DAY_S: Final = 24 * 3600.0

# Details of an outcome. A refusal names the register: `refused_260`.
ASKING: Final = "asking_soc"
CHANGED: Final = "changed_elsewhere"
DEVIATION: Final = "deviation"
DEVICE_LIMIT: Final = "device_limit"
ERROR: Final = "error"
ERROR_PASSING: Final = "error_passing"
FULL: Final = "full"
LOCKED: Final = "locked"
NOT_CONNECTED: Final = "not_connected"
NOT_OURS: Final = "not_ours"
QUEUE: Final = "queue"
SLOW: Final = "slow"
STARTING: Final = "starting"
STOPPING: Final = "stopping"
UNKNOWN_STATE: Final = "unknown_state"


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
        self._conduct = Conduct(pace)
        self._soc = StateOfCharge(pace.soc_stable_s)
        self._notices = Notices(hass, context)
        self._link: Link | None = None
        self._commander: Commander | None = None
        self._command = asyncio.Lock()
        self._listeners: list[Callable[[Reading], None]] = []
        self._reading: Reading | None = None
        self._sight: Sight | None = None
        self._orders: Orders | None = None
        self._asking_since_s: float | None = None
        self._ask_not_before_s = 0.0
        self._locked = False
        self._changes_s: list[float] = []
        self._left_alone = False

    async def connect(self) -> UnitInfo:
        """Reach the charger, and see that it is the one."""
        link = self._link
        if link is None:
            link = self._open()
        else:
            # It may be up and silent.
            await link.drop()
        identity = await link.identity()
        other = identity.serial != self._context.data[CONF_SERIAL]
        self._notices.settle(ISSUE_OTHER_CHARGER, other)
        if other:
            raise UnitUnreachable("another charger answers at this address")
        if self._conduct.standing_w is None:
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
        if self._reading is not None and (
            self._command.locked() or self._leaves_alone()
        ):
            return self._reading
        return await self._look()

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Command the charger and read back what it took."""
        if self._command.locked():
            return _outcome(OutcomeKind.PENDING, detail=ASKING)
        async with self._command:
            outcome = await self._carry_out(
                lambda: self._apply(setpoint), self._pace.apply_s
            )
        self._push()
        return outcome

    async def park(self) -> Outcome:
        """Rest under our control: in its own the charger would start by itself."""
        async with self._command:
            return await self._carry_out(self._rest_if_ours, self._pace.park_s)

    async def give_back(self, *, allowed: bool = True) -> Outcome:
        """Rest, and leave the charger to its app; only grid-tied."""
        async with self._command:
            if not allowed:
                if self._ours:
                    self._notices.settle(ISSUE_NOT_GIVEN_BACK, True)
                return _outcome(OutcomeKind.PENDING)
            outcome = await self._carry_out(self._give_back, self._pace.apply_s)
        self._push()
        return outcome

    async def detach(self) -> None:
        """Drop the connection; the charger goes on as long as its watchdog lets it."""
        self._notices.clear()
        self._reading = None
        link, self._link, self._commander = self._link, None, None
        if link is not None:
            with suppress(UnitUnreachable):
                await link.drop()

    async def async_refresh_vehicle(self) -> None:
        """Let the car tell its state of charge now, because a person wants to know.

        That starts the charger with next to no power. It is its app's again afterwards
        where it was before.
        """
        async with self._command:
            outcome = await self._carry_out(self._ask_now, self._pace.ask_s + 30.0)
        self._push()
        if outcome.kind is not OutcomeKind.APPLIED:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="soc_not_told",
                translation_placeholders={
                    "unit": self._context.name,
                    "error": outcome.detail or outcome.kind,
                },
            )

    def diagnostics(self) -> dict[str, Any]:
        """Return what helps to understand a charger that does otherwise."""
        conduct = self._conduct
        now_s = asyncio.get_running_loop().time()
        sight, orders = self._sight, self._orders
        return {
            "connected": self._link is not None,
            "state": sight.raw_state if sight else None,
            "soc_register": sight.raw_soc if sight else None,
            "errors": list(sight.errors) if sight else None,
            "remote": orders.remote if orders else None,
            "autostart": orders.autostart if orders else None,
            "locked": orders.locked if orders else None,
            "setpoint_w": orders.power_w if orders else None,
            "standing_w": conduct.standing_w,
            "elsewhere": conduct.elsewhere,
            "changed_elsewhere_today": len(self._changes_s),
            "unattended_s": conduct.unattended_for(now_s),
            "restarts": conduct.restarts,
            "available_w": self._available_w,
            "writes": list(self._commander.log) if self._commander else [],
        }

    @property
    def _ours(self) -> bool:
        """Return whether the charger was told by us, and by nobody else since."""
        return self._conduct.standing_w is not None and not self._conduct.elsewhere

    @property
    def _full(self) -> bool:
        """Return whether the car is not charged any further."""
        return self._soc.percent is not None and self._soc.percent >= FULL_PERCENT

    def _open(self) -> Link:
        entry = _entry_of(self._hass, self._context.subentry_id)
        try:
            unit = async_get_unit(
                self._hass, entry, params_of(self._context.data), UNIT_ID
            )
        except HomeAssistantError as err:
            raise UnitUnreachable(str(err)) from err
        self._link = Link(unit, self._pace)
        self._commander = Commander(self._link, self._pace, self._available_w)
        return self._link

    async def _adopt(self, link: Link) -> None:
        """Take for ours what the charger was told before we were started."""
        orders = await link.orders()
        if await is_ours(link, orders, self._pace):
            now_s = asyncio.get_running_loop().time()
            self._conduct.command(orders.power_w, now_s)

    def _connected(self) -> tuple[Link, Commander]:
        if self._link is None or self._commander is None:
            raise UnitUnreachable("not connected")
        return self._link, self._commander

    def _leaves_alone(self) -> bool:
        """Return whether the charger is not read, so that its watchdog stops it.

        Afterwards it is read again.
        """
        now_s = asyncio.get_running_loop().time()
        pace, sight = self._pace, self._sight
        unattended_s = self._conduct.unattended_for(now_s)
        moves = sight is not None and (
            sight.running or abs(sight.power_w or 0.0) > MOVES_W
        )
        alone = (
            moves
            and unattended_s >= pace.renew_s
            and unattended_s < pace.renew_s + pace.watchdog_s + pace.settle_s
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
        self, command: Callable[[], Coroutine[Any, Any, Outcome]], within_s: float
    ) -> Outcome:
        _, commander = self._connected()
        commander.begin(within_s)
        try:
            return await command()
        except Refused as err:
            return _outcome(OutcomeKind.REFUSED, detail=f"refused_{err.address}")
        except OutOfTime:
            # What is done is done: the next attempt goes on from there.
            return _outcome(OutcomeKind.PENDING, detail=SLOW)

    async def _apply(self, setpoint: Setpoint) -> Outcome:
        await self._look()
        sight, orders = self._sight, self._orders
        assert sight is not None
        assert orders is not None
        blocked = self._blocked(setpoint, sight)
        if blocked is not None:
            return blocked
        _, commander = self._connected()
        await commander.take_control(orders)
        self._notices.settle(ISSUE_GIVEN_BACK, False)
        self._notices.settle(ISSUE_NOT_GIVEN_BACK, False)
        asked_w = round(setpoint.power_w)
        power_w = max(-self._available_w, min(MOST_W, asked_w))
        now_s = asyncio.get_running_loop().time()
        if power_w == 0 and setpoint.ask_soc and self._may_ask(sight, now_s):
            await self._run(ASK_W, sight)
            return _outcome(OutcomeKind.PENDING, power_w=0.0, detail=ASKING)
        self._asking_since_s = None
        if power_w == 0:
            return await self._rest(sight)
        return await self._run(power_w, sight, limited=power_w != asked_w)

    def _blocked(self, setpoint: Setpoint, sight: Sight) -> Outcome | None:
        """Return why nothing may be written."""
        now_s = asyncio.get_running_loop().time()
        conduct = self._conduct
        since_s = conduct.elsewhere_since_s
        if since_s is not None and now_s - since_s < self._pace.heard_s:
            # Whoever decided did not know yet.
            return _outcome(OutcomeKind.REFUSED, detail=CHANGED)
        if conduct.failed(now_s):
            return _outcome(OutcomeKind.REFUSED, detail=ERROR)
        if sight.failing:
            return _outcome(OutcomeKind.PENDING, detail=ERROR_PASSING)
        if sight.state is None:
            return _outcome(OutcomeKind.REFUSED, detail=UNKNOWN_STATE)
        if setpoint.power_w == 0.0:
            return None
        if sight.connected is False:
            return _outcome(OutcomeKind.REFUSED, detail=NOT_CONNECTED)
        if sight.state in QUEUED:
            return _outcome(OutcomeKind.PENDING, detail=QUEUE)
        return None

    def _may_ask(self, sight: Sight, now_s: float) -> bool:
        """Return whether the car is to tell its state of charge, or goes on to."""
        if (
            not sight.connected
            or sight.state in QUEUED
            or self._soc.percent is not None
            or now_s < self._ask_not_before_s
        ):
            return False
        if self._asking_since_s is None:
            self._asking_since_s = now_s
        if now_s - self._asking_since_s < self._pace.ask_s:
            return True
        self._ask_not_before_s = now_s + self._pace.ask_again_s
        return False

    async def _run(
        self, power_w: int, sight: Sight, *, limited: bool = False
    ) -> Outcome:
        _, commander = self._connected()
        begun = sight.running or (
            sight.state is ChargerState.WAITING_FOR_CAR
            and bool(self._conduct.standing_w)
        )
        sight, orders = await commander.run(power_w, start=not begun)
        now_s = asyncio.get_running_loop().time()
        self._conduct.command(power_w, now_s)
        self._take(sight, orders)
        if power_w < 0 and self._full and not sight.running:
            return _outcome(OutcomeKind.LIMITED, power_w=0.0, detail=FULL)
        if not sight.running and sight.state is not ChargerState.WAITING_FOR_CAR:
            self._locked = orders.locked
            self._take(sight, orders)
            if orders.locked:
                return _outcome(OutcomeKind.REFUSED, detail=LOCKED)
            return _outcome(OutcomeKind.PENDING, power_w=power_w, detail=STARTING)
        self._locked = False
        measured_w = sight.power_w
        if (
            self._conduct.settled(now_s)
            and sight.running
            and measured_w is not None
            and abs(measured_w - power_w) > DEVIATION_W
        ):
            return _outcome(OutcomeKind.LIMITED, power_w=measured_w, detail=DEVIATION)
        if limited:
            return _outcome(OutcomeKind.LIMITED, power_w=power_w, detail=DEVICE_LIMIT)
        return _outcome(OutcomeKind.APPLIED, power_w=power_w)

    async def _rest(self, sight: Sight) -> Outcome:
        _, commander = self._connected()
        stop = self._conduct.standing_w != 0 or sight.running
        sight, orders = await commander.rest(stop=stop)
        now_s = asyncio.get_running_loop().time()
        self._conduct.command(0, now_s)
        self._take(sight, orders)
        if sight.running:
            return _outcome(OutcomeKind.PENDING, power_w=0.0, detail=STOPPING)
        return _outcome(OutcomeKind.APPLIED, power_w=0.0)

    async def _rest_if_ours(self) -> Outcome:
        await self._look()
        if not self._ours:
            return _outcome(OutcomeKind.APPLIED, detail=NOT_OURS)
        assert self._sight is not None
        return await self._rest(self._sight)

    async def _give_back(self) -> Outcome:
        await self._look()
        sight, orders = self._sight, self._orders
        assert sight is not None
        assert orders is not None
        if not self._ours or not orders.remote:
            self._conduct.command(None, asyncio.get_running_loop().time())
            return _outcome(OutcomeKind.APPLIED, detail=NOT_OURS)
        _, commander = self._connected()
        if self._conduct.standing_w != 0 or sight.running:
            await commander.rest(stop=True)
        if not await commander.give_back():
            self._notices.settle(ISSUE_NOT_GIVEN_BACK, True)
            return _outcome(OutcomeKind.PENDING)
        self._conduct.command(None, asyncio.get_running_loop().time())
        self._notices.settle(ISSUE_NOT_GIVEN_BACK, False)
        self._notices.settle(ISSUE_GIVEN_BACK, True)
        await self._look()
        return _outcome(OutcomeKind.APPLIED, power_w=0.0)

    async def _ask_now(self) -> Outcome:
        await self._look()
        sight, orders = self._sight, self._orders
        assert sight is not None
        assert orders is not None
        if not sight.connected or sight.failing or sight.state in QUEUED:
            return _outcome(OutcomeKind.REFUSED, detail=NOT_CONNECTED)
        if sight.running or self._conduct.standing_w:
            # It tells by itself.
            return _outcome(OutcomeKind.APPLIED)
        link, commander = self._connected()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._pace.ask_s
        was_remote = orders.remote
        known = self._soc.percent
        self._soc.forget()
        await commander.take_control(orders)
        try:
            await self._run(ASK_W, sight)
            while self._soc.percent is None and loop.time() < end_s:
                await asyncio.sleep(self._pace.after_write_s)
                self._take(await link.sight(), await link.orders())
        finally:
            self._soc.percent = self._soc.percent or known
            await commander.rest(stop=True)
            self._conduct.command(0, loop.time())
            if not was_remote:
                await commander.give_back()
                self._conduct.command(None, loop.time())
        told = self._soc.percent is not None
        return _outcome(OutcomeKind.APPLIED if told else OutcomeKind.PENDING)

    async def _look(self) -> Reading:
        """Read the charger."""
        link, _ = self._connected()
        orders = await link.orders()
        return self._take(await link.sight(), orders)

    @callback
    def _take(self, sight: Sight, orders: Orders) -> Reading:
        """Make the reading and see what it gives reason for."""
        now_s = asyncio.get_running_loop().time()
        conduct = self._conduct
        if conduct.silent_for(now_s) >= self._pace.gap_s:
            self._soc.forget()
        self._soc.see(sight, now_s)
        was_elsewhere = conduct.elsewhere
        conduct.see(sight, orders, now_s, full=self._full)
        if conduct.elsewhere and not was_elsewhere:
            self._changes_s.append(now_s)
        self._changes_s = [each for each in self._changes_s if now_s - each < DAY_S]
        if sight.connected is False:
            self._asking_since_s = None
            self._ask_not_before_s = 0.0
        if sight.connected is False or sight.running or not orders.locked:
            self._locked = False
        self._sight, self._orders = sight, orders
        self._tell(now_s)
        failed = conduct.failed(now_s)
        self._reading = Reading(
            time_s=dt_util.utcnow().timestamp(),
            soc_percent=self._soc.percent,
            power_w=sight.power_w,
            connected=sight.connected,
            status=self._status(sight, failed=failed),
            islanding=False,
            fault=_fault(sight) if failed else None,
            max_charge_w=float(self._available_w),
            max_discharge_w=float(MOST_W),
            changed_elsewhere=conduct.elsewhere,
            restarts=conduct.restarts,
        )
        return self._reading

    def _status(self, sight: Sight, *, failed: bool) -> UnitStatus:
        if failed:
            return UnitStatus.FAULT
        state = sight.state
        if sight.failing or state is None or state in QUEUED or self._locked:
            return UnitStatus.NOT_CONTROLLABLE
        if state in AWAY:
            return UnitStatus.DISCONNECTED
        if self._asking_since_s is not None:
            return UnitStatus.STARTING
        if state is ChargerState.CHARGING:
            return UnitStatus.CHARGING
        if state is ChargerState.DISCHARGING:
            return UnitStatus.DISCHARGING
        if state is ChargerState.WAITING_FOR_CAR and self._conduct.standing_w:
            return UnitStatus.STARTING
        return UnitStatus.IDLE

    @callback
    def _tell(self, now_s: float) -> None:
        """Raise and clear the repairs."""
        sight, conduct, notices = self._sight, self._conduct, self._notices
        assert sight is not None
        failed = conduct.failed(now_s)
        notices.settle(
            ISSUE_ERROR, failed, **({"errors": _fault(sight)} if failed else {})
        )
        notices.settle(ISSUE_QUEUED, conduct.queued(now_s))
        notices.settle(ISSUE_LOCKED, self._locked)
        notices.settle(ISSUE_TWO_CONTROLLERS, len(self._changes_s) >= CONTESTED)

    @callback
    def _push(self) -> None:
        if self._reading is not None:
            for listener in list(self._listeners):
                listener(self._reading)


def params_of(data: dict[str, Any]) -> ModbusTcpParams:
    """Return where the charger is."""
    return ModbusTcpParams(host=data[CONF_HOST], port=data[CONF_PORT])


async def is_ours(link: Link, orders: Orders, pace: Pace) -> bool:
    """Return whether it is us who control it: nobody else sets the same watchdog."""
    return orders.remote and await link.value(TIMEOUT) == round(pace.watchdog_s)


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


def _fault(sight: Sight) -> str:
    codes = " ".join(f"{code:04x}" for code in sight.errors)
    return f"{sight.raw_state}: {codes}"


def _outcome(
    kind: OutcomeKind, *, power_w: float | None = None, detail: str | None = None
) -> Outcome:
    return Outcome(
        kind=kind,
        time_s=dt_util.utcnow().timestamp(),
        power_w=power_w,
        detail=detail,
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
