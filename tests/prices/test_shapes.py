"""Each shape of prices, on a full day and on days when the clock is changed."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
import math
from typing import Any
from zoneinfo import ZoneInfo

from homeassistant.core import State
from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.prices import KnownPrices
from custom_components.leaf_to_home.sources.price_book import Quotes
from custom_components.leaf_to_home.sources.price_shapes import jepx
from custom_components.leaf_to_home.sources.price_shapes.entities import (
    SHAPES,
    read_state,
    read_states,
    shape_of,
)
from custom_components.leaf_to_home.sources.price_shapes.records import PLAIN
from custom_components.leaf_to_home.sources.price_shapes.values import (
    PriceError,
    unit_factor,
)
from tests.engine.parts import thorough
from tests.prices import payloads
from tests.prices.payloads import (
    AMSTERDAM,
    AUTUMN_DAY,
    BRISBANE,
    LONDON,
    OSLO,
    PLAIN_DAY,
    SPRING_DAY,
    TOKYO,
)


def state(
    attributes: Mapping[str, Any], written: datetime | None = None, value: str = "0.1"
) -> State:
    return State("sensor.prices", value, attributes, last_updated=written)


def read(attributes: Mapping[str, Any], zone: ZoneInfo, **parts: Any) -> Quotes:
    return read_state(state(attributes, **parts), zone, None)[0]


def check_day(
    quotes: Quotes, day: date, zone: ZoneInfo, minutes: int, steps: int
) -> None:
    """Check that these are all prices of a day, each in its step, without a hole."""
    wanted = payloads.expected(day, zone, minutes)
    assert len(wanted) == steps
    assert [quote.price for quote in quotes] == pytest.approx(wanted)
    starts = [at.timestamp() for _, at in payloads.steps(day, zone, minutes)]
    assert [quote.start_s for quote in quotes] == starts
    assert {quote.end_s - quote.start_s for quote in quotes} == {60.0 * minutes}


DAYS = [(PLAIN_DAY, 96), (SPRING_DAY, 92), (AUTUMN_DAY, 100)]


@pytest.mark.parametrize(("day", "steps"), DAYS)
def test_nord_pool(day: date, steps: int) -> None:
    attributes = payloads.nord_pool_custom(day, OSLO, tomorrow=False)
    assert shape_of(attributes) == "Nord Pool"
    quotes, currency = read_state(state(attributes), OSLO, None)
    check_day(quotes, day, OSLO, 15, steps)
    assert currency == "NOK"


def test_nord_pool_with_tomorrow() -> None:
    day = AUTUMN_DAY - timedelta(days=1)
    quotes = read(payloads.nord_pool_custom(day, OSLO, tomorrow=True), OSLO)
    check_day(quotes[:96], day, OSLO, 15, 96)
    check_day(quotes[96:], AUTUMN_DAY, OSLO, 15, 100)


def test_nord_pool_per_mwh_and_in_hundredths() -> None:
    attributes = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    wanted = [quote.price for quote in read(attributes, OSLO)]
    for unit, factor in (("Øre/kWh", 0.01), ("EUR/MWh", 0.001), ("Cents/kWh", 0.01)):
        found = read({**attributes, "unit_of_measurement": unit}, OSLO)
        assert [quote.price for quote in found] == pytest.approx(
            [factor * price for price in wanted]
        )


@pytest.mark.parametrize(("day", "steps"), DAYS)
def test_epex_spot(day: date, steps: int) -> None:
    attributes = payloads.epex_spot(day, ZoneInfo("Europe/Berlin"))
    assert shape_of(attributes) == "EPEX Spot"
    check_day(read(attributes, OSLO), day, ZoneInfo("Europe/Berlin"), 15, steps)


@pytest.mark.parametrize(
    ("day", "steps"), [(PLAIN_DAY, 48), (SPRING_DAY, 46), (AUTUMN_DAY, 50)]
)
def test_octopus_energy(day: date, steps: int) -> None:
    attributes = payloads.octopus_energy(day)
    assert shape_of(attributes) == "Octopus Energy"
    check_day(read(attributes, LONDON), day, LONDON, 30, steps)


@pytest.mark.parametrize(("day", "steps"), DAYS)
def test_entso_e(day: date, steps: int) -> None:
    attributes = payloads.entso_e(day, AMSTERDAM)
    assert shape_of(attributes) == "ENTSO-e"
    check_day(read(attributes, AMSTERDAM), day, AMSTERDAM, 15, steps)


def test_amber() -> None:
    """Its intervals begin in the first second; that of now stands by itself."""
    forecast = payloads.amber_forecast(PLAIN_DAY)
    assert shape_of(forecast) == "Amber"
    check_day(read(forecast, BRISBANE), PLAIN_DAY, BRISBANE, 30, 48)
    now = payloads.amber_now(PLAIN_DAY, 3)
    assert shape_of(now) == "Amber"
    (quote,) = read(now, BRISBANE)
    assert quote == read(forecast, BRISBANE)[3]


@pytest.mark.parametrize(
    ("day", "zone", "minutes", "steps"),
    [
        (PLAIN_DAY, OSLO, 15, 96),
        (SPRING_DAY, OSLO, 15, 92),
        (AUTUMN_DAY, OSLO, 60, 25),
        (PLAIN_DAY, TOKYO, 30, 48),
    ],
)
def test_bare_numbers(day: date, zone: ZoneInfo, minutes: int, steps: int) -> None:
    """They count from the midnight of the day on which they were written."""
    after = day + timedelta(days=1)
    attributes = {
        "today": payloads.expected(day, zone, minutes),
        "tomorrow": payloads.expected(after, zone, minutes),
    }
    written = payloads.begin(day, zone) + timedelta(hours=13)
    quotes = read(attributes, zone, written=written)
    check_day(quotes[:steps], day, zone, minutes, steps)
    assert quotes[steps:][0].price == payloads.price(after, 0, minutes)


def test_bare_numbers_that_do_not_fit_the_day() -> None:
    """24 numbers on a day of 23 hours: nobody can tell which hour is which."""
    written = payloads.begin(SPRING_DAY, OSLO) + timedelta(hours=13)
    with pytest.raises(PriceError) as raised:
        read({"today": [0.1] * 24}, OSLO, written=written)
    assert raised.value.translation_key == "price_value_wrong"
    assert raised.value.translation_placeholders == {
        "place": "today",
        "found": "'24 ×'",
        "expected": "2026-03-29: [23/46/92/276 × 0.123]",
    }


@pytest.mark.parametrize("headings", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
def test_jepx(*, headings: bool, as_text: bool) -> None:
    lines = payloads.jepx_lines(PLAIN_DAY, headings=headings)
    attributes: dict[str, Any] = {
        "csv": "\n".join(lines) if as_text else lines,
        "unit_of_measurement": "JPY/kWh",
    }
    assert shape_of(attributes) == "JEPX"
    for area, add in (("tokyo", 2.0), ("kyushu", 8.0)):
        quotes, currency = read_state(state(attributes), TOKYO, area)
        assert currency == "JPY"
        assert [quote.price for quote in quotes] == pytest.approx(
            [100.0 * price + add for price in payloads.expected(PLAIN_DAY, TOKYO, 30)],
            abs=0.001,
        )
        assert quotes[0].start_s == payloads.begin(PLAIN_DAY, TOKYO).timestamp()
        assert quotes[-1].end_s - quotes[0].start_s == 86400.0


def test_jepx_in_three_columns() -> None:
    """A sensor may have kept only the area that matters."""
    lines = [
        "date,code,東京",
        "2026-11-22,1,10.5",
        '"2026-11-22","2",',
        "2026/11/22,3,8",
    ]
    quotes = jepx.read("csv", lines, "tokyo")
    begin_s = payloads.begin(PLAIN_DAY, TOKYO).timestamp()
    assert [(q.start_s - begin_s, q.price) for q in quotes] == [(0, 10.5), (3600, 8.0)]
    (quote,) = jepx.read("csv", ["2026/11/22,48,7.5"], "kansai")
    assert (quote.end_s - begin_s, quote.price) == (86400.0, 7.5)
    english = ["day,no,system,Kansai_price", "2026/11/22,1,5,6"]
    assert jepx.read("csv", english, "kansai")[0].price == 6.0


@pytest.mark.parametrize(
    "line",
    ["2026/11/22,49,1", "2026/13/22,1,1", "2026/11/22,one,1", "2026/11/22,1", "x"],
)
def test_jepx_lines_that_are_none(line: str) -> None:
    with pytest.raises(PriceError) as raised:
        jepx.read("csv", ["2026/11/22,1,10", line], "tokyo")
    assert raised.value.translation_placeholders is not None
    assert raised.value.translation_placeholders["place"] == "csv[1]"


def test_a_template_sensor() -> None:
    attributes = {
        "prices": [
            {"start": "2026-11-22T00:00:00+09:00", "price": "31.5"},
            {"start": 1795273200 + 1800, "price": 29},
            {"start": (1795273200 + 3600) * 1000, "end": None, "price": 28},
        ]
    }
    assert shape_of(attributes) == "Template"
    quotes = read(attributes, TOKYO)
    assert [quote.price for quote in quotes] == [31.5, 29.0, 28.0]
    assert [quote.end_s - quote.start_s for quote in quotes] == [1800.0] * 3


def test_a_time_that_comes_twice() -> None:
    """Without an offset, the second 02:00 of the day is the one after the first."""
    prices = [
        {"start": f"2026-10-25 {hour:02}:00:00", "price": float(number)}
        for number, hour in enumerate((0, 1, 2, 2, 3))
    ]
    quotes = PLAIN.read({"prices": prices}, OSLO)
    begin_s = payloads.begin(AUTUMN_DAY, OSLO).timestamp()
    assert [(q.start_s - begin_s) / 3600.0 for q in quotes] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_prices_that_are_not_there_yet_are_left_out() -> None:
    attributes = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    attributes["raw_today"][5]["value"] = None
    quotes = read(attributes, OSLO)
    assert len(quotes) == 95
    KnownPrices((q.start_s, q.end_s, q.price) for q in quotes)


# ------------------------------------------------------------ what is wrong, and where


def error(attributes: Mapping[str, Any], **parts: Any) -> PriceError:
    with pytest.raises(PriceError) as raised:
        read(attributes, OSLO, **parts)
    return raised.value


def test_an_unknown_shape_shows_what_was_found_and_what_is_expected() -> None:
    found = error(
        {
            "friendly_name": "Prices",
            "hours": [{"hour": 0, "cost": 1}, {"hour": 1, "cost": 2}],
            "country": "NO",
            "marks": [],
        }
    )
    assert found.translation_key == "price_shape_unknown"
    assert found.translation_placeholders is not None
    assert found.translation_placeholders["found"] == (
        "hours: [2 × {hour, cost}]; country: str; marks: []"
    )
    expected = found.translation_placeholders["expected"]
    assert "Nord Pool – raw_today/raw_tomorrow: [{start, end, value}]" in expected
    assert "Amber: {start_time, end_time, per_kwh}" in expected
    assert "JEPX" in expected
    for shape in SHAPES:
        assert shape.expected in expected
    assert error({}).translation_placeholders == {
        "source": "sensor.prices",
        "found": "–",
        "expected": expected,
    }


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"value": "dear"}, "raw_today[1].value"),
        ({"value": True}, "raw_today[1].value"),
        ({"value": math.inf}, "raw_today[1].value"),
        ({"value": 1e9}, "raw_today[1].value"),
        ({"start": "soon"}, "raw_today[1].start"),
        ({"start": 12}, "raw_today[1].start"),
        ({"start": None}, "raw_today[1].start"),
        ({"start": "9999-12-31T23:59:59"}, "raw_today[1].start"),
        ({"end": datetime(2020, 1, 1, tzinfo=OSLO)}, "raw_today[1].end"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    change: dict[str, Any], place: str
) -> None:
    attributes = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    attributes["raw_today"][1] |= change
    found = error(attributes)
    assert found.translation_key == "price_value_wrong"
    assert found.translation_placeholders is not None
    assert found.translation_placeholders["place"] == place


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"raw_today": [], "raw_tomorrow": []}, "price_source_empty"),
        ({"today": [], "tomorrow": None}, "price_source_empty"),
        ({"raw_today": [{"start": 1, "value": 2}, 3]}, "price_value_wrong"),
        ({"prices": [{"start": 1, "price": 2}], "raw_today": 3}, "price_value_wrong"),
        (
            {"raw_today": [{"start": 1, "value": 2}], "raw_tomorrow": "later"},
            "price_value_wrong",
        ),
        ({"today": [1, "x"] * 12}, "price_value_wrong"),
        ({"today": [1, 2, 3]}, "price_value_wrong"),
        ({"today": [1] * 24, "tomorrow": 4}, "price_value_wrong"),
        ({"today": [1] * 24, "unit_of_measurement": "EUR"}, "price_unit_unknown"),
        ({"today": [1] * 24, "unit_of_measurement": 3}, "price_unit_unknown"),
        (
            {"prices": [{"start": "2026-11-22T00:00Z", "price": 1}] * 5001},
            "price_too_many",
        ),
        ({"csv": ["2026/11/22,1,10"] * 20_001}, "price_too_many"),
    ],
)
def test_errors(attributes: dict[str, Any], key: str) -> None:
    written = payloads.begin(PLAIN_DAY, OSLO)
    assert error(attributes, written=written).translation_key == key


def test_an_entity_that_is_unavailable() -> None:
    assert error({}, value="unavailable").translation_key == "price_source_unavailable"
    # One that restored its attributes still tells what it knew.
    restored = payloads.octopus_energy(PLAIN_DAY)
    assert len(read(restored, LONDON, value="unknown")) == 48


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        (None, (1.0, None)),
        ("EUR/kWh", (1.0, "EUR")),
        ("€/kWh", (1.0, None)),
        ("SEK/MWh", (0.001, "SEK")),
        ("JPY/kWh", (1.0, "JPY")),
        ("円/kWh", (1.0, None)),
        ("ct/kWh", (0.01, None)),
        ("p/kWh", (0.01, None)),
        ("öre / kWh", (0.01, None)),
        ("EUR/Wh", (1000.0, "EUR")),
        ("銭/kWh", (0.01, None)),
        ("Rp./kWh", (0.01, None)),
        ("€ct/kWh", (0.01, None)),
        ("A$/kWh", (1.0, None)),
        ("kr/kWh", (1.0, None)),
    ],
)
def test_units(unit: str | None, wanted: tuple[float, str | None]) -> None:
    assert unit_factor(unit) == pytest.approx(wanted)


@pytest.mark.parametrize("unit", ["EUR-ct/kWh", "centavos/kWh", "€cts/kWh", "x/kWh"])
def test_a_unit_that_may_be_a_hundredth_is_no_price(unit: str) -> None:
    """Prices a hundred times too high would make a home empty its car."""
    with pytest.raises(PriceError) as raised:
        unit_factor(unit)
    assert raised.value.translation_key == "price_unit_unknown"


def test_several_entities_are_one_source() -> None:
    """Octopus has today's rates in one event and tomorrow's in another."""
    today = State("event.today", "x", payloads.octopus_energy(PLAIN_DAY))
    tomorrow = State(
        "event.tomorrow", "x", payloads.octopus_energy(PLAIN_DAY + timedelta(days=1))
    )
    not_yet = State("event.tomorrow", "unknown", {})
    assert len(read_states([today, tomorrow], LONDON)[0]) == 96
    assert len(read_states([today, not_yet], LONDON)[0]) == 48
    with pytest.raises(PriceError):
        read_states([not_yet], LONDON)
    # An entity that will never do is told at once.
    with pytest.raises(PriceError) as raised:
        read_states([today, State("sensor.other", "1", {"a": 1})], LONDON)
    assert raised.value.translation_key == "price_shape_unknown"


# ----------------------------------------------------------------------- any shape

KEYS = st.sampled_from(
    sorted(
        {"today", "tomorrow", "csv", "unit_of_measurement", "other"}.union(
            *(shape.lists for shape in SHAPES)
        )
    )
)
FIELDS = st.sampled_from(
    ["start", "end", "value", "price", "time", "start_time", "per_kwh", "rates"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.datetimes()
    | st.datetimes(timezones=st.timezones())
    | st.sampled_from(
        [
            "2026-11-22T00:00:00Z",
            "2026-10-25 02:30",
            "2026/11/22,1,10",
            "a\n2026/11/22,1,10",
            "EUR/kWh",
            "0.3",
            "1e400",
        ]
    )
)
ANYTHING = st.recursive(
    LEAVES,
    lambda parts: (
        st.lists(parts, max_size=30) | st.dictionaries(FIELDS, parts, max_size=4)
    ),
    max_leaves=30,
)


@given(
    attributes=st.dictionaries(KEYS, ANYTHING, max_size=4),
    value=st.sampled_from(["0.1", "unavailable", "unknown"]),
    zone=st.sampled_from([OSLO, TOKYO]),
    area=st.none() | st.sampled_from(jepx.AREAS),
)
@thorough(600)
def test_whatever_an_entity_has_gives_prices_or_a_translated_error(
    attributes: dict[str, Any], value: str, zone: ZoneInfo, area: str | None
) -> None:
    shape_of(attributes)
    try:
        quotes, _ = read_state(State("sensor.any", value, attributes), zone, area)
    except PriceError:
        return
    # The engine takes them.
    KnownPrices((quote.start_s, quote.end_s, quote.price) for quote in quotes)


RECORDS = st.fixed_dictionaries(
    {
        "start": st.datetimes(
            min_value=datetime.combine(AUTUMN_DAY, time()),
            max_value=datetime.combine(PLAIN_DAY, time()),
        )
        | LEAVES,
        "price": st.floats(-1.0, 1.0) | LEAVES,
    },
    optional={"end": LEAVES},
)


@given(records=st.lists(RECORDS, max_size=40))
@thorough(300)
def test_whatever_a_template_gives_is_prices_or_a_translated_error(
    records: list[dict[str, Any]],
) -> None:
    try:
        quotes = PLAIN.read({"prices": records}, OSLO)
    except PriceError:
        return
    KnownPrices((quote.start_s, quote.end_s, quote.price) for quote in quotes)
