"""Notices from the data that the grid meter counts the wrong way round.

Two things cannot be: the home importing more, watt for watt, each time that a unit
gives more into it; and a house that uses less than nothing while the sun is down.
"""

from collections import deque
from dataclasses import dataclass

CHANGE_W = 500.0
STEADY_W = 100.0
# A change counts as ours this long after its command, and must be over by then.
COMMAND_S = 60.0
# How long the unit and the meter get to agree once the unit stands still again.
SETTLE_S = 10.0
VERDICTS = 3
# Ours alone would move the meter by as much as the unit; more or less is the load too.
MATCH = (0.6, 1.4)
NIGHT_EXPORT_W = 200.0
NIGHT_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What is measured at one moment.

    `units_w` is what all units together give, `load_w` what the home's meters make of
    the house, None where a part is missing. `command_s` is when a unit was last told
    something else. `dark`: the sun is down.
    """

    time_s: float
    grid_w: float
    units_w: float
    load_w: float | None
    command_s: float | None
    dark: bool


class SignDetector:
    """Judges the grid meter's sign; `wrong` is None until there is evidence."""

    def __init__(self) -> None:
        self.wrong: bool | None = None
        self._before: Sight | None = None
        self._moving: Sight | None = None
        self._steady_s = 0.0
        self._verdicts: deque[bool] = deque(maxlen=VERDICTS)
        self._negative_s: float | None = None

    def see(self, sight: Sight) -> bool | None:
        """Take a moment in; return whether the sign is wrong, None if not known."""
        self._judge_night(sight)
        self._judge_change(sight)
        return self.wrong

    def _judge_night(self, sight: Sight) -> None:
        if sight.load_w is None or not sight.dark or sight.load_w > -NIGHT_EXPORT_W:
            self._negative_s = None
        elif self._negative_s is None:
            self._negative_s = sight.time_s
        elif sight.time_s - self._negative_s >= NIGHT_S:
            self.wrong = True

    def _judge_change(self, sight: Sight) -> None:
        before = self._before
        moved_w = 0.0 if before is None else sight.units_w - before.units_w
        if before is None or abs(moved_w) < STEADY_W:
            self._before = sight
            self._moving = None
            return
        if self._moving is None or abs(sight.units_w - self._moving.units_w) > STEADY_W:
            self._moving = sight
            self._steady_s = sight.time_s
        if sight.time_s - self._steady_s >= SETTLE_S:
            if abs(moved_w) >= CHANGE_W and _ours(before, sight):
                self._verdict(moved_w, sight.grid_w - before.grid_w)
            self._before = sight
            self._moving = None
        elif sight.time_s - before.time_s > COMMAND_S:
            self._before = sight
            self._moving = None

    def _verdict(self, moved_w: float, grid_moved_w: float) -> None:
        share = grid_moved_w / moved_w
        if MATCH[0] <= share <= MATCH[1]:
            self._verdicts.append(True)
        elif MATCH[0] <= -share <= MATCH[1]:
            self._verdicts.append(False)
        else:
            return
        if len(self._verdicts) == VERDICTS and all(self._verdicts):
            self.wrong = True
        elif not self._verdicts[-1]:
            self.wrong = False


def _ours(before: Sight, after: Sight) -> bool:
    """Return whether a command was given that explains the change.

    What a station does by itself answers the load, which moves the meter as well.
    """
    return (
        after.command_s is not None
        and before.time_s - COMMAND_S <= after.command_s <= after.time_s
    )
