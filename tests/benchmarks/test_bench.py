"""The benchmark on a short span: bounds hold, and the table says what is what."""

from dataclasses import replace
import json
from pathlib import Path

import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve
from custom_components.leaf_to_home.engine.outages import RandomOutages
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_planner import (
    ForecastName,
    PriceKnowledge,
)
from custom_components.leaf_to_home.engine.replay_run import ReplayRun
from custom_components.leaf_to_home.engine.tariff import PriceSeries
from tests.engine.replays import LEAF, contract, flat_house

pytest.importorskip("highspy", reason="the benchmark group is not installed")

from benchmarks import outages as outages_bench, scenarios
from benchmarks.deterministic import deterministic, table as gap_table
from benchmarks.forecast_judge import forecast_loss
from benchmarks.judge import bounds_of, judge
from benchmarks.oracle import foresee
from benchmarks.scenarios import CASES, Scenario
from scripts.tools import bench_command
from tests.engine.test_planning import SERIES, TRIPS, day_ahead, house

LINEAR = replace(
    LEAF,
    charge_loss=LossCurve(linear=0.07),
    discharge_loss=LossCurve(linear=1.0 / 0.93 - 1.0),
    min_power_w=0.0,
    start_delay_s=0.0,
    ramp_w_per_s=0.0,
    standby_w=0.0,
)


def scenario(**changes: object) -> Scenario:
    run = ReplayRun(
        house=house(),
        contract=contract(),
        spec=LINEAR,
        trips=[replace(trip, known_hours_before=200.0) for trip in TRIPS],
    )
    return Scenario(name="small", run=replace(run, **changes))  # type: ignore[arg-type]


def test_no_policy_beats_foresight() -> None:
    case = scenario()
    bounds = bounds_of(case)
    assert bounds.foresight < bounds.smart < bounds.naive
    for policy in ("rule", "mpc", "planner", "perfect-load"):
        result = judge(case, policy, bounds)
        assert result.percent <= 100.0 + 0.05
        assert result.departures_short == 0


def test_the_deterministic_plan_comes_close_to_the_program() -> None:
    run = replace(
        scenario(trips=()).run,
        forecast=ForecastName.PERFECT,
        price_knowledge=PriceKnowledge.ALL,
    )
    oracle = foresee(run)
    naive = bounds_of(Scenario(name="small", run=run)).naive
    cost = run_replay(run).books.total_cost
    assert (naive - cost) / (naive - oracle.total_cost) >= 0.995


def test_a_trip_may_end_below_the_reserve_and_the_limit_is_counted() -> None:
    tight = contract(import_limit_kw=2.0)
    case = scenario(
        contract=tight, trips=[replace(TRIPS[0], energy_kwh=16.0)], spec=LEAF
    )
    found = foresee(case.run)
    assert found.short_kwh == pytest.approx(0.0, abs=1e-6)
    assert found.windows_over >= 0
    capacity = contract(capacity={"price_per_kw_month": 5.0, "window_min": 60})
    dear = foresee(scenario(contract=capacity).run)
    assert dear.total_cost > foresee(scenario().run).total_cost


@pytest.mark.parametrize(("energy_kwh", "uses"), [(16.0, False), (2.0, True)])
def test_foresight_leaves_what_came_home_below_the_reserve(
    energy_kwh: float, uses: bool
) -> None:
    rows = house(1)
    # Too slow to come back above the reserve within the run.
    slow = replace(LINEAR, max_charge_w=300.0)
    trip = replace(
        TRIPS[0],
        departure_s=rows.times_s[0],
        return_s=rows.times_s[1],
        energy_kwh=energy_kwh,
        required_soc_percent=45.0,
    )
    run = scenario(house=rows, spec=slow, trips=[trip]).run
    whole, charging = (foresee(run, discharge=on).total_cost for on in (True, False))
    assert whole <= charging + 1e-6
    assert bool(whole < charging - 0.1) is uses


@pytest.mark.parametrize("series", [None, SERIES])
def test_the_plan_made_once_comes_close_to_the_program(
    series: PriceSeries | None,
) -> None:
    case = scenario(spec=LEAF)
    if series is not None:
        priced = replace(case.run.contract.site, tariff=day_ahead(series))
        case = scenario(spec=LEAF, contract=replace(case.run.contract, site=priced))
    gap = deterministic(case)
    assert gap.program_saving > 0.5
    assert -0.01 <= gap.bare_percent <= 0.5
    assert gap.departures_short == 0
    shown = gap_table([gap])
    assert "small" in shown
    assert "above" not in shown


