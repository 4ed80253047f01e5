"""Carries a set-point out: checks first, writes in order, reads back."""

import asyncio
from typing import Final

from homeassistant.util import dt as dt_util

from ...engine.model import NativeMode, Outcome, OutcomeKind, Setpoint
from .classes import AT_REST, UNDETERMINED, Connection, Mode
from .conduct import PASSING
from .link import NoAnswer
from .pace import Pace
from .recipe import DEVICE_LIMIT, STOP, Recipe, Write, allows, recipes
from .station import Station

# How often a car is woken at most to tell its data before a session, s.
WAKE_GAP_S: Final = 1800.0
CONFIRM: Final = b"\x10"

# Details of an outcome. A refusal names the property: `refused_ec`.
ISLANDING: Final = "islanding"
FORCED_CHARGE: Final = "forced_charge"
NOT_CONNECTED: Final = "not_connected"
NOT_CHARGEABLE: Final = "not_chargeable"
NOT_DISCHARGEABLE: Final = "not_dischargeable"
UNKNOWN_VEHICLE: Final = "unknown_vehicle"
NOT_SUPPORTED: Final = "not_supported"
SLOW: Final = "slow"
LOAD: Final = "load"


class _Refused(Exception):
    """The device does not take a property."""

    def __init__(self, epc: int) -> None:
        super().__init__(f"{epc:02X}")
        self.epc = epc


class _Islanding(Exception):
    """The station began to carry the house while we were at it."""


class _OutOfTime(Exception):
    """The next request would not be answered in time."""


