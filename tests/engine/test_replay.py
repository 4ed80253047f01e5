"""The replay: whole runs, with their traces recomputed by other code."""

import csv
from dataclasses import replace
from datetime import date, datetime
import gzip
from itertools import pairwise
import math
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.leaf_to_home.engine.formats import FormatError, parse_contract
from custom_components.leaf_to_home.engine.records import TRACE_COLUMNS, trace_lines
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.tables import (
    HouseRun,
    parse_house,
    parse_series,
)
from custom_components.leaf_to_home.engine.trips import Commuter, Trip
from tests.engine.replays import LEAF, MADRID, at, check, contract, seeded_house

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"recorded houses are not at {SHARED}"
)
# --- whole runs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def week() -> HouseRun:
    """Eight days over the end of summer time."""
    return seeded_house(8)


@pytest.mark.parametrize("policy", [PolicyName.NONE, PolicyName.RULE])
@pytest.mark.parametrize("trips", ["none", "commuter"])
def test_the_trace_of_the_seeded_house_balances(
    week: HouseRun, policy: PolicyName, trips: str
) -> None:
    commuter = Commuter(3, MADRID, capacity_kwh=36.0)
    run = ReplayRun(
        house=week,
        contract=contract(),
        spec=LEAF,
        trips=(
            commuter.between(week.times_s[0], week.times_s[-1])
            if trips == "commuter"
            else ()
        ),
        policy=policy,
    )
    replay = run_replay(run)
    check(run, replay)
    assert replay.books.main_limit_violations == 0
    assert replay.books.reserve_violations == 0
    if policy is not PolicyName.NONE:
        baseline = run_replay(replace(run, policy=PolicyName.NONE))
        assert replay.books.total_cost < baseline.books.total_cost - 1.0
        assert replay.books.discharged_kwh > 20.0


@pytest.mark.parametrize(("dead_time_s", "execute_step_s"), [(10.0, 5.0), (0.0, 60.0)])
def test_executed_in_seconds(
    week: HouseRun, dead_time_s: float, execute_step_s: float
) -> None:
    day = replace(
        week,
        times_s=week.times_s[:96],
        load_w=week.load_w[:96],
        solar_w=week.solar_w[:96],
    )
    run = ReplayRun(
        house=day,
        contract=contract(),
        spec=LEAF,
        policy=PolicyName.RULE,
        dead_time_s=dead_time_s,
        execute_step_s=execute_step_s,
    )
    calls: list[tuple[int, int]] = []
    replay = run_replay(run, progress=lambda done, total: calls.append((done, total)))
    rows = round(86400 / execute_step_s)
    assert len(replay.records.times_s) == rows
    assert calls[-1] == (rows, rows)
    check(run, replay)
    ideal = run_replay(replace(run, dead_time_s=0.0, execute_step_s=None))
    assert replay.books.total_cost == pytest.approx(ideal.books.total_cost, abs=0.3)


@pytest.mark.parametrize("step_s", [0.0, 7.0, 1800.0])
def test_an_executed_step_must_fit(week: HouseRun, step_s: float) -> None:
    run = ReplayRun(
        house=week,
        contract=contract(),
        spec=LEAF,
        policy=PolicyName.RULE,
        execute_step_s=step_s,
    )
    with pytest.raises(FormatError, match=r"execute-step: expected a part of .* 900 s"):
        run_replay(run)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_house_balances(data: st.DataObject) -> None:
    draw = data.draw
    count = draw(st.integers(4, 60))
    step_s = draw(st.sampled_from((60.0, 900.0, 1800.0, 3600.0)))
    start_s = at(draw(st.sampled_from(("2026-10-24T20:00", "2026-03-28T22:00"))))
    house = HouseRun(
        step_s=step_s,
        times_s=[start_s + step_s * k for k in range(count)],
        load_w=draw(st.lists(st.floats(0, 9000), min_size=count, max_size=count)),
        solar_w=draw(st.lists(st.floats(0, 6000), min_size=count, max_size=count)),
        days=("d",),
        days_left_out=(),
    )
    begin = draw(st.floats(0.0, 1.0)) * (count - 1) * step_s + house.times_s[0]
    trips = [
        Trip(
            departure_s=begin,
            return_s=begin + draw(st.floats(1.0, 20000.0)),
            energy_kwh=draw(st.floats(0.0, 40.0)),
            required_soc_percent=draw(st.floats(0.0, 100.0)),
            known_hours_before=draw(st.sampled_from((None, 0.5, 24.0))),
        )
    ]
    run = ReplayRun(
        house=house,
        contract=contract(main_limit_w=draw(st.sampled_from((None, 7000)))),
        spec=replace(LEAF, initial_soc_percent=draw(st.floats(0.0, 100.0))),
        trips=trips,
        policy=draw(st.sampled_from((PolicyName.NONE, PolicyName.RULE))),
        dead_time_s=draw(st.sampled_from((0.0, 20.0))),
        execute_step_s=draw(st.sampled_from((None, step_s / 4.0))),
    )
    check(run, run_replay(run))


