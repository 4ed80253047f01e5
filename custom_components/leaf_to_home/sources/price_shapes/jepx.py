"""Lines as the Japan Electric Power Exchange publishes its spot market in.

A line has the day, the number of the half-hour from 1 to 48, and columns of which one
is the price of the area. They may stand in one text or in a list, with or without the
line of headings.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta, timezone
import re
from typing import Any, Final

from ..price_book import Quotes, to_quotes
from .number_lists import day_begin_s
from .values import PriceError, to_price, wrong

NAME: Final = "JEPX"
ZONE: Final = timezone(timedelta(hours=9))
HALF_HOUR_S: Final = 1800.0
HALF_HOURS: Final = 48
MOST_LINES: Final = 20_000
# In the order of the exchange's file, whose first area column is the seventh.
AREAS: Final = (
    "hokkaido",
    "tohoku",
    "tokyo",
    "chubu",
    "hokuriku",
    "kansai",
    "chugoku",
    "shikoku",
    "kyushu",
)
_FIRST_AREA: Final = 6
_NAMES: Final = dict(
    zip(
        AREAS,
        ("北海道", "東北", "東京", "中部", "北陸", "関西", "中国", "四国", "九州"),
        strict=True,
    )
)
_DAY: Final = re.compile(r'"?(\d{4})[/-](\d{1,2})[/-](\d{1,2})"?')

EXPECTED: Final = f"{NAME} – “2026/11/22,1,…,12.34” (1–48)"


def lines_in(attributes: Mapping[Any, Any]) -> tuple[str, list[str]] | None:
    """Return the first attribute with such lines, None where there is none."""
    for key, value in attributes.items():
        if isinstance(value, str) and "\n" in value:
            lines = value.splitlines()
        elif isinstance(value, list | tuple) and all(
            isinstance(line, str) for line in value
        ):
            lines = list(value)
        else:
            continue
        if any(_DAY.match(line.lstrip("\ufeff")) and "," in line for line in lines[:3]):
            return str(key), lines
    return None


def read(place: str, lines: Iterable[str], area: str, factor: float = 1.0) -> Quotes:
    """Return the quotes of an area; raises `PriceError` for a line that is none.

    Lines with two columns have the price in the next one, whatever the area.
    """
    rows: list[tuple[float, float | None, float]] = []
    column: int | None = None
    for i, line in enumerate(lines):
        if i >= MOST_LINES:
            raise PriceError("price_too_many", place=place, found=f"> {MOST_LINES}")
        cells = [cell.strip().strip('"') for cell in line.lstrip("\ufeff").split(",")]
        if not any(cells):
            continue
        at = f"{place}[{i}]"
        if (found := _DAY.fullmatch(cells[0])) is None:
            if i == 0:
                column = _column(cells, area)
                continue
            raise wrong(at, line, EXPECTED)
        used = _default_column(len(cells), area) if column is None else column
        try:
            begin_s = day_begin_s(date(*map(int, found.groups())), ZONE)
            number = int(cells[1])
            text = cells[used]
        except IndexError, ValueError, OverflowError:
            raise wrong(at, line, EXPECTED) from None
        if not 1 <= number <= HALF_HOURS:
            raise wrong(at, number, "1–48")
        # The market's result of a half-hour that is not there yet is left empty.
        price = to_price(text or None, at, factor)
        if price is not None:
            start_s = begin_s + (number - 1) * HALF_HOUR_S
            rows.append((start_s, start_s + HALF_HOUR_S, price))
    return to_quotes(rows)


def _default_column(count: int, area: str) -> int:
    return 2 if count == 3 else _FIRST_AREA + AREAS.index(area)


def _column(headings: list[str], area: str) -> int:
    """Return the column of the area, by its name."""
    for i, heading in enumerate(headings):
        if _NAMES[area] in heading or area in heading.lower():
            return i
    return _default_column(len(headings), area)
