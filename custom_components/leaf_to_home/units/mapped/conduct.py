"""Whether the measured power agrees with what the unit was told."""

from typing import Any, Final

from .mapping import Way

# Told one direction, so much the other way is no noise, W.
AGAINST_W: Final = 200.0
# Told to rest, so much is no standby, W.
RESTLESS_W: Final = 300.0
# It has to last so long where it is reported this often; longer where the only report
# is from before the device had to be there, and longer still from before the command.
REPORTS: Final = 2
LASTING_S: Final = 20.0
EARLY_S: Final = 120.0
STALE_S: Final = 600.0
# A device that was told has this many of its dead times, and at least so long.
PATIENCE: Final = 2.0
LEAST_PATIENCE_S: Final = 15.0
# Less than this cannot be told from rest, W.
MEANT_W: Final = 300.0

ELSEWHERE: Final = "elsewhere"
FORCED: Final = "forced"
POWER_AGAINST_COMMAND: Final = "power_against_command"


class MappedConduct:
    """Compares what stands with what is measured, report by report.

    `fault` is latched: a unit that does the opposite is not led any more, until
    somebody has looked at it. `forced`: it charges although it was told to rest.
    `elsewhere`: it discharges then, for somebody else.
    """

    def __init__(self, dead_time_s: float) -> None:
        self.fault: str | None = None
        self.forced = False
        self.elsewhere = False
        self._patience_s = max(LEAST_PATIENCE_S, PATIENCE * dead_time_s)
        self._way: Way | None = None
        self._command_s = 0.0
        self._settled_s = 0.0
        self._heard_s = 0.0
        self._found: str | None = None
        self._since_s = 0.0
        self._reports = 0

    def command(self, way: Way, power_w: float | None, now_s: float) -> None:
        """Note what stands from now on."""
        meant: Way | None = way
        if power_w is not None and way is not Way.IDLE and abs(power_w) < MEANT_W:
            meant = None
        if meant is self._way:
            return
        self.forget()
        self._way = meant
        self._command_s = now_s
        self._settled_s = now_s + self._patience_s

    def forget(self) -> None:
        """Judge nothing: it is not known what stands."""
        self._way = None
        self.forced = self.elsewhere = False
        self._found = None
        self._reports = 0

    def see(self, power_w: float | None, reported_s: float, now_s: float) -> None:
        """Take in the power that is known now, positive into the home.

        A sensor that only speaks when its value changes has said it once.
        """
        if power_w is None or self._way in (None, Way.AUTO) or now_s < self._settled_s:
            return
        found = self._judge(power_w)
        if found != self._found:
            self._found, self._since_s, self._reports = found, now_s, 0
        if reported_s > self._heard_s and reported_s >= self._settled_s:
            self._reports += 1
        self._heard_s = reported_s
        lasts = now_s - self._since_s >= self._needed_s(reported_s)
        if found is None or lasts:
            self.forced = found == FORCED
            self.elsewhere = found == ELSEWHERE
        if found == POWER_AGAINST_COMMAND and lasts:
            self.fault = found

    def diagnostics(self) -> dict[str, Any]:
        """Return what it found."""
        return {
            "fault": self.fault,
            "forced": self.forced,
            "elsewhere": self.elsewhere,
        }

    def _needed_s(self, reported_s: float) -> float:
        """Return how long something has to last until it counts."""
        if self._reports >= REPORTS:
            return LASTING_S
        return EARLY_S if reported_s >= self._command_s else STALE_S

    def _judge(self, power_w: float) -> str | None:
        """Return what is wrong with a power now."""
        if self._way is Way.IDLE:
            if power_w <= -RESTLESS_W:
                return FORCED
            return ELSEWHERE if power_w >= RESTLESS_W else None
        against_w = -power_w if self._way is Way.DISCHARGE else power_w
        return POWER_AGAINST_COMMAND if against_w >= AGAINST_W else None
