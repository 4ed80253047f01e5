"""What the charger does beside what we told it: its own will, or somebody else's."""

from typing import Final

from .pace import Pace
from .registers import QUEUED, ChargerState, Orders, Sight

# Running at more than this without being told to is no standby consumption, W.
MOVES_W: Final = 300.0
STOPPED: Final = {ChargerState.PAUSED, ChargerState.SCHEDULED_BY_APP}


class Conduct:
    """Tells our command from those of the app and of other clients.

    `standing_w` is the power that we set and read back, None where nothing of ours
    stands. `elsewhere`: somebody else has taken over since. `restarts` grows when the
    charger has let go of our command for a reason of its own.
    """

    def __init__(self, pace: Pace) -> None:
        self.standing_w: int | None = None
        self.elsewhere_since_s: float | None = None
        self.restarts = 0
        self.failing_since_s: float | None = None
        self.queued_since_s: float | None = None
        self._pace = pace
        self._changed_s = 0.0
        self._renewed_s = 0.0
        self._heard_s: float | None = None

    @property
    def elsewhere(self) -> bool:
        """Return whether somebody else has taken over."""
        return self.elsewhere_since_s is not None

    def command(self, power_w: int | None, now_s: float) -> None:
        """Remember what was set and read back, None once nothing of ours stands."""
        if power_w != self.standing_w:
            self._changed_s = now_s
        self.standing_w = power_w
        self.elsewhere_since_s = None
        self._renewed_s = now_s

    def find(self, sight: Sight, orders: Orders, now_s: float) -> bool:
        """Return whether somebody else was in charge before us, and remember it."""
        if self.elsewhere or not _runs(sight, orders):
            return False
        self.elsewhere_since_s = now_s
        return True

    def unattended_for(self, now_s: float) -> float:
        """Return for how long nobody has renewed a power that stands, s."""
        return now_s - self._renewed_s if self.standing_w else 0.0

    def settled(self, now_s: float) -> bool:
        """Return whether the power that stands has had its time to come about."""
        return now_s - self._changed_s >= self._pace.settle_s

    def failed(self, now_s: float) -> bool:
        """Return whether errors have lasted for longer than a start takes."""
        since_s = self.failing_since_s
        return since_s is not None and now_s - since_s >= self._pace.error_s

    def queued(self, now_s: float) -> bool:
        """Return whether it has waited for its turn for long."""
        since_s = self.queued_since_s
        return since_s is not None and now_s - since_s >= self._pace.lasting_s

    def silent_for(self, now_s: float) -> float:
        """Return how long ago the charger was heard, s."""
        return 0.0 if self._heard_s is None else now_s - self._heard_s

    def see(self, sight: Sight, orders: Orders, now_s: float, *, full: bool) -> None:
        """Judge what stands now; `full`: the car takes no more."""
        was_away = self.silent_for(now_s) >= self._pace.watchdog_s
        was_failing = self.failing_since_s is not None
        self._heard_s = now_s
        if not sight.failing:
            self.failing_since_s = None
        elif self.failing_since_s is None:
            self.failing_since_s = now_s
        if sight.state not in QUEUED:
            self.queued_since_s = None
        elif self.queued_since_s is None:
            self.queued_since_s = now_s
        if self.standing_w is None:
            if not _runs(sight, orders):
                # Whoever was in charge before us has let go.
                self.elsewhere_since_s = None
            return
        if sight.failing:
            return
        if self._is_ours(sight, orders, now_s, full=full):
            self.elsewhere_since_s = None
        elif was_away or was_failing:
            # It has started anew, or stopped by itself while we were away. What runs
            # under another command is another controller's.
            self.standing_w = None
            self.elsewhere_since_s = now_s if _runs(sight, orders) else None
            self.restarts += 1
        elif self.elsewhere_since_s is None:
            self.elsewhere_since_s = now_s

    def _is_ours(
        self, sight: Sight, orders: Orders, now_s: float, *, full: bool
    ) -> bool:
        standing_w = self.standing_w
        if not orders.remote:
            return False
        if sight.connected is False:
            # What it does to the power when the plug is pulled is its own business.
            return True
        if orders.power_w != standing_w:
            return False
        if not self.settled(now_s):
            return True
        if standing_w == 0:
            power_w = sight.power_w or 0.0
            return not (sight.running and abs(power_w) > MOVES_W)
        return sight.state not in STOPPED or (standing_w < 0 and full)


def _runs(sight: Sight, orders: Orders) -> bool:
    """Return whether a controller lets the charger run, or has just told it to."""
    return orders.remote and (
        sight.running
        or (sight.state is ChargerState.WAITING_FOR_CAR and orders.power_w != 0)
    )
