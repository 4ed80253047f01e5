"""Lists of records, each with a time and a price: what most integrations give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from ..price_book import Quotes, to_quotes
from .values import PriceError, to_price, to_time, wrong

MOST_RECORDS: Final = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordShape:
    """Lists of records under `lists`, or one record that the attributes are themselves.

    `start`, `end` and `price` are the keys of a record. `scaled` tells that prices
    stand in the unit of the entity; else they are per kWh already.
    """

    name: str
    lists: tuple[str, ...] = ()
    start: str
    end: str | None = None
    price: str
    scaled: bool = True

    @property
    def expected(self) -> str:
        """Return what this shape looks like, for people."""
        keys = ", ".join(key for key in (self.start, self.end, self.price) if key)
        where = "/".join(self.lists)
        return (
            f"{self.name} – {where}: [{{{keys}}}]"
            if where
            else f"{self.name}: {{{keys}}}"
        )

    def found_in(self, attributes: Mapping[Any, Any]) -> bool:
        """Return whether some record of this shape is there."""
        if not self.lists:
            return self._fits(attributes)
        return any(
            self._fits(records[0])
            for key in self.lists
            if _is_list(records := attributes.get(key)) and records
        )

    def empty_in(self, attributes: Mapping[Any, Any]) -> bool:
        """Return whether the lists are there, but nothing in them."""
        found = [attributes.get(key) for key in self.lists]
        return any(map(_is_list, found)) and not any(found)

    def read(
        self, attributes: Mapping[Any, Any], zone: tzinfo, factor: float = 1.0
    ) -> Quotes:
        """Return all quotes; raises `PriceError` for a record that is none."""
        if not self.lists:
            return to_quotes(self._rows([attributes], self.name, zone, factor))
        rows: list[tuple[float, float | None, float]] = []
        for key in self.lists:
            records = attributes.get(key)
            if records is None:
                continue
            if not _is_list(records):
                raise wrong(key, records, f"[{{{self.start}, {self.price}}}]")
            rows += self._rows(records, key, zone, factor)
        return to_quotes(rows)

    def _rows(
        self, records: Sequence[Any], key: str, zone: tzinfo, factor: float
    ) -> list[tuple[float, float | None, float]]:
        if len(records) > MOST_RECORDS:
            raise PriceError("price_too_many", place=key, found=str(len(records)))
        rows: list[tuple[float, float | None, float]] = []
        after_s = None
        for i, record in enumerate(records):
            place = f"{key}[{i}]"
            if not isinstance(record, Mapping):
                raise wrong(place, record, f"{{{self.start}, {self.price}}}")
            start_s = to_time(
                record.get(self.start), f"{place}.{self.start}", zone, after_s
            )
            end_s = None
            if self.end is not None and record.get(self.end) is not None:
                end_s = to_time(record[self.end], f"{place}.{self.end}", zone, start_s)
                if end_s <= start_s:
                    raise wrong(
                        f"{place}.{self.end}", record[self.end], f"> {self.start}"
                    )
            price = to_price(
                record.get(self.price),
                f"{place}.{self.price}",
                factor if self.scaled else 1.0,
            )
            after_s = start_s
            if price is not None:
                rows.append((start_s, end_s, price))
        return rows

    def _fits(self, record: object) -> bool:
        return (
            isinstance(record, Mapping)
            and self.start in record
            and self.price in record
        )


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


NORD_POOL: Final = RecordShape(
    name="Nord Pool",
    lists=("raw_today", "raw_tomorrow"),
    start="start",
    end="end",
    price="value",
)
EPEX_SPOT: Final = RecordShape(
    name="EPEX Spot",
    lists=("data",),
    start="start_time",
    end="end_time",
    price="price_per_kwh",
    scaled=False,
)
OCTOPUS_ENERGY: Final = RecordShape(
    name="Octopus Energy",
    lists=("rates",),
    start="start",
    end="end",
    price="value_inc_vat",
    scaled=False,
)
ENTSO_E: Final = RecordShape(
    name="ENTSO-e",
    lists=("prices_today", "prices_tomorrow", "prices"),
    start="time",
    price="price",
)
AMBER_FORECAST: Final = RecordShape(
    name="Amber",
    lists=("forecasts",),
    start="start_time",
    end="end_time",
    price="per_kwh",
    scaled=False,
)
AMBER_NOW: Final = RecordShape(
    name="Amber", start="start_time", end="end_time", price="per_kwh", scaled=False
)
# What a template gives, and what template sensors may have as an attribute.
PLAIN: Final = RecordShape(
    name="Template", lists=("prices",), start="start", end="end", price="price"
)
