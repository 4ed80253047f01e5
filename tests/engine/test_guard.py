"""When a write could take the light from the house."""

from typing import Any

import pytest

from custom_components.leaf_to_home.engine.guard import (
    GRID_BACK_S,
    METER_LOST_S,
    may_island_unseen,
    may_park,
    watch,
)
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Guard,
    IslandingStart,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.outage_model import OutageSettings
from custom_components.leaf_to_home.engine.state import HomeState
from tests.engine.loop import START_S
from tests.engine.parts import grid, home, inputs, known, reading, unit


def see(
    state: HomeState,
    since_s: float,
    grid_w: float | None = 500.0,
    *,
    lives: bool = True,
    **values: Any,
) -> Guard:
    """Take a moment in; the meter is silent where `grid_w` is None.

    One that `lives` says something else than before.
    """
    now_s = START_S + since_s
    values["grid"] = None if grid_w is None else grid(grid_w, now_s)
    if lives:
        state.changed_s = now_s
    watch(state, inputs(**values), now_s)
    state.time_s = now_s
    return state.guard


def islanding(value: bool | None, **values: Any) -> dict[str, Any]:
    return {"units": {"leaf": known(reading=reading(islanding=value, **values))}}


def test_all_is_well_while_the_meter_speaks() -> None:
    state = home()
    assert see(state, 0.0) is Guard.CLEAR
    assert state.grid_seen_s == START_S
    assert state.guard_since_s is None


def test_a_lost_meter_counts_for_two_minutes() -> None:
    state = home()
    assert see(state, 0.0, None) is Guard.METER_LOST
    assert state.guard_since_s == START_S
    for since_s in range(10, int(METER_LOST_S), 10):
        assert see(state, since_s, None) is Guard.METER_LOST
    assert see(state, METER_LOST_S, None) is Guard.CLEAR
    assert see(state, METER_LOST_S + 1.0) is Guard.CLEAR
    assert see(state, METER_LOST_S + 2.0, None) is Guard.METER_LOST


def test_an_old_sample_is_none() -> None:
    state = home()
    watch(state, inputs(grid=grid(500.0, START_S - 31.0)), START_S)
    assert state.guard is Guard.METER_LOST


def test_a_start_knows_nothing_of_the_meter() -> None:
    state = HomeState(units={"leaf": unit()})
    assert see(state, 0.0, None) is Guard.METER_LOST
    state = HomeState(units={"leaf": unit()})
    assert see(state, 0.0) is Guard.CLEAR


def test_who_slept_through_the_loss_counts_from_waking() -> None:
    state = home(lost_s=START_S - 4000.0, time_s=START_S - 3600.0)
    assert see(state, 0.0, None) is Guard.METER_LOST
    assert state.lost_s == START_S


def test_long_steps_are_no_sleep() -> None:
    state = home(lost_s=START_S - 4000.0, time_s=START_S - 900.0)
    assert see(state, 0.0, None, interval_s=900.0) is Guard.CLEAR


def test_a_mains_sensor_is_believed_at_once() -> None:
    state = home()
    assert see(state, 0.0, mains=True) is Guard.CLEAR
    assert see(state, 1.0, mains=False) is Guard.OUTAGE_SUSPECTED
    assert state.mains_bad_s == START_S + 1.0
    assert see(state, 2.0, mains=False) is Guard.OUTAGE_SUSPECTED
    assert state.mains_bad_s == START_S + 1.0
    assert see(state, 3.0, mains=True) is Guard.CLEAR


def test_a_mains_sensor_that_dies_in_the_outage_does_not_end_it() -> None:
    """The meter speaks all the time: it may be fed by the island."""
    state = home()
    see(state, 0.0, mains=False)
    for since_s in range(1, 600, 10):
        assert see(state, since_s, 3.0) is Guard.OUTAGE_SUSPECTED
    for since_s in range(600, 1200, 10):
        assert see(state, since_s, None) is Guard.OUTAGE_SUSPECTED


def test_a_meter_that_sees_power_flow_for_two_minutes_ends_it() -> None:
    state = home()
    see(state, 0.0, mains=False)
    see(state, 100.0, 0.0)
    for since_s in range(110, 110 + int(GRID_BACK_S), 10):
        assert see(state, since_s, -400.0) is Guard.OUTAGE_SUSPECTED
    assert see(state, 110.0 + GRID_BACK_S) is Guard.CLEAR


def test_a_silence_within_the_two_minutes_begins_them_again() -> None:
    state = home()
    see(state, 0.0, mains=False)
    see(state, 60.0)
    see(state, 61.0, None)
    back_s = 100.0
    for since_s in range(int(back_s), int(back_s + GRID_BACK_S), 20):
        assert see(state, since_s) is Guard.OUTAGE_SUSPECTED
    assert see(state, back_s + GRID_BACK_S) is Guard.CLEAR