def test_a_plan_by_the_minute_is_made_on_quarter_hours() -> None:
    rows = flat_house([300.0, 3300.0] * 720, step_s=60.0, start="2026-11-23T00:00")
    gap = deterministic(
        scenario(house=rows, trips=(), contract=contract(import_limit_kw=2.0))
    )
    assert gap.windows_over == gap.windows_unholdable == 0
    assert gap.percent == pytest.approx(gap.bare_percent, abs=0.5)


def test_the_command_prints_the_table_and_writes_json(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def small(days: int) -> Scenario:
        assert days == bench_command.QUICK_DAYS
        return replace(scenario(), stands_in=True, in_mean=days > 0)

    def portable(_days: int) -> Scenario:
        return replace(scenario(trips=()), name="other", in_mean=False)

    monkeypatch.setitem(CASES, "emhass-bands", small)
    monkeypatch.setitem(CASES, "portable", portable)
    monkeypatch.setattr(bench_command, "PROCESSES", 1)
    file = tmp_path / "bench.json"
    arguments = ["--quick", "--section", "planners", "--policy", "rule"]
    arguments += ["--section", "deterministic"]
    arguments += ["--scenario", "emhass-bands", "--scenario", "portable"]
    assert bench_command.main([*arguments, "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "small *" in shown
    assert "EUR" in shown
    assert "the seeded house stands in" in shown
    report = json.loads(file.read_text("utf-8"))
    assert report["planners"][0]["results"][0]["policy"] == "foresight"
    assert [gap["scenario"] for gap in report["deterministic"]] == ["small", "other"]


def test_a_time_of_outages_is_played_with_every_policy(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outages = RandomOutages(a_year=300.0, mean_h=2.0, seed=1)
    monkeypatch.setattr(scenarios, "DATA", tmp_path)
    monkeypatch.setattr(outages_bench, "OUTAGES", outages)
    monkeypatch.setattr(outages_bench, "HOMES", (1,))
    monkeypatch.setattr(outages_bench, "PROCESSES", 1)
    monkeypatch.setattr(bench_command, "QUICK_DAYS", 4)
    file = tmp_path / "bench.json"
    arguments = ["--quick", "--section", "outages", "--json", str(file)]
    assert bench_command.main(arguments) == 0
    assert "of best %" in capsys.readouterr().out
    found = {one["policy"]: one for one in json.loads(file.read_text())["outages"]}
    assert list(found) == ["full on arrival", "cost only", "rule", "automatic"]
    assert all(one["books"]["outages"] >= 2 for one in found.values())
    assert 0.5 < found["automatic"]["books"]["outage_priority_share"] <= 1.0


def test_plan_time_and_engine_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CASES, "home1-bands", lambda _days: scenario(trips=()))
    monkeypatch.setattr(bench_command, "EXECUTION_DAYS", 1)
    # Second by second it would compute for a minute.
    monkeypatch.setattr(bench_command, "EXECUTE_STEP_S", 15.0)
    monkeypatch.setattr(bench_command, "REPEATS", 1)
    assert bench_command.main(["--section", "growth", "--section", "engine"]) == 0
    shown = capsys.readouterr().out
    assert "7 days, one unit" in shown
    assert "one decision, rule" in shown
    assert "dead time 10 s" in shown


def test_the_forecast_is_judged_on_days_that_it_did_not_know(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(scenarios, "DATA", tmp_path)
    weeks = replace(CASES["home1-bands"](bench_command.QUICK_DAYS), name="a house")
    monkeypatch.setitem(CASES, "home1-bands", lambda _days: weeks)
    arguments = ["--section", "forecast", "--scenario", "home1-bands"]
    assert bench_command.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "a house *" in shown
    loss = forecast_loss(weeks)
    assert 0.0 < loss.own_w < loss.week_w
    assert 0.0 < loss.week_quantiles_w < loss.week_w
    assert loss.better_percent >= 10.0


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_scenario_can_be_made_without_recordings(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scenarios, "DATA", tmp_path)
    monkeypatch.setattr(scenarios, "one_minute_house", lambda: None)
    case = CASES[name](1)
    assert case.stands_in
    assert len(case.run.house.days) == 1
