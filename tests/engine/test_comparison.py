"""What a unit would have saved: three lines over the same days."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind
from custom_components.leaf_to_home.engine.comparison import (
    Comparison,
    LineName,
    Question,
    TooLittleHistory,
    choose_days,
    commuter_trips,
    compare,
    recorded_house,
    span_s,
)
from custom_components.leaf_to_home.engine.formats import FormatError
from custom_components.leaf_to_home.engine.past_power import PastPower, Span
from custom_components.leaf_to_home.engine.prices import PriceSeries
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.tables import HouseTable, make_house
from custom_components.leaf_to_home.engine.tariff import parse_tariff
from tests.engine.replays import LEAF, MADRID, TARIFF, at, contract, seeded_house

HOUR_S = 3600.0


def table(
    days: int,
    *,
    begin: str = "2026-10-20T00:00",
    hide: Callable[[datetime], bool] = lambda _: False,
) -> HouseTable:
    """Return the seeded house as a recorder has it: by the hour, with holes."""
    house = seeded_house(days, step_s=HOUR_S)
    shift_s = at(begin) - house.times_s[0]
    times_s = [time_s + shift_s for time_s in house.times_s]
    unknown = [hide(datetime.fromtimestamp(time_s, MADRID)) for time_s in times_s]
    return make_house(
        "history",
        HOUR_S,
        times_s,
        [
            None if hidden else w
            for w, hidden in zip(house.load_w, unknown, strict=True)
        ],
        [
            None if hidden else w
            for w, hidden in zip(house.solar_w, unknown, strict=True)
        ],
    )


def question(house_days: int, days: int, **more: Any) -> Question:
    terms = contract(**more)
    house = choose_days(table(house_days), terms.site.tariff, days)
    return Question(
        house=house,
        contract=terms,
        spec=LEAF,
        trips=commuter_trips(LEAF, house, MADRID),
    )


@pytest.fixture(scope="module")
def asked() -> Question:
    """Return eight days from October into November, and those before."""
    return question(16, 8, capacity={"price_per_kw_month": 1.5})


@pytest.fixture(scope="module")
def heard() -> list[float]:
    """Collect how far the work is."""
    return []


@pytest.fixture(scope="module")
def answer(asked: Question, heard: list[float]) -> Comparison:
    return compare(asked, watch=heard.append)


def test_each_line_saves_more_than_the_one_before(answer: Comparison) -> None:
    costs = [answer.lines[name].total_cost for name in LineName]
    assert costs == sorted(costs, reverse=True)
    assert answer.saved(LineName.ON_ARRIVAL) > answer.saved(LineName.SMART_CHARGING) > 0


def test_only_the_last_line_discharges(answer: Comparison) -> None:
    discharged = [answer.lines[name].discharged_kwh for name in LineName]
    assert discharged[:2] == [0.0, 0.0]
    assert discharged[2] > 20.0


def test_the_lines_drive_the_same_trips(asked: Question, answer: Comparison) -> None:
    assert asked.trips
    driven = {round(books.trip_kwh, 6) for books in answer.lines.values()}
    assert len(driven) == 1
    assert {books.departures for books in answer.lines.values()} == {
        sum(trip.departure_s >= asked.house.times_s[0] for trip in asked.trips)
    }
    assert all(not books.departures_short for books in answer.lines.values())


def test_months_add_up_to_the_whole(asked: Question, answer: Comparison) -> None:
    assert [month.month for month in answer.months] == ["2026-10", "2026-11"]
    assert sum(month.days for month in answer.months) == len(asked.house.days)
    for name, books in answer.lines.items():
        assert books.capacity_cost > 0.0
        total = sum(month.costs[name] for month in answer.months)
        assert total == pytest.approx(books.total_cost)


def test_smart_charging_does_not_know_the_days_to_come(asked: Question) -> None:
    house = asked.house
    count = 3 * 24
    runs = [
        ReplayRun(
            house=replace(
                house,
                times_s=house.times_s[:count],
                load_w=[*house.load_w[: count // 2], *later_w],
                solar_w=house.solar_w[:count],
                past=None,
            ),
            contract=contract(),
            spec=LEAF,
            policy=PolicyName.SMART,
        )
        for later_w in ([200.0] * (count // 2), [4000.0] * (count // 2))
    ]
    first, second = (run_replay(run).records.unit_w[: count // 2] for run in runs)
    assert min(first) < 0.0
    assert first == second


def test_how_far_it_is_rises_to_the_end(answer: Comparison, heard: list[float]) -> None:
    assert heard == sorted(heard)
    assert 0.0 < heard[0] < 0.01
    assert heard[-1] == pytest.approx(1.0)


def test_a_watcher_can_end_it(asked: Question) -> None:
    class Enough(Exception):
        pass

    def watch(_share: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        compare(asked, watch=watch)


def test_a_battery_that_is_no_car_makes_no_trips(asked: Question) -> None:
    spec = replace(LEAF, kind=UnitKind.STATIONARY)
    assert commuter_trips(spec, asked.house, MADRID) == []


def test_the_days_before_tell_of_trips_too(asked: Question) -> None:
    past = asked.house.past
    assert past is not None
    assert past.times_s[0] <= asked.trips[0].departure_s < asked.house.times_s[0]


# --- the past of a home --------------------------------------------------------------


def past_of(load_w: list[float], solar_w: float, other_w: float) -> PastPower:
    count = len(load_w)
    return PastPower(
        span=Span(begin_s=at("2026-11-02T00:00"), count=count),
        grid_w=np.zeros(count),
        solar_w=np.full(count, solar_w),
        other_w=np.full(count, other_w),
        units_w=np.zeros(count),
        load_w=np.array(load_w),
    )


@pytest.mark.parametrize(
    ("other_w", "load_w", "solar_w"),
    [
        (0.0, 500.0, 100.0),
        (200.0, 300.0, 100.0),
        (-200.0, 700.0, 100.0),
        (800.0, 0.0, 400.0),
    ],
)
def test_other_batteries_go_on_as_they_did(
    other_w: float, load_w: float, solar_w: float
) -> None:
    house = recorded_house(past_of([500.0] * 2, 100.0, other_w))
    assert (house.load_w, house.solar_w) == ([load_w] * 2, [solar_w] * 2)
    assert house.step_s == 900.0


def test_a_short_hole_in_the_past_is_filled_in_and_a_long_one_left_open() -> None:
    nan = float("nan")
    house = recorded_house(past_of([400.0, nan, 600.0, *[nan] * 12, 500.0], 0.0, 0.0))
    assert house.load_w[:3] == [400.0, 500.0, 600.0]
    assert len(set(house.gaps)) == 1
    with pytest.raises(FormatError, match="history"):
        recorded_house(past_of([nan] * 4, 0.0, 0.0))


def test_a_price_that_changes_within_the_hour_is_met() -> None:
    """What is charged before the dear hours is not charged into them."""
    dear = {"price": 0.5, "from": "19:12", "to": "23:12"}
    terms = contract(**{"import": {"bands": [dear, {"price": 0.1}]}})
    quarters = replace(seeded_house(2), days=("2026-10-20", "2026-10-21"))
    question = Question(house=quarters, contract=terms, spec=LEAF)
    found = compare(question, watch=lambda _: None)
    books = found.lines[LineName.WITH_DISCHARGE]
    assert books.discharged_kwh > 4.0
    assert found.saved(LineName.SMART_CHARGING) > 0.2 * books.discharged_kwh


@pytest.mark.parametrize("past_days", [0, 28])
def test_the_time_that_is_read_is_of_whole_local_days(past_days: int) -> None:
    begin_s, end_s = span_s(MADRID, at("2026-11-03T09:30"), 30, past_days=past_days)
    assert end_s == at("2026-11-03T00:00")
    begun = datetime.fromtimestamp(begin_s, MADRID)
    first = date(2026, 11, 3) - timedelta(days=30 + past_days)
    assert (begun.date(), begun.hour) == (first, 0)


# --- which days ----------------------------------------------------------------------


def test_only_whole_days_are_taken() -> None:
    tariff = parse_tariff(TARIFF)
    begun = table(10, begin="2026-11-02T09:00")
    house = choose_days(begun, tariff, 30)
    assert house.days[0] == "2026-11-03"
    assert house.days[-1] == "2026-11-11"
    assert datetime.fromtimestamp(house.times_s[0], MADRID).hour == 0
    assert len(house.times_s) == 9 * 24


def test_the_last_days_are_taken_and_those_before_remembered() -> None:
    house = choose_days(table(12, begin="2026-11-02T00:00"), parse_tariff(TARIFF), 7)
    assert house.days == tuple(f"2026-11-{day:02}" for day in range(7, 14))
    assert house.past is not None
    assert house.past.days == tuple(f"2026-11-{day:02}" for day in range(2, 7))


def test_a_day_with_a_long_hole_is_left_out_and_named() -> None:
    recorded = table(
        10,
        begin="2026-11-02T00:00",
        hide=lambda t: t.day == 5 and 3 <= t.hour < 9,
    )
    house = choose_days(recorded, parse_tariff(TARIFF), 30)
    assert house.days_left_out == ("2026-11-05",)
    assert len(house.days) == 9


def test_a_day_without_a_price_is_left_out() -> None:
    begin_s = at("2026-11-02T00:00")
    hours = [h for h in range(10 * 24) if not 50 <= h < 60]
    series = PriceSeries([begin_s + h * HOUR_S for h in hours], [0.2] * len(hours))
    tariff = parse_tariff(TARIFF | {"import": {"series": "s"}}, series={"s": series})
    house = choose_days(table(10, begin="2026-11-02T00:00"), tariff, 30)
    assert house.days_left_out == ("2026-11-04",)


@pytest.mark.parametrize(
    ("days", "hide", "found"),
    [
        (6, lambda t: False, 6),
        (10, lambda t: t.hour < 5 and t.day > 6, 5),
        (10, lambda t: t.day > 3, 2),
    ],
)
def test_too_little_history_says_how_much_there_is(
    days: int, hide: Callable[[datetime], bool], found: int
) -> None:
    recorded = table(days, begin="2026-11-02T00:00", hide=hide)
    with pytest.raises(TooLittleHistory) as raised:
        choose_days(recorded, parse_tariff(TARIFF), 30)
    assert raised.value.days == found


def test_some_hours_are_no_day() -> None:
    hours = [at("2026-11-02T09:00") + h * HOUR_S for h in range(5)]
    recorded = make_house("history", HOUR_S, hours, [300.0] * 5, [0.0] * 5)
    with pytest.raises(TooLittleHistory, match="0 days"):
        choose_days(recorded, parse_tariff(TARIFF), 30)


def test_a_house_of_which_nothing_is_known_is_none() -> None:
    times_s = [at("2026-11-02T00:00") + h * HOUR_S for h in range(5)]
    with pytest.raises(FormatError, match="history: load_w"):
        make_house("history", HOUR_S, times_s, [None] * 5, [0.0] * 5)
