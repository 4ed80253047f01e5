"""When prices are looked for: at publication, when they are late, after midnight."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.local_clock import LocalClock
from custom_components.leaf_to_home.sources.price_schedule import PriceSchedule

OSLO = ZoneInfo("Europe/Oslo")
NORD_POOL = PriceSchedule(clock=LocalClock(OSLO), published_minute=12 * 60 + 45)
AT_ANY_TIME = PriceSchedule(clock=LocalClock(OSLO), published_minute=None)


def at(text: str, zone: ZoneInfo = OSLO) -> float:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("now", "known", "failures", "wanted"),
    [
        # All of today is known: nothing is missed before tomorrow is published.
        ("11-22T08:00", "11-23T00:00", 0, "11-22T12:45"),
        # A part of today is not.
        ("11-22T08:00", "11-22T10:00", 0, "11-22T08:05"),
        ("11-22T12:44", None, 0, "11-22T12:45"),
        # Published, but not here yet: often at first, then now and then.
        ("11-22T12:45", "11-23T00:00", 0, "11-22T12:50"),
        ("11-22T15:46", "11-23T00:00", 0, "11-22T16:16"),
        ("11-22T23:58", "11-23T00:00", 0, "11-23T00:00:05"),
        # Everything is known until the day after.
        ("11-22T13:00", "11-24T00:00", 0, "11-23T00:00:05"),
        # The day is an hour longer.
        ("10-25T01:00", "10-26T00:00", 0, "10-25T12:45"),
        ("10-25T13:00", "10-27T00:00", 0, "10-26T00:00:05"),
        # Failures: more and more patient.
        ("11-22T08:00", "11-23T00:00", 1, "11-22T08:00:30"),
        ("11-22T08:00", "11-23T00:00", 3, "11-22T08:02"),
        ("11-22T08:00", "11-23T00:00", 50, "11-22T08:30"),
    ],
)
def test_next_look(now: str, known: str | None, failures: int, wanted: str) -> None:
    found = NORD_POOL.next_look(at(now), (known and at(known)) or None, failures)
    assert found == at(wanted)


@pytest.mark.parametrize(
    ("now", "known", "wanted"),
    [
        ("11-22T08:00", "11-23T00:00", "11-23T00:00:05"),
        ("11-22T08:00", "11-22T08:30", "11-22T08:30"),
        ("11-22T23:50", None, "11-23T00:00:05"),
    ],
)
def test_a_source_that_tells_by_itself(
    now: str, known: str | None, wanted: str
) -> None:
    found = AT_ANY_TIME.next_look(at(now), (known and at(known)) or None, 0)
    assert found == at(wanted)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("11-22T08:00", ["2026-11-22"]),
        ("11-22T12:45", ["2026-11-22", "2026-11-23"]),
        # In Helsinki the day begins while Oslo's, whose prices come together, still
        # is the one before.
        ("11-21T23:30", ["2026-11-21", "2026-11-22"]),
    ],
)
def test_days_that_should_be_there(now: str, days: list[str]) -> None:
    helsinki = ZoneInfo("Europe/Helsinki")
    midnight = datetime.fromtimestamp(at(now), helsinki).replace(hour=0, minute=0)
    found = NORD_POOL.days(midnight.timestamp(), at(now))
    assert [day.iso for day in found][-len(days) :] == days
    assert found[0].start_s <= midnight.timestamp()
    assert [
        day.iso for day in AT_ANY_TIME.days(at("11-22T00:00"), at("11-22T08:00"))
    ] == [
        "2026-11-22",
        "2026-11-23",
    ]