class Commander:
    """Writes to one station, and to nothing that is islanding.

    It remembers what the device refused until it is made anew, which is at every
    connection.
    """

    def __init__(self, station: Station, pace: Pace) -> None:
        self._station = station
        self._pace = pace
        # Properties and values that the device refused, most with a way around.
        self.refused: set[tuple[int, bytes]] = set()
        self._useless: set[int] = set()
        # Mode and state of charge of the bound that was written last.
        self._bound: tuple[Mode, float] | None = None
        # When the car was woken last, on the loop's clock.
        self.woken_s: float | None = None
        self._deadline_s = 0.0

    async def apply(self, setpoint: Setpoint, capacity_wh: float) -> Outcome:
        """Carry a set-point out; raise NoAnswer before anything was written."""
        loop = asyncio.get_running_loop()
        self._deadline_s = loop.time() + self._pace.apply_s
        try:
            return await self._apply(setpoint, capacity_wh)
        except _Islanding:
            return _outcome(OutcomeKind.REFUSED, detail=ISLANDING)
        except _OutOfTime:
            # What is done is done: the next attempt goes on from there.
            return _outcome(OutcomeKind.PENDING, detail=SLOW)

    async def park(self) -> Outcome:
        """Stand by, which is where backup can start from."""
        loop = asyncio.get_running_loop()
        self._deadline_s = loop.time() + self._pace.apply_s
        try:
            await self._look(anew=True)
            blocked = self._blocked_always()
            if blocked is not None:
                return blocked
            return await self._carry_out(STOP, None)
        except _Refused as err:
            return _outcome(OutcomeKind.REFUSED, detail=_refused(err))
        except _Islanding:
            return _outcome(OutcomeKind.REFUSED, detail=ISLANDING)
        except _OutOfTime:
            return _outcome(OutcomeKind.PENDING, detail=SLOW)

    async def wake(self, *, gap_s: float) -> bool:
        """Let the station ask the car for its data; return whether it was asked.

        That wakes the car and wears a relay.
        """
        station = self._station
        confirm = station.profile.confirm
        now_s = asyncio.get_running_loop().time()
        woken_s = self.woken_s
        if (
            confirm is None
            or not station.device.writable(confirm)
            or (woken_s is not None and now_s - woken_s < gap_s)
        ):
            return False
        self.woken_s = now_s
        try:
            if not self._fresh():
                # An island may have begun since the last reading.
                await station.refresh_fast()
        except NoAnswer:
            self.woken_s = woken_s
            raise
        if station.islanding:
            self.woken_s = woken_s
            return False
        await station.device.link.set_once(station.device.eoj, confirm, CONFIRM)
        return True

    async def _apply(self, setpoint: Setpoint, capacity_wh: float) -> Outcome:
        station = self._station
        await self._look(anew=_stops(setpoint))
        blocked = self._blocked_always()
        if blocked is not None:
            return blocked
        if not _stops(setpoint):
            blocked = await self._blocked_by_car(_charges(setpoint))
            if blocked is not None:
                return blocked
        possible = recipes(
            station.profile,
            station.device,
            setpoint,
            semantics=station.capabilities().discharge,
            bound_wh=self._bound_wh(setpoint, capacity_wh),
        )
        if not possible:
            return _outcome(OutcomeKind.REFUSED, detail=NOT_SUPPORTED)
        untried = [recipe for recipe in possible if not self._was_refused(recipe)]
        if not untried:
            # It may have changed its mind.
            self.refused.clear()
            untried = possible[-1:]
        refused: _Refused | None = None
        for recipe in untried:
            if recipe.mode is Mode.STANDBY and not _stops(setpoint):
                await self._look(anew=True)
            try:
                return await self._carry_out(recipe, setpoint.until_soc_percent)
            except _Refused as err:
                refused = err
        assert refused is not None
        return _outcome(OutcomeKind.REFUSED, detail=_refused(refused))

    def _was_refused(self, recipe: Recipe) -> bool:
        mode = (self._station.profile.mode, bytes([recipe.mode]))
        written = {(write.epc, write.edt) for write in recipe.writes}
        return not self.refused.isdisjoint({*written, mode})

    async def _look(self, *, anew: bool) -> None:
        """Know the state that the next write will change.

        Before a stop that is what the station says now: an island may have begun
        since the last reading.
        """
        if anew or not self._fresh():
            self._in_time()
            await self._station.refresh_fast()

    def _fresh(self) -> bool:
        """Return whether what is known of the station is as good as asked just now."""
        station = self._station
        return station.fresh(max(self._pace.fresh_s, station.device.link.patience_s))

    def _blocked_always(self) -> Outcome | None:
        """Return why nothing at all may be written."""
        if self._station.islanding:
            return _outcome(OutcomeKind.REFUSED, detail=ISLANDING)
        if self._station.conduct.forced:
            # It ends by itself; until then no command means anything.
            return _outcome(
                OutcomeKind.PENDING,
                power_w=self._station.power_w,
                detail=FORCED_CHARGE,
            )
        return None

    async def _blocked_by_car(self, charging: bool) -> Outcome | None:
        """Return why the car cannot do what is asked; wake it where it is silent."""
        station = self._station
        if station.profile.connection is None:
            return None
        starting = station.mode in AT_REST
        if starting and station.connection != Connection.NONE:
            silent = (
                station.connection in UNDETERMINED
                or station.connection is None
                or station.soc_percent is None
            )
            if silent and await self.wake(gap_s=WAKE_GAP_S):
                self._in_time()
                await station.refresh_fast()
        if station.islanding:
            return _outcome(OutcomeKind.REFUSED, detail=ISLANDING)
        if station.connection == Connection.NONE:
            return _outcome(OutcomeKind.REFUSED, detail=NOT_CONNECTED)
        if allows(station.connection, charging=charging) is False:
            detail = NOT_CHARGEABLE if charging else NOT_DISCHARGEABLE
            return _outcome(OutcomeKind.REFUSED, detail=detail)
        if station.stranger:
            return _outcome(OutcomeKind.REFUSED, detail=UNKNOWN_VEHICLE)
        return None

    def _bound_wh(self, setpoint: Setpoint, capacity_wh: float) -> float | None:
        """Return the energy up to the bound; the standard has no watchdog."""
        station = self._station
        soc, until = station.soc_percent, setpoint.until_soc_percent
        if soc is None or until is None or _stops(setpoint):
            return None
        share = (until - soc if _charges(setpoint) else soc - until) / 100.0
        if share <= 0.0:
            return None
        return share * (station.capacity_wh or capacity_wh)

    async def _carry_out(self, recipe: Recipe, until_percent: float | None) -> Outcome:
        """Write what differs, the mode last; raise _Refused."""
        station, device = self._station, self._station.device
        mode = Write(epc=station.profile.mode, edt=bytes([recipe.mode]))
        starting = station.mode != recipe.mode
        before_w = station.power_w
        short = station.learner.load_limited
        bound = None if until_percent is None else (recipe.mode, until_percent)
        for write in recipe.writes:
            if write.optional:
                # A running session's bound stands; writing it anew would restart it.
                if write.epc in self._useless or (
                    not starting and self._bound == bound
                ):
                    continue
                await self._write_optional(write)
            elif device.raw(write.epc) != write.edt:
                await self._write(write)
        self._bound = bound
        if device.raw(mode.epc) != mode.edt:
            await self._write(mode)
        power_w = await self._verify(recipe, mode)
        station.conduct.command(recipe.mode, until_percent=until_percent)
        now_s = asyncio.get_running_loop().time()
        if recipe.power_w is None or power_w is None:
            station.learner.follow()
        else:
            station.learner.command(power_w, before_w, now_s)
        station.look()
        return self._judge(recipe, power_w, short=short)

    async def _write(self, write: Write) -> None:
        """Write one property, but never to a station that went islanding meanwhile."""
        if self._station.islanding:
            raise _Islanding
        self._in_time()
        if await self._station.device.write(write.epc, write.edt) is False:
            self.refused.add((write.epc, write.edt))
            raise _Refused(write.epc)

    async def _write_optional(self, write: Write) -> None:
        try:
            await self._write(write)
        except _Refused:
            self._useless.add(write.epc)
            self.refused.discard((write.epc, write.edt))

    async def _verify(self, recipe: Recipe, mode: Write) -> float | None:
        """Read back, once more after writing again; return the power that stands."""
        station, device = self._station, self._station.device
        needed = [write for write in (*recipe.writes, mode) if not write.optional]
        read_back = (
            *(write.epc for write in needed),
            station.profile.actual,
            station.profile.power,
        )
        for last in (False, True):
            self._in_time()
            await device.refresh(read_back)
            wrong = [write for write in needed if not self._stands(write)]
            if not wrong:
                return recipe.power_w
            taken_w = self._taken_w(wrong)
            if taken_w is not None:
                return -taken_w if recipe.mode is Mode.CHARGE else taken_w
            if last:
                raise _Refused(wrong[0].epc)
            for write in wrong:
                await self._write(write)
        raise AssertionError

    def _stands(self, write: Write) -> bool:
        """Return whether what was written was read back, or cannot be read."""
        profile, device = self._station.profile, self._station.device
        if not device.readable(write.epc) or device.raw(write.epc) == write.edt:
            return True
        # On the way to a mode some pass through others.
        return write.epc == profile.mode and self._station.mode in PASSING

    def _taken_w(self, wrong: list[Write]) -> float | None:
        """Return the smaller power that the device took instead, if that is all."""
        profile, device = self._station.profile, self._station.device
        if len(wrong) != 1 or wrong[0].epc not in (
            profile.charge_power,
            profile.discharge_power,
        ):
            return None
        taken_w = device.number(wrong[0].epc)
        asked_w = int.from_bytes(wrong[0].edt)
        return taken_w if taken_w is not None and 0.0 < taken_w < asked_w else None

    def _judge(self, recipe: Recipe, power_w: float | None, *, short: bool) -> Outcome:
        """Say what stands now."""
        station = self._station
        if recipe.limit is not None:
            return _outcome(OutcomeKind.LIMITED, power_w=power_w, detail=recipe.limit)
        if power_w != recipe.power_w:
            return _outcome(OutcomeKind.LIMITED, power_w=power_w, detail=DEVICE_LIMIT)
        measured_w = station.power_w
        if short and power_w and measured_w and 0.0 < measured_w < power_w:
            # The house took less than the last command already.
            return _outcome(OutcomeKind.LIMITED, power_w=measured_w, detail=LOAD)
        return _outcome(OutcomeKind.APPLIED, power_w=power_w)

    def _in_time(self) -> None:
        """Raise _OutOfTime where the next answer would come too late."""
        link = self._station.device.link
        now_s = asyncio.get_running_loop().time()
        if now_s + link.busy_s(now_s) + link.patience_s > self._deadline_s:
            raise _OutOfTime


def _stops(setpoint: Setpoint) -> bool:
    if setpoint.native is not None:
        return setpoint.native is NativeMode.STANDBY
    return setpoint.power_w == 0.0


def _charges(setpoint: Setpoint) -> bool:
    if setpoint.native is not None:
        return setpoint.native is NativeMode.CHARGE
    return setpoint.power_w < 0.0


def _refused(err: _Refused) -> str:
    return f"refused_{err.epc:02x}"


def _outcome(
    kind: OutcomeKind, *, power_w: float | None = None, detail: str | None = None
) -> Outcome:
    return Outcome(
        kind=kind,
        time_s=dt_util.utcnow().timestamp(),
        power_w=power_w,
        detail=detail,
    )
