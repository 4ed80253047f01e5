"""Samples and readings made into one picture of the home."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.control import LATE_S
from custom_components.leaf_to_home.engine.meter import (
    FROZEN_W,
    LOAD_KEPT_S,
    Picture,
    account,
    look,
)
from custom_components.leaf_to_home.engine.model import Inputs, Sample, Site, UnitInputs
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import LEAF, START_S
from tests.engine.parts import grid, home, inputs, known, reading, unit


def sample(value: float) -> Sample:
    return Sample(value=value, time_s=START_S)


def picture(state: HomeState, now_s: float = START_S, **values: Any) -> Picture:
    return look(state, inputs(**values), now_s)


def car(power_w: float | None, time_s: float = START_S, **values: Any) -> UnitInputs:
    return known(reading=reading(power_w=power_w, time_s=time_s, **values))


def test_the_load_is_what_grid_sun_batteries_and_units_give() -> None:
    state = home(units={"a": unit(power_w=1000.0), "b": unit(power_w=-300.0)})
    seen = picture(
        state,
        units={"a": car(1000.0), "b": car(-300.0)},
        grid=grid(200.0),
        solar=sample(600.0),
        has_solar=True,
        other=sample(50.0),
        has_other=True,
    )
    assert seen.draw_w == seen.assumed_draw_w == 900.0
    assert seen.load_w == 1550.0
    assert (seen.grid_w, seen.solar_w) == (200.0, 600.0)
    assert state.load_peaks_w == [(int(START_S // 3600), 900.0)]


@pytest.mark.parametrize(
    "missing",
    [
        {"has_solar": True},
        {"has_other": True},
        {"has_solar": True, "solar": Sample(value=9.0, time_s=START_S - 31.0)},
        {"has_other": True, "other": Sample(value=9.0, time_s=START_S - 31.0)},
        {"units": {"leaf": known(reading=None)}},
        {"units": {"leaf": car(None)}},
        {"units": {"leaf": car(0.0, START_S - 61.0)}},
    ],
    ids=["sun", "battery", "old sun", "old battery", "no unit", "mute", "old unit"],
)
def test_without_one_part_there_is_no_load(missing: dict[str, Any]) -> None:
    seen = picture(home(), **missing)
    assert seen.load_w is None
    assert seen.draw_w == 500.0


def test_the_load_is_shown_for_a_minute_and_never_below_nothing() -> None:
    state = home()
    assert picture(state, grid=grid(-700.0)).load_w == 0.0
    later = START_S + LOAD_KEPT_S
    assert picture(state, later, grid=None).load_w == 0.0
    assert picture(state, later + 1.0, grid=None).load_w is None


def test_without_a_fresh_meter_there_is_no_draw() -> None:
    state = home()
    seen = picture(state, grid=grid(500.0, START_S - 31.0))
    assert (seen.grid_w, seen.draw_w, seen.assumed_draw_w) == (None, None, None)
    assert state.grid_w is None
    assert not state.load_peaks_w


def test_a_silent_unit_counts_as_part_of_the_house() -> None:
    state = home(units={"leaf": unit(power_w=2000.0, command_w=2000.0)})
    seen = picture(state, units={"leaf": known(reading=None)}, grid=grid(100.0))
    assert seen.draw_w == 100.0
    assert state.units["leaf"].power_w is None


def test_a_unit_that_is_away_gives_nothing() -> None:
    state = home(units={"leaf": unit(power_w=2000.0)})
    seen = picture(state, units={"leaf": car(None, connected=False)})
    assert seen.draw_w == 500.0
    assert state.units["leaf"].power_w == 0.0


@pytest.mark.parametrize(("told", "draw_w"), [(True, 2100.0), (False, 100.0)])
def test_a_unit_without_a_power_meter_does_what_it_was_told(
    told: bool, draw_w: float
) -> None:
    state = home(units={"leaf": unit(power_w=None, command_w=2000.0, told=told)})
    seen = picture(state, units={"leaf": car(None)}, grid=grid(100.0))
    assert seen.draw_w == draw_w


def moving(**values: Any) -> HomeState:
    """Return a home whose unit was told to give 3 kW a moment ago."""
    told: dict[str, Any] = {
        "command_w": 3000.0,
        "command_s": START_S - 2.0,
        "settled_s": START_S + 5.0,
        "least_w": 0.0,
        "most_w": 3000.0,
        "heard_s": START_S - 1.0,
    }
    return home(units={"leaf": unit(**told | values)})


def test_a_unit_on_its_way_makes_the_draw_uncertain() -> None:
    state = moving()
    seen = picture(state, units={"leaf": car(0.0)}, grid=grid(3000.0))
    assert seen.draw_w is None
    assert seen.assumed_draw_w == 6000.0, "as if it were there already"
    # The two agree when both were measured after it got there.
    for grid_s, unit_s, draw_w in (
        (4.0, 6.0, None),
        (6.0, 4.0, None),
        (6.0, 5.0, 3060.0),
    ):
        seen = picture(
            moving(power_w=3000.0),
            START_S + 7.0,
            units={"leaf": car(3000.0, START_S + unit_s)},
            grid=grid(60.0, START_S + grid_s),
        )
        assert seen.draw_w == draw_w


def test_a_charging_unit_is_assumed_to_draw_all_it_was_told() -> None:
    state = moving(command_w=-3000.0, least_w=-3000.0, most_w=0.0)
    seen = picture(state, units={"leaf": car(0.0)}, grid=grid(2000.0))
    assert seen.assumed_draw_w == -1000.0


def test_a_slow_unit_is_assumed_no_further_than_it_can_have_ramped() -> None:
    slow = replace(LEAF, ramp_w_per_s=100.0)
    state = moving()
    units = {"leaf": replace(car(500.0, START_S - 2.0), spec=slow)}
    seen = picture(state, units=units, grid=grid(0.0))
    assert seen.assumed_draw_w == 500.0 + 100.0 * (LATE_S + 2.0)


def test_a_reading_off_the_command_may_be_late_before_it_is_believed() -> None:
    state = moving(settled_s=START_S - 1.0)
    units = {"leaf": car(0.0)}
    assert picture(state, units=units, grid=grid(60.0)).draw_w is None
    later = START_S + LATE_S
    units = {"leaf": car(0.0, later)}
    seen = picture(state, later, units=units, grid=grid(60.0, later))
    assert seen.draw_w == 60.0, "it does not do what it was told"


def test_a_unit_that_moves_by_itself_is_on_its_way_too() -> None:
    """It tripped after the meter's last sample."""
    state = home(units={"leaf": unit(power_w=3000.0, heard_s=START_S - 20.0)})
    state.units["leaf"].least_w = state.units["leaf"].most_w = 3000.0
    seen = picture(state, units={"leaf": car(0.0)}, grid=grid(60.0, START_S - 1.0))
    assert seen.draw_w is None
    assert seen.assumed_draw_w == 3060.0
    seen = picture(
        state,
        START_S + 1.0,
        units={"leaf": car(0.0)},
        grid=grid(3060.0, START_S + 1.0),
    )
    assert seen.draw_w == 3060.0


