"""Carries out what is wanted of the charger: a set-point, rest, giving it back."""

import asyncio
from typing import Final

from homeassistant.util import dt as dt_util

from ...engine.model import Outcome, OutcomeKind, Reading, Setpoint
from .commander import Commander
from .link import Link
from .notices import ISSUE_GIVEN_BACK, ISSUE_NOT_GIVEN_BACK, Notices
from .pace import Pace
from .registers import MOST_W, QUEUED, ChargerState, Orders, Sight
from .watcher import Watcher

# The power at which a car tells its state of charge, W.
ASK_W: Final = -1
# What is further from the set-point than this is worth saying, W.
DEVIATION_W: Final = 500.0

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


class Carrier:
    """Carries out on one connection; looks before and after."""

    def __init__(
        self,
        link: Link,
        watcher: Watcher,
        notices: Notices,
        pace: Pace,
        available_w: int,
    ) -> None:
        self.link = link
        self.commander = Commander(link, pace, available_w)
        self._watcher = watcher
        self._conduct = watcher.conduct
        self._notices = notices
        self._pace = pace
        self._available_w = available_w

    async def look(self) -> Reading:
        """Read the charger."""
        orders = await self.link.orders()
        return self._watcher.take(await self.link.sight(), orders)

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Do as the set-point says."""
        await self.look()
        sight, orders = self._watcher.sight, self._watcher.orders
        assert sight is not None
        assert orders is not None
        blocked = self._blocked(setpoint, sight, orders)
        if blocked is not None:
            return blocked
        await self.commander.take_control(orders)
        self._notices.settle(ISSUE_GIVEN_BACK, False)
        self._notices.settle(ISSUE_NOT_GIVEN_BACK, False)
        asked_w = round(setpoint.power_w)
        power_w = max(-self._available_w, min(MOST_W, asked_w))
        now_s = asyncio.get_running_loop().time()
        if power_w == 0 and setpoint.ask_soc and self._watcher.may_ask(sight, now_s):
            await self._run(ASK_W, sight)
            return outcome(OutcomeKind.PENDING, power_w=0.0, detail=ASKING)
        self._watcher.asked()
        if power_w == 0:
            return await self._rest(sight)
        return await self._run(power_w, sight, limited=power_w != asked_w)

    async def rest_if_ours(self) -> Outcome:
        """Stop what we have begun, and nothing else."""
        await self.look()
        assert self._watcher.sight is not None
        assert self._watcher.orders is not None
        if not self._watcher.ours and not await self._left_over(self._watcher.orders):
            return outcome(OutcomeKind.APPLIED, detail=NOT_OURS)
        return await self._rest(self._watcher.sight)

    async def give_back(self) -> Outcome:
        """Stop, and leave the charger to its app."""
        await self.look()
        sight, orders = self._watcher.sight, self._watcher.orders
        assert sight is not None
        assert orders is not None
        conduct = self._conduct
        # Also where its watchdog or a restart has ended what we told it.
        ours = conduct.standing_w is not None or await self.link.is_ours(orders)
        if not ours or conduct.elsewhere or not orders.remote:
            if self._conduct.standing_w is not None:
                self._conduct.command(None, asyncio.get_running_loop().time())
            return outcome(OutcomeKind.APPLIED, detail=NOT_OURS)
        if self._conduct.standing_w != 0 or sight.running:
            await self.commander.rest(stop=True)
        if not await self.commander.give_back():
            self._notices.settle(ISSUE_NOT_GIVEN_BACK, True)
            return outcome(OutcomeKind.PENDING)
        self._conduct.command(None, asyncio.get_running_loop().time())
        self._notices.settle(ISSUE_NOT_GIVEN_BACK, False)
        self._notices.settle(ISSUE_GIVEN_BACK, True)
        await self.look()
        return outcome(OutcomeKind.APPLIED, power_w=0.0)

    async def ask_now(self) -> Outcome:
        """Let the car tell its state of charge, and leave all as it was."""
        await self.look()
        watcher, commander = self._watcher, self.commander
        sight, orders = watcher.sight, watcher.orders
        assert sight is not None
        assert orders is not None
        if not sight.connected or sight.failing or sight.state in QUEUED:
            return outcome(OutcomeKind.REFUSED, detail=NOT_CONNECTED)
        if sight.running or self._conduct.standing_w:
            # It tells by itself.
            return outcome(OutcomeKind.APPLIED)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._pace.ask_s
        was_remote = orders.remote
        known = watcher.soc.percent
        watcher.soc.forget()
        await commander.take_control(orders)
        try:
            await self._run(ASK_W, sight)
            while watcher.soc.percent is None and loop.time() < end_s:
                await asyncio.sleep(self._pace.after_write_s)
                watcher.take(await self.link.sight(), await self.link.orders())
        finally:
            watcher.soc.percent = watcher.soc.percent or known
            await commander.rest(stop=True)
            self._conduct.command(0, loop.time())
            if not was_remote:
                await commander.give_back()
                self._conduct.command(None, loop.time())
        told = watcher.soc.percent is not None
        return outcome(OutcomeKind.APPLIED if told else OutcomeKind.PENDING)

    async def _left_over(self, orders: Orders) -> bool:
        """Return whether a power of ours stands that its watchdog has ended."""
        return (
            not self._conduct.elsewhere
            and orders.power_w != 0
            and await self.link.is_ours(orders)
        )

    def _blocked(
        self, setpoint: Setpoint, sight: Sight, orders: Orders
    ) -> Outcome | None:
        """Return why nothing may be written."""
        now_s = asyncio.get_running_loop().time()
        conduct = self._conduct
        since_s = conduct.elsewhere_since_s
        if since_s is not None and now_s - since_s < self._pace.heard_s:
            # Whoever decided did not know yet.
            return outcome(OutcomeKind.REFUSED, detail=CHANGED)
        standing = orders.remote and orders.power_w == conduct.standing_w
        if setpoint.power_w == 0.0 and standing and _moves(sight):
            # Whatever error it tells of: what we have begun we end.
            return None
        if conduct.failed(now_s):
            return outcome(OutcomeKind.REFUSED, detail=ERROR)
        if sight.failing:
            return outcome(OutcomeKind.PENDING, detail=ERROR_PASSING)
        if sight.state is None:
            return outcome(OutcomeKind.REFUSED, detail=UNKNOWN_STATE)
        if setpoint.power_w == 0.0:
            return None
        if sight.connected is False:
            return outcome(OutcomeKind.REFUSED, detail=NOT_CONNECTED)
        if sight.state in QUEUED:
            return outcome(OutcomeKind.PENDING, detail=QUEUE)
        return None

    async def _run(
        self, power_w: int, sight: Sight, *, limited: bool = False
    ) -> Outcome:
        watcher = self._watcher
        begun = sight.running or (_moves(sight) and bool(self._conduct.standing_w))
        sight, orders = await self.commander.run(power_w, start=not begun)
        now_s = asyncio.get_running_loop().time()
        self._conduct.command(power_w, now_s)
        watcher.take(sight, orders)
        if power_w < 0 and watcher.full and not sight.running:
            return outcome(OutcomeKind.LIMITED, power_w=0.0, detail=FULL)
        if not sight.running and sight.state is not ChargerState.WAITING_FOR_CAR:
            watcher.locked = orders.locked
            watcher.take(sight, orders)
            if orders.locked:
                return outcome(OutcomeKind.REFUSED, detail=LOCKED)
            return outcome(OutcomeKind.PENDING, power_w=power_w, detail=STARTING)
        watcher.locked = False
        measured_w = sight.power_w
        if (
            self._conduct.settled(now_s)
            and sight.running
            and measured_w is not None
            and abs(measured_w - power_w) > DEVIATION_W
        ):
            return outcome(OutcomeKind.LIMITED, power_w=measured_w, detail=DEVIATION)
        if limited:
            return outcome(OutcomeKind.LIMITED, power_w=power_w, detail=DEVICE_LIMIT)
        return outcome(OutcomeKind.APPLIED, power_w=power_w)

    async def _rest(self, sight: Sight) -> Outcome:
        stop = self._conduct.standing_w != 0 or sight.running
        sight, orders = await self.commander.rest(stop=stop)
        now_s = asyncio.get_running_loop().time()
        self._conduct.command(0, now_s)
        self._watcher.take(sight, orders)
        if sight.running:
            return outcome(OutcomeKind.PENDING, power_w=0.0, detail=STOPPING)
        return outcome(OutcomeKind.APPLIED, power_w=0.0)


def _moves(sight: Sight) -> bool:
    """Return whether the charger runs, or is about to."""
    return sight.running or sight.state is ChargerState.WAITING_FOR_CAR


def outcome(
    kind: OutcomeKind, *, power_w: float | None = None, detail: str | None = None
) -> Outcome:
    """Return what came of it, as of now."""
    return Outcome(
        kind=kind,
        time_s=dt_util.utcnow().timestamp(),
        power_w=power_w,
        detail=detail,
    )
