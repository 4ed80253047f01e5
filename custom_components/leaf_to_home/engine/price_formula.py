"""Prices made from others: market prices with fees and taxes, and tiers of a month."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, inf

from .local_clock import LocalDay
from .prices import FlatPrice, PriceSource

# A tier's edge is expected no more exactly than this.
_EDGE_S = 900.0
_NOTHING = FlatPrice(0.0)


class DatedPrices:
    """Prices that hold from a local date (ISO) on; the first one also before it."""

    __slots__ = ("_dates", "_prices")
    published = False

    def __init__(self, prices: Sequence[tuple[str, float]]) -> None:
        rising = sorted(prices)
        self._dates = [from_date for from_date, _ in rising]
        self._prices = [price for _, price in rising]

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        index = max(0, bisect_right(self._dates, day.iso) - 1)
        return [(day.start_s, self._prices[index])]


@dataclass(frozen=True, kw_only=True)
class FormulaPrices:
    """What is paid where the market sets a part of the price.

    (spot / (1 - loss) * factor + add) * (1 + vat) + each of `after`. `add` and `after`
    have to be known at all times.
    """

    spot: PriceSource
    loss: float = 0.0
    factor: float = 1.0
    add: PriceSource = _NOTHING
    vat: float = 0.0
    after: tuple[PriceSource, ...] = ()

    @property
    def published(self) -> bool:
        """Return whether the market's part comes day by day."""
        return self.spot.published

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        parts = [
            dict(source.of_day(day)) for source in (self.spot, self.add, *self.after)
        ]
        now: list[float | None] = [None] * len(parts)
        prices = []
        for start_s in sorted(set().union(*parts)):
            now = [
                part.get(start_s, value) for part, value in zip(parts, now, strict=True)
            ]
            prices.append((start_s, self._price(now)))
        return prices

    def _price(self, values: Sequence[float | None]) -> float | None:
        spot, *others = values
        if spot is None or None in others:
            return None
        add, *after = (value or 0.0 for value in others)
        net = spot / (1.0 - self.loss) * self.factor + add
        return net * (1.0 + self.vat) + sum(after)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """A price for the month's kWh up to `upto_kwh`."""

    price: float
    upto_kwh: float = inf


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthUse:
    """What was imported `days` after the billing month began on `begin` (ISO).

    `kwh_per_day` is how it should go on, None: as usual.
    """

    begin: str
    days: float
    kwh: float
    kwh_per_day: float | None = None


def billing_begin(day: date, month_day: int) -> date:
    """Return the first day of the billing month that `day` lies in."""
    if day.day >= month_day:
        return day.replace(day=month_day)
    before = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
    return date(*before, month_day)


class TieredPrices:
    """A price that rises with the month's kWh, by the tier that it should be in.

    The billing month begins on `month_day` (1 to 28). It is expected to go on with
    `kwh_per_day`, from what was imported so far where `use` tells that.
    """

    __slots__ = ("_kwh_per_day", "_month_day", "_tiers", "_use")
    published = False

    def __init__(
        self,
        tiers: Sequence[Tier],
        *,
        kwh_per_day: float,
        month_day: int = 1,
        use: MonthUse | None = None,
    ) -> None:
        self._tiers = tiers
        self._kwh_per_day = kwh_per_day
        self._month_day = month_day
        self._use = use

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        begin = billing_begin(date.fromisoformat(day.iso), self._month_day)
        days_before = (date.fromisoformat(day.iso) - begin).days
        use = self._use if self._use and self._use.begin == begin.isoformat() else None
        prices: list[tuple[float, float | None]] = []
        from_s = day.start_s
        for tier in self._tiers:
            edge_days = self._reached(tier.upto_kwh, use) - days_before
            if edge_days <= 0.0:
                continue
            prices.append((from_s, tier.price))
            edge_s = edge_days * (day.end_s - day.start_s)
            if edge_s >= day.end_s - day.start_s:
                break
            from_s = day.start_s + ceil(edge_s / _EDGE_S) * _EDGE_S
            if from_s >= day.end_s:
                break
        return prices

    def _reached(self, kwh: float, use: MonthUse | None) -> float:
        """Return after how many days of the month so much is imported."""
        if use is None:
            return kwh / self._kwh_per_day
        if kwh <= use.kwh:
            return use.days * kwh / use.kwh
        return use.days + (kwh - use.kwh) / (use.kwh_per_day or self._kwh_per_day)