def test_backup_hours_against_a_plain_walk(week: HouseRun) -> None:
    run = ReplayRun(house=week, contract=contract(), spec=LEAF, policy=PolicyName.RULE)
    replay = run_replay(run)
    records = replay.records
    hours = []
    loads = [min(load, 6000.0) for load in records.load_w]
    stored = [18.0, *records.stored_kwh]
    for begin in range(0, len(loads) // 2, 4):
        left = (stored[begin] - 3.6) * 4000.0
        at_row = begin
        hours_of_row = 0.0
        while at_row < len(loads) and left > 0.0:
            load = loads[at_row]
            drain = load + 80.0 + 0.03 * load + 0.004 * load * load / 1000.0
            hours_of_row = min(1.0, left / drain)
            left -= drain
            at_row += 1
        hours.append((at_row - begin - 1 + hours_of_row) / 4.0)
    half = replace(
        run,
        house=replace(
            week,
            times_s=week.times_s[: len(loads) // 2],
            load_w=week.load_w[: len(loads) // 2],
            solar_w=week.solar_w[: len(loads) // 2],
        ),
    )
    # Where the run ends its mean load goes on, so only the middle of it is the same.
    assert median(hours) == pytest.approx(
        run_replay(half).books.backup_hours_median, rel=0.25
    )
    assert replay.books.backup_hours_p5 <= replay.books.backup_hours_median


def test_the_trace_has_its_columns_and_the_rows_of_the_run(week: HouseRun) -> None:
    run = ReplayRun(house=week, contract=contract(), spec=LEAF, policy=PolicyName.RULE)
    lines = list(trace_lines(run_replay(run).records, MADRID, 36.0))
    rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == TRACE_COLUMNS
    assert [datetime.fromisoformat(row["time"]).timestamp() for row in rows] == list(
        week.times_s
    )
    assert {row["intent"] for row in rows} <= {"charge", "absorb", "hold", "cover"}
    offsets = {row["time"][-6:] for row in rows}
    assert offsets == {"+01:00", "+02:00"}
    for row in rows:
        assert all(math.isfinite(float(row[name])) for name in TRACE_COLUMNS[1:9])


# --- recorded houses -----------------------------------------------------------------


def shared_house(name: str, zone: ZoneInfo, **span: Any) -> HouseRun:
    path = SHARED / f"{name}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return parse_house(file, path.name).run(zone, **span)


@needs_shared
@pytest.mark.parametrize("trips", [False, True])
def test_the_emhass_house_balances_and_saves(trips: bool) -> None:
    house = shared_house("emhass/house", MADRID, start=date(2024, 3, 10), days=60)
    commuter = Commuter(1, MADRID, capacity_kwh=36.0)
    run = ReplayRun(
        house=house,
        contract=contract(),
        spec=LEAF,
        trips=(commuter.between(house.times_s[0], house.times_s[-1]) if trips else ()),
        policy=PolicyName.RULE,
    )
    replay = run_replay(run)
    check(run, replay)
    assert len(house.days) + len(house.days_left_out) == 60
    assert "2024-03-12" in house.days_left_out
    days = {
        datetime.fromtimestamp(time_s, MADRID).date().isoformat()
        for time_s in replay.records.times_s
    }
    assert days == set(house.days)
    baseline = run_replay(replace(run, policy=PolicyName.NONE))
    assert replay.books.total_cost < 0.8 * baseline.books.total_cost
    assert replay.books.reserve_violations == 0


@needs_shared
@pytest.mark.parametrize("prices", ["price_bands", "price_hourly"])
def test_the_citylearn_house_with_a_published_series(prices: str) -> None:
    zone = ZoneInfo("Etc/GMT+8")
    path = SHARED / "citylearn" / f"{prices}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        series = parse_series(file, path.name)
    terms = parse_contract(
        {
            "currency": "USD",
            "timezone": zone.key,
            "import": {"series": "p"},
            "published": {"at": "13:00"},
            "import_limit_kw": 6,
            "main_limit_w": 12_000,
        },
        "t.yaml",
        {"p": series},
    )
    house = shared_house("citylearn/home1", zone, start=date(2022, 8, 1), days=30)
    assert len(house.times_s) == 30 * 24
    run = ReplayRun(house=house, contract=terms, spec=LEAF, policy=PolicyName.RULE)
    replay = run_replay(run)
    check(run, replay)
    assert replay.books.main_limit_violations == 0
    baseline = run_replay(replace(run, policy=PolicyName.NONE))
    assert replay.books.total_cost < baseline.books.total_cost
    for before, after in pairwise(replay.records.times_s):
        assert after - before == 3600.0
