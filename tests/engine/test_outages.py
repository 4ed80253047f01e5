"""Which outages are played, and what foresight could do about them."""

from math import inf

import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.clairvoyant import (
    Interval,
    best_weighted_kwh,
)
from custom_components.leaf_to_home.engine.formats import FormatError
from custom_components.leaf_to_home.engine.outages import (
    TAIL_H,
    YEAR_S,
    Outage,
    RandomOutages,
    parse_outages,
)

LOSSLESS = UnitSpec(
    kind=UnitKind.VEHICLE, usable_kwh=40.0, max_charge_w=6000.0, max_discharge_w=6000.0
)
WEIGHTS = (4.0, 2.0, 1.0)


def test_a_file_of_outages() -> None:
    lines = [
        "start,end",
        "2026-01-31T18:00+09:00,2026-01-31T20:00+09:00",
        "",
        "2026-02-01T18:00+09:00,2026-02-01T20:30+09:00",
    ]
    first, second = parse_outages(lines, "cuts.csv")
    assert (first.hours, second.hours) == (2.0, 2.5)
    assert second.begin_s - first.begin_s == 86_400.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2026-01-31T18:00,2026-01-31T20:00", "line 2: start: expected a time like"),
        ("2026-01-31T18:00Z", "line 2: expected 2 values, found 1"),
        ("2026-01-31T18:00Z,soon", "line 2: end: expected a time like"),
        ("2026-01-31T18:00Z,2026-01-31T18:00Z", "expected a time after the start"),
        (
            "2026-01-31T18:00Z,2026-01-31T20:00Z\n2026-01-31T19:00Z,2026-01-31T21:00Z",
            "line 3: start: expected a time after the outage before",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_named(row: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_outages(["start,end", *row.split("\n")], "cuts.csv")


def test_a_file_that_is_something_else() -> None:
    with pytest.raises(FormatError, match="line 1: expected start,end"):
        parse_outages(["time,load_w"], "house.csv")


def test_random_outages_are_as_often_and_as_long_as_asked_for() -> None:
    many = RandomOutages.parse("random:50,4,7").between(0.0, 100.0 * YEAR_S)
    assert len(many) / 100.0 == pytest.approx(50.0, rel=0.05)
    hours = [outage.hours for outage in many]
    assert sum(hours) / len(many) == pytest.approx(4.0, rel=0.1)
    tail = [length for length in hours if TAIL_H[0] <= length]
    assert max(tail) <= TAIL_H[1]
    assert sum(tail) / sum(hours) == pytest.approx(0.5, abs=0.1)
    assert min(hours) >= 1.0 / 60.0
    ends = [-inf, *(outage.end_s for outage in many)]
    assert all(end <= one.begin_s for end, one in zip(ends, many, strict=False))


def test_the_same_seed_gives_the_same_outages() -> None:
    one = RandomOutages.parse("random:20,3,1").between(0.0, YEAR_S)
    assert one == RandomOutages(a_year=20.0, mean_h=3.0, seed=1).between(0.0, YEAR_S)
    assert one != RandomOutages(a_year=20.0, mean_h=3.0, seed=2).between(0.0, YEAR_S)


@pytest.mark.parametrize(
    "text",
    ["random:", "random:20,3", "random:20,3,1,1", "random:0,3,1", "random:9,13,1"],
)
def test_random_outages_that_cannot_be(text: str) -> None:
    with pytest.raises(FormatError, match="expected random:SAIFI,CAIDI,SEED"):
        RandomOutages.parse(text)


def test_an_outage_says_how_long_it_is() -> None:
    assert Outage(begin_s=0.0, end_s=5400.0).hours == 1.5


def best(*intervals: Interval, usable_kwh: float, spec: UnitSpec = LOSSLESS) -> float:
    return best_weighted_kwh(intervals, WEIGHTS, spec, usable_kwh, 6000.0)


def test_with_enough_charge_everything_is_carried() -> None:
    hours = Interval(hours=2.0, bands_w=(500.0, 300.0, 1000.0))
    assert best(hours, usable_kwh=30.0) == pytest.approx(4.0 + 1.2 + 2.0)


def test_with_little_charge_the_most_needed_is_carried_to_the_end() -> None:
    """An hour of all, then ten of little: what is heavy waits."""
    first = Interval(hours=1.0, bands_w=(500.0, 500.0, 2000.0))
    later = Interval(hours=10.0, bands_w=(200.0, 0.0, 0.0))
    assert best(first, later, usable_kwh=2.5) == pytest.approx(4.0 * 2.5)
    assert best(first, later, usable_kwh=3.25) == pytest.approx(10.0 + 1.0 + 0.25)


def test_nothing_is_carried_without_the_car_or_above_what_the_station_bears() -> None:
    away = Interval(hours=3.0, bands_w=(500.0, 0.0, 0.0), connected=False)
    assert best(away, usable_kwh=30.0) == 0.0
    heavy = Interval(hours=1.0, bands_w=(1000.0, 1000.0, 9000.0))
    assert best(heavy, usable_kwh=30.0) == pytest.approx(4.0 + 2.0 + 4.0)


def test_a_trip_is_driven_on_what_was_kept_for_it_or_on_nothing() -> None:
    before = Interval(hours=4.0, bands_w=(1000.0, 0.0, 0.0))
    after = Interval(hours=4.0, bands_w=(1000.0, 0.0, 0.0), trip_kwh=3.0)
    assert best(before, after, usable_kwh=9.0) == pytest.approx(4.0 * 6.0)
    assert best(before, after, usable_kwh=6.0) == pytest.approx(4.0 * 4.0)
    assert best(before, after, usable_kwh=2.0) == pytest.approx(4.0 * 2.0)


def test_losses_are_paid_and_the_first_watts_bear_what_the_station_takes() -> None:
    loss = LossCurve(constant_w=100.0, linear=0.0)
    spec = UnitSpec(
        kind=UnitKind.VEHICLE,
        usable_kwh=40.0,
        max_charge_w=6000.0,
        max_discharge_w=6000.0,
        discharge_loss=loss,
    )
    hour = Interval(hours=1.0, bands_w=(400.0, 0.0, 0.0))
    assert best(hour, usable_kwh=0.5, spec=spec) == pytest.approx(1.6)
    assert best(hour, usable_kwh=0.25, spec=spec) == pytest.approx(0.8)
    # Little that is needed is dear; with comfort beside it, it is less so.
    both = Interval(hours=1.0, bands_w=(100.0, 400.0, 0.0))
    assert best(both, usable_kwh=0.3, spec=spec) == pytest.approx(1.2 * 0.3 / 0.6)
