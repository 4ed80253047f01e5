"""Prices in time: bands, series, publication, and the days when the clock changes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.leaf_to_home.engine.local_clock import LocalClock
from custom_components.leaf_to_home.engine.tariff import (
    PriceSeries,
    PriceSlot,
    Tariff,
    TariffError,
    parse_tariff,
)

MADRID = ZoneInfo("Europe/Madrid")
HOUR = 3600.0
# Changes by an hour, by half an hour, and at midnight; two without any.
ZONES = (
    "Europe/Madrid",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "UTC",
)
TWO_BANDS: Mapping[str, Any] = {
    "currency": "EUR",
    "timezone": "Europe/Madrid",
    "import": {
        "bands": [{"price": 0.22, "from": "07:00", "to": "23:00"}, {"price": 0.10}]
    },
    "export": 0.05,
}


def at(text: str, zone: ZoneInfo = MADRID, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def hourly(start: str, hours: int, zone: ZoneInfo = MADRID) -> PriceSeries:
    """Prices 0, 1, 2 … from `start`, one an hour."""
    return PriceSeries(
        [at(start, zone) + k * HOUR for k in range(hours)], list(range(hours))
    )


def with_series(series: PriceSeries, **more: Any) -> Tariff:
    data = {"currency": "EUR", "timezone": "Europe/Madrid", "import": {"series": "p"}}
    return parse_tariff(data | more, series={"p": series})


def test_flat_prices_hold_for_ever() -> None:
    tariff = Tariff.flat(0.3, export_price=0.08, currency="JPY", timezone="Asia/Tokyo")
    slot = tariff.at(1.8e9)
    assert slot is not None
    assert (slot.import_price, slot.export_price) == (0.3, 0.08)
    assert tariff.currency == "JPY"
    assert tariff.zone == ZoneInfo("Asia/Tokyo")
    assert tariff.known(1.8e9) == (
        PriceSlot(
            start_s=1.8e9,
            end_s=1.8e9 + 24 * HOUR,
            import_price=0.3,
            export_price=0.08,
        ),
    )


def test_the_slot_in_force_is_the_same_object_until_it_ends() -> None:
    tariff = parse_tariff(TWO_BANDS)
    noon = at("2026-11-23T12:00")
    slot = tariff.at(noon)
    assert slot is not None
    assert slot.start_s == at("2026-11-23T07:00")
    assert slot.end_s == at("2026-11-23T23:00")
    assert tariff.at(slot.end_s - 1.0) is slot
    after = tariff.at(slot.end_s)
    assert after is not None
    assert after.import_price == 0.10
    assert tariff.at(noon) == slot


def test_known_begins_now_ends_in_24_hours_and_joins_equal_prices() -> None:
    tariff = parse_tariff(TWO_BANDS)
    now = at("2026-11-23T22:30")
    found = [
        (s.start_s - now, s.end_s - now, s.import_price) for s in tariff.known(now)
    ]
    assert found == [
        (0.0, 0.5 * HOUR, 0.22),
        (0.5 * HOUR, 8.5 * HOUR, 0.10),
        (8.5 * HOUR, 24.0 * HOUR, 0.22),
    ]
    assert [s.end_s - now for s in tariff.known(now, 0.25)] == [0.25 * HOUR]


def test_first_band_that_fits_wins() -> None:
    bands = [
        {"price": 9, "from": "17:00", "to": "21:00", "days": "weekday", "months": [11]},
        {"price": 5, "days": "weekend"},
        {"price": 7, "from": "22:00", "to": "06:00", "days": ["mon", "sun"]},
        {"price": 1},
    ]
    tariff = parse_tariff({**TWO_BANDS, "import": {"bands": bands}})

    def price(text: str) -> float | None:
        slot = tariff.at(at(text))
        assert slot is not None
        return slot.import_price

    assert price("2026-11-23T17:00") == 9
    assert price("2026-12-23T17:00") == 1
    assert price("2026-11-21T18:00") == 5
    assert price("2026-11-23T23:30") == 7
    # Days are those of the minute itself: Tuesday's small hours are Tuesday's.
    assert price("2026-11-24T01:00") == 1
    assert price("2026-11-23T05:59") == 7


def test_bands_may_end_at_midnight_under_both_names() -> None:
    for end in ("00:00", "24:00"):
        bands = [{"price": 2, "from": "20:00", "to": end}, {"price": 1}]
        tariff = parse_tariff({**TWO_BANDS, "import": {"bands": bands}})
        slot = tariff.at(at("2026-11-23T23:59"))
        assert slot is not None
        assert (slot.import_price, slot.end_s) == (2, at("2026-11-24T00:00"))


@pytest.mark.parametrize(
    ("day", "quarters", "cheap_hours"),
    [
        ("2026-03-29", 92, 7.0),
        ("2026-10-25", 100, 9.0),
        ("2026-11-23", 96, 8.0),
    ],
)
def test_days_of_92_96_and_100_quarter_hours(
    day: str, quarters: int, cheap_hours: float
) -> None:
    tariff = parse_tariff(TWO_BANDS)
    start = at(f"{day}T00:00")
    assert tariff.local_midnight_after(start) - start == quarters * 900.0
    slots = tariff.day_slots(start)
    cheap = sum(s.end_s - s.start_s for s in slots if s.import_price == 0.10)
    assert cheap == cheap_hours * HOUR
    assert sum(s.end_s - s.start_s for s in slots) == quarters * 900.0
    series = PriceSeries(
        [start + k * 900.0 for k in range(quarters)], list(range(quarters))
    )
    assert len(with_series(series).day_slots(start)) == quarters


def test_band_edge_in_the_repeated_hour_comes_twice() -> None:
    bands = [{"price": 2, "from": "02:30", "to": "04:00"}, {"price": 1}]
    tariff = parse_tariff({**TWO_BANDS, "import": {"bands": bands}})
    slots = tariff.day_slots(at("2026-10-25T12:00"))
    midnight = at("2026-10-25T00:00")
    found = [((s.start_s - midnight) / HOUR, s.import_price) for s in slots]
    assert found == [(0.0, 1), (2.5, 2), (3.0, 1), (3.5, 2), (5.0, 1)]


def test_band_edge_in_the_skipped_hour_is_the_moment_of_the_skip() -> None:
    bands = [{"price": 2, "from": "02:30", "to": "04:00"}, {"price": 1}]
    tariff = parse_tariff({**TWO_BANDS, "import": {"bands": bands}})
    slots = tariff.day_slots(at("2026-03-29T12:00"))
    midnight = at("2026-03-29T00:00")
    found = [((s.start_s - midnight) / HOUR, s.import_price) for s in slots]
    assert found == [(0.0, 1), (2.0, 2), (3.0, 1)]


def test_series_before_and_after_publication() -> None:
    tariff = with_series(hourly("2026-11-22T00:00", 96), published={"at": "13:00"})
    midnight = at("2026-11-24T00:00")
    before = tariff.known(at("2026-11-23T12:59:59"))
    assert before[-1].end_s == midnight
    assert len(before) == 12
    after = tariff.known(at("2026-11-23T13:00"), 48.0)
    assert after[-1].end_s == midnight + 24 * HOUR
    assert after[0].start_s == at("2026-11-23T13:00")
    # Asking in between changes nothing: the answers are not stuck in a cache.
    assert tariff.known(at("2026-11-23T12:59:59")) == before
    assert len(tariff.known(at("2026-11-23T13:00"))) == 24
    assert tariff.at(at("2026-11-25T08:00")) is not None


def test_without_publication_the_whole_series_is_known() -> None:
    tariff = with_series(hourly("2026-11-22T00:00", 96))
    assert len(tariff.known(at("2026-11-22T06:00"), 200.0)) == 90


def test_bands_and_flat_prices_need_no_publication() -> None:
    tariff = parse_tariff({**TWO_BANDS, "published": {"at": "13:00"}})
    now = at("2026-11-23T06:00")
    assert tariff.known(now, 48.0)[-1].end_s == now + 48 * HOUR


def test_unpublished_export_series_is_unknown_beside_known_bands() -> None:
    data = {**TWO_BANDS, "export": {"series": "p"}, "published": {"at": "13:00"}}
    tariff = parse_tariff(data, series={"p": hourly("2026-11-22T00:00", 96)})
    slots = tariff.known(at("2026-11-23T12:00"))
    assert slots[-1].end_s == at("2026-11-24T12:00")
    assert [s.export_price for s in slots[-2:]] == [None, None]
    assert slots[0].export_price == 36


def test_gap_of_more_than_two_steps_is_unknown() -> None:
    start = at("2026-11-23T00:00")
    times = [start + k * HOUR for k in (0, 1, 2, 4, 8, 9)]
    tariff = with_series(PriceSeries(times, [0, 1, 2, 4, 8, 9]), export={"series": "p"})

    def price(hour: float) -> float | None:
        slot = tariff.at(start + hour * HOUR)
        return slot.import_price if slot else None

    hours = (-0.5, 0.5, 2.5, 3.5, 4.5, 5.5, 7.9, 8.0, 9.9, 10.1)
    expected = [None, 0, 2, 2, 4, None, None, 8, 9, None]
    assert [price(hour) for hour in hours] == expected
    known = tariff.known(start + 4.25 * HOUR)
    assert [s.import_price for s in known] == [4, None, 8, 9]
    assert known[-1].end_s == start + 10 * HOUR
    assert tariff.known(start + 11 * HOUR) == ()


def test_slot_with_only_one_known_price_is_still_a_slot() -> None:
    tariff = with_series(hourly("2026-11-23T00:00", 2), export=0.05)
    slot = tariff.at(at("2026-11-25T00:00"))
    assert slot is not None
    assert (slot.import_price, slot.export_price) == (None, 0.05)


@pytest.mark.parametrize(
    ("times", "prices"),
    [
        ([0.0], [1.0]),
        ([0.0, 1.0], [1.0]),
        ([0.0, 0.0], [1.0, 2.0]),
        ([5.0, 1.0], [1.0, 2.0]),
        ([0.0, 1.0], [1.0, float("nan")]),
        ([0.0, float("inf")], [1.0, 2.0]),
    ],
)
def test_series_that_are_none(times: list[float], prices: list[float]) -> None:
    with pytest.raises(TariffError):
        PriceSeries(times, prices)


def test_local_day_minute_and_month() -> None:
    tariff = parse_tariff(TWO_BANDS)
    assert tariff.day_minute(at("2026-10-25T02:30", fold=0)) == ("2026-10-25", 150)
    assert tariff.day_minute(at("2026-10-25T02:30", fold=1)) == ("2026-10-25", 150)
    assert tariff.day_minute(at("2026-03-29T03:00")) == ("2026-03-29", 180)
    assert tariff.month(at("2026-11-30T23:59:59")) == "2026-11"
    assert tariff.month(at("2026-12-01T00:00")) == "2026-12"


def test_next_local_time() -> None:
    tariff = parse_tariff(TWO_BANDS)
    seven = at("2026-11-23T07:00")
    assert tariff.next_local_time(seven - 1.0, 420) == seven
    assert tariff.next_local_time(seven, 420) == seven + 24 * HOUR
    # Skipped: rolls forward to the moment of the skip, and not to the day after.
    skip = at("2026-03-29T03:00")
    assert tariff.next_local_time(at("2026-03-29T01:00"), 150) == skip
    assert tariff.next_local_time(skip, 150) == at("2026-03-30T02:30")
    # Repeated: the clock shows it twice.
    first, second = (at("2026-10-25T02:30", fold=fold) for fold in (0, 1))
    assert tariff.next_local_time(first - 1.0, 150) == first
    assert tariff.next_local_time(first, 150) == second
    assert second - first == HOUR
    assert tariff.next_local_time(second, 150) == at("2026-10-26T02:30")
    for minute in (-1, 1440):
        with pytest.raises(ValueError, match="minute of the day"):
            tariff.next_local_time(seven, minute)


def test_a_day_that_begins_at_one_o_clock() -> None:
    """In Cairo the clock skips midnight itself."""
    cairo = ZoneInfo("Africa/Cairo")
    tariff = Tariff.flat(0.2, timezone="Africa/Cairo")
    start = at("2024-04-26T01:00", cairo)
    assert tariff.day_minute(start) == ("2024-04-26", 60)
    assert tariff.day_minute(start - 1.0) == ("2024-04-25", 1439)
    assert tariff.local_midnight_after(start - 1.0) == start
    assert tariff.local_midnight_after(start) - start == 23 * HOUR
    assert tariff.next_local_time(start - 10.0, 0) == start


def _minutes_passed(time_s: float, zone: ZoneInfo) -> int:
    """Return the minutes that the local calendar has counted."""
    local = datetime.fromtimestamp(time_s, zone)
    return local.toordinal() * 1440 + local.hour * 60 + local.minute


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    time_s=st.integers(1_600_000_000, 1_900_000_000),
    minute=st.integers(0, 1439),
)
def test_the_clock_agrees_with_the_zone(zone: str, time_s: int, minute: int) -> None:
    info = ZoneInfo(zone)
    clock = LocalClock(info)
    local = datetime.fromtimestamp(time_s, info)
    day = clock.day(time_s)
    assert day.start_s <= time_s < day.end_s
    assert (day.iso, day.month, day.weekday) == (
        local.date().isoformat(),
        local.month,
        local.weekday(),
    )
    assert day.minute(time_s) == local.hour * 60 + local.minute
    found = clock.next_time(time_s, minute)
    assert found > time_s
    # The reference: walk on minute by minute until the clock shows it or jumps over it.
    at_s = time_s - time_s % 60
    before = _minutes_passed(at_s, info)
    while True:
        at_s += 60
        passed = _minutes_passed(at_s, info)
        if passed % 1440 == minute:
            break
        if passed > before and (passed - minute) // 1440 > (before - minute) // 1440:
            break
        before = passed
    assert found == at_s


def test_a_time_outside_the_day_is_refused() -> None:
    day = LocalClock(MADRID).day(at("2026-11-23T12:00"))
    with pytest.raises(ValueError, match="2026-11-23"):
        day.minute(day.end_s)


def reference(bands: list[dict[str, Any]], local: datetime) -> float | None:
    """Look a price up minute by minute, knowing nothing of slots."""

    def minute_of(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    shown = local.hour * 60 + local.minute
    for band in bands:
        first, last = minute_of(band["from"]), minute_of(band["to"])
        inside = first <= shown < last if first < last else not last <= shown < first
        if inside and local.month in band["months"]:
            return float(band["price"])
    return None


minutes = st.integers(0, 95).map(lambda q: f"{q // 4:02}:{q % 4 * 15:02}")
some_bands = st.lists(
    st.fixed_dictionaries(
        {
            "price": st.integers(1, 5),
            "from": minutes,
            "to": minutes,
            "months": st.sets(st.integers(1, 12), min_size=1).map(sorted),
        }
    ).filter(lambda band: band["from"] != band["to"]),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    start_s=st.integers(1_600_000_000, 1_900_000_000),
    bands=some_bands,
    data=st.data(),
)
def test_bands_agree_with_a_plain_look_up(
    zone: str, start_s: int, bands: list[dict[str, Any]], data: st.DataObject
) -> None:
    tariff = parse_tariff(
        {
            "currency": "EUR",
            "timezone": zone,
            "import": {"bands": [*bands, {"price": 9}]},
        }
    )
    for _ in range(20):
        time_s = start_s + data.draw(st.integers(0, 4 * 86400))
        slot = tariff.at(time_s)
        assert slot is not None
        assert slot.start_s <= time_s < slot.end_s
        expected = reference(bands, datetime.fromtimestamp(time_s, ZoneInfo(zone)))
        assert slot.import_price == (9 if expected is None else expected)
    known = tariff.known(start_s, 30.0)
    assert known[0].start_s == start_s
    assert known[-1].end_s == start_s + 30.0 * HOUR
    for before, after in pairwise(known):
        assert before.end_s == after.start_s
        assert before.import_price != after.import_price
    for part in known:
        middle = tariff.at((part.start_s + part.end_s) / 2.0)
        assert middle is not None
        assert middle.import_price == part.import_price


def test_series_may_start_and_end_inside_a_day() -> None:
    start = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    times = [(start + timedelta(minutes=15 * k)).timestamp() for k in range(4)]
    tariff = with_series(PriceSeries(times, [1, 1, 2, 2]))
    assert [(s.end_s - s.start_s, s.import_price) for s in tariff.known(times[0])] == [
        (1800.0, 1),
        (1800.0, 2),
    ]


def test_a_change_at_one_minute_past_midnight() -> None:
    johns = ZoneInfo("America/St_Johns")
    tariff = Tariff.flat(0.2, timezone="America/St_Johns")
    midnight = at("2010-03-14T00:00", johns)
    assert tariff.day_minute(midnight + 59.0) == ("2010-03-14", 0)
    assert tariff.day_minute(midnight + 60.0) == ("2010-03-14", 61)
    assert tariff.next_local_time(midnight, 30) == midnight + 60.0


def test_a_tariff_apart_says_the_same_and_remembers_by_itself() -> None:
    """What one thread asks changes nothing that another one reads."""
    tariff = parse_tariff(TWO_BANDS)
    own = tariff.apart()
    now_s = at("2026-11-22 10:07")
    assert own.known(now_s, hours=72.0) == tariff.known(now_s, hours=72.0)
    assert own.published_minute == tariff.published_minute
    assert own.at(now_s) == tariff.at(now_s)
    assert own.day_minute(now_s) == tariff.day_minute(now_s)
    before = tariff.known(now_s)
    for day in range(60):
        own.day_slots(now_s + day * 86400.0)
    assert tariff.known(now_s) == before


@pytest.mark.parametrize(
    ("more", "hour"), [({"published": {"at": "12:00"}}, 12), ({}, 14)]
)
def test_in_a_replay_no_price_is_known_before_it_was_published(
    more: Mapping[str, Any], hour: int
) -> None:
    series = {"s": hourly("2026-11-02T00:00", 72)}
    data = {**TWO_BANDS, "import": {"series": "s"}, **more}
    tariff = parse_tariff(data, series=series).replayed()
    before, after = at(f"2026-11-02T{hour - 1}:59"), at(f"2026-11-02T{hour}:00")
    assert tariff.known(before, 48.0)[-1].end_s == at("2026-11-03T00:00")
    assert tariff.known(after, 48.0)[-1].end_s == at("2026-11-04T00:00")


def test_in_a_replay_bands_were_known_all_along() -> None:
    bands = parse_tariff(TWO_BANDS)
    now_s = at("2026-11-02T08:00")
    assert bands.replayed().published_minute is None
    assert bands.replayed().known(now_s, 48.0) == bands.known(now_s, 48.0)
