"""Prices of a source, with what was recorded of them where it knows none."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.local_clock import LocalClock
from custom_components.leaf_to_home.engine.prices import FlatPrice, PriceSeries
from custom_components.leaf_to_home.engine.recorded_prices import FilledPrices
from custom_components.leaf_to_home.engine.tariff import parse_tariff

MADRID = ZoneInfo("Europe/Madrid")
DAY_S = datetime(2026, 11, 2, tzinfo=MADRID).timestamp()
HOUR_S = 3600.0
DAY = LocalClock(MADRID).day(DAY_S)


def series(first: int, last: int, price: float, step_s: float = HOUR_S) -> PriceSeries:
    """Return a price from one hour of the day to another."""
    count = int((last - first) * HOUR_S / step_s)
    times_s = [DAY_S + first * HOUR_S + step_s * k for k in range(count)]
    return PriceSeries(times_s, [price] * count)


def by_hour(source: FilledPrices) -> list[float | None]:
    """Return what holds in each hour of the day."""
    prices = source.of_day(DAY)
    assert prices[0][0] == DAY.start_s
    assert [at_s for at_s, _ in prices] == sorted(at_s for at_s, _ in prices)
    return [
        [price for at_s, price in prices if at_s <= DAY_S + hour * HOUR_S][-1]
        for hour in range(24)
    ]


def test_what_the_source_knows_counts_first() -> None:
    own = series(12, 24, 0.5, step_s=900.0)
    filled = FilledPrices(own, series(6, 18, 0.2))
    assert by_hour(filled) == [None] * 6 + [0.2] * 6 + [0.5] * 12
    assert filled.published


def test_a_hole_inside_is_filled() -> None:
    times_s = [DAY_S + h * HOUR_S for h in range(24) if not 8 <= h < 12]
    own = PriceSeries(times_s, [0.5] * len(times_s))
    filled = FilledPrices(own, series(0, 24, 0.2))
    assert by_hour(filled) == [0.5] * 8 + [0.2] * 4 + [0.5] * 12


def test_a_source_that_knows_all_is_left_alone() -> None:
    flat = FlatPrice(0.3)
    filled = FilledPrices(flat, series(0, 24, 0.2))
    assert filled.of_day(DAY) == flat.of_day(DAY)
    assert not filled.published


@pytest.mark.parametrize("way", ["import_price", "export_price"])
def test_a_replayed_tariff_goes_back_as_far_as_was_recorded(way: str) -> None:
    data = {
        "currency": "EUR",
        "timezone": "Europe/Madrid",
        "import": {"series": "s"},
        "export": {"series": "s"},
    }
    tariff = parse_tariff(data, series={"s": series(12, 24, 0.5)})
    recorded = series(0, 24, 0.2)
    replayed = tariff.replayed(
        recorded if way == "import_price" else None,
        recorded if way == "export_price" else None,
    )
    slot = replayed.at(DAY_S)
    assert slot is not None
    assert getattr(slot, way) == 0.2
    assert {slot.import_price, slot.export_price} == {0.2, None}
    assert replayed.at(DAY_S + 13 * HOUR_S).import_price == 0.5  # type: ignore[union-attr] # it is known
