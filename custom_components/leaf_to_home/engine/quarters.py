"""What the house drew: the means of whole quarter-hours, and the level of late."""

from dataclasses import dataclass
from math import exp

from .state import HomeState

QUARTER_S = 900.0
# A quarter-hour that was measured for less than this share says nothing.
MEASURED_SHARE = 0.5
# A single moment is a kettle; the level of late is what the next hour leans on.
LEVEL_S = 300.0
# From so long on what was heard is a level.
SETTLED_S = 60.0
# What lies between two moments further apart was not seen.
GAP_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarter:
    """Mean powers over one quarter-hour that begins at `begin_s`."""

    begin_s: float
    load_w: float
    solar_w: float


class Quarters:
    """Follows load and sun; `load_w` and `solar_w` are their level of late."""

    def __init__(self) -> None:
        self.load_w: float | None = None
        self.solar_w: float | None = None
        self._before_s: float | None = None
        self._known_s = 0.0
        self._heard_s = 0.0
        self._begin_s = 0.0
        self._seen_s = self._load_ws = self._solar_ws = 0.0

    @property
    def settled(self) -> bool:
        """Return whether the level is more than a moment."""
        return self.load_w is not None and self._heard_s >= SETTLED_S

    def see(self, state: HomeState, now_s: float) -> Quarter | None:
        """Take in a moment; return a quarter-hour that is over with it."""
        before_s, self._before_s = self._before_s, now_s
        begin_s = now_s // QUARTER_S * QUARTER_S
        over = None
        if begin_s != self._begin_s:
            over = self._over()
            self._begin_s = begin_s
            self._seen_s = self._load_ws = self._solar_ws = 0.0
        if state.load_w is None:
            if not 0.0 <= now_s - self._known_s <= QUARTER_S:
                self.load_w = self.solar_w = None
                self._heard_s = 0.0
            return over
        self._known_s = now_s
        length_s = 0.0 if before_s is None else min(max(now_s - before_s, 0.0), GAP_S)
        if self.load_w is not None:
            self._heard_s += length_s
        self._seen_s += length_s
        self._load_ws += state.load_w * length_s
        self._solar_ws += (state.solar_w or 0.0) * length_s
        self.load_w = self._towards(self.load_w, state.load_w, length_s)
        self.solar_w = (
            None
            if state.solar_w is None
            else self._towards(self.solar_w, state.solar_w, length_s)
        )
        return over

    def _towards(self, level_w: float | None, now_w: float, length_s: float) -> float:
        """Return the level with what was just seen: at first the mean of all of it."""
        if level_w is None:
            return now_w
        share = 1.0 - exp(-length_s / LEVEL_S)
        if self._heard_s > 0.0:
            share = max(share, length_s / self._heard_s)
        return level_w + (now_w - level_w) * share

    def _over(self) -> Quarter | None:
        if self._seen_s < MEASURED_SHARE * QUARTER_S:
            return None
        return Quarter(
            begin_s=self._begin_s,
            load_w=self._load_ws / self._seen_s,
            solar_w=self._solar_ws / self._seen_s,
        )
