"""The command line of scripts/bench: the planners' table, and the engine's figures."""

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
import json
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
import sys
from time import perf_counter, process_time
import tracemalloc

from benchmarks.deterministic import deterministic, table as gap_table
from benchmarks.emhass_peer import ABOUT_TRIPS, NOTES, PEER_CASES
from benchmarks.forecast_judge import forecast_loss, table as losses_table
from benchmarks.history import history_figures
from benchmarks.home_assistant import measure, report as cost_lines
from benchmarks.judge import (
    ANALYSES,
    PEERS,
    POLICIES,
    Result,
    bounds_of,
    can_judge,
    judge,
    reference,
)
from benchmarks.outages import outage_results, table as outages_table
from benchmarks.scenarios import CASES, parked, unit
from benchmarks.tasks import example_tasks
from custom_components.leaf_to_home.engine.battery import LossCurve
from custom_components.leaf_to_home.engine.planning import plan_together
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.trips import Trip

DAYS = 60
QUICK_DAYS = 10
# Those that differ in load and sun, and not only in price.
HOUSES = ("emhass-bands", "emhass-dynamic", "home1-bands", "home4-bands")
QUICK_CASES = ("emhass-bands", "home1-dynamic", "commuter-unannounced", "portable")
PROCESSES = 2
REPEATS = 15
# Second by second every day takes a while.
EXECUTION_DAYS = 3
EXECUTE_STEP_S = 1.0
SECTIONS = (
    "planners",
    "deterministic",
    "forecast",
    "growth",
    "engine",
    "outages",
    "history",
    "home-assistant",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """The results of one scenario."""

    name: str
    title: str
    currency: str
    in_mean: bool
    stands_in: bool
    windows_unholdable: int
    results: tuple[Result, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0."""
    options = _filled(_parser().parse_args(arguments))
    report: dict[str, object] = {"days": options.days}
    if "planners" in options.sections:
        cases = _judge_all(options)
        print(_table(cases, options.policies))
        if options.peer:
            print(f"\n{NOTES}")
        report["planners"] = [asdict(case) for case in cases]
    if "deterministic" in options.sections:
        gaps = [deterministic(CASES[name](options.days)) for name in options.scenarios]
        print(gap_table(gaps))
        report["deterministic"] = [asdict(gap) for gap in gaps]
    if "forecast" in options.sections:
        losses = [forecast_loss(CASES[name](options.days)) for name in options.houses]
        print(losses_table(losses))
        report["forecast"] = [asdict(loss) for loss in losses]
    if "growth" in options.sections:
        growth = plan_growth()
        print(_lines("Plan time and memory", growth))
        report["growth"] = growth
    if "engine" in options.sections:
        engine = engine_figures()
        print(_lines("Engine", engine))
        report["engine"] = engine
    if "outages" in options.sections:
        outages = outage_results(**({"days": QUICK_DAYS} if options.quick else {}))
        print(outages_table(outages))
        report["outages"] = [asdict(result) for result in outages]
    if "history" in options.sections:
        history = asyncio.run(history_figures())
        print(_lines("A year in a recorder", history))
        report["history"] = history
    if "home-assistant" in options.sections:
        cost = asyncio.run(measure())
        print(f"Home Assistant\n{cost_lines(cost)}")
        report["home_assistant"] = asdict(cost)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure planners, plan time and the engine; all figures are "
        "ratios or medians.",
    )
    parser.add_argument(
        "--days", type=int, metavar="N", help=f"days of each scenario ({DAYS})"
    )
    parser.add_argument(
        "--scenario",
        dest="scenarios",
        action="append",
        choices=list(CASES),
        help="run only this one (may be given again)",
    )
    parser.add_argument(
        "--policy",
        dest="policies",
        action="append",
        choices=[*POLICIES, *ANALYSES],
        help="run only this one (may be given again)",
    )
    parser.add_argument(
        "--section",
        dest="sections",
        action="append",
        choices=SECTIONS,
        help="measure only this (may be given again)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_DAYS} days of {', '.join(QUICK_CASES)}",
    )
    parser.add_argument(
        "--peer",
        choices=["emhass"],
        help="only this: EMHASS itself beside the others, with the car at home all "
        "the time; installs it into a cache",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    return parser


def _filled(options: argparse.Namespace) -> argparse.Namespace:
    """Fill in what was not given."""
    quick = options.quick
    options.days = options.days or (QUICK_DAYS if quick else DAYS)
    cases: Iterable[str] = PEER_CASES if options.peer else CASES
    options.scenarios = options.scenarios or list(QUICK_CASES if quick else cases)
    options.policies = options.policies or list(POLICIES)
    options.houses = [name for name in options.scenarios if name in HOUSES]
    if options.peer:
        options.policies += PEERS
        options.sections = ["planners"]
    options.sections = options.sections or list(SECTIONS)
    return options


def _judge_all(options: argparse.Namespace) -> list[Case]:
    peer = options.peer is not None
    jobs = [(name, options.days, options.policies, peer) for name in options.scenarios]
    if PROCESSES < 2:
        return [_judge_case(job) for job in jobs]
    cases = []
    with get_context("fork").Pool(PROCESSES) as pool:
        for case in pool.imap(_judge_case, jobs):
            print(f"{case.title}: done", file=sys.stderr)
            cases.append(case)
    return cases


def _judge_case(job: tuple[str, int, Sequence[str], bool]) -> Case:
    name, days, policies, peer = job
    scenario = CASES[name](days)
    if peer and name not in ABOUT_TRIPS:
        scenario = parked(scenario)
    bounds = bounds_of(scenario)
    results = [*reference(scenario, bounds)]
    results += [
        judge(scenario, policy, bounds)
        for policy in policies
        if can_judge(scenario, policy)
    ]
    return Case(
        name=name,
        title=scenario.name,
        currency=scenario.run.contract.site.tariff.currency,
        in_mean=scenario.in_mean,
        stands_in=scenario.stands_in,
        windows_unholdable=bounds.windows_over,
        results=tuple(results),
    )


def _table(cases: Sequence[Case], policies: Sequence[str]) -> str:
    names = ("smart charging", *policies)
    lines = [
        "% of the saving between charging on arrival and perfect foresight",
        f"{'':38}" + "".join(f"{name:>16}" for name in names),
    ]
    for case in cases:
        results = {result.policy: result for result in case.results}
        cells = "".join(f"{_cell(case, results.get(name)):>16}" for name in names)
        mark = " *" if case.stands_in else ""
        lines.append(f"{case.title + mark:38}{cells}")
    lines.append(f"{'mean':38}" + "".join(f"{_mean(cases, n):>16}" for n in names))
    lines += ["", f"{'':38}" + "".join(f"{name:>16}" for name in policies)]
    for label in ("departures short", "windows over", "starts a day", "plan ms"):
        lines.append(label)
        for case in cases:
            results = {result.policy: result for result in case.results}
            cells = "".join(f"{_figure(results.get(p), label):>16}" for p in policies)
            title = case.title
            if label == "windows over" and case.windows_unholdable:
                title += f" ({case.windows_unholdable} must)"
            lines.append(f"  {title:36}{cells}")
    if any(case.stands_in for case in cases):
        lines.append("* the recording is absent: the seeded house stands in")
    return "\n".join(lines)


def _figure(result: Result | None, label: str) -> str:
    if result is None:
        return "–"
    if label == "departures short":
        return str(result.departures_short)
    if label == "windows over":
        return str(result.windows_over)
    value = result.starts_a_day if label == "starts a day" else result.plan_ms
    return "–" if value is None else f"{value:.1f}"


def _cell(case: Case, result: Result | None) -> str:
    if result is None:
        return "–"
    if case.in_mean or case.name.startswith(("commuter", "limit")):
        return f"{result.percent:.1f}"
    return f"{result.saving:.2f} {case.currency}"


def _mean(cases: Sequence[Case], policy: str) -> str:
    """Return the mean over the cases that every policy could be judged on."""
    most = max(len(case.results) for case in cases)
    values = [
        result.percent
        for case in cases
        if case.in_mean and len(case.results) == most
        for result in case.results
        if result.policy == policy
    ]
    return f"{fmean(values):.1f}" if values else "–"


def plan_growth() -> Mapping[str, float]:
    """Return how plan time grows with horizon and units, and what a plan needs.

    Times are of the processor, so that a busy machine does not count.
    """

    def ms(hours: float, units: int) -> float:
        tasks = example_tasks(hours=hours, units=units)
        times = []
        for _ in range(REPEATS):
            begun_s = process_time()
            plan_together(tasks, 0.0)
            times.append((process_time() - begun_s) * 1e3)
        return median(times)

    tasks = example_tasks(hours=48.0, units=2)
    tracemalloc.start()
    plan_together(tasks, 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "48 h, one unit (ms)": ms(48.0, 1),
        "48 h, LEAF and portable (ms)": ms(48.0, 2),
        "7 days, one unit (ms)": ms(168.0, 1),
        "memory of a plan, two units (MB)": peak / 1e6,
    }


def engine_figures() -> Mapping[str, float]:
    """Return what decisions take, and what execution costs against the ideal run."""
    run = CASES["home1-bands"](DAYS).run
    begun_s = perf_counter()
    books = run_replay(replace(run, policy=PolicyName.RULE), timer=perf_counter).books
    whole_s = perf_counter() - begun_s
    assert books.decision_us_median is not None
    figures = {
        "one decision, rule (µs)": books.decision_us_median,
        "60 days at 15 minutes, rule (s)": whole_s * 60 * 96 / (books.days * 24),
    }
    figures |= _execution(run)
    return figures


def _execution(run: ReplayRun) -> Mapping[str, float]:
    """Return the share of the saving that real execution costs, step by step.

    The rule on a few days: ideal at the rows of the house, then with the loss curve,
    then second by second, then with a dead time of 10 s.
    """
    rows = run.house
    count = EXECUTION_DAYS * round(86400.0 / rows.step_s)
    house = replace(
        rows,
        times_s=rows.times_s[:count],
        load_w=rows.load_w[:count],
        solar_w=rows.solar_w[:count],
        days=rows.days[:EXECUTION_DAYS],
        past=None,
    )
    trips: tuple[Trip, ...] = ()
    real = unit("leaf-40")
    ideal = replace(
        real,
        charge_loss=LossCurve(linear=0.07),
        discharge_loss=LossCurve(linear=1.0 / 0.93 - 1.0),
        start_delay_s=0.0,
        ramp_w_per_s=0.0,
    )
    base = replace(run, house=house, trips=trips, policy=PolicyName.RULE)
    naive = run_replay(replace(base, policy=PolicyName.NONE, spec=ideal)).books
    savings = {}
    for name, changed in (
        ("ideal", replace(base, spec=ideal)),
        ("loss curve", replace(base, spec=real)),
        ("one second", replace(base, spec=real, execute_step_s=EXECUTE_STEP_S)),
        (
            "dead time 10 s",
            replace(base, spec=real, execute_step_s=EXECUTE_STEP_S, dead_time_s=10.0),
        ),
    ):
        savings[name] = naive.total_cost - run_replay(changed).books.total_cost
    whole = savings["ideal"]
    return {
        f"saving kept with {name} (%)": 100.0 * saving / whole
        for name, saving in savings.items()
        if name != "ideal"
    }


def _lines(title: str, figures: Mapping[str, float]) -> str:
    rows = [f"  {name:44}{value:10.1f}" for name, value in figures.items()]
    return "\n".join(["", title, *rows])
