"""What prices may be that are not known yet.

Each hour goes back towards the usual one for its type of day, as a regression on the
days before says: on how far off the last day was, and its last hours. What a day's mean
may come to is cut into equally likely levels, and how one day's level leads to the next
one's is a Markov chain. What is left of the course over the day is what was off on a
past day whose level was as far off.
"""

from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .tariff import PriceSlot, Tariff

type Floats = NDArray[np.float64]

# Equally likely levels of a day.
LEVELS = 8
# So many past days are looked at, and at least so many are needed.
PAST_DAYS = 35
LEAST_DAYS = 3
# The last hours of a day tell more of the next one than the others, and the last one
# most of the hours that follow it.
ENDS_HOURS = (1, 6)
# How much of a day's distance from the usual price is left a day later, and how many
# days of experience that assumption weighs.
PERSISTENCE, PERSISTENCE_DAYS = 0.8, 10.0
# A type of day counts as different by what its days showed, as if so many had not.
TYPE_DAYS = 6.0
# So many numbers the regression fits of a level, the types of day among them.
FITTED = 5
# No day's price is foreseen better than this, as a share of the usual one.
LEAST_SPREAD = 0.02
_DAY_S = 86400.0
_HOURS = 24
_SAMPLES = 96
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceFutures:
    """Prices of steps in each future (K x T), money per kWh.

    At the steps in `turns` a new day begins: its future follows from the one before
    with the probabilities of the matrix (from x to).
    """

    import_price: Floats
    export_price: Floats
    turns: tuple[tuple[int, Floats], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Day:
    """A past day's prices by elapsed hour."""

    kind: int
    level: float
    imports: Floats
    exports: Floats


class PriceMemory:
    """The past days of one tariff, each read once."""

    def __init__(self) -> None:
        self._tariff: Tariff | None = None
        self._days: dict[float, _Day | None] = {}

    def days(self, tariff: Tariff, known_s: float) -> list[_Day]:
        """Return the days before `known_s`, the latest first; the last may be cut."""
        if tariff is not self._tariff:
            self._tariff = tariff
            self._days = {}
        found = []
        # A moment of each day, whatever the clock does.
        at_s = known_s - 1.0
        for _ in range(PAST_DAYS):
            slots = tariff.day_slots(at_s)
            begin_s = slots[0].start_s
            if slots[-1].end_s > known_s + 1.0:
                # Of this day only a part is known.
                at_s = begin_s - 1.0
                continue
            if begin_s not in self._days:
                self._days[begin_s] = _read(tariff, slots)
                for old_s in sorted(self._days)[: -2 * PAST_DAYS]:
                    del self._days[old_s]
            day = self._days[begin_s]
            if day is None:
                break
            found.append(day)
            at_s = begin_s - 1.0
        return found


def kind_of_day(tariff: Tariff, at_s: float) -> int:
    """Return 0 for a workday, 1 for a Saturday, 2 for a Sunday."""
    iso, _ = tariff.day_minute(at_s)
    return max(0, date.fromisoformat(iso).weekday() - 4)


def _read(tariff: Tariff, slots: tuple[PriceSlot, ...]) -> _Day | None:
    begin_s, end_s = slots[0].start_s, slots[-1].end_s
    inside = np.minimum(
        begin_s + (np.arange(_SAMPLES) + 0.5) * _DAY_S / _SAMPLES, end_s - 1.0
    )
    which = np.searchsorted([slot.start_s for slot in slots], inside, side="right") - 1
    prices = [slots[i].import_price for i in which.tolist()]
    if any(price is None for price in prices):
        return None
    imports = np.array(prices, dtype=float).reshape(_HOURS, -1).mean(axis=1)
    exports = np.array(
        [slots[i].export_price or 0.0 for i in which.tolist()], dtype=float
    )
    return _Day(
        kind=kind_of_day(tariff, begin_s),
        level=float(imports.mean()),
        imports=imports,
        exports=exports.reshape(_HOURS, -1).mean(axis=1),
    )


@dataclass(frozen=True, slots=True)
class _Learnt:
    """How a day leads to the next one, by hour; `weights` are told numbers x hours.

    `told` are the numbers of the last day; `missed` is what past days were off from
    what was to be expected of them, less the mean, in order of that (days x hours).
    """

    usual: Floats
    effects: Floats
    weights: Floats
    told: Floats
    missed: Floats
    spread: float

    @classmethod
    def of(cls, days: list[_Day]) -> _Learnt:
        """Learn it from past days, the latest first."""
        imports = np.array([day.imports for day in days])
        kinds = np.array([day.kind for day in days])
        usual = imports.mean(axis=0)
        effects = np.zeros((3, _HOURS))
        for kind in range(3):
            of_kind = imports[kinds == kind] - usual
            effects[kind] = of_kind.sum(axis=0) / (len(of_kind) + TYPE_DAYS)
        away = imports - usual - effects[kinds]
        told = _told(away)
        # Ridge regression, towards a level that stays and ends that say nothing.
        scale = np.diag(PERSISTENCE_DAYS * (told * told).mean(axis=0) + 1e-12)
        prior = np.zeros((told.shape[1], _HOURS))
        prior[0] = PERSISTENCE
        before = told[1:]
        weights = np.linalg.solve(
            before.T @ before + scale, before.T @ away[:-1] + scale @ prior
        )
        off = away[:-1] - before @ weights
        levels = off.mean(axis=1)
        # What was fitted errs less on what it was fitted to.
        freedom = max(len(levels) - FITTED, 1)
        spread = float(np.sqrt(levels @ levels / freedom))
        return cls(
            usual,
            effects,
            weights=weights,
            told=told[0],
            missed=(off - levels[:, None])[np.argsort(levels)],
            spread=max(spread, LEAST_SPREAD * abs(float(usual.mean())), 1e-6),
        )

    @property
    def persistence(self) -> float:
        """Return how much of a day's distance from the usual price is left later."""
        return min(max(float(self.weights[0].mean()), 0.0), 0.98)


def _told(away: Floats) -> Floats:
    """Return what days tell of the next: how far off they were, and their ends more."""
    mean = away.mean(axis=-1)
    ends = [away[..., -hours:].mean(axis=-1) - mean for hours in ENDS_HOURS]
    return np.stack([mean, *ends], axis=-1)


def price_futures(
    memory: PriceMemory, tariff: Tariff, known_s: float, edges_s: Floats
) -> PriceFutures | None:
    """Return the prices that the steps (T+1 edges) after `known_s` may have.

    Steps before `known_s` get the prices of the day after it, which nobody asks for.
    None where too few days are known.
    """
    days = memory.days(tariff, known_s)
    if len(days) < LEAST_DAYS:
        return None
    learnt = _Learnt.of(days)
    starts_s = np.maximum(edges_s[:-1], known_s)
    quantiles = np.array([_NORMAL.inv_cdf((k + 0.5) / LEVELS) for k in range(LEVELS)])
    missed = learnt.missed[_spread_over(len(learnt.missed))]
    begin_s, told, spread = known_s, learnt.told, 0.0
    imports = np.empty((LEVELS, len(starts_s)))
    exports = np.empty_like(imports)
    turns: list[tuple[int, Floats]] = []
    while begin_s <= starts_s[-1]:
        end_s = tariff.local_midnight_after(begin_s)
        kind = kind_of_day(tariff, begin_s)
        before = spread
        spread = float(np.hypot(learnt.persistence * before, learnt.spread))
        away = told @ learnt.weights
        expected = learnt.usual + learnt.effects[kind] + away
        course = expected + missed + spread * quantiles[:, None]
        first, last = np.searchsorted(starts_s, (begin_s, end_s)).tolist()
        if begin_s > known_s and first < last:
            turns.append((first, _transitions(learnt, before, spread, quantiles)))
        # Prices of another zone's day may end within a local one.
        midnight_s = tariff.day_slots(begin_s)[0].start_s
        hours = ((starts_s[first:last] - midnight_s) // 3600.0).astype(np.int64)
        hours = np.minimum(hours, _HOURS - 1)
        imports[:, first:last] = course[:, hours]
        for k, day in enumerate(_like(days, kind)):
            exports[k, first:last] = day.exports[hours]
        begin_s = end_s
        told = _told(away)
    return PriceFutures(import_price=imports, export_price=exports, turns=tuple(turns))


def _like(days: list[_Day], kind: int) -> list[_Day]:
    """Return a past day for each level: of the same type, in order of their levels."""
    same = [day for day in days if day.kind == kind] or days
    same = sorted(same, key=lambda day: day.level)
    return [same[i] for i in _spread_over(len(same))]


def _spread_over(count: int) -> list[int]:
    """Return one of `count` for each level, evenly."""
    return [int((k + 0.5) / LEVELS * count) for k in range(LEVELS)]


def _transitions(
    learnt: _Learnt, before: float, after: float, quantiles: Floats
) -> Floats:
    """Return how likely each level leads to each of the next day's (from x to)."""
    edges = np.array([after * _NORMAL.inv_cdf(k / LEVELS) for k in range(1, LEVELS)])
    expected = learnt.persistence * before * quantiles
    upto = np.array(
        [
            [_NORMAL.cdf((edge - mean) / learnt.spread) for edge in edges.tolist()]
            for mean in expected.tolist()
        ]
    )
    ends = np.zeros((LEVELS, 1)), np.ones((LEVELS, 1))
    result: Floats = np.diff(np.concatenate([ends[0], upto, ends[1]], axis=1), axis=1)
    return result
