"""Prices that are made from others: fees and taxes on the market, tiers of a month."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.formats import series_names
from custom_components.leaf_to_home.engine.price_formula import MonthUse
from custom_components.leaf_to_home.engine.prices import KnownPrices, TariffError
from custom_components.leaf_to_home.engine.tariff import Tariff, parse_tariff
from tests.engine.parts import thorough

TOKYO = ZoneInfo("Asia/Tokyo")
OSLO = ZoneInfo("Europe/Oslo")
TIERS: dict[str, Any] = {
    "tiers": [
        {"price": 29.80, "upto_kwh": 120},
        {"price": 36.40, "upto_kwh": 300},
        {"price": 40.49},
    ],
    "month_kwh": 300,
}


def at(text: str, zone: ZoneInfo = TOKYO) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def halves(day: str, prices: list[float], zone: ZoneInfo = TOKYO) -> KnownPrices:
    begin_s = at(day, zone)
    return KnownPrices(
        (begin_s + k * 1800.0, begin_s + (k + 1) * 1800.0, price)
        for k, price in enumerate(prices)
    )


def tariff(prices: Any, **parts: Any) -> Tariff:
    return parse_tariff(
        {"import": prices}, timezone="Asia/Tokyo", currency="JPY", live=True, **parts
    )


def price(tariff: Tariff, text: str, zone: ZoneInfo = TOKYO) -> float | None:
    slot = tariff.at(at(text, zone))
    return None if slot is None else slot.import_price


def test_a_plan_that_follows_jepx() -> None:
    """Area price with losses, wheeling by time, 10 % tax, fuel adjustment and levy."""
    formula = {
        "spot": {"series": "import"},
        "loss_percent": 6.9,
        "add": {
            "bands": [{"price": 3.0, "from": "23:00", "to": "07:00"}, {"price": 9.5}]
        },
        "vat_percent": 10,
        "fuel_adjustment": [
            {"from": "2026-10-01", "price": -1.5},
            {"from": "2026-11-01", "price": 2.25},
        ],
        "levy": [{"from": "2026-05-01", "price": 3.98}],
    }
    spot = halves("2026-10-31", [10.0] * 48 + [20.0] * 48)
    plan = tariff({"formula": formula}, series={"import": spot})
    assert price(plan, "2026-10-31T06:45") == pytest.approx(
        (10.0 / 0.931 + 3.0) * 1.1 - 1.5 + 3.98
    )
    assert price(plan, "2026-10-31T07:00") == pytest.approx(
        (10.0 / 0.931 + 9.5) * 1.1 - 1.5 + 3.98
    )
    # The fuel adjustment changes with the month.
    assert price(plan, "2026-11-01T07:00") == pytest.approx(
        (20.0 / 0.931 + 9.5) * 1.1 + 2.25 + 3.98
    )
    assert price(plan, "2026-11-02T00:00") is None


def test_dated_prices_hold_before_the_first_date_too() -> None:
    plan = tariff(
        {"formula": {"spot": 1.0, "levy": [{"from": "2026-05-01", "price": 4.0}]}}
    )
    assert price(plan, "2026-01-01T00:00") == 5.0


def test_a_formula_is_unknown_where_the_market_is() -> None:
    spot = halves("2026-11-22", [10.0] * 4)
    plan = tariff(
        {
            "formula": {
                "spot": {"series": "import"},
                "add": {
                    "bands": [
                        {"price": 1, "from": "01:00", "to": "05:00"},
                        {"price": 2},
                    ]
                },
            }
        },
        series={"import": spot},
    )
    slots = plan.day_slots(at("2026-11-22T12:00"))
    assert [slot.import_price for slot in slots] == [12.0, 11.0, None]
    assert sum(slot.end_s - slot.start_s for slot in slots) == 86400.0
    assert [slot.import_price for slot in plan.known(at("2026-11-22T00:10"))] == [
        12.0,
        11.0,
    ]


def test_a_live_series_is_known_before_it_should_be_published() -> None:
    """What was published is known; the minute only tells when more will be."""
    spot = halves("2026-11-22", [10.0] * 48 + [20.0] * 48)
    data = {
        "import": {"series": "import"},
        "published": {"at": "13:00"},
        "timezone": "Asia/Tokyo",
        "currency": "JPY",
    }
    noon_s = at("2026-11-22T12:00")
    live = parse_tariff(data, series={"import": spot}, live=True)
    assert live.published_minute == 13 * 60
    assert live.known(noon_s, hours=48)[-1].end_s == at("2026-11-24T00:00")
    replayed = parse_tariff(data, series={"import": spot})
    assert replayed.known(noon_s, hours=48)[-1].end_s == at("2026-11-23T00:00")


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-11-22", 96)]
)
def test_a_day_has_as_many_quarters_as_its_clock_shows(day: str, quarters: int) -> None:
    begin_s = at(day, OSLO)
    end_s = (
        datetime.fromisoformat(day).replace(tzinfo=OSLO) + timedelta(days=1)
    ).timestamp()
    assert (end_s - begin_s) / 900.0 == quarters
    spot = KnownPrices(
        (begin_s + k * 900.0, begin_s + (k + 1) * 900.0, float(k))
        for k in range(quarters)
    )
    plan = parse_tariff(
        {"import": {"formula": {"spot": {"series": "p"}, "vat_percent": 25}}},
        timezone="Europe/Oslo",
        currency="NOK",
        series={"p": spot},
        live=True,
    )
    slots = plan.day_slots(begin_s)
    assert [slot.import_price for slot in slots] == [1.25 * k for k in range(quarters)]
    assert slots[-1].end_s == end_s


def test_known_prices_have_holes() -> None:
    spot = KnownPrices([(0.0, 900.0, 1.0), (900.0, 1800.0, 2.0), (3600.0, 7200.0, 3.0)])
    plan = parse_tariff(
        {"import": {"series": "p"}},
        timezone="UTC",
        currency="EUR",
        series={"p": spot},
        live=True,
    )
    assert [(slot.start_s, slot.import_price) for slot in plan.day_slots(0.0)] == [
        (0.0, 1.0),
        (900.0, 2.0),
        (1800.0, None),
        (3600.0, 3.0),
        (7200.0, None),
    ]
    assert KnownPrices([]).of_day(plan._clock.day(0.0)) == [(0.0, None)]


@pytest.mark.parametrize(
    "stretches",
    [
        [(0.0, 0.0, 1.0)],
        [(0.0, 900.0, 1.0), (800.0, 1700.0, 1.0)],
        [(0.0, 900.0, float("nan"))],
    ],
)
def test_known_prices_that_are_none(
    stretches: list[tuple[float, float, float]],
) -> None:
    with pytest.raises(TariffError, match="series: expected rising times"):
        KnownPrices(stretches)


# ------------------------------------------------------------------ tiers


def test_tiers_rise_when_the_month_should_reach_their_edge() -> None:
    """300 kWh a month are 10 a day: 120 kWh after 12 days, 300 kWh after 30."""
    plan = tariff(TIERS)
    assert price(plan, "2026-11-12T23:00") == 29.80
    assert price(plan, "2026-11-13T00:00") == 36.40
    assert price(plan, "2026-11-30T23:00") == 36.40
    # A month of 31 days has a dear last day, and the next one begins anew.
    assert price(plan, "2026-12-31T00:00") == 40.49
    assert price(plan, "2027-01-01T00:00") == 29.80


def test_tiers_go_by_what_was_imported() -> None:
    use = MonthUse(begin="2026-11-01", days=5.5, kwh=118.0)
    plan = tariff(TIERS, use=use)
    assert price(plan, "2026-11-06T12:00") == 29.80
    # 2 kWh more at 10 a day: after 4.8 hours, to the quarter-hour.
    assert price(plan, "2026-11-06T16:45") == 29.80
    assert price(plan, "2026-11-06T17:00") == 36.40
    slots = plan.known(at("2026-11-06T12:00"))
    assert [slot.import_price for slot in slots] == [29.80, 36.40]
    # The next month is not touched by it.
    assert price(plan, "2026-12-12T23:00") == 29.80


def test_a_tier_that_is_reached_holds() -> None:
    use = MonthUse(begin="2026-11-01", days=2.0, kwh=350.0)
    plan = tariff(TIERS, use=use)
    assert price(plan, "2026-11-03T00:00") == 40.49
    assert price(plan, "2026-11-30T00:00") == 40.49
    # The way there is taken to have been even.
    assert price(plan, "2026-11-01T12:00") == 29.80
    assert price(plan, "2026-11-02T12:00") == 36.40


def test_a_billing_month_begins_where_the_meter_is_read() -> None:
    plan = tariff({**TIERS, "month_day": 12})
    assert price(plan, "2026-11-10T12:00") == 36.40
    assert price(plan, "2026-11-11T12:00") == 40.49
    assert price(plan, "2026-11-12T00:00") == 29.80
    assert price(plan, "2027-01-11T12:00") == 40.49
    assert price(plan, "2027-01-12T00:00") == 29.80


def test_fees_on_tiers() -> None:
    plan = tariff(
        {"formula": {"spot": TIERS, "levy": [{"from": "2026-05-01", "price": 3.98}]}}
    )
    assert price(plan, "2026-11-01T00:00") == pytest.approx(29.80 + 3.98)
    assert price(plan, "2026-11-14T00:00") == pytest.approx(36.40 + 3.98)


def now_s_of(month_day: int) -> float:
    return at(f"2026-11-{month_day:02}T00:00")


@given(
    edges=st.lists(st.floats(0.5, 2000.0), min_size=1, max_size=4, unique=True),
    month_kwh=st.floats(1.0, 3000.0),
    month_day=st.integers(1, 28),
    used=st.none() | st.tuples(st.floats(0.0, 29.0), st.floats(0.0, 3000.0)),
)
@thorough(200)
def test_the_price_of_tiers_only_rises_within_a_month(
    edges: list[float],
    month_kwh: float,
    month_day: int,
    used: tuple[float, float] | None,
) -> None:
    tiers = [
        {"price": float(k), "upto_kwh": edge} for k, edge in enumerate(sorted(edges))
    ]
    use = None
    if used is not None:
        use = MonthUse(begin=f"2026-11-{month_day:02}", days=used[0], kwh=used[1])
    plan = tariff(
        {
            "tiers": [*tiers, {"price": float(len(edges))}],
            "month_kwh": month_kwh,
            "month_day": month_day,
        },
        use=use,
    )
    now_s = now_s_of(month_day)
    end_s = at(f"2026-12-{month_day:02}T00:00")
    before = 0.0
    while now_s < end_s:
        for slot in plan.day_slots(now_s):
            assert slot.import_price is not None
            assert slot.import_price >= before
            before = slot.import_price
        now_s += 86400.0
    if use is not None:
        # An edge is rounded up to the quarter-hour.
        later = plan.at(now_s_of(month_day) + use.days * 86400.0 + 900.0)
        assert later is not None
        assert later.import_price is not None
        assert later.import_price >= sum(edge <= use.kwh for edge in edges)


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ({"formula": 3}, r"import\.formula: expected spot, loss_percent"),
        ({"formula": {}}, r"import\.formula\.spot: expected a price or a series"),
        (
            {"formula": {"spot": 1, "tax": 3}},
            r"import\.formula\.tax: expected one of spot",
        ),
        (
            {"formula": {"spot": {"series": "x"}}},
            r"import\.formula\.spot\.series: no such series: 'x'",
        ),
        (
            {"formula": {"spot": 1, "loss_percent": 60}},
            r"import\.formula\.loss_percent: expected a number from 0 to 50, found 60",
        ),
        (
            {"formula": {"spot": 1, "vat_percent": True}},
            r"import\.formula\.vat_percent: expected a number from 0 to 100",
        ),
        (
            {"formula": {"spot": 1, "factor": float("nan")}},
            r"import\.formula\.factor: expected a number from 0 to 100, found nan",
        ),
        (
            {"formula": {"spot": 1, "add": {"series": "p"}}},
            r"import\.formula\.add\.series: no such series",
        ),
        (
            {"formula": {"spot": 1, "levy": {"from": "2026-05-01"}}},
            r"import\.formula\.levy: expected a list",
        ),
        (
            {"formula": {"spot": 1, "levy": [{"from": "May", "price": 1}]}},
            r"import\.formula\.levy\[0\]\.from: expected a date like 2026-05-01",
        ),
        (
            {"formula": {"spot": 1, "levy": [{"from": "2026-05-01"}]}},
            r"import\.formula\.levy\[0\]\.price: expected a number, found None",
        ),
        ({"tiers": []}, r"import\.tiers: expected a list, found \[\]"),
        ({**TIERS, "tiers": [3]}, r"import\.tiers\[0\]: expected price, upto_kwh"),
        (
            {**TIERS, "tiers": [{"price": 1, "upto_kwh": 5}]},
            r"import\.tiers: expected a last tier without upto_kwh, found 5",
        ),
        (
            {**TIERS, "tiers": [{"price": 1}, {"price": 2}]},
            r"import\.tiers: expected rising upto_kwh",
        ),
        (
            {**TIERS, "tiers": [{"price": 1, "upto_kwh": 0}, {"price": 2}]},
            r"import\.tiers: expected rising upto_kwh above 0",
        ),
        ({"tiers": [{"price": 1}]}, r"import\.month_kwh: expected the kWh of a usual"),
        ({**TIERS, "month_kwh": 0}, r"import\.month_kwh: expected a number from 1"),
        ({**TIERS, "month_day": 29}, r"import\.month_day: expected a day from 1 to 28"),
        ({**TIERS, "band": 1}, r"import\.band: expected one of tiers, month_kwh"),
    ],
)
def test_errors_name_field_and_what_is_expected(prices: Any, message: str) -> None:
    with pytest.raises(TariffError, match=message):
        tariff(prices)


def test_a_date_may_stand_in_yaml_without_quotes() -> None:
    levy = [{"from": datetime(2026, 5, 1), "price": 2.0}]  # noqa: DTZ001 - a date
    assert price(tariff({"formula": {"spot": 1, "levy": levy}}), "2026-06-01") == 3.0


def test_a_replay_finds_the_series_in_a_formula() -> None:
    data = {
        "import": {"formula": {"spot": {"series": "spot.csv"}}},
        "export": {"series": "feed.csv"},
    }
    assert series_names(data) == ["spot.csv", "feed.csv"]
    assert series_names({"import": {"formula": {"spot": 1}}}) == []
