"""Makes readings of what the charger says, and sees what they give reason for."""

import asyncio
from typing import Final

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from ...engine.model import Reading, UnitStatus
from .conduct import Conduct
from .notices import (
    ISSUE_ERROR,
    ISSUE_LOCKED,
    ISSUE_QUEUED,
    ISSUE_TWO_CONTROLLERS,
    Notices,
)
from .pace import Pace
from .registers import AWAY, FULL_PERCENT, MOST_W, QUEUED, ChargerState, Orders, Sight
from .soc import StateOfCharge

# So many changes by somebody else in a day are no accident.
CONTESTED: Final = 3
DAY_S: Final = 24 * 3600.0


class Watcher:
    """What is known of one charger.

    `sight`, `orders` and `reading` are the latest, `locked`: it was told to start and
    did not, `changes_s` when somebody else has taken over in the last day.
    """

    def __init__(self, notices: Notices, pace: Pace, available_w: int) -> None:
        self.conduct = Conduct(pace)
        self.soc = StateOfCharge(pace.soc_stable_s)
        self.sight: Sight | None = None
        self.orders: Orders | None = None
        self.reading: Reading | None = None
        self.locked = False
        self.changes_s: list[float] = []
        self._notices = notices
        self._pace = pace
        self._available_w = available_w
        self._asking_since_s: float | None = None
        self._ask_not_before_s = 0.0

    @property
    def ours(self) -> bool:
        """Return whether the charger was told by us, and by nobody else since."""
        return self.conduct.standing_w is not None and not self.conduct.elsewhere

    @property
    def full(self) -> bool:
        """Return whether the car is not charged any further."""
        return self.soc.percent is not None and self.soc.percent >= FULL_PERCENT

    @callback
    def take(self, sight: Sight, orders: Orders) -> Reading:
        """Make the reading and see what it gives reason for."""
        now_s = asyncio.get_running_loop().time()
        conduct = self.conduct
        if conduct.silent_for(now_s) >= self._pace.gap_s:
            self.soc.forget()
        self.soc.see(sight, now_s)
        was_elsewhere = conduct.elsewhere
        conduct.see(sight, orders, now_s, full=self.full)
        if conduct.elsewhere and not was_elsewhere:
            self.changes_s.append(now_s)
        self.changes_s = [each for each in self.changes_s if now_s - each < DAY_S]
        if sight.connected is False:
            self._asking_since_s = None
            self._ask_not_before_s = 0.0
        if sight.connected is False or sight.running or not orders.locked:
            self.locked = False
        self.sight, self.orders = sight, orders
        failed = conduct.failed(now_s)
        self._tell(sight, now_s, failed=failed)
        self.reading = Reading(
            time_s=dt_util.utcnow().timestamp(),
            soc_percent=self.soc.percent,
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
        return self.reading

    @callback
    def find_led(self, sight: Sight, orders: Orders) -> None:
        """See whether another controller was in charge before we came."""
        now_s = asyncio.get_running_loop().time()
        if self.conduct.find(sight, orders, now_s):
            self.changes_s.append(now_s)

    def may_ask(self, sight: Sight, now_s: float) -> bool:
        """Return whether the car is to tell its state of charge, or goes on to."""
        if (
            not sight.connected
            or sight.failing
            or sight.state in QUEUED
            or self.soc.percent is not None
            or now_s < self._ask_not_before_s
        ):
            return False
        if self._asking_since_s is None:
            self._asking_since_s = now_s
        if now_s - self._asking_since_s < self._pace.ask_s:
            return True
        self._ask_not_before_s = now_s + self._pace.ask_again_s
        return False

    def asked(self) -> None:
        """Take note that the car is not asked any more."""
        self._asking_since_s = None

    def _status(self, sight: Sight, *, failed: bool) -> UnitStatus:
        if failed:
            return UnitStatus.FAULT
        state = sight.state
        if sight.failing or state is None or state in QUEUED or self.locked:
            return UnitStatus.NOT_CONTROLLABLE
        if state in AWAY:
            return UnitStatus.DISCONNECTED
        if self._asking_since_s is not None:
            return UnitStatus.STARTING
        if state is ChargerState.CHARGING:
            return UnitStatus.CHARGING
        if state is ChargerState.DISCHARGING:
            return UnitStatus.DISCHARGING
        if state is ChargerState.WAITING_FOR_CAR and self.conduct.standing_w:
            return UnitStatus.STARTING
        return UnitStatus.IDLE

    @callback
    def _tell(self, sight: Sight, now_s: float, *, failed: bool) -> None:
        """Raise and clear the repairs."""
        notices = self._notices
        notices.settle(
            ISSUE_ERROR, failed, **({"errors": _fault(sight)} if failed else {})
        )
        notices.settle(ISSUE_QUEUED, self.conduct.queued(now_s))
        notices.settle(ISSUE_LOCKED, self.locked)
        notices.settle(ISSUE_TWO_CONTROLLERS, len(self.changes_s) >= CONTESTED)


def _fault(sight: Sight) -> str:
    codes = " ".join(f"{code:04x}" for code in sight.errors)
    return f"{sight.raw_state}: {codes}"
