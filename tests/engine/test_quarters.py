"""Quarter-hours of the house, and the level that a plan leans on."""

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.quarters import (
    LEVEL_S,
    QUARTER_S,
    Quarter,
    Quarters,
)
from tests.engine.parts import home, thorough

BEGIN_S = 1_764_000_000.0 // QUARTER_S * QUARTER_S


def see(
    quarters: Quarters,
    begin_s: float,
    seconds: float,
    load_w: float | None,
    solar_w: float | None = None,
    *,
    step_s: float = 10.0,
) -> list[Quarter]:
    """Let a house of a steady load pass; return the quarters that ended."""
    found = []
    at_s = begin_s
    while at_s < begin_s + seconds:
        over = quarters.see(home(load_w=load_w, solar_w=solar_w), at_s)
        found += [over] if over is not None else []
        at_s += step_s
    return found


def test_a_quarter_is_the_mean_of_its_moments() -> None:
    quarters = Quarters()
    assert see(quarters, BEGIN_S, 450.0, 400.0, 0.0) == []
    over = see(quarters, BEGIN_S + 450.0, 600.0, 1200.0, 300.0)
    assert len(over) == 1
    assert over[0].begin_s == BEGIN_S
    assert over[0].load_w == pytest.approx(800.0, abs=15.0)
    assert over[0].solar_w == pytest.approx(150.0, abs=6.0)


def test_a_quarter_that_was_hardly_measured_says_nothing() -> None:
    quarters = Quarters()
    see(quarters, BEGIN_S, 300.0, 400.0)
    see(quarters, BEGIN_S + 300.0, 600.0, None)
    assert see(quarters, BEGIN_S + QUARTER_S, 10.0, 400.0) == []


def test_what_was_not_seen_is_not_made_up() -> None:
    quarters = Quarters()
    see(quarters, BEGIN_S, 10.0, 400.0)
    # The machine slept.
    assert see(quarters, BEGIN_S + 890.0, 20.0, 400.0) == []


def test_a_kettle_is_not_the_level() -> None:
    quarters = Quarters()
    see(quarters, BEGIN_S, 850.0, 400.0)
    see(quarters, BEGIN_S + 850.0, 20.0, 2400.0)
    assert quarters.load_w == pytest.approx(400.0 + 2000.0 * 20.0 / LEVEL_S, rel=0.1)
    see(quarters, BEGIN_S + 870.0, 4 * LEVEL_S, 2400.0)
    assert quarters.load_w == pytest.approx(2400.0, rel=0.02)
    assert quarters.solar_w is None


def test_the_level_stays_a_while_when_nothing_is_measured() -> None:
    quarters = Quarters()
    see(quarters, BEGIN_S, 600.0, 400.0)
    see(quarters, BEGIN_S + 600.0, 300.0, None)
    assert quarters.load_w == pytest.approx(400.0)
    see(quarters, BEGIN_S + 900.0, 900.0, None)
    assert quarters.load_w is None


@pytest.mark.parametrize(
    ("parts", "settled"),
    [
        ([], False),
        # It may be a kettle.
        ([(60.0, 9000.0)], False),
        ([(60.0, 9000.0), (10.0, 400.0)], True),
        ([(70.0, 400.0), (600.0, None)], True),
        # A meter that is silent for long begins anew.
        ([(70.0, 400.0), (1200.0, None)], False),
        ([(70.0, 400.0), (1200.0, None), (60.0, 400.0)], False),
    ],
)
def test_a_level_is_more_than_a_moment(
    parts: list[tuple[float, float | None]], settled: bool
) -> None:
    quarters, at_s = Quarters(), BEGIN_S
    for seconds, load_w in parts:
        see(quarters, at_s, seconds, load_w)
        at_s += seconds
    assert quarters.settled is settled


@given(
    moments=st.lists(
        st.tuples(st.floats(-4000.0, 4000.0), st.none() | st.floats(0.0, 1e4)),
        max_size=60,
    )
)
@thorough(200)
def test_whatever_the_clock_does_means_lie_within_what_was_seen(
    moments: list[tuple[float, float | None]],
) -> None:
    quarters, at_s = Quarters(), BEGIN_S
    seen = []
    for moved_s, load_w in moments:
        at_s += moved_s
        if load_w is not None:
            seen.append(load_w)
        over = quarters.see(home(load_w=load_w), at_s)
        if over is not None:
            assert min(seen) - 1e-6 <= over.load_w <= max(seen) + 1e-6
            assert over.begin_s % QUARTER_S == 0.0
        if quarters.load_w is not None:
            assert min(seen) - 1e-6 <= quarters.load_w <= max(seen) + 1e-6
