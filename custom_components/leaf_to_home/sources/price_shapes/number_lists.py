"""Plain lists of numbers: one for today and one for tomorrow, in even steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from ..price_book import Quotes, to_quotes
from .values import to_price, wrong

STEPS_S: Final = (300.0, 900.0, 1800.0, 3600.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberLists:
    """A number for each step of the local day, from midnight to midnight.

    Which day is today says the day on which the lists were written.
    """

    name: str
    lists: tuple[str, str]

    @property
    def expected(self) -> str:
        """Return what this shape looks like, for people."""
        return f"{self.name} – {'/'.join(self.lists)}: [24/48/96 × 0.123]"

    def found_in(self, attributes: Mapping[Any, Any]) -> bool:
        """Return whether a list of numbers is there."""
        return any(
            isinstance(values := attributes.get(key), list | tuple)
            and bool(values)
            and isinstance(values[0], int | float)
            for key in self.lists
        )

    def empty_in(self, attributes: Mapping[Any, Any]) -> bool:
        """Return whether the lists are there, but nothing in them."""
        found = [attributes.get(key) for key in self.lists]
        return any(isinstance(each, list | tuple) for each in found) and not any(found)

    def read(
        self,
        attributes: Mapping[Any, Any],
        zone: tzinfo,
        factor: float = 1.0,
        *,
        today: date,
    ) -> Quotes:
        """Return all quotes; raises `PriceError` for a number that is none."""
        rows: list[tuple[float, float | None, float]] = []
        for key, day in zip(
            self.lists, (today, today + timedelta(days=1)), strict=True
        ):
            values = attributes.get(key)
            if not values:
                continue
            begin_s = day_begin_s(day, zone)
            length_s = day_begin_s(day + timedelta(days=1), zone) - begin_s
            steps = {round(length_s / step_s): step_s for step_s in STEPS_S}
            if not isinstance(values, list | tuple) or len(values) not in steps:
                raise wrong(
                    key,
                    f"{len(values)} ×" if isinstance(values, list | tuple) else values,
                    f"{day.isoformat()}: [{'/'.join(map(str, sorted(steps)))} × 0.123]",
                )
            step_s = steps[len(values)]
            for i, value in enumerate(values):
                price = to_price(value, f"{key}[{i}]", factor)
                if price is not None:
                    start_s = begin_s + i * step_s
                    rows.append((start_s, start_s + step_s, price))
        return to_quotes(rows)


def day_begin_s(day: date, zone: tzinfo) -> float:
    """Return when a local day begins, in seconds since the epoch."""
    return datetime.combine(day, time(), tzinfo=zone).timestamp()


TODAY_TOMORROW: Final = NumberLists(name="Lists", lists=("today", "tomorrow"))
