"""Where prices come from: one for ever, bands of the week and year, or a series."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Protocol

from .local_clock import DAY_MINUTES, LocalDay

_BAND_KEYS = ("price", "from", "to", "days", "months")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SETS = {
    "all": frozenset(range(7)),
    "weekday": frozenset(range(5)),
    "weekend": frozenset((5, 6)),
}


# Beyond it a price is a slip of the keyboard, in any currency.
HIGHEST_PRICE = 1e6


class TariffError(ValueError):
    """A tariff that cannot be read; names the field and what is expected."""


class PriceSource(Protocol):
    """Prices of one direction; `published` says whether they come day by day."""

    published: bool

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
    days: frozenset[int] = _DAY_SETS["all"]
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
                        day = f"{_WEEKDAYS[weekday]} in month {month}"
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


class PriceSeries:
    """Prices that begin at times (seconds since the epoch, strictly rising).

    Each holds until the next one begins, the last for the median step. What lies in a
    gap of more than two steps is unknown but for its first step. Needs at least two.
    """

    __slots__ = ("_prices", "_times_s")
    published = True

    def __init__(self, times_s: Sequence[float], prices: Sequence[float]) -> None:
        if len(times_s) != len(prices) or len(times_s) < 2:
            raise TariffError("series: expected at least two times, each with a price")
        steps = [b - a for a, b in pairwise(times_s)]
        if min(steps) <= 0.0 or not all(map(isfinite, (*times_s, *prices))):
            raise TariffError("series: expected rising times and finite prices")
        step_s = median(steps)
        self._times_s: list[float] = []
        self._prices: list[float | None] = []
        for time_s, price, gap_s in zip(times_s, prices, (*steps, 1e300), strict=True):
            self._times_s.append(time_s)
            self._prices.append(price)
            if gap_s > 2.0 * step_s:
                self._times_s.append(time_s + step_s)
                self._prices.append(None)

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        first = bisect_right(self._times_s, day.start_s)
        last = bisect_right(self._times_s, day.end_s - 1e-6)
        before = self._prices[first - 1] if first else None
        inside = zip(self._times_s[first:last], self._prices[first:last], strict=True)
        return [(day.start_s, before), *inside]


def parse_prices(
    value: object, path: str, series: Mapping[str, PriceSeries]
) -> PriceSource:
    """Read one direction: a number, `{bands: [...]}` or `{series: NAME}`.

    Raises `TariffError` that begins with `path`.
    """
    if isinstance(value, Mapping):
        if set(value) == {"bands"}:
            return _bands(value["bands"], f"{path}.bands")
        if set(value) == {"series"}:
            name = value["series"]
            if not isinstance(name, str) or name not in series:
                raise TariffError(f"{path}.series: no such series: {name!r}")
            return series[name]
        raise TariffError(
            f"{path}: expected bands or series, found {sorted(map(str, value))}"
        )
    return FlatPrice(_price(value, path))


def _bands(value: object, path: str) -> BandPrices:
    if not isinstance(value, list | tuple) or not value:
        raise TariffError(f"{path}: expected a list of bands, found {value!r}")
    return BandPrices(
        [_band(item, f"{path}[{i}]") for i, item in enumerate(value)], path=path
    )


def _band(value: object, path: str) -> Band:
    if not isinstance(value, Mapping):
        raise TariffError(
            f"{path}: expected price, from, to, days, months; found {value!r}"
        )
    for key in value:
        if key not in _BAND_KEYS:
            raise TariffError(f"{path}.{key}: expected one of {', '.join(_BAND_KEYS)}")
    from_minute = to_minute = 0
    first, last = value.get("from"), value.get("to")
    if first is not None or last is not None:
        from_minute = parse_minute(first, f"{path}.from")
        to_minute = parse_minute(last, f"{path}.to", end=True)
        if from_minute == to_minute:
            raise TariffError(
                f"{path}.to: expected another time than from, found {last!r}"
            )
    return Band(
        price=_price(value.get("price"), f"{path}.price"),
        from_minute=from_minute,
        to_minute=to_minute % DAY_MINUTES,
        days=_days(value.get("days"), f"{path}.days"),
        months=_months(value.get("months"), f"{path}.months"),
    )


def _price(value: object, path: str) -> float:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
    ):
        if abs(value) <= HIGHEST_PRICE:
            return float(value)
        expected = f"a number from {-HIGHEST_PRICE:g} to {HIGHEST_PRICE:g}"
        raise TariffError(f"{path}: expected {expected}, found {value!r}")
    raise TariffError(f"{path}: expected a number, found {value!r}")


def _days(value: object, path: str) -> frozenset[int]:
    if value is None:
        return _DAY_SETS["all"]
    if isinstance(value, str) and value in _DAY_SETS:
        return _DAY_SETS[value]
    if isinstance(value, list | tuple) and value and all(d in _WEEKDAYS for d in value):
        return frozenset(map(_WEEKDAYS.index, value))
    raise TariffError(
        f"{path}: expected all, weekday, weekend or a list of {', '.join(_WEEKDAYS)}; "
        f"found {value!r}"
    )


def _months(value: object, path: str) -> frozenset[int]:
    if value is None:
        return frozenset(range(1, 13))
    if isinstance(value, list | tuple) and value:
        months = frozenset(m for m in value if type(m) is int and 1 <= m <= 12)
        if len(months) == len(set(value)):
            return months
    raise TariffError(
        f"{path}: expected a list of months from 1 to 12, found {value!r}"
    )


def parse_minute(value: object, path: str, *, end: bool = False) -> int:
    """Return the minute of the day that "HH:MM" means; 1440 for "24:00" if `end`.

    YAML makes a number of minutes of an unquoted time such as 22:00, so that is taken
    too. Raises `TariffError`.
    """
    if isinstance(value, str):
        hours, _, rest = value.partition(":")
        minutes = rest.removesuffix(":00") if len(rest) == 5 else rest
        if len(hours) in (1, 2) and len(minutes) == 2 and (hours + minutes).isdecimal():
            minute = int(hours) * 60 + int(minutes)
            if int(minutes) < 60 and (
                minute < DAY_MINUTES or (end and minute == DAY_MINUTES)
            ):
                return minute
    elif type(value) is int and 60 <= value < DAY_MINUTES + end:
        return value
    raise TariffError(f"{path}: expected HH:MM, found {value!r}")
