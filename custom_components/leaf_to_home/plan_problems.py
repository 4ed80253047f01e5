"""Tells what plans cannot meet: an event when it is new, a repair when it stays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.util import dt as dt_util

from .engine.problems import Finding, Problem, ProblemLog
from .engine.requirement import LATE_S
from .health import HomeHealth

SOLVED: Final = "solved"
NO_PROBLEM: Final = "none"

# What was told is looked at this often: how long it has stood, or been away.
SEEN_AGAIN_S: Final = 60.0
DAY_S: Final = 24 * 3600.0

type ProblemListener = Callable[[str, Mapping[str, Any]], None]


class PlanProblems:
    """The problems of one home's plans; `names` are those of its units."""

    def __init__(self, health: HomeHealth, names: Mapping[str, str]) -> None:
        self.log = ProblemLog()
        self.found: Sequence[Finding] = ()
        # What plans cannot meet; the rest is of units that nobody plans for.
        self.planned: Sequence[Finding] = ()
        self._unplanned: Sequence[Finding] = ()
        self._stands_for: object = None
        self._seen_s: float | None = None
        # Which departures were told; None until something was seen.
        self._told: list[Finding] | None = None
        self._health = health
        self._names = names
        self._listeners: list[ProblemListener] = []

    @property
    def worst(self) -> str:
        """Return the worst problem, `none` where there is none."""
        return self.found[0].problem if self.found else NO_PROBLEM

    @callback
    def async_subscribe(self, listener: ProblemListener) -> CALLBACK_TYPE:
        """Call back with each problem that is new, and once all are solved."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def async_see(
        self, found: Sequence[Finding], now_s: float, *, anew: bool = False
    ) -> None:
        """Take in what the latest plans cannot meet; `anew`: after a change."""
        self.planned = found
        self._see(now_s, anew=anew)

    @callback
    def async_see_unplanned(
        self, found: Sequence[Finding], now_s: float, stands_for: object
    ) -> None:
        """Take in what cannot be met by units that nobody plans for.

        `stands_for` is what that depends on: when the user changed it, what is put
        right is over at once.
        """
        changed = self._stands_for not in (None, stands_for)
        before = [(each.unit, each.time_s) for each in self._unplanned]
        same = before == [(each.unit, each.time_s) for each in found]
        self._stands_for, self._unplanned = stands_for, found
        # After a restart the first plans tell what still stands.
        seen_s = self._seen_s
        due = seen_s is not None and not 0.0 <= now_s - seen_s < SEEN_AGAIN_S
        if not same or (due and Problem.DEPARTURE in self.log.told_s):
            self._see(now_s, anew=changed)

    def _see(self, now_s: float, *, anew: bool) -> None:
        self._seen_s = now_s
        order = list(Problem)
        self.found = found = sorted(
            [*self.planned, *self._unplanned],
            key=lambda finding: order.index(finding.problem),
        )
        was_told = Problem.DEPARTURE in self.log.told_s
        day = dt_util.as_local(dt_util.utc_from_timestamp(now_s)).date().toordinal()
        by_problem = {finding.problem: finding for finding in reversed(found)}
        verdict = self.log.see(by_problem.keys(), now_s, day, anew=anew)
        for problem in verdict.arisen:
            if problem is not Problem.DEPARTURE:
                self._tell(problem, self.values(by_problem[problem]))
        self._tell_departures(found, now_s, was_told=was_told)
        if verdict.solved:
            self._tell(SOLVED, {})
        for problem in Problem:
            if problem not in verdict.structural:
                self._health.async_plan_in_order(problem)
            elif problem in by_problem:
                self._health.async_plan_problem(
                    problem, self._texts(by_problem[problem])
                )

    @callback
    def async_nothing_planned(self) -> None:
        """Take back what plans could not meet: nobody plans now."""
        if not self.planned:
            return
        self.planned, self.found = (), self._unplanned
        for problem in {*Problem} - {finding.problem for finding in self.found}:
            self.log.told_s.pop(problem, None)
            self._health.async_plan_in_order(problem)

    def _tell_departures(
        self, found: Sequence[Finding], now_s: float, *, was_told: bool
    ) -> None:
        """Tell each trip that cannot be met once; another one is news of its own."""
        if Problem.DEPARTURE not in self.log.told_s:
            self._told = []
            return
        after_restart = self._told is None and was_told
        told = [each for each in self._told or () if _recent(each, now_s)]
        for finding in found:
            if finding.problem is not Problem.DEPARTURE or any(
                _same_trip(finding, each) for each in told
            ):
                continue
            told.append(finding)
            if not after_restart:
                self._tell(Problem.DEPARTURE, self.values(finding))
        self._told = told

    def values(self, finding: Finding) -> dict[str, Any]:
        """Return a finding for whoever acts on it: names, an ISO time, numbers."""
        measure = "w" if finding.problem is Problem.IMPORT_LIMIT else "percent"
        values = {
            "unit": self._names.get(finding.unit) if finding.unit else None,
            "time": (
                dt_util.utc_from_timestamp(finding.time_s).isoformat()
                if finding.time_s is not None
                else None
            ),
            f"wanted_{measure}": finding.wanted,
            f"expected_{measure}": finding.expected,
        }
        return {
            key: round(value, 1) if isinstance(value, float) else value
            for key, value in values.items()
            if value is not None
        }

    def _texts(self, finding: Finding) -> dict[str, str]:
        """Return the same for a sentence."""
        at = (
            dt_util.as_local(dt_util.utc_from_timestamp(finding.time_s))
            if finding.time_s is not None
            else None
        )
        return {
            "unit": self._names.get(finding.unit or "", ""),
            "time": f"{at:%H:%M}" if at is not None else "–",
            "wanted": _number(finding.wanted),
            "expected": _number(finding.expected),
        }

    def _tell(self, kind: str, values: Mapping[str, Any]) -> None:
        for listener in list(self._listeners):
            listener(kind, values)


def _recent(finding: Finding, now_s: float) -> bool:
    return finding.time_s is None or finding.time_s > now_s - DAY_S


def _same_trip(one: Finding, other: Finding) -> bool:
    if one.unit != other.unit:
        return False
    if one.time_s is None or other.time_s is None:
        return one.time_s is other.time_s
    return abs(one.time_s - other.time_s) < LATE_S


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
