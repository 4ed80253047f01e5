"""A year of random outages: what each policy carries of the house.

Two outages a month, of four hours in the mean, half of all hours in few of 12 to 72 h:
far more than most houses see, so that a year says something. `full on arrival` is a car
without any integration, `cost only` the plan without a reserve; nobody sheds for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context

from custom_components.leaf_to_home.engine.outage_house import OutageHabits
from custom_components.leaf_to_home.engine.outage_model import OutageSettings
from custom_components.leaf_to_home.engine.outage_replay import OutageBooks
from custom_components.leaf_to_home.engine.outages import RandomOutages
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName

from .scenarios import year

OUTAGES = RandomOutages(a_year=24.0, mean_h=4.0, seed=1)
HOMES = (1, 4)
DAYS = 365
# A plan is good for some hours, and a year has many.
PLAN_EVERY_S = 3 * 3600.0
POLICIES = {
    "full on arrival": PolicyName.NONE,
    "cost only": PolicyName.AUTOMATIC,
    "rule": PolicyName.RULE,
    "automatic": PolicyName.AUTOMATIC,
}
COST_ONLY = "cost only"
PROCESSES = 2
_NOBODY = OutageHabits(settings=OutageSettings())


@dataclass(frozen=True, kw_only=True, slots=True)
class OutageResult:
    """What one policy came to in one house, in `days`."""

    house: str
    policy: str
    days: int
    backup_hours_p5: float
    backup_hours_median: float
    books: OutageBooks


def outage_results(days: int = DAYS) -> list[OutageResult]:
    """Play the year of each house with each policy."""
    jobs = [(home, policy, days) for home in HOMES for policy in POLICIES]
    if PROCESSES < 2:
        return [_play(job) for job in jobs]
    with get_context("fork").Pool(PROCESSES) as pool:
        return pool.map(_play, jobs, chunksize=1)


def _play(job: tuple[int, str, int]) -> OutageResult:
    home, policy, days = job
    scenario = year(home, days)
    run = scenario.run
    house = run.house
    spec = run.spec
    if policy == COST_ONLY:
        spec = replace(spec, reserve_percent=spec.min_soc_percent)
    result = run_replay(
        replace(
            run,
            spec=spec,
            policy=POLICIES[policy],
            plan_every_s=PLAN_EVERY_S,
            outages=OUTAGES.between(house.times_s[0], house.times_s[-1]),
            habits=OutageHabits() if policy in ("rule", "automatic") else _NOBODY,
        )
    )
    assert result.outage_books is not None
    return OutageResult(
        house=scenario.name,
        policy=policy,
        days=len(house.days),
        backup_hours_p5=result.books.backup_hours_p5,
        backup_hours_median=result.books.backup_hours_median,
        books=result.outage_books,
    )


def table(results: Sequence[OutageResult]) -> str:
    """Return the results as lines."""
    head = f"{'':18}" + "".join(
        f"{name:>14}"
        for name in (
            "backup h p5",
            "median",
            "with light h",
            "carried kWh",
            "weighted %",
            "of best %",
            "overloads",
        )
    )
    lines = ["", "Outages"]
    for house in dict.fromkeys(result.house for result in results):
        mine = [result for result in results if result.house == house]
        books = mine[0].books
        lines += [
            (
                f"{house}: {books.outages} outages in {mine[0].days} days "
                f"({books.outages_away} with the car away), "
                f"{books.outage_hours:.0f} h, {books.outage_load_kwh:.0f} kWh"
            ),
            head,
        ]
        for result in mine:
            found = result.books
            cells = (
                f"{result.backup_hours_p5:14.1f}{result.backup_hours_median:14.1f}"
                f"{found.outage_lit_hours:14.1f}{found.outage_served_kwh:14.1f}"
                f"{_percent(found.outage_weighted_share):>14}"
                f"{_percent(found.outage_priority_share):>14}{found.outage_trips:14}"
            )
            lines.append(f"  {result.policy:16}{cells}")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100.0 * share:.1f}"
