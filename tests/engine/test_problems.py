"""What plans cannot meet: what it is, when it is news, when it is structural."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.basis import Basis, UnitBasis
from custom_components.leaf_to_home.engine.model import (
    Departure,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
)
from custom_components.leaf_to_home.engine.plan import Plan, PlannedStep
from custom_components.leaf_to_home.engine.problems import (
    OVER_S,
    STRUCTURAL_DAYS,
    Finding,
    Problem,
    ProblemLog,
    Verdict,
    findings,
)
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from tests.engine.parts import thorough

NOW_S = 1_764_000_000.0
HOUR_S = 3600.0
DAY = 739_000
BASIS = Basis(
    contract="",
    import_limit_w=None,
    units={
        key: UnitBasis(
            connected=True,
            vehicle=None,
            reserve_percent=30.0,
            max_soc_percent=95.0,
            charge_limit_w=None,
            discharge_limit_w=None,
            ready_by_minute=None,
            ready_by_soc_percent=80.0,
            departures=[],
        )
        for key in ("leaf", "other")
    },
    prices=[],
)


def plan(*problems: ReasonCode, grid_w: float = 500.0) -> Plan:
    """Return a plan of four hours that ends at 60 %, with the house at `grid_w`."""
    return Plan(
        made_s=NOW_S,
        steps=tuple(
            PlannedStep(
                start_s=NOW_S + i * HOUR_S,
                end_s=NOW_S + (i + 1) * HOUR_S,
                intent=Intent(
                    kind=IntentKind.HOLD,
                    power_w=0.0,
                    reason=Reason(code=ReasonCode.PRICE_BETWEEN),
                ),
                soc_percent=30.0 + 10.0 * i,
                unit_w=0.0,
                grid_w=grid_w + 100.0 * i,
                import_price=0.3,
                cost=0.1,
            )
            for i in range(4)
        ),
        expected_cost=0.4,
        stored_value=0.2,
        problems=problems,
    )


def test_a_departure_is_found_with_its_numbers() -> None:
    departures = (
        Departure(time_s=NOW_S + HOUR_S, soc_percent=30.5),
        Departure(time_s=NOW_S + 2 * HOUR_S, soc_percent=80.0),
    )
    found = findings({"leaf": plan(ReasonCode.DEPARTURE)}, BASIS, {"leaf": departures})
    assert found == [
        Finding(
            problem=Problem.DEPARTURE,
            unit="leaf",
            time_s=NOW_S + 2 * HOUR_S,
            wanted=80.0,
            expected=40.0,
        )
    ]
    # What is asked while it is away is met, or not, as it leaves.
    watch_s = NOW_S + 3.5 * HOUR_S
    watch = Departure(time_s=watch_s, soc_percent=45.0, back_s=watch_s)
    with_watch = (*departures, watch)
    (_, other) = findings(
        {"leaf": plan(ReasonCode.DEPARTURE)}, BASIS, {"leaf": with_watch}
    )
    assert (other.time_s, other.wanted, other.expected) == (watch_s, 45.0, 30.0)
    # A trip that the plan knows and nobody else does has no numbers.
    found = findings({"leaf": plan(ReasonCode.DEPARTURE)}, BASIS, {})
    assert found == [Finding(problem=Problem.DEPARTURE, unit="leaf")]


def test_a_reserve_that_is_not_restored() -> None:
    found = findings({"other": plan(ReasonCode.RESERVE)}, BASIS, {})
    assert found == [
        Finding(problem=Problem.RESERVE, unit="other", wanted=30.0, expected=60.0)
    ]


@pytest.mark.parametrize(
    ("limit_w", "grid_w", "exceeded"),
    [(700.0, 500.0, True), (800.0, 500.0, False), (None, 9000.0, False)],
)
def test_an_import_limit_is_the_home_s(
    limit_w: float | None, grid_w: float, exceeded: bool
) -> None:
    """A plan that does not know the other units yet proves nothing."""
    plans = {"leaf": plan(grid_w=9000.0), "other": plan(grid_w=grid_w)}
    found = findings(plans, replace(BASIS, import_limit_w=limit_w), {})
    assert [finding.problem for finding in found] == (
        [Problem.IMPORT_LIMIT] if exceeded else []
    )
    if exceeded:
        assert found[0].time_s == NOW_S + 3 * HOUR_S
        assert found[0].expected == grid_w + 300.0
        assert found[0].wanted == limit_w


def test_the_worst_comes_first() -> None:
    plans = {
        "leaf": plan(ReasonCode.RESERVE),
        "other": plan(ReasonCode.DEPARTURE, grid_w=9000.0),
    }
    found = findings(plans, replace(BASIS, import_limit_w=1.0), {})
    assert [finding.problem for finding in found] == [
        Problem.DEPARTURE,
        Problem.RESERVE,
        Problem.IMPORT_LIMIT,
    ]
    assert findings({}, replace(BASIS, import_limit_w=1.0), {}) == []


def test_a_problem_that_comes_and_goes_is_told_once() -> None:
    log = ProblemLog()
    for i in range(8):
        problems = {Problem.RESERVE} if i % 2 == 0 else set()
        verdict = log.see(problems, NOW_S + i * 900.0, DAY, anew=False)
        assert verdict.arisen == ((Problem.RESERVE,) if i == 0 else ())
        assert not verdict.solved
    # The last time was an hour ago now.
    verdict = log.see(set(), NOW_S + 6 * 900.0 + OVER_S, DAY, anew=False)
    assert verdict == Verdict(solved=True)
    verdict = log.see({Problem.RESERVE}, NOW_S + 1e4, DAY, anew=False)
    assert verdict.arisen == (Problem.RESERVE,)


def test_what_a_change_puts_right_is_solved_at_once() -> None:
    log, now_s, verdict = ProblemLog(), NOW_S, Verdict()
    for day in range(STRUCTURAL_DAYS):
        now_s = NOW_S + day * 86400.0
        verdict = log.see({Problem.DEPARTURE}, now_s, DAY + day, anew=False)
    assert verdict.structural == {Problem.DEPARTURE}
    today = DAY + STRUCTURAL_DAYS - 1
    verdict = log.see(set(), now_s + 60.0, today, anew=True)
    assert verdict == Verdict(solved=True)
    assert log == ProblemLog()


@pytest.mark.parametrize(
    ("days", "structural"),
    [
        ([0], False),
        ([0, 1], False),
        ([0, 1, 2], True),
        ([0, 2, 4], False),
        ([0, 1, 3, 4], False),
        ([0, 1, 2, 3, 4, 5, 6], True),
    ],
    ids=str,
)
def test_structural_is_what_stands_for_days_without_a_day_s_pause(
    days: list[int], structural: bool
) -> None:
    log, verdict = ProblemLog(), Verdict()
    for day in range(days[-1] + 1):
        found = {Problem.IMPORT_LIMIT} if day in days else set()
        for hour in range(24):
            # Seen for some hours of the day only, as a car's departure is.
            now_s = NOW_S + day * 86400.0 + hour * 3600.0
            seen = found if hour >= 20 else set()
            verdict = log.see(seen, now_s, DAY + day, anew=False)
    assert verdict.structural == ({Problem.IMPORT_LIMIT} if structural else set())


def test_a_structural_problem_is_over_after_a_day_without_it() -> None:
    log = ProblemLog()
    for day in range(3):
        log.see({Problem.LATE}, NOW_S + day * 86400.0, DAY + day, anew=False)
    quiet = log.see(set(), NOW_S + 3 * 86400.0, DAY + 3, anew=False)
    assert quiet.structural == {Problem.LATE}
    over = log.see(set(), NOW_S + 4 * 86400.0, DAY + 4, anew=False)
    assert over.structural == set()


@given(
    looks=st.lists(
        st.tuples(
            st.floats(-1e5, 1e5),
            st.sets(st.sampled_from(list(Problem))),
            st.booleans(),
        ),
        max_size=40,
    )
)
@thorough(200)
def test_each_problem_is_told_and_solved_and_little_is_kept(
    looks: list[tuple[float, set[Problem], bool]],
) -> None:
    """Whatever the clock does: nothing is solved that stands, nothing grows."""
    log, now_s, open_ = ProblemLog(), NOW_S, set()
    for moved_s, problems, anew in looks:
        now_s += moved_s
        verdict = log.see(problems, now_s, DAY + int(now_s // 86400.0), anew=anew)
        open_ |= set(verdict.arisen)
        assert problems <= open_
        if verdict.solved:
            assert not problems
            open_.clear()
        assert all(len(days) <= 5 for days in log.days.values())
        assert from_dict(ProblemLog, to_dict(log), "log") == log
