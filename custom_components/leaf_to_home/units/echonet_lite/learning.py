"""What only watching the station tells: what a discharge command means, how fast."""

from typing import Final

from ...engine.model import DischargeSemantics

FIRST_DEAD_TIME_S: Final = 10.0
LEAST_DEAD_TIME_S: Final = 1.0
MOST_DEAD_TIME_S: Final = 60.0
# Who did not look for longer than this does not know when it happened, s.
BLIND_S: Final = 8.0
# A change this large can be told from the noise of a house, W.
CHANGE_W: Final = 500.0
# That many observations more for one meaning than for the other decide.
DECIDES: Final = 4
# Import that a station which follows the load leaves to the grid, W.
LEFT_W: Final = (-60.0, 300.0)
# Export that shows that the load does not matter to it, W.
PUSHED_W: Final = -150.0


class Learner:
    """Compares what is commanded with what is measured."""

    def __init__(self) -> None:
        self.dead_time_s = FIRST_DEAD_TIME_S
        # The house does not take what is commanded; the station gives what it takes.
        self.load_limited = False
        self._score = 0
        self._command_w = 0.0
        self._command_s: float | None = None
        self._before_w: float | None = None
        self._seen_s: float | None = None
        self._span: tuple[float, float] | None = None

    @property
    def meaning(self) -> DischargeSemantics | None:
        """Return what a discharge command has turned out to mean, None: not yet."""
        if self._score >= DECIDES:
            return DischargeSemantics.DESIGNATED
        if self._score <= -DECIDES:
            return DischargeSemantics.FOLLOWS
        return None

    def command(self, command_w: float, power_w: float | None, now_s: float) -> None:
        """Note a new command, positive into the home, and the power it finds."""
        if command_w == self._command_w:
            return
        self._command_w = command_w
        self._command_s = now_s
        self._before_w = power_w
        self._span = None
        if command_w <= 0.0:
            self.load_limited = False

    def follow(self) -> None:
        """Note that it finds its power by itself, which tells nothing of commands."""
        self._command_s = None
        # Whatever is commanded next is new.
        self._command_w = 0.0
        self._before_w = None
        self._span = None
        self.load_limited = False

    def see(self, power_w: float, grid_w: float | None, time_s: float) -> None:
        """Note a measured power and the grid's, both from `time_s`."""
        if time_s == self._seen_s or self._command_s is None:
            return
        before_s, self._seen_s = self._seen_s, time_s
        if time_s <= self._command_s:
            return
        blind_s = time_s - max(before_s or 0.0, self._command_s)
        self._see_dead_time(power_w, time_s, blind_s)
        if time_s - self._command_s >= 3.0 * self.dead_time_s:
            self._see_meaning(power_w, grid_w)

    def _see_dead_time(self, power_w: float, time_s: float, blind_s: float) -> None:
        assert self._command_s is not None
        if self._before_w is None:
            return
        change_w = self._command_w - self._before_w
        if abs(change_w) < CHANGE_W:
            self._before_w = None
            return
        if (power_w - self._before_w) / change_w < 0.5:
            return
        self._before_w = None
        if blind_s > BLIND_S:
            return
        took_s = time_s - self._command_s
        took_s = min(MOST_DEAD_TIME_S, max(LEAST_DEAD_TIME_S, took_s))
        self.dead_time_s += 0.3 * (took_s - self.dead_time_s)

    def _see_meaning(self, power_w: float, grid_w: float | None) -> None:
        if self._command_w <= 0.0 or power_w <= 0.0:
            return
        near = _near(power_w, self._command_w)
        below = not near and power_w < self._command_w
        follows = self.meaning is DischargeSemantics.FOLLOWS
        self.load_limited = below and follows
        if grid_w is not None:
            if near and grid_w < PUSHED_W:
                self._vote(1)
            elif below and LEFT_W[0] <= grid_w <= LEFT_W[1]:
                self.load_limited = True
                self._vote(-1)
            return
        # Without a meter: who gives ever changing powers below the command follows.
        if not below:
            self._span = None
            return
        low_w, high_w = self._span or (power_w, power_w)
        self._span = (min(low_w, power_w), max(high_w, power_w))
        if self._span[1] - self._span[0] >= max(200.0, 0.1 * self._command_w):
            self._span = None
            self._vote(-1)

    def _vote(self, vote: int) -> None:
        self._score = max(-2 * DECIDES, min(2 * DECIDES, self._score + vote))


def _near(power_w: float, command_w: float) -> bool:
    return abs(power_w - command_w) <= max(100.0, 0.08 * abs(command_w))
