"""What is known of prices: kept, replaced by what is newer, and read back."""

import itertools
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.sources.price_book import (
    AHEAD_S,
    KEPT_S,
    Offer,
    PriceBook,
    Quote,
    Quotes,
    merged,
    to_quotes,
)
from tests.engine.parts import thorough

DAY_S = 86400.0
NOW_S = 1_795_300_000.0


def hours(first: int, count: int, price: float = 1.0, step_s: float = 3600.0) -> Quotes:
    return tuple(
        Quote(first * 3600.0 + k * step_s, first * 3600.0 + (k + 1) * step_s, price)
        for k in range(count)
    )


def test_new_prices_replace_old_ones() -> None:
    """Quarter-hours take the place of the hours that they lie in, and no more."""
    known = merged(hours(0, 3), hours(1, 4, price=2.0, step_s=900.0))
    assert [(q.start_s / 900.0, q.end_s / 900.0, q.price) for q in known] == [
        (0, 4, 1.0),
        (4, 5, 2.0),
        (5, 6, 2.0),
        (6, 7, 2.0),
        (7, 8, 2.0),
        (8, 12, 1.0),
    ]
    inside = merged(hours(0, 1), (Quote(900.0, 1800.0, 5.0),))
    assert [(q.start_s, q.end_s, q.price) for q in inside] == [
        (0.0, 900.0, 1.0),
        (900.0, 1800.0, 5.0),
        (1800.0, 3600.0, 1.0),
    ]


starts = st.lists(st.integers(0, 60), max_size=25, unique=True)


@st.composite
def some_quotes(draw: st.DrawFn, price: float) -> Quotes:
    cuts = sorted(draw(starts))
    return tuple(
        Quote(900.0 * begin, 900.0 * end, price)
        for begin, end in itertools.pairwise(cuts)
        if draw(st.booleans())
    )


@given(old=some_quotes(1.0), new=some_quotes(2.0))
@thorough(400)
def test_merging_loses_nothing_and_overlaps_nowhere(old: Quotes, new: Quotes) -> None:
    known = merged(old, new)
    for before, after in itertools.pairwise(known):
        assert before.end_s <= after.start_s

    def at(quotes: Quotes, time_s: float) -> float | None:
        found = [q.price for q in quotes if q.start_s <= time_s < q.end_s]
        return found[0] if found else None

    for quarter in range(61):
        time_s = 900.0 * quarter + 1.0
        wanted = at(new, time_s)
        assert at(known, time_s) == (at(old, time_s) if wanted is None else wanted)


def test_an_end_that_is_not_said() -> None:
    """A price lasts to the next one, but not over a hole."""
    rows = [
        (0.0, None, 1.0),
        (900.0, None, 2.0),
        (1800.0, None, 3.0),
        (9000.0, None, 4.0),
    ]
    assert [(q.start_s, q.end_s) for q in to_quotes(rows)] == [
        (0.0, 900.0),
        (900.0, 1800.0),
        (1800.0, 2700.0),
        (9000.0, 9900.0),
    ]
    assert to_quotes([(0.0, None, 1.0)]) == ()
    assert to_quotes([]) == ()
    # Amber's next interval may begin while the last one still lasts.
    assert to_quotes([(0.0, 1800.0, 1.0), (900.0, 1800.0, 2.0)]) == (
        Quote(0.0, 900.0, 1.0),
        Quote(900.0, 1800.0, 2.0),
    )


def test_an_end_in_another_year_is_a_slip() -> None:
    """Whoever is told one price for ever asks for no other any more."""
    rows = [(0.0, 900.0, 1.0), (900.0, 1e9, 2.0)]
    assert to_quotes(rows)[-1] == Quote(900.0, 900.0 + AHEAD_S, 2.0)


class Watched(float):
    """A number that counts how often it is compared."""

    compared = 0

    def __le__(self, other: object) -> bool:
        Watched.compared += 1
        return float.__le__(self, other)  # type: ignore[operator]  # it is a float

    def __gt__(self, other: object) -> bool:
        Watched.compared += 1
        return float.__gt__(self, other)  # type: ignore[operator]  # it is a float


def test_a_year_of_prices_is_merged_in_one_pass() -> None:
    """A file with the year's half-hours is read anew whenever its entity changes."""
    year = tuple(
        Quote(quote.start_s, Watched(quote.end_s), quote.price)
        for quote in hours(0, 8760)
    )
    Watched.compared = 0
    assert merged(hours(8000, 700), year) == year
    assert Watched.compared < 4 * 8760


def test_how_far_prices_are_known() -> None:
    book = PriceBook(imported=(*hours(0, 3), *hours(4, 2)))
    assert book.known_until(0.0) == 3 * 3600.0
    assert book.known_until(2.5 * 3600.0) == 3 * 3600.0
    assert book.known_until(3.5 * 3600.0) is None
    assert book.known_until(4 * 3600.0) == 6 * 3600.0
    assert book.covers(3600.0, 3 * 3600.0)
    assert not book.covers(0.0, 5 * 3600.0)


def test_a_book_tells_what_is_new_and_forgets_what_is_old() -> None:
    book = PriceBook()
    today = Offer(
        imported=(Quote(NOW_S, NOW_S + 900.0, 0.3),),
        exported=(Quote(NOW_S, NOW_S + 900.0, 0.1),),
        currency="EUR",
    )
    assert book.take(today, NOW_S)
    assert not book.take(today, NOW_S + 60.0)
    assert book.take(Offer(imported=(Quote(NOW_S, NOW_S + 900.0, 0.4),)), NOW_S)
    assert book.imported[0].price == 0.4
    assert book.exported[0].price == 0.1
    assert book.currency == "EUR"
    far = NOW_S + AHEAD_S + 900.0
    assert not book.take(Offer(imported=(Quote(far, far + 900.0, 1.0),)), NOW_S)
    assert book.take(Offer(imported=()), NOW_S + KEPT_S + 900.0)
    assert book.imported == ()


def test_a_book_is_read_back() -> None:
    book = PriceBook(imported=hours(0, 24), exported=hours(3, 2), currency="NOK")
    assert PriceBook.from_dict(book.to_dict()) == book


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"import": [], "export": []},
        {"import": 3, "export": [], "currency": None},
        {"import": [[1, 2]], "export": [], "currency": None},
        {"import": [[0, 900, "x"]], "export": [], "currency": None},
        {"import": [[900, 0, 1]], "export": [], "currency": None},
        {"import": [[0, 900, 1], [0, 900, 1]], "export": [], "currency": None},
        {"import": [[0, 900, float("nan")]], "export": [], "currency": None},
    ],
)
def test_a_book_that_is_none(data: Any) -> None:
    with pytest.raises(ValueError, match=r"not a price|could not convert"):
        PriceBook.from_dict(data)
