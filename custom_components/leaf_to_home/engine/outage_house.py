"""A recorded house in an outage: what of its load may be shed, and what is expected.

Nobody has recorded what a load of a house was for, so it is cut into bands by a rule:
what a quarter of the time is enough is always needed and can't be shed; what comes
above, up to what is enough for three quarters of it, is the tier `comfort`; all above
that is the tier `heavy`. A kWh of them counts 4, 2 and 1.
"""

from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np

from .outage_model import LoadOutlook, OutageSettings, Tier
from .tables import HouseRun

KEPT, COMFORT, HEAVY = "kept", "comfort", "heavy"
QUANTILES = (0.25, 0.75)
WEIGHTS = (4.0, 2.0, 1.0)
# What the owner of the house has chosen; the first is shed first.
TIERS = (
    Tier(key=HEAVY, loads=(HEAVY,), runtime_h=3.0),
    Tier(key=COMFORT, loads=(COMFORT,), runtime_h=1.5),
)
DAY_S = 86400.0
# As many days are remembered as a home remembers, and so many are enough.
_MOST_DAYS = 28
_FEWEST_DAYS = 3
_LOW_LIKELY_HIGH = (0.1, 0.5, 0.9)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutageHabits:
    """How the house of a replay lives through outages."""

    settings: OutageSettings = field(
        default_factory=lambda: OutageSettings(tiers=TIERS)
    )
    weights: tuple[float, float, float] = WEIGHTS


class Bands:
    """The load of a house in bands, the most needed first."""

    def __init__(self, house: HouseRun) -> None:
        low_w, high_w = np.quantile(np.asarray(house.load_w), QUANTILES)
        self.kept_w = float(low_w)
        self.comfort_w = float(high_w) - float(low_w)

    def split(self, load_w: float) -> tuple[float, float, float]:
        """Return what is needed, what is comfort and what is heavy of a load, W."""
        kept_w = min(load_w, self.kept_w)
        comfort_w = min(load_w - kept_w, self.comfort_w)
        return kept_w, comfort_w, load_w - kept_w - comfort_w


class Outlooks:
    """What load is expected, from the same time of the days before."""

    def __init__(self, house: HouseRun) -> None:
        self._step_s = house.step_s
        self._slots = round(DAY_S / house.step_s)
        self._days: dict[int, list[float]] = {}
        if house.past is not None:
            for at_s, load_w in zip(house.past.times_s, house.past.load_w, strict=True):
                self.learn(at_s, load_w)

    def learn(self, at_s: float, load_w: float) -> None:
        """Remember what the house took in the step from `at_s` on."""
        day, into_s = divmod(at_s, DAY_S)
        slots = self._days.setdefault(int(day), [nan] * self._slots)
        slots[int(into_s // self._step_s)] = load_w
        if len(self._days) > _MOST_DAYS + 1:
            del self._days[min(self._days)]

    def at(self, now_s: float) -> LoadOutlook | None:
        """Return the day to come, None while too few days are known."""
        whole = [day for day in self._days.values() if not isnan(sum(day))]
        if len(whole) < _FEWEST_DAYS:
            return None
        start_s = now_s - now_s % self._step_s
        first = int(start_s % DAY_S // self._step_s)
        known_w = np.roll(np.array(whole), -first, axis=1)
        low_w, likely_w, high_w = np.quantile(
            known_w, _LOW_LIKELY_HIGH, axis=0
        ).tolist()
        return LoadOutlook(
            start_s=start_s,
            step_s=self._step_s,
            low_w=tuple(low_w),
            likely_w=tuple(likely_w),
            high_w=tuple(high_w),
        )
