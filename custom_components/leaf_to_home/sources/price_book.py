"""Prices as sources give them, and the book in which a home keeps them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
import math
from statistics import median
from typing import Any, Final

from ..engine.prices import HIGHEST_PRICE

# The planner looks back on so many days.
KEPT_S: Final = 40 * 86400.0
# What is further away than this is a slip of a clock or of a source.
AHEAD_S: Final = 15 * 86400.0
MOST_QUOTES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Quote:
    """A price from one moment to another, money per kWh."""

    start_s: float
    end_s: float
    price: float


type Quotes = tuple[Quote, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """What a source says: quotes in rising order, and the currency where it has one."""

    imported: Quotes
    exported: Quotes = ()
    currency: str | None = None


def to_quotes(rows: Iterable[tuple[float, float | None, float]]) -> Quotes:
    """Make quotes of (start_s, end_s, price); of two with one start the last counts.

    One without an end lasts until the next, but no longer than is usual among them. No
    price lasts so long that nobody would ask for the next one any more.
    """
    by_start = {start_s: (end_s, price) for start_s, end_s, price in rows}
    if not by_start:
        return ()
    starts = sorted(by_start)
    steps = [after - before for before, after in pairwise(starts)]
    usual_s = median(steps) if steps else math.nan
    quotes = []
    for start_s, next_s in zip(starts, [*starts[1:], math.inf], strict=True):
        end_s, price = by_start[start_s]
        if end_s is None:
            end_s = start_s + usual_s
            if next_s - start_s <= 2.0 * usual_s:
                end_s = next_s
        end_s = min(end_s, next_s, start_s + AHEAD_S)
        # A single price without an end says nothing of when it holds.
        if end_s > start_s:
            quotes.append(Quote(start_s, end_s, price))
    return tuple(quotes)


def merged(old: Quotes, new: Quotes) -> Quotes:
    """Return both together; where they overlap the new ones hold."""
    if not new:
        return old
    kept: list[Quote] = []
    first = 0
    for quote in old:
        while first < len(new) and new[first].end_s <= quote.start_s:
            first += 1
        kept += _without(quote, new, first)
    return tuple(sorted((*kept, *new), key=lambda quote: quote.start_s))


def _without(quote: Quote, others: Quotes, first: int) -> Iterator[Quote]:
    """Yield what is left of a quote outside of all others, from the `first` one on."""
    from_s = quote.start_s
    for i in range(first, len(others)):
        other = others[i]
        if other.start_s >= quote.end_s:
            break
        if other.start_s > from_s:
            yield Quote(from_s, other.start_s, quote.price)
        from_s = other.end_s
    if from_s < quote.end_s:
        yield Quote(from_s, quote.end_s, quote.price)


@dataclass(kw_only=True, slots=True)
class PriceBook:
    """All that is known of the prices of one source, past days included."""

    imported: Quotes = ()
    exported: Quotes = ()
    currency: str | None = None

    def take(self, offer: Offer, now_s: float) -> bool:
        """Add what a source says; return whether anything is new."""
        before = (self.imported, self.exported, self.currency)
        self.imported = _kept(merged(self.imported, offer.imported), now_s)
        self.exported = _kept(merged(self.exported, offer.exported), now_s)
        self.currency = offer.currency or self.currency
        return before != (self.imported, self.exported, self.currency)

    def known_until(self, now_s: float) -> float | None:
        """Return until when import prices are known without a hole from now on."""
        until_s = None
        for quote in self.imported:
            if quote.start_s > (now_s if until_s is None else until_s):
                break
            if quote.end_s > now_s:
                until_s = quote.end_s
        return until_s

    def covers(self, begin_s: float, end_s: float) -> bool:
        """Return whether import prices are known all the time in between."""
        until_s = self.known_until(begin_s)
        return until_s is not None and until_s >= end_s

    def to_dict(self) -> dict[str, Any]:
        """Return the book as JSON-ready plain data."""
        return {
            "import": _plain(self.imported),
            "export": _plain(self.exported),
            "currency": self.currency,
        }

    @classmethod
    def from_dict(cls, data: Any) -> PriceBook:
        """Read a stored book back; raises `ValueError` where it is none."""
        try:
            currency = data["currency"]
            return cls(
                imported=_read(data["import"]),
                exported=_read(data["export"]),
                currency=None if currency is None else str(currency),
            )
        except (KeyError, TypeError) as err:
            raise ValueError(f"not a price book: {err!r}") from err


def _kept(quotes: Quotes, now_s: float) -> Quotes:
    return tuple(
        quote
        for quote in quotes
        if quote.end_s > now_s - KEPT_S and quote.start_s < now_s + AHEAD_S
    )[-MOST_QUOTES:]


def _plain(quotes: Quotes) -> list[tuple[float, float, float]]:
    return [(quote.start_s, quote.end_s, quote.price) for quote in quotes]


def _read(rows: Any) -> Quotes:
    quotes = tuple(Quote(*map(float, row)) for row in rows)
    until_s = -math.inf
    for quote in quotes:
        if not until_s <= quote.start_s < quote.end_s or not (
            abs(quote.price) <= HIGHEST_PRICE
        ):
            raise ValueError(f"not a price: {quote}")
        until_s = quote.end_s
    return quotes