def test_of_readings_that_come_quickly_the_next_may_differ_too() -> None:
    state = home(units={"leaf": unit(power_w=500.0, heard_s=START_S - 1.0, told=False)})
    assert picture(state, units={"leaf": car(700.0)}).draw_w is None
    later = START_S + 1.0
    seen = picture(
        state, later, units={"leaf": car(720.0, later)}, grid=grid(1.0, later)
    )
    assert seen.draw_w == 721.0


def test_a_meter_that_repeats_itself_while_units_move_does_not_measure() -> None:
    state = home(units={"leaf": unit(power_w=1000.0, heard_s=START_S - 20.0)})
    assert picture(state, units={"leaf": car(1000.0)}).grid_w == 500.0
    for since_s, power_w, seen_w in (
        (20.0, 1000.0 + FROZEN_W, 500.0),
        (40.0, 1001.0 + FROZEN_W, None),
        (60.0, 1002.0 + FROZEN_W, None),
        (80.0, 1001.0, 500.0),
    ):
        now_s = START_S + since_s
        seen = picture(
            state,
            now_s,
            units={"leaf": car(power_w, now_s)},
            grid=grid(500.0, now_s),
        )
        assert seen.grid_w == seen_w
        assert state.grid_w == seen_w
    now_s = START_S + 100.0
    units = {"leaf": car(4000.0, now_s)}
    assert picture(state, now_s, units=units, grid=grid(500.1, now_s)).grid_w == 500.1


