"""What a home has imported in the billing month, which tiers of prices go by."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from homeassistant.util import dt as dt_util
import pytest

from custom_components.leaf_to_home.sources.month_use import MonthMeter

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture(autouse=True)
def tokyo() -> Any:
    before = dt_util.get_default_time_zone()
    dt_util.set_default_time_zone(TOKYO)
    yield
    dt_util.set_default_time_zone(before)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def meter(stored: Any = None, month_day: int = 1) -> MonthMeter:
    return MonthMeter(
        month_kwh=300.0, month_day=month_day, edges_kwh=[120.0, 300.0], stored=stored
    )


def test_the_part_of_the_month_that_was_missed_is_as_usual() -> None:
    month = meter()
    assert month.hear(5000.0, at("2026-11-11T12:00"))
    assert month.use is not None
    assert (month.use.begin, month.use.days) == ("2026-11-01", 10.5)
    assert month.use.kwh == pytest.approx(105.0)
    assert month.use.kwh_per_day == pytest.approx(10.0)


def test_import_is_counted_and_told_once_an_hour() -> None:
    month = meter()
    now = at("2026-11-01T00:00")
    assert month.hear(5000.0, now)
    assert not month.hear(5001.0, now + timedelta(minutes=30))
    assert month.hear(5002.0, now + timedelta(minutes=60))
    assert month.use is not None
    assert month.use.kwh == pytest.approx(2.0)


def test_an_edge_is_told_at_once() -> None:
    month = meter()
    now = at("2026-11-01T00:00")
    month.hear(5000.0, now)
    assert not month.hear(5119.9, now + timedelta(minutes=1))
    assert month.hear(5120.1, now + timedelta(minutes=2))
    assert not month.hear(5120.2, now + timedelta(minutes=3))
    assert month.use is not None
    assert month.use.kwh == pytest.approx(120.1)


def test_a_new_month_begins_anew() -> None:
    month = meter(month_day=12)
    month.hear(5000.0, at("2026-11-11T23:59"))
    assert month.use is not None
    assert month.use.begin == "2026-10-12"
    assert month.hear(5001.0, at("2026-11-12T00:00"))
    assert (month.use.begin, month.use.kwh) == ("2026-11-12", 0.0)
    assert month.hear(5003.0, at("2026-11-12T12:00"))
    assert month.use.kwh == pytest.approx(2.0)


def test_a_meter_goes_on_after_a_restart() -> None:
    month = meter()
    assert month.to_dict() is None
    month.hear(5000.0, at("2026-11-01T00:00"))
    month.hear(5050.0, at("2026-11-03T00:00"))
    again = meter(month.to_dict())
    assert again.hear(5060.0, at("2026-11-03T01:00"))
    assert again.use is not None
    assert again.use.kwh == pytest.approx(60.0)
    # A counter that begins anew takes nothing back.
    again.hear(3.0, at("2026-11-03T02:00"))
    again.hear(5.0, at("2026-11-03T03:00"))
    assert again.use.kwh == pytest.approx(62.0)


def test_a_month_that_turned_in_between() -> None:
    month = meter()
    month.hear(5000.0, at("2026-10-30T00:00"))
    again = meter(month.to_dict())
    again.hear(5100.0, at("2026-11-04T00:00"))
    assert again.use is not None
    assert again.use.begin == "2026-11-01"
    assert again.use.kwh == pytest.approx(30.0)


@pytest.mark.parametrize(
    "stored", [3, {}, {"begin": 1, "kwh": "x", "counter_kwh": 2}, {"begin": None}]
)
def test_what_cannot_be_read_begins_anew(stored: Any) -> None:
    month = meter(stored)
    assert month.hear(5000.0, at("2026-11-11T00:00"))
    assert month.use is not None
    assert month.use.kwh == pytest.approx(100.0)


def test_a_day_with_another_length() -> None:
    oslo = ZoneInfo("Europe/Oslo")
    dt_util.set_default_time_zone(oslo)
    month = meter(month_day=25)
    # Noon is 13 hours after midnight there, of 25.
    month.hear(0.0, datetime(2026, 10, 25, 12, tzinfo=oslo))
    assert month.use is not None
    assert month.use.days == pytest.approx(13 / 25)
