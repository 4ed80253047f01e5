"""What the station does beside what we told it: its own will, or somebody else's."""

from dataclasses import dataclass
from typing import Final

from .classes import AT_REST, CHARGING_MODES, Connection, Mode

# Charging at more than this without being told to is no standby consumption, W.
FORCED_W: Final = 300.0
# After a change of mode the power may be what is left of the mode before, s.
SETTLE_S: Final = 20.0
# Without an actual mode, power alone has to say so this often.
FORCED_TIMES: Final = 2
# A charge that ends this close to its bound ended by itself, percent.
CLOSE_PERCENT: Final = 1.0
FULL_PERCENT: Final = 95.0
# Modes that stations pass through by themselves on the way to what was asked.
PASSING: Final = frozenset({Mode.PREPARATION})


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What the station says now; None is unknown."""

    time_s: float
    power_s: float | None = None
    mode: int | None = None
    actual: int | None = None
    # Positive into the home.
    power_w: float | None = None
    connection: int | None = None
    soc_percent: float | None = None
    dischargeable: float | None = None
    fault: bool = False
    islanding: bool = False


class Conduct:
    """Tells our commands from the panel's, and from what the station wants itself.

    `forced`: it charges against the commanded mode, as stations do at a very low state
    of charge. `elsewhere`: somebody set another mode than we did.
    """

    def __init__(self) -> None:
        self.forced = False
        self.elsewhere = False
        # The mode that we set and that was read back; None: none, or it let go of it.
        self.commanded: int | None = None
        self._until_percent: float | None = None
        self._settled_s = 0.0
        self._times = 0
        self._power_s: float | None = None
        self._mode: int | None = None

    def command(self, mode: int, *, until_percent: float | None) -> None:
        """Remember what was set and read back, and up to which state of charge."""
        self.commanded = mode
        self._until_percent = until_percent
        self.elsewhere = False

    def forget(self) -> None:
        """Take whatever it does now for the beginning: it restarted, or we did."""
        self.commanded = None
        self.elsewhere = False
        self._times = 0

    def see(self, sight: Sight) -> None:
        """Judge what the station does now."""
        if sight.mode is not None and sight.mode != self._mode:
            if self._mode is not None:
                self._settled_s = sight.time_s + SETTLE_S
                self._times = 0
            self._mode = sight.mode
        self._see_forced(sight)
        self._see_elsewhere(sight)

    def _see_forced(self, sight: Sight) -> None:
        if sight.mode is None:
            return
        charging = sight.actual in CHARGING_MODES or (
            sight.power_w is not None and sight.power_w <= -FORCED_W
        )
        if sight.mode not in AT_REST and sight.mode != Mode.DISCHARGE:
            charging = False
        if not charging or sight.connection == Connection.NONE:
            self.forced = False
            self._times = 0
            return
        if sight.time_s < self._settled_s:
            # It may only be slow to stop.
            return
        if sight.power_s != self._power_s or self._times == 0:
            self._times += 1
            self._power_s = sight.power_s
        if sight.actual in CHARGING_MODES or self._times >= FORCED_TIMES:
            self.forced = True

    def _see_elsewhere(self, sight: Sight) -> None:
        if self.commanded is None or sight.mode is None:
            return
        if sight.mode == self.commanded:
            self.elsewhere = False
            return
        if sight.mode in PASSING or self.forced:
            return
        if self._let_go(sight):
            self.forget()
            return
        self.elsewhere = True

    def _let_go(self, sight: Sight) -> bool:
        """Return whether the station had a reason of its own for another mode."""
        if sight.connection == Connection.NONE or sight.fault or sight.islanding:
            return True
        if sight.mode not in AT_REST or self.commanded in AT_REST:
            return False
        soc, until = sight.soc_percent, self._until_percent
        if self.commanded == Mode.DISCHARGE:
            return (
                sight.connection == Connection.CHARGEABLE
                or sight.dischargeable == 0.0
                or (
                    soc is not None
                    and until is not None
                    and soc <= until + CLOSE_PERCENT
                )
            )
        return (
            sight.connection == Connection.DISCHARGEABLE
            or (soc is not None and soc >= FULL_PERCENT)
            or (soc is not None and until is not None and soc >= until - CLOSE_PERCENT)
        )
