"""Prices of the past from two memories: a source's own, and what was recorded of it."""

from .local_clock import LocalDay
from .prices import PriceSeries, PriceSource


class FilledPrices:
    """A source of prices; where it knows none, those that were recorded."""

    __slots__ = ("_recorded", "_source", "published")

    def __init__(self, source: PriceSource, recorded: PriceSeries) -> None:
        self._source = source
        self._recorded = recorded
        self.published = source.published

    def of_day(self, day: LocalDay) -> list[tuple[float, float | None]]:
        """Return (start_s, price) over the whole `day`."""
        own = dict(self._source.of_day(day))
        if None not in own.values():
            return list(own.items())
        recorded = dict(self._recorded.of_day(day))
        prices: list[tuple[float, float | None]] = []
        price = stand_in = None
        for start_s in sorted(own.keys() | recorded.keys()):
            price = own.get(start_s, price)
            stand_in = recorded.get(start_s, stand_in)
            prices.append((start_s, stand_in if price is None else price))
        return prices
