"""Sees when reports of the state of charge contradict each other."""

from typing import Final

from ...engine.battery import UnitSpec

# A report may lie this far from the one before, beside what can have moved, percent.
SLACK_PERCENT: Final = 10.0
# Power can be this much higher than it should be.
SLACK: Final = 1.5
# Chargers report 0 and 1 % when they do not know; the engine leaves that out itself.
GLITCH_PERCENT: Final = 1.0
# One slip is none; so many within so long are.
JUMPS: Final = 3
WITHIN_S: Final = 3600.0


class SocJumps:
    """Counts jumps that no power could have made."""

    def __init__(self, spec: UnitSpec) -> None:
        power_w = max(spec.max_charge_w, spec.max_discharge_w)
        self._percent_per_s = SLACK * 100.0 * power_w / 3.6e6 / spec.capacity_kwh
        self._last: tuple[float, float] | None = None
        self._jumps_s: list[float] = []

    def see(self, soc_percent: float | None, time_s: float) -> None:
        """Take in a report, None where the battery was away."""
        if soc_percent is None:
            self._last = None
            return
        if soc_percent <= GLITCH_PERCENT:
            return
        if self._last is not None:
            before_percent, before_s = self._last
            allowed = SLACK_PERCENT + self._percent_per_s * max(0.0, time_s - before_s)
            if abs(soc_percent - before_percent) > allowed:
                self._jumps_s = [*self._jumps_s, time_s][-JUMPS:]
        self._last = (soc_percent, time_s)

    def contradictory(self, now_s: float) -> bool:
        """Return whether the reports cannot be believed at the moment."""
        recent = [at_s for at_s in self._jumps_s if now_s - at_s < WITHIN_S]
        return len(recent) >= JUMPS
