"""Runs a scenario under each policy and counts what it saves of what could be saved."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from time import perf_counter

from custom_components.leaf_to_home.engine.accounts import Books
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_planner import (
    ForecastName,
    PriceKnowledge,
)
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun

from .emhass_peer import LIVE, SET_POINTS, EmhassPeer, cannot_express
from .mpc import MeanForecastMpc
from .oracle import foresee
from .scenarios import Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One policy in one scenario; `percent` of the saving that foresight makes.

    `windows_over` and `starts_a_day` are None where nothing was executed.
    """

    scenario: str
    policy: str
    percent: float
    total_cost: float
    saving: float
    departures_short: int | None = None
    windows_over: int | None = None
    starts_a_day: float | None = None
    plan_ms: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The two lines that percentages are counted between."""

    naive: float
    foresight: float
    smart: float
    windows_over: int
    short_kwh: float


POLICIES = ("rule", "mpc", "planner")
PEERS = (SET_POINTS, LIVE)
ANALYSES = ("perfect-load", "all-prices", "perfect-all")


def bounds_of(scenario: Scenario) -> Bounds:
    """Return what charging on arrival and perfect foresight cost."""
    run = scenario.run
    naive = run_replay(replace(run, policy=PolicyName.NONE)).books
    oracle = foresee(run)
    smart = foresee(run, discharge=False)
    return Bounds(
        naive=naive.total_cost,
        foresight=oracle.total_cost,
        smart=smart.total_cost,
        windows_over=oracle.windows_over,
        short_kwh=oracle.short_kwh,
    )


def can_judge(scenario: Scenario, policy: str) -> bool:
    """Return whether the policy can be asked for this scenario."""
    return policy not in PEERS or cannot_express(scenario.run) is None


def judge(scenario: Scenario, policy: str, bounds: Bounds) -> Result:
    """Run one policy in one scenario."""
    run = scenario.run
    begun_s = perf_counter()
    books = _execute(run, policy)
    return Result(
        scenario=scenario.name,
        policy=policy,
        percent=_percent(bounds, books.total_cost),
        total_cost=books.total_cost,
        saving=bounds.naive - books.total_cost,
        departures_short=books.departures_short,
        windows_over=books.limit_violations,
        starts_a_day=books.starts / books.days,
        plan_ms=books.plan_ms_median,
        seconds=perf_counter() - begun_s,
    )


def _execute(run: ReplayRun, policy: str) -> Books:
    if policy == "rule":
        run = replace(run, policy=PolicyName.RULE)
        return run_replay(run, timer=perf_counter).books
    if policy == "mpc":
        mpc = MeanForecastMpc(run)
        return run_replay(run, planner=mpc, timer=perf_counter).books
    if policy in PEERS:
        with EmhassPeer(run, live=policy == LIVE) as peer:
            books = run_replay(run, planner=peer).books
        return replace(books, plan_ms_median=median(peer.solve_s) * 1e3)
    if policy in ("perfect-load", "perfect-all"):
        run = replace(run, forecast=ForecastName.PERFECT)
    if policy in ("all-prices", "perfect-all"):
        run = replace(run, price_knowledge=PriceKnowledge.ALL)
    return run_replay(run, timer=perf_counter).books


def _percent(bounds: Bounds, cost: float) -> float:
    return 100.0 * (bounds.naive - cost) / max(bounds.naive - bounds.foresight, 1e-9)


def reference(scenario: Scenario, bounds: Bounds) -> Sequence[Result]:
    """Return the lines that are computed and not executed."""
    return [
        Result(
            scenario=scenario.name,
            policy=name,
            percent=_percent(bounds, cost),
            total_cost=cost,
            saving=bounds.naive - cost,
            windows_over=over,
        )
        for name, cost, over in (
            ("foresight", bounds.foresight, bounds.windows_over),
            ("smart charging", bounds.smart, None),
        )
    ]


def as_json(result: Result) -> Mapping[str, object]:
    """Return a result as JSON-ready plain data."""
    return asdict(result)
