"""What a home knows of its own forecast's errors."""

import json

import numpy as np
import pytest

from custom_components.leaf_to_home.engine.forecast_error import (
    DAY_S,
    Floats,
    ForecastBook,
    pinball_w,
)
from custom_components.leaf_to_home.engine.quarters import QUARTER_S

SHARES = np.array([0.25, 0.5, 0.25])
# Monday, 2026-11-23, at midnight.
BEGIN_S = 1795392000.0


def expect(starts_s: Floats) -> tuple[Floats, Floats]:
    """Expect 400 W on the mean."""
    return np.tile([200.0, 400.0, 600.0], (len(starts_s) - 1, 1)), SHARES


def live(book: ForecastBook, quarters: int, draw_w: float, at_s: float) -> float:
    """Let a home expect and measure for so many quarter-hours; return the time."""
    for _ in range(quarters):
        book.expect(at_s, expect)
        book.measure(at_s, draw_w)
        at_s += QUARTER_S
    return at_s


def test_nothing_is_said_before_there_was_a_day_to_expect() -> None:
    book = ForecastBook()
    at_s = live(book, 96, 500.0, BEGIN_S)
    assert book.errors(at_s).day is None
    at_s = live(book, 47, 500.0, at_s)
    assert book.errors(at_s).day is not None
    assert book.errors(at_s).week is None


def test_errors_are_those_of_what_was_expected_a_day_before() -> None:
    book = ForecastBook()
    at_s = live(book, 96 * 5, 500.0, BEGIN_S)
    at_s = live(book, 96, 200.0, at_s)
    errors = book.errors(at_s)
    assert errors.day is not None
    assert errors.week is not None
    assert errors.day.absolute_w == pytest.approx(200.0)
    assert errors.day.bias_w == pytest.approx(-200.0)
    # Four known days of 100 W too much, and one of 200 W too little.
    assert errors.week.absolute_w == pytest.approx(120.0, abs=2.0)
    assert errors.week.bias_w == pytest.approx(40.0, abs=4.0)
    assert errors.week.pinball_w > 0.0


def test_old_errors_are_forgotten() -> None:
    book = ForecastBook()
    at_s = live(book, 96 * 3, 900.0, BEGIN_S)
    at_s = live(book, 96 * 8, 400.0, at_s)
    week = book.errors(at_s).week
    assert week is not None
    assert week.absolute_w == 0.0


def test_a_home_that_stands_still_knows_nothing_of_late() -> None:
    book = ForecastBook()
    at_s = live(book, 96 * 3, 500.0, BEGIN_S)
    assert book.errors(at_s + DAY_S).day is None


def test_a_gap_leaves_out_what_nobody_expected() -> None:
    book = ForecastBook()
    at_s = live(book, 96, 500.0, BEGIN_S)
    later_s = live(book, 96, 500.0, at_s + 10 * 3600.0)
    day = book.errors(later_s).day
    assert day is not None
    # The end of the first day, the second one from 10 o'clock on, and an hour of the
    # third, which was expected as soon as somebody was there again.
    assert len(book.to_dict()["errors"]) == 4 + (96 - 40) + 4


def test_a_clock_that_is_set_back_begins_anew() -> None:
    book = ForecastBook()
    live(book, 96, 500.0, BEGIN_S + 30 * DAY_S)
    at_s = live(book, 96 * 2, 500.0, BEGIN_S)
    assert book.errors(at_s).day is not None


def test_a_book_is_the_same_after_it_was_stored() -> None:
    book = ForecastBook()
    live(book, 96 * 2, 500.0, BEGIN_S)
    data = json.loads(json.dumps(book.to_dict()))
    read = ForecastBook.from_dict(data)
    assert read.to_dict() == data
    assert ForecastBook.from_dict(None).to_dict() == {"expected": [], "errors": []}


def test_the_loss_of_a_sure_and_right_distribution_is_nothing() -> None:
    assert pinball_w(np.full(3, 500.0), SHARES, 500.0) == 0.0
    wide = pinball_w(np.array([0.0, 500.0, 1000.0]), SHARES, 500.0)
    wrong = pinball_w(np.full(3, 0.0), SHARES, 500.0)
    assert 0.0 < wide < wrong


def test_what_was_expected_and_never_measured_is_forgotten() -> None:
    book = ForecastBook()
    for quarter in range(96 * 5):
        book.expect(BEGIN_S + quarter * QUARTER_S, expect)
    assert len(book.to_dict()["expected"]) <= 2 * 96 + 1


def test_a_stored_book_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="shares"):
        ForecastBook.from_dict({"expected": [[BEGIN_S, [1, 2, 3], [0.5, 0.5]]]})