def test_what_the_meter_says_while_a_unit_moves_is_compared_with_later() -> None:
    """A unit that follows the load ends at the same import again and again."""
    state = moving(settled_s=START_S + 1.0, power_w=1000.0)
    picture(state, units={"leaf": car(1000.0)}, grid=grid(60.0))
    now_s = START_S + 20.0
    seen = picture(
        state, now_s, units={"leaf": car(3000.0, now_s)}, grid=grid(60.0, now_s)
    )
    assert seen.draw_w == 3060.0


# The books.


def run(state: HomeState, seconds: float, **values: Any) -> None:
    """Let time pass since the last step."""
    assert state.time_s is not None
    now_s = state.time_s + seconds
    told: dict[str, Any] = {"interval_s": seconds} | values
    account(state, inputs(**told), now_s)
    state.time_s = now_s


def test_import_export_and_sun_are_counted() -> None:
    state = home(grid_w=3600.0, solar_w=1800.0)
    run(state, 100.0)
    assert state.import_kwh == pytest.approx(0.1)
    assert state.solar_kwh == pytest.approx(0.05)
    assert state.surplus_kwh == 0.0
    state.grid_w = -3600.0
    run(state, 100.0)
    assert state.import_kwh == pytest.approx(0.1)
    assert state.export_kwh == pytest.approx(0.1)
    assert state.surplus_kwh == pytest.approx(0.1)


def test_a_better_mean_than_the_last_sample_is_taken() -> None:
    state = home(grid_w=0.0)
    run(state, 100.0, grid_mean_w=3600.0)
    assert state.import_kwh == pytest.approx(0.1)


def test_what_is_not_measured_is_not_counted() -> None:
    state = home()
    run(state, 100.0)
    assert state.import_kwh == state.export_kwh == state.solar_kwh == 0.0


def test_a_unit_s_part_of_the_import_is_no_surplus_and_no_load() -> None:
    state = home(grid_w=-1000.0, units={"leaf": unit(power_w=1500.0)})
    run(state, 3600.0, units={"leaf": known(reading=None)})
    assert state.export_kwh == pytest.approx(1.0)
    assert state.surplus_kwh == 0.0


def test_the_surplus_fades_and_counts_only_while_a_unit_could_take_it() -> None:
    state = home(grid_w=-1000.0)
    run(state, 3600.0)
    assert state.surplus_kwh == pytest.approx(1.0)
    state.units["leaf"].connected = False
    state.units["leaf"].driven_kwh = 4.0
    for _ in range(48):
        run(state, 3600.0)
    assert state.surplus_kwh == pytest.approx(0.368, abs=0.001)
    assert state.units["leaf"].driven_kwh == pytest.approx(4.0 * 0.368, abs=0.005)


@pytest.mark.parametrize("seconds", [-3600.0, 301.0, 86400.0])
def test_a_pause_or_a_clock_that_jumped_is_not_counted(seconds: float) -> None:
    state = home(grid_w=3600.0, units={"leaf": unit(power_w=-3600.0)})
    run(state, seconds, interval_s=1.0, units={"leaf": known(reading=None)})
    assert state.import_kwh == 0.0
    assert state.units["leaf"].charged_kwh == 0.0


def test_what_a_counter_gained_in_a_pause_is_not_lost() -> None:
    state = home(units={"leaf": unit(device_charged_kwh=1.0, heard_s=START_S)})
    said = reading(charged_kwh=3.0, time_s=START_S + 8000.0)
    run(state, 8000.0, interval_s=1.0, units={"leaf": known(reading=said)})
    assert state.units["leaf"].charged_kwh == 2.0


def test_long_steps_are_no_pause_where_they_are_the_habit() -> None:
    state = home(grid_w=3600.0)
    run(state, 900.0)
    assert state.import_kwh == pytest.approx(0.9)


def test_the_first_step_of_all_only_looks() -> None:
    state = HomeState(units={"leaf": unit()})
    account(state, inputs(), START_S)
    assert state.window.start_s is None


def test_the_ledger_is_kept() -> None:
    site = Site(tariff=Tariff.flat(0.5))
    state = home(grid_w=2000.0)
    run(state, 1800.0, site=site)
    assert state.ledger.actual == pytest.approx(0.5)


def test_inputs_are_only_read() -> None:
    given = inputs()
    before = repr(given)
    look(home(), given, START_S)
    assert repr(given) == before
    assert isinstance(given, Inputs)
