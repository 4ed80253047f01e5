"""What plans cannot meet: what it is, when it is news, and when it is structural."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .basis import Basis
from .model import Departure, ReasonCode
from .plan import Plan


class Problem(StrEnum):
    """What can be wrong with the plans of a home, the worst first.

    `failed`: none could be made. `late`: making one takes too long.
    """

    FAILED = "failed"
    LATE = "late"
    DEPARTURE = "departure"
    RESERVE = "reserve"
    IMPORT_LIMIT = "import_limit"


# A problem found on so many of the last days is structural.
STRUCTURAL_DAYS = 3
WITHIN_DAYS = 5
# It is over after a whole day without it: a car is not always at home.
QUIET_DAYS = 1
# One that comes and goes with each plan is told once.
OVER_S = 3600.0
# Nearer than this a departure or a limit is met, percent and W.
NEAR_PERCENT = 1.0
NEAR_W = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A problem with its numbers; `unit` is None where it is the home's."""

    problem: Problem
    unit: str | None = None
    time_s: float | None = None
    wanted: float | None = None
    expected: float | None = None


def findings(
    plans: Mapping[str, Plan],
    made_for: Basis,
    departures: Mapping[str, tuple[Departure, ...]],
) -> list[Finding]:
    """Return what the plans cannot meet, the worst first."""
    found = []
    for key, plan in plans.items():
        if ReasonCode.DEPARTURE in plan.problems:
            found += _departures(key, plan, departures.get(key, ()))
        if ReasonCode.RESERVE in plan.problems:
            found.append(
                Finding(
                    problem=Problem.RESERVE,
                    unit=key,
                    wanted=made_for.units[key].reserve_percent,
                    expected=plan.steps[-1].soc_percent,
                )
            )
    found += _import_limit(plans, made_for.import_limit_w)
    order = list(Problem)
    return sorted(found, key=lambda finding: order.index(finding.problem))


def _departures(
    key: str, plan: Plan, departures: tuple[Departure, ...]
) -> list[Finding]:
    """Return each departure that is not met; one without numbers where none shows."""
    found = [
        Finding(
            problem=Problem.DEPARTURE,
            unit=key,
            time_s=departure.time_s,
            wanted=departure.soc_percent,
            expected=expected,
        )
        for departure in departures
        if (expected := plan.soc_percent_at(_due_s(departure, departures))) is not None
        and expected < departure.soc_percent - NEAR_PERCENT
    ]
    return found or [Finding(problem=Problem.DEPARTURE, unit=key)]


def _due_s(departure: Departure, departures: tuple[Departure, ...]) -> float:
    """Return when it is met or not: what is asked while away, as that trip begins."""
    at_s = departure.time_s
    if departure.back_s != at_s:
        return at_s
    trips = (trip for trip in departures if trip.time_s < at_s < trip.away_until_s)
    return min((trip.time_s for trip in trips), default=at_s)


def _import_limit(plans: Mapping[str, Plan], limit_w: float | None) -> list[Finding]:
    """Return where the user's own limit is not kept.

    A new month's peak under a capacity tariff is a cost and no problem. The last plan
    is the one that stands on what all other units do.
    """
    if limit_w is None or not plans:
        return []
    worst = max(list(plans.values())[-1].steps, key=lambda step: step.grid_w)
    if worst.grid_w <= limit_w + NEAR_W:
        return []
    return [
        Finding(
            problem=Problem.IMPORT_LIMIT,
            time_s=worst.start_s,
            wanted=limit_w,
            expected=worst.grid_w,
        )
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a look at the problems came to.

    `arisen` are those to tell now, `solved`: all that was told is over, `structural`
    are those that stand for days.
    """

    arisen: tuple[Problem, ...] = ()
    solved: bool = False
    structural: frozenset[Problem] = frozenset()


@dataclass(kw_only=True, slots=True)
class ProblemLog:
    """When each problem was found; kept over restarts.

    `told_s` maps those that were told and are not over to when they were found last,
    `days` to the last local days (ordinals) on which they were found.
    """

    told_s: dict[str, float] = field(default_factory=dict)
    days: dict[str, list[int]] = field(default_factory=dict)

    def see(
        self, problems: Collection[Problem], now_s: float, day: int, *, anew: bool
    ) -> Verdict:
        """Take in what is wrong now; `anew`: somebody has changed what plans go by.

        What a change has put right is over at once.
        """
        arisen = tuple(p for p in Problem if p in problems and p not in self.told_s)
        told = bool(self.told_s)
        for problem in Problem:
            if problem in problems:
                self.told_s[problem] = now_s
                self._found_on(problem, day)
            else:
                self._forget(problem, now_s, day, anew=anew)
        return Verdict(
            arisen=arisen,
            solved=told and not self.told_s,
            structural=frozenset(
                p for p in Problem if len(self.days.get(p, ())) >= STRUCTURAL_DAYS
            ),
        )

    def _found_on(self, problem: Problem, day: int) -> None:
        days = self.days.get(problem, [])
        self.days[problem] = [
            *(each for each in days if day - WITHIN_DAYS < each < day),
            day,
        ]

    def _forget(self, problem: Problem, now_s: float, day: int, *, anew: bool) -> None:
        found_s = self.told_s.get(problem)
        # A clock that was set back ends the wait.
        if found_s is not None and (anew or not 0.0 <= now_s - found_s < OVER_S):
            del self.told_s[problem]
        days = self.days.get(problem)
        if days and (anew or not 0 <= day - days[-1] <= QUIET_DAYS):
            del self.days[problem]
