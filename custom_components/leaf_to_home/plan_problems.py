"""Tells what plans cannot meet: an event when it is new, a repair when it stays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.util import dt as dt_util

from .engine.problems import Finding, Problem, ProblemLog
from .health import HomeHealth

SOLVED: Final = "solved"
NO_PROBLEM: Final = "none"

type ProblemListener = Callable[[str, Mapping[str, Any]], None]


class PlanProblems:
    """The problems of one home's plans; `names` are those of its units."""

    def __init__(self, health: HomeHealth, names: Mapping[str, str]) -> None:
        self.log = ProblemLog()
        self.found: Sequence[Finding] = ()
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
        self.found = found
        day = dt_util.as_local(dt_util.utc_from_timestamp(now_s)).date().toordinal()
        by_problem = {finding.problem: finding for finding in reversed(found)}
        verdict = self.log.see(by_problem.keys(), now_s, day, anew=anew)
        for problem in verdict.arisen:
            self._tell(problem, self.values(by_problem[problem]))
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
        self.found = ()
        self.log.told_s.clear()
        for problem in Problem:
            self._health.async_plan_in_order(problem)

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


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
