"""What a home asks the recorder about."""

from datetime import date

from custom_components.leaf_to_home.engine.forecast import KEPT_DAYS, DrawHistory
from custom_components.leaf_to_home.engine.recall import (
    Question,
    Recalled,
    local_slot,
    question,
)
from custom_components.leaf_to_home.engine.tariff import Tariff

FLAT = Tariff.flat(0.30)
MONDAY = date(2026, 11, 23).toordinal()
MONDAY_S = 1_795_392_000.0
HOUR_S = 3600.0


def known(until_s: float, hours: int) -> DrawHistory:
    """Return a past that knows so many hours before that time."""
    draw = DrawHistory()
    for quarter in range(1, hours * 4 + 1):
        draw.add(*local_slot(FLAT, until_s - quarter * 900.0), 500.0)
    return draw


def test_a_new_home_asks_for_all_that_it_can_keep() -> None:
    asked = question(Recalled(), DrawHistory(), FLAT, "meter", MONDAY_S)
    assert asked == Question(
        start_s=MONDAY_S - 900.0 - (KEPT_DAYS - 1) * 86400.0,
        end_s=MONDAY_S - 900.0,
        measured="meter",
        anew=False,
    )


def test_a_home_that_saw_everything_asks_nothing() -> None:
    recalled = Recalled(until_s=MONDAY_S - 5 * HOUR_S, measured="meter")
    assert question(recalled, known(MONDAY_S, 6), FLAT, "meter", MONDAY_S) is None
    assert recalled.until_s == MONDAY_S - 900.0


def test_a_gap_is_asked_for_from_its_begin() -> None:
    recalled = Recalled(until_s=MONDAY_S - 9 * HOUR_S, measured="meter")
    draw = known(MONDAY_S - 4 * HOUR_S, 6)
    asked = question(recalled, draw, FLAT, "meter", MONDAY_S)
    assert asked is not None
    assert asked.start_s == MONDAY_S - 4 * HOUR_S


def test_a_clock_that_was_set_back_hides_no_gap() -> None:
    recalled = Recalled(until_s=MONDAY_S + 1e6, measured="meter")
    assert question(recalled, DrawHistory(), FLAT, "meter", MONDAY_S) is None
    asked = question(recalled, DrawHistory(), FLAT, "meter", MONDAY_S + HOUR_S)
    assert asked is not None
    assert asked.start_s == MONDAY_S - 900.0


def test_other_sensors_are_asked_about_as_a_whole() -> None:
    recalled = Recalled(until_s=MONDAY_S, measured="another")
    asked = question(recalled, known(MONDAY_S, 6), FLAT, "meter", MONDAY_S)
    assert asked is not None
    assert asked.anew
    assert asked.end_s - asked.start_s == (KEPT_DAYS - 1) * 86400.0


def test_a_day_older_than_all_that_is_kept_is_left_out() -> None:
    draw = DrawHistory()
    for day in range(KEPT_DAYS):
        draw.add(MONDAY + day, 0, 500.0)
    draw.add(MONDAY - 1, 0, 500.0)
    assert not draw.knows(MONDAY - 1, 0)
    assert draw.knows(MONDAY, 0)
