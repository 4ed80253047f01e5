"""The replay: every figure of its books."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.accounts import demand_windows
from custom_components.leaf_to_home.engine.formats import FormatError, parse_contract
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.tables import HouseRun, parse_series
from custom_components.leaf_to_home.engine.trips import Trip
from tests.engine.replays import LEAF, LOSS, TARIFF, at, check, contract, flat_house

# --- single figures -------------------------------------------------------------------


def test_the_baseline_fills_to_80_percent_on_arrival_and_no_more() -> None:
    house = flat_house([500.0] * 96)
    trips = [
        Trip(
            departure_s=at("2026-11-23T08:00"),
            return_s=at("2026-11-23T17:00"),
            energy_kwh=9.0,
            required_soc_percent=85.0,
            known_hours_before=24.0,
        )
    ]
    run = ReplayRun(
        house=house, contract=contract(), spec=LEAF, trips=trips, policy=PolicyName.NONE
    )
    replay = run_replay(run)
    check(run, replay)
    soc = [kwh / 36.0 * 100.0 for kwh in replay.records.stored_kwh]
    assert soc[8] == soc[31] == pytest.approx(80.0)
    assert soc[32] == soc[67] == pytest.approx(80.0 - 25.0)
    assert soc[80] == pytest.approx(80.0)
    assert replay.records.unit_w[68] < -5700.0
    assert replay.books.discharged_kwh == 0.0
    assert (replay.books.starts, replay.books.reversals) == (2, 0)
    assert replay.books.decision_us_median is None
    # 85 % was asked for, 80 % were there.
    assert (replay.books.departures, replay.books.departures_short) == (1, 1)
    assert replay.books.short_kwh == pytest.approx(36.0 * 0.05)
    reasons = replay.records.reasons
    assert [reasons[i] for i in (0, 20, 40, 70)] == [
        "arrival",
        "full",
        "disconnected",
        "arrival",
    ]


def test_a_departure_that_is_announced_is_met() -> None:
    house = flat_house([500.0] * 40)
    trip = Trip(
        departure_s=at("2026-11-23T08:07"),
        return_s=at("2026-11-23T09:01"),
        energy_kwh=5.0,
        required_soc_percent=90.0,
        known_hours_before=6.0,
    )
    run = ReplayRun(
        house=house,
        contract=contract(),
        spec=LEAF,
        trips=[trip],
        policy=PolicyName.RULE,
    )
    replay = run_replay(run)
    assert (replay.books.departures, replay.books.departures_short) == (1, 0)
    # Away from 08:00 to 09:15: departures round down to a step, returns up.
    assert [i for i, here in enumerate(replay.records.connected) if not here] == [
        32,
        33,
        34,
        35,
        36,
    ]
    assert replay.records.trip_kwh[32] == 5.0
    check(run, replay)


def test_trips_outside_the_run_do_not_take_place() -> None:
    days = [flat_house([500.0] * 96, start=f"2026-11-{day}T00:00") for day in (23, 25)]
    house = replace(
        days[0],
        times_s=[*days[0].times_s, *days[1].times_s],
        load_w=[500.0] * 192,
        solar_w=[0.0] * 192,
        days_left_out=("2026-11-24",),
    )

    def trip(out: str, back: str) -> Trip:
        return Trip(
            departure_s=at(out),
            return_s=at(back),
            energy_kwh=3.0,
            required_soc_percent=0.0,
            known_hours_before=None,
        )

    run = ReplayRun(
        house=house,
        contract=contract(),
        spec=LEAF,
        trips=[
            trip("2026-11-22T08:00", "2026-11-22T09:00"),
            trip("2026-11-23T22:00", "2026-11-24T20:00"),
            trip("2026-11-24T21:00", "2026-11-25T08:00"),
            trip("2026-11-25T23:50", "2026-11-26T08:00"),
            trip("2026-11-27T08:00", "2026-11-27T09:00"),
        ],
        policy=PolicyName.RULE,
    )
    replay = run_replay(run)
    check(run, replay)
    assert replay.books.departures == 2
    away = [i for i, here in enumerate(replay.records.connected) if not here]
    assert away == [*range(88, 96), 191]
    assert replay.books.days_left_out == ("2026-11-24",)
    # The battery carries on over the day that is left out.
    times = list(replay.records.times_s)
    assert times[96] - times[95] == 86400.0 + 900.0


def test_two_trips_in_one_step_follow_each_other() -> None:
    def trip(out: str, back: str) -> Trip:
        return Trip(
            departure_s=at(out),
            return_s=at(back),
            energy_kwh=1.0,
            required_soc_percent=0.0,
            known_hours_before=1.0,
        )

    run = ReplayRun(
        house=flat_house([500.0] * 4, step_s=3600.0),
        contract=contract(),
        spec=LEAF,
        trips=[
            trip("2026-11-23T00:05", "2026-11-23T00:20"),
            trip("2026-11-23T00:30", "2026-11-23T00:40"),
            trip("2026-11-23T03:10", "2026-11-23T03:20"),
            trip("2026-11-23T03:30", "2026-11-23T03:40"),
        ],
        policy=PolicyName.NONE,
    )
    replay = run_replay(run)
    assert list(replay.records.trip_kwh) == [1.0, 1.0, 0.0, 1.0]
    check(run, replay)


def test_end_value_is_the_stored_difference_at_the_30_percent_quantile() -> None:
    house = flat_house([500.0] * 96)
    run = ReplayRun(house=house, contract=contract(), spec=LEAF, policy=PolicyName.NONE)
    books = run_replay(run).books
    assert books.stored_change_kwh == pytest.approx(36.0 * 0.3)
    # A third of the day is cheap.
    assert books.end_value == pytest.approx(36.0 * 0.3 * 0.10)


def test_demand_windows_limits_and_capacity_tariff() -> None:
    # Quarter-hours; the car is full and the rule has nothing to do at a flat price.
    loads = [1000.0] * 96
    loads[40], loads[41], loads[60] = 7000.0, 3000.0, 6000.0
    spec = replace(LEAF, initial_soc_percent=80.0, max_discharge_w=300.0)
    terms = contract(
        **{"import": 0.2},
        capacity={
            "price_per_kw_month": 4.0,
            "window_min": 30,
            "free_kw": 1.0,
            "peaks_averaged": 2,
        },
        import_limit_kw=4.0,
        main_limit_w=6500,
    )
    run = ReplayRun(
        house=flat_house(loads), contract=terms, spec=spec, policy=PolicyName.NONE
    )
    replay = run_replay(run)
    books = replay.books
    assert books.peak_w == 7010.0
    assert books.peak_window_w == pytest.approx(5010.0)
    assert books.limit_violations == 1
    assert books.main_limit_violations == 1
    # The two highest windows are 5.01 and 3.51 kW, the first kW is free.
    assert books.capacity_cost == pytest.approx(4.0 * (4.26 - 1.0))
    starts_s, windows_w = demand_windows(replay.records, terms)
    assert len(windows_w) == 48
    assert starts_s[0] == at("2026-11-23T00:00")


def test_windows_follow_the_local_clock_and_span_steps() -> None:
    # 20-minute steps from 00:10 on: windows of an hour begin at the full local hour.
    terms = parse_contract(
        {
            "currency": "INR",
            "timezone": "Asia/Kolkata",
            "import": 8,
            "capacity": {"price_per_kw_month": 1, "window_min": 60},
        },
        "t.yaml",
    )
    zone = ZoneInfo("Asia/Kolkata")
    begin = datetime(2026, 11, 23, 0, 10, tzinfo=zone).timestamp()
    house = HouseRun(
        step_s=1200.0,
        times_s=[begin + 1200.0 * k for k in range(9)],
        load_w=[0, 0, 3000, 0, 0, 6000, 0, 0, 0],
        solar_w=[0.0] * 9,
        days=("2026-11-23",),
        days_left_out=(),
    )
    spec = replace(LEAF, initial_soc_percent=80.0, standby_w=0.0)
    run = ReplayRun(house=house, contract=terms, spec=spec, policy=PolicyName.NONE)
    starts_s, windows_w = demand_windows(run_replay(run).records, terms)
    hours = [datetime.fromtimestamp(s, zone).strftime("%H:%M") for s in starts_s]
    # The first hour is not there in full; 00:50 to 01:10 falls half into 01:00.
    assert hours == ["01:00", "02:00"]
    assert windows_w.tolist() == pytest.approx([3000.0 / 6 + 6000.0 / 6, 6000.0 / 6])


def test_each_month_that_is_touched_is_paid() -> None:
    house = flat_house([2000.0] * 96, step_s=1800.0, start="2026-11-30T00:00")
    terms = contract(**{"import": 0.2}, capacity={"price_per_kw_month": 3.0})
    spec = replace(LEAF, initial_soc_percent=80.0, standby_w=0.0)
    run = ReplayRun(house=house, contract=terms, spec=spec, policy=PolicyName.NONE)
    assert run_replay(run).books.capacity_cost == pytest.approx(2 * 3.0 * 2.0)


def test_export_earns_and_hours_of_export_do_not_lower_the_peak() -> None:
    house = flat_house([1000.0] * 8, solar_w=3000.0)
    spec = replace(LEAF, initial_soc_percent=80.0, standby_w=0.0)
    run = ReplayRun(house=house, contract=contract(), spec=spec, policy=PolicyName.NONE)
    books = run_replay(run).books
    assert books.export_kwh == pytest.approx(4.0)
    assert books.energy_cost == pytest.approx(-0.2)
    assert (books.peak_w, books.peak_window_w) == (0.0, 0.0)


def test_a_step_over_two_prices_has_their_mean() -> None:
    house = flat_house([1000.0] * 2, step_s=3600.0, start="2026-11-23T06:30")
    spec = replace(LEAF, initial_soc_percent=80.0, standby_w=0.0)
    run = ReplayRun(house=house, contract=contract(), spec=spec, policy=PolicyName.NONE)
    prices = run_replay(run).records.prices
    assert prices.import_price.tolist() == pytest.approx([0.16, 0.22])


def test_an_unknown_price_is_told() -> None:
    series = parse_series(
        ["time,price", "2026-11-23T00:00:00+01:00,1", "2026-11-23T01:00:00+01:00,2"],
        "p.csv",
    )
    terms = parse_contract(
        TARIFF | {"import": {"series": "p"}}, "t.yaml", {"p": series}
    )
    run = ReplayRun(
        house=flat_house([100.0] * 12),
        contract=terms,
        spec=LEAF,
        policy=PolicyName.NONE,
    )
    with pytest.raises(
        FormatError, match=r"import: expected a price at 2026-11-23T02:00"
    ):
        run_replay(run)


def test_backup_hours() -> None:
    # 17.5 kWh above 10 %, then 20 %: at 1 kW the battery gives 1.114 kW.
    spec = replace(LEAF, initial_soc_percent=80.0, standby_w=0.0)
    run = ReplayRun(
        house=flat_house([1000.0] * 40, step_s=3600.0),
        contract=contract(),
        spec=spec,
        trips=[
            Trip(
                departure_s=at("2026-11-23T00:00"),
                return_s=at("2026-11-23T03:00"),
                energy_kwh=0.0,
                required_soc_percent=0.0,
                known_hours_before=None,
            )
        ],
        policy=PolicyName.NONE,
    )
    books = run_replay(run).books
    drain_kw = (1000.0 + LOSS.loss_w(1000.0)) / 1000.0
    assert books.backup_hours_median == pytest.approx(36.0 * 0.7 / drain_kw)
    # For three of 40 hours there is no battery at all.
    assert books.backup_hours_p5 == pytest.approx(0.0)
    run = replace(run, house=flat_house([0.0] * 24, step_s=3600.0), trips=())
    assert run_replay(run).books.backup_hours_p5 == 24.0 * 365.0


def test_starts_and_reversals_and_the_clock_of_decisions() -> None:
    clock = iter(range(100_000))
    run = ReplayRun(
        house=flat_house([1500.0] * 192),
        contract=contract(),
        spec=LEAF,
        policy=PolicyName.RULE,
    )
    books = run_replay(run, timer=lambda: float(next(clock))).books
    # Charge at night and cover by day, two days long, and the evening's charge.
    assert (books.starts, books.reversals) == (5, 4)
    assert books.decision_us_median == pytest.approx(1e6)
    assert books.plan_ms_median is None
    assert books.plan_ms_p95 is None
