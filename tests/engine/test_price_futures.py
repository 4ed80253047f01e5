"""Prices that are not known yet: levels, their chain, what is learnt of the past."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.leaf_to_home.engine.price_futures import (
    LEVELS,
    PriceFutures,
    PriceMemory,
    price_futures,
)
from custom_components.leaf_to_home.engine.prices import FlatPrice
from custom_components.leaf_to_home.engine.tariff import PriceSeries, Tariff

ZONE = ZoneInfo("Europe/Amsterdam")
# A Monday.
BEGIN = datetime(2026, 6, 1, tzinfo=ZONE)
DAYS = 28
SHAPE = np.array([0.0] * 6 + [0.05] * 6 + [-0.04] * 5 + [0.1] * 4 + [0.0] * 3)


def day_ahead(levels: list[float], evenings: list[float] | None = None) -> Tariff:
    """Return a tariff of hourly prices, one level a day; later days are not known."""
    times, prices = [], []
    for day, level in enumerate(levels):
        for hour in range(24):
            times.append((BEGIN + timedelta(days=day, hours=hour)).timestamp())
            late = evenings[day] if evenings and hour >= 18 else 0.0
            prices.append(level + float(SHAPE[hour]) + late)
    return hourly(times, prices)


def hourly(times: list[float], prices: list[float]) -> Tariff:
    """Return a tariff of prices that are published at 13:00."""
    return Tariff(
        currency="EUR",
        zone=ZONE,
        import_prices=PriceSeries(times, prices),
        export_prices=FlatPrice(0.05),
        published_minute=13 * 60,
    )


def foreseen(tariff: Tariff, days: int = DAYS, hours: int = 48) -> PriceFutures:
    known = BEGIN + timedelta(days=days)
    edges_s = known.timestamp() + 3600.0 * np.arange(hours + 1, dtype=np.float64)
    futures = price_futures(PriceMemory(), tariff, known.timestamp(), edges_s)
    assert futures is not None
    return futures


def test_days_like_the_last_are_expected_to_be_like_it() -> None:
    futures = foreseen(day_ahead([0.2] * DAYS))
    expected = 0.2 + SHAPE
    assert futures.import_price.shape == (LEVELS, 48)
    assert futures.import_price[:, :24].mean(axis=0) == pytest.approx(
        expected, abs=0.01
    )
    assert np.all(np.diff(futures.import_price[:, :24].mean(axis=1)) > 0.0)


def test_weekends_that_are_cheaper_are_expected_to_be() -> None:
    levels = [0.10 if day % 7 >= 5 else 0.25 for day in range(26)]
    # From Saturday's begin on: Saturday and Sunday, then Monday.
    futures = foreseen(day_ahead(levels), days=26, hours=72)
    of_days = futures.import_price.mean(axis=0).reshape(3, 24).mean(axis=1)
    usual = float(np.mean(levels))
    assert of_days[0] < usual
    assert of_days[1] < usual
    assert of_days[2] > of_days[1] + 0.03


def test_a_level_that_is_far_off_comes_back() -> None:
    random = np.random.default_rng(1)
    levels = (0.2 + 0.02 * random.standard_normal(DAYS)).tolist()
    levels[-1] = 0.5
    futures = foreseen(day_ahead(levels), hours=96)
    of_days = futures.import_price.mean(axis=0).reshape(4, 24).mean(axis=1)
    assert np.all(np.diff(of_days) < 0.0)
    assert 0.2 < of_days[-1] < of_days[0] < 0.5


def test_the_last_hours_tell_of_the_next_day() -> None:
    random = np.random.default_rng(2)
    steps = 0.04 * random.standard_normal(DAYS + 1)
    levels = (0.3 + np.cumsum(steps[:-1])).tolist()
    # What comes shows in the evening before.
    dear = day_ahead(levels, (2.0 * steps[1:]).tolist())
    steps[-1] = 0.1
    dearer = day_ahead(levels, (2.0 * steps[1:]).tolist())
    before, after = (
        foreseen(tariff).import_price[:, :24].mean() for tariff in (dear, dearer)
    )
    assert after > before + 0.02


def test_the_first_hours_follow_the_last_one() -> None:
    """A last hour that is off goes on into the night, and says nothing of the noon."""
    random = np.random.default_rng(3)
    last = (0.04 * random.standard_normal(DAYS)).tolist()
    expected = []
    for off in (0.0, 0.1):
        last[-1] = off
        times, prices = [], []
        for day in range(DAYS):
            for hour in range(24):
                times.append((BEGIN + timedelta(days=day, hours=hour)).timestamp())
                price = 0.25 + float(SHAPE[hour])
                if hour == 23:
                    price += last[day]
                elif hour < 6 and day > 0:
                    price += last[day - 1] * (1.0 - hour / 6.0)
                prices.append(price)
        expected.append(foreseen(hourly(times, prices)).import_price.mean(axis=0))
    more = expected[1] - expected[0]
    assert more[0] > 0.04
    assert np.all(np.diff(more[:6]) < 0.0)
    assert more[6:18] == pytest.approx(0.0, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(levels=st.lists(st.floats(-0.2, 2.0), min_size=4, max_size=DAYS))
def test_each_level_is_as_likely_as_the_others_on_every_day(
    levels: list[float],
) -> None:
    futures = foreseen(day_ahead(levels), days=len(levels), hours=72)
    assert np.all(np.isfinite(futures.import_price))
    assert [step for step, _ in futures.turns] == [24, 48]
    for _, chain in futures.turns:
        assert np.all(chain >= 0.0)
        assert chain.sum(axis=1) == pytest.approx(1.0)
        # A day that was dear makes a dear one more likely.
        assert np.all(np.diff(chain @ np.arange(LEVELS)) >= -1e-9)


def test_too_short_a_past_foresees_nothing() -> None:
    known_s = (BEGIN + timedelta(days=2)).timestamp()
    edges_s = known_s + 3600.0 * np.arange(25, dtype=np.float64)
    tariff = day_ahead([0.2, 0.3])
    assert price_futures(PriceMemory(), tariff, known_s, edges_s) is None


def test_a_day_that_is_known_in_part_tells_nothing_of_its_rest() -> None:
    levels = [0.2] * (DAYS - 1)
    both = [foreseen_at_noon([*levels, last]) for last in (0.2, 0.9)]
    assert both[0].import_price == pytest.approx(both[1].import_price)


def foreseen_at_noon(levels: list[float]) -> PriceFutures:
    known = BEGIN + timedelta(days=DAYS - 1, hours=12)
    edges_s = known.timestamp() + 3600.0 * np.arange(25, dtype=np.float64)
    futures = price_futures(
        PriceMemory(), day_ahead(levels), known.timestamp(), edges_s
    )
    assert futures is not None
    return futures


def test_days_are_read_once_and_anew_for_another_tariff() -> None:
    memory = PriceMemory()
    known_s = (BEGIN + timedelta(days=DAYS)).timestamp()
    tariff = day_ahead([0.2] * DAYS)
    first = memory.days(tariff, known_s)
    assert len(first) == DAYS
    assert memory.days(tariff, known_s)[0] is first[0]
    assert memory.days(day_ahead([0.4] * DAYS), known_s)[0].level > 0.35


def test_an_export_price_that_is_not_known_is_that_of_the_like_day() -> None:
    times = [BEGIN.timestamp() + 3600.0 * hour for hour in range(24 * DAYS)]
    imports = PriceSeries(times, [0.3] * len(times))
    exports = PriceSeries(times, [0.07] * len(times))
    tariff = Tariff(
        currency="EUR",
        zone=ZONE,
        import_prices=imports,
        export_prices=exports,
        published_minute=13 * 60,
    )
    assert foreseen(tariff).export_price == pytest.approx(0.07)