def test_a_unit_that_islands_is_believed_until_it_says_that_it_does_not() -> None:
    state = home()
    assert see(state, 0.0, **islanding(True)) is Guard.ISLANDING
    for silent in (islanding(None), {"units": {"leaf": known(reading=None)}}):
        assert see(state, 5.0, mains=True, **silent) is Guard.ISLANDING
    assert see(state, 4000.0, **islanding(False)) is Guard.CLEAR


def test_a_status_is_as_good_as_a_flag_while_it_stands() -> None:
    state = home()
    said = islanding(None, status=UnitStatus.ISLANDING)
    assert see(state, 0.0, **said) is Guard.ISLANDING
    assert see(state, 1.0, **islanding(None)) is Guard.CLEAR


def test_a_unit_that_was_removed_islands_no_longer() -> None:
    state = home(units={"old": unit(islanding=True), "leaf": unit()})
    assert see(state, 0.0) is Guard.CLEAR


def test_islanding_is_the_strongest_evidence() -> None:
    state = home()
    assert see(state, 0.0, None, mains=False) is Guard.OUTAGE_SUSPECTED
    assert see(state, 1.0, None, mains=False, **islanding(True)) is Guard.ISLANDING


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({"grid_seen_s": START_S - METER_LOST_S}, True),
        ({"grid_seen_s": START_S - METER_LOST_S - 1.0}, False),
        ({"grid_seen_s": None}, False),
        ({"guard": Guard.METER_LOST}, False),
        ({"guard": Guard.ISLANDING}, False),
        ({"guard": Guard.OUTAGE_SUSPECTED}, False),
    ],
)
def test_a_unit_may_be_idled_only_where_the_grid_was_just_seen(
    values: dict[str, Any], allowed: bool
) -> None:
    assert may_park(home(**values), START_S) is allowed


@pytest.mark.parametrize("speaks", [False, True], ids=["silent", "of other things"])
def test_what_fell_silent_in_an_island_is_not_believed_for_ever(speaks: bool) -> None:
    """A meter that lives and sees the grid's power for two minutes knows better."""
    state = home()
    see(state, 0.0, **islanding(True))
    at_grid = OutageSettings(meter_at_grid=True)

    def silent(since_s: float) -> dict[str, Any]:
        if speaks:
            return islanding(None, time_s=START_S + since_s)
        return {"units": {"leaf": known(reading=None)}}

    for since_s in range(10, 10 + int(GRID_BACK_S), 10):
        said = silent(since_s)
        guard = see(state, since_s, 400.0 + since_s, outage=at_grid, **said)
        assert guard is Guard.ISLANDING
    since_s = 10 + int(GRID_BACK_S)
    assert see(state, since_s, outage=at_grid, **silent(since_s)) is Guard.CLEAR


@pytest.mark.parametrize("grid_w", [3.0, None], ids=["no flow", "no meter"])
def test_a_meter_that_sees_nothing_does_not_end_a_silent_island(
    grid_w: float | None,
) -> None:
    state = home()
    see(state, 0.0, **islanding(True))
    silent: dict[str, Any] = {"units": {"leaf": known(reading=None)}}
    for since_s in range(10, 900, 10):
        assert see(state, since_s, grid_w, **silent) is Guard.ISLANDING


def test_a_meter_that_repeats_itself_does_not_end_a_silent_island() -> None:
    state = home(changed_s=START_S)
    see(state, 0.0, **islanding(True))
    silent: dict[str, Any] = {"units": {"leaf": known(reading=None)}}
    for since_s in range(10, 900, 10):
        assert see(state, since_s, 400.0, lives=False, **silent) is Guard.ISLANDING


def test_a_status_that_grew_old_counts_until_the_grid_is_back() -> None:
    state = home()
    old = reading(islanding=None, status=UnitStatus.ISLANDING)
    units = {"leaf": known(reading=old)}
    for since_s in range(0, 300, 10):
        assert see(state, since_s, 3.0, units=units) is Guard.ISLANDING
    for since_s in range(300, 300 + int(GRID_BACK_S), 10):
        assert see(state, since_s, units=units) is Guard.ISLANDING
    assert see(state, 300.0 + GRID_BACK_S, units=units) is Guard.CLEAR


@pytest.mark.parametrize(
    ("start", "said", "unseen"),
    [
        (IslandingStart.BY_ITSELF, {"islanding": None}, True),
        (IslandingStart.BY_HAND, {"islanding": None, "power_w": None}, True),
        (IslandingStart.BY_ITSELF, {"islanding": False}, False),
        (IslandingStart.BY_ITSELF, {"islanding": None, "power_w": -500.0}, False),
        (IslandingStart.NEVER, {"islanding": None}, False),
        (IslandingStart.BY_ITSELF, None, False),
    ],
)
def test_who_could_carry_the_house_without_saying_so(
    start: IslandingStart, said: dict[str, Any] | None, unseen: bool
) -> None:
    given = None if said is None else reading(**said)
    told = known(capabilities=Capabilities(islanding=start), reading=given)
    assert may_island_unseen(told) is unseen
