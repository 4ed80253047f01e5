"""Where prices come from: one for ever, bands of the week and year, or a series."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from statistics import median
from typing import Protocol

from .local_clock import DAY_MINUTES, LocalDay

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_SETS = {
    "all": frozenset(range(7)),
    "weekday": frozenset(range(5)),
    "weekend": frozenset((5, 6)),
}


# Beyond it a price is a slip of the keyboard, in any currency.
HIGHEST_PRICE = 1e6


class TariffError(ValueError):
    """A tariff that cannot be read; names the field and what is expected."""


class PriceSource(Protocol):
    """Prices of one direction."""

    @property
    def published(self) -> bool:
        """Return whether they come day by day."""
        ...

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`, the first at its start."""
        ...


class FlatPrice:
    """One price for ever, or none that is known."""

    __slots__ = ("price",)
    published = False

    def __init__(self, price: float | None) -> None:
        self.price = price

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        return [(day.start_s, self.price)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A price for some minutes of some days.

    From `from_minute` to `to_minute` of the local day, over midnight when the second is
    smaller, all day when they are equal. Days and months are those on which the minute
    itself falls.
    """

    price: float
    from_minute: int = 0
    to_minute: int = 0
    days: frozenset[int] = DAY_SETS["all"]
    months: frozenset[int] = frozenset(range(1, 13))

    def holds(self, month: int, weekday: int, minute: int) -> bool:
        """Return whether this band covers that minute of such a day."""
        if month not in self.months or weekday not in self.days:
            return False
        if self.from_minute < self.to_minute:
            return self.from_minute <= minute < self.to_minute
        if self.from_minute > self.to_minute:
            return minute >= self.from_minute or minute < self.to_minute
        return True


class BandPrices:
    """Prices by time of day, day of week and month; the first band that fits wins.

    Raises `TariffError`, with `path`, when some minute of the year has no price.
    """

    __slots__ = ("_patterns",)
    published = False

    def __init__(self, bands: Sequence[Band], *, path: str = "bands") -> None:
        cuts = sorted({0}.union(*({b.from_minute, b.to_minute} for b in bands)))
        self._patterns: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for month in range(1, 13):
            for weekday in range(7):
                pattern = self._patterns[month, weekday] = []
                for minute in cuts:
                    for band in bands:
                        if band.holds(month, weekday, minute):
                            pattern.append((minute, band.price))
                            break
                    else:
                        at = f"{minute // 60:02}:{minute % 60:02}"
                        day = f"{WEEKDAYS[weekday]} in month {month}"
                        raise TariffError(f"{path}: no band covers {at} on {day}")

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        prices: list[tuple[float, float | None]] = []
        pattern = self._patterns[day.month, day.weekday]
        for start_s, end_s, local_s in day.pieces:
            for i, (minute, price) in enumerate(pattern):
                until = pattern[i + 1][0] if i + 1 < len(pattern) else DAY_MINUTES
                from_s = start_s + minute * 60.0 - local_s
                if from_s < end_s and until * 60.0 > local_s:
                    prices.append((max(start_s, from_s), price))
        return prices


class _Steps:
    """Prices that change at times, None before the first and from the last one on."""

    __slots__ = ("_prices", "_times_s")
    published = True

    def __init__(
        self, times_s: Sequence[float], prices: Sequence[float | None]
    ) -> None:
        self._times_s = times_s
        self._prices = prices

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        first = bisect_right(self._times_s, day.start_s)
        last = bisect_right(self._times_s, day.end_s - 1e-6)
        before = self._prices[first - 1] if first else None
        inside = zip(self._times_s[first:last], self._prices[first:last], strict=True)
        return [(day.start_s, before), *inside]


class PriceSeries(_Steps):
    """Prices that begin at times (seconds since the epoch, strictly rising).

    Each holds until the next one begins, the last for the median step. What lies in a
    gap of more than two steps is unknown but for its first step. Needs at least two.
    """

    __slots__ = ()

    def __init__(self, times_s: Sequence[float], prices: Sequence[float]) -> None:
        if len(times_s) != len(prices) or len(times_s) < 2:
            raise TariffError("series: expected at least two times, each with a price")
        steps = [b - a for a, b in pairwise(times_s)]
        if min(steps) <= 0.0 or not all(map(isfinite, (*times_s, *prices))):
            raise TariffError("series: expected rising times and finite prices")
        step_s = median(steps)
        starts_s: list[float] = []
        values: list[float | None] = []
        for time_s, price, gap_s in zip(times_s, prices, (*steps, 1e300), strict=True):
            starts_s.append(time_s)
            values.append(price)
            if gap_s > 2.0 * step_s:
                starts_s.append(time_s + step_s)
                values.append(None)
        super().__init__(starts_s, values)


class KnownPrices(_Steps):
    """Prices of stretches (start_s, end_s, price) in rising order; none in between."""

    __slots__ = ()

    def __init__(self, stretches: Iterable[tuple[float, float, float]]) -> None:
        starts_s: list[float] = []
        prices: list[float | None] = []
        until_s = -inf
        for start_s, end_s, price in stretches:
            if not until_s <= start_s < end_s or not isfinite(price):
                raise TariffError("series: expected rising times and finite prices")
            if starts_s and start_s == until_s:
                # The end of the last one, which is none after all.
                starts_s.pop()
                prices.pop()
            starts_s += (start_s, end_s)
            prices += (price, None)
            until_s = end_s
        super().__init__(starts_s, prices)
