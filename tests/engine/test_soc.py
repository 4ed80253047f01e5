"""Counting energy, and which reports to believe."""

from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.soc import (
    CONFIRM_S,
    anchor,
    count,
    soc_known,
    soc_percent,
)
from custom_components.leaf_to_home.engine.state import UnitState
from tests.engine.loop import LEAF, START_S
from tests.engine.parts import reading, unit


def say(car: UnitState, soc: float | None, since_s: float = 0.0) -> None:
    """Let the car report a state of charge."""
    anchor(car, LEAF, reading(soc_percent=soc), START_S + since_s)


def test_the_devices_own_counters_come_first() -> None:
    car = unit(device_charged_kwh=10.0, device_discharged_kwh=5.0, power_w=6000.0)
    said = reading(charged_kwh=10.0, discharged_kwh=5.5)
    assert count(car, LEAF, said, 600.0) == (0.0, 0.5)
    assert car.discharged_kwh == 0.5
    assert car.device_discharged_kwh == 5.5
    # 3 kW for ten minutes, with its losses.
    drained = -LEAF.stored_w(3000.0) / 6.0 / 1e3
    assert car.stored_kwh == pytest.approx(18.0 - drained)


def test_without_counters_the_last_power_is_taken_to_have_stood() -> None:
    car = unit(power_w=-3000.0)
    charged, discharged = count(car, LEAF, reading(), 1200.0)
    assert (charged, discharged) == (1.0, 0.0)
    assert car.charged_kwh == car.moved_kwh == 1.0
    assert car.stored_kwh == pytest.approx(18.0 + LEAF.stored_w(-3000.0) / 3e3)
    car.power_w = 3000.0
    assert count(car, LEAF, None, 1200.0) == (0.0, 1.0)
    assert car.discharged_kwh == 1.0


def test_a_counter_that_was_reset_counts_nothing_and_goes_on() -> None:
    car = unit(device_charged_kwh=900.0)
    assert count(car, LEAF, reading(charged_kwh=2.0), 60.0) == (0.0, 0.0)
    assert count(car, LEAF, reading(charged_kwh=2.5), 60.0) == (0.5, 0.0)
    assert count(unit(), LEAF, reading(charged_kwh=7.0), 60.0) == (0.0, 0.0)


def test_what_is_not_known_may_all_be_gone() -> None:
    """Lost readings must not hide that the reserve was reached."""
    car = unit(power_w=None, command_w=3000.0)
    assert count(car, LEAF, None, 600.0) == (0.0, 0.0)
    assert car.moved_kwh == pytest.approx(0.5)
    assert car.discharged_kwh == 0.0, "but it is not counted as delivered"
    assert car.stored_kwh == pytest.approx(18.0 + LEAF.stored_w(3000.0) / 6e3)
    charging = unit(power_w=None, command_w=-3000.0)
    count(charging, LEAF, None, 600.0)
    assert charging.stored_kwh == 18.0, "and nothing that was not seen is gained"


def test_no_time_and_no_estimate_move_nothing() -> None:
    car = unit(power_w=6000.0)
    count(car, LEAF, None, 0.0)
    assert car.stored_kwh == 18.0
    new = UnitState(power_w=6000.0)
    assert count(new, LEAF, None, 60.0) == (0.0, 0.1)
    assert new.stored_kwh is None


def test_the_estimate_stays_between_empty_and_full() -> None:
    car = unit(stored_kwh=35.9, power_w=-6000.0)
    count(car, LEAF, None, 3600.0)
    assert car.stored_kwh == LEAF.capacity_kwh
    car = unit(stored_kwh=0.1, power_w=6000.0)
    count(car, LEAF, None, 3600.0)
    assert car.stored_kwh == 0.0


def test_a_report_holds_the_estimate_within_its_step() -> None:
    car = unit(stored_kwh=18.9)
    say(car, 50.0)
    assert car.stored_kwh == pytest.approx(18.36)
    say(car, 52.0)
    assert car.stored_kwh == pytest.approx(18.72)
    say(car, 52.0)
    assert car.moved_kwh == 0.0


def test_the_first_report_is_taken_in_the_middle_of_its_step() -> None:
    car = UnitState()
    say(car, 40.0)
    assert car.stored_kwh == pytest.approx(0.405 * 36.0)
    assert soc_percent(car, LEAF) == pytest.approx(40.5)
    assert soc_known(car, LEAF)


@pytest.mark.parametrize("glitch", [0.0, 1.0, 97.0])
def test_a_glitch_is_doubted_and_forgotten(glitch: float) -> None:
    """Chargers report 0 and 1 % when they do not know."""
    car = unit()
    say(car, glitch)
    assert car.stored_kwh == 18.0
    assert not soc_known(car, LEAF)
    say(car, 50.0, 5.0)
    assert car.stored_kwh == 18.0
    assert soc_known(car, LEAF)


def test_a_report_that_stands_is_believed() -> None:
    car = unit()
    for since_s in range(0, int(CONFIRM_S), 10):
        say(car, 30.0, since_s)
        assert not soc_known(car, LEAF)
    say(car, 30.0, CONFIRM_S)
    assert soc_known(car, LEAF)
    assert car.stored_kwh == pytest.approx(0.31 * 36.0)


def test_a_report_that_wanders_about_is_not() -> None:
    car = unit()
    for since_s in range(0, 600, 10):
        say(car, 5.0 if since_s % 20 else 90.0, since_s)
    assert car.stored_kwh == 18.0
    assert not soc_known(car, LEAF)


def test_a_jump_of_two_percent_is_the_cars_way() -> None:
    """A LEAF goes from 21 to 19 % (V2G Liberty #259)."""
    car = unit(stored_kwh=0.215 * 36.0, anchor_soc_percent=21.0)
    say(car, 19.0)
    assert soc_known(car, LEAF)
    assert soc_percent(car, LEAF) == pytest.approx(20.0)


def test_much_that_has_moved_widens_what_is_plausible() -> None:
    car = unit(moved_kwh=12.0)
    say(car, 55.5)
    assert soc_known(car, LEAF)
    say(car, 61.0)
    assert not soc_known(car, LEAF)


@pytest.mark.parametrize("soc", [-5.0, 100.5, 65535.0, None])
def test_nonsense_is_not_heard(soc: float | None) -> None:
    car = unit()
    say(car, soc)
    assert car.stored_kwh == 18.0
    assert soc_known(car, LEAF)


def test_an_empty_report_of_a_car_that_just_came_is_not_believed_at_once() -> None:
    car = UnitState()
    say(car, 0.0)
    assert car.stored_kwh is None
    assert soc_percent(car, LEAF) is None
    assert not soc_known(car, LEAF)
    say(car, 0.0, CONFIRM_S)
    assert car.stored_kwh == pytest.approx(0.18)


def test_what_a_trip_took_is_not_known_before_the_car_says() -> None:
    car = unit(connected=False)
    anchor(car, LEAF, reading(soc_percent=None), START_S)
    assert car.arrived_s == START_S
    assert car.stored_kwh is None
    assert not soc_known(car, LEAF)
    say(car, 22.0, 10.0)
    assert soc_percent(car, LEAF) == pytest.approx(22.5)
    assert car.arrived_s == START_S


def test_a_car_on_the_road_keeps_what_it_left_with() -> None:
    car = unit()
    anchor(car, LEAF, reading(connected=False, soc_percent=0.0), START_S)
    assert car.connected is False
    assert car.stored_kwh == 18.0
    anchor(car, LEAF, reading(connected=None, soc_percent=None), START_S)
    assert car.connected is False, "no news is no change"


def test_without_reports_the_charge_ages_by_energy_and_not_by_the_clock() -> None:
    car = unit()
    say(car, None, 7 * 86400.0)
    assert soc_known(car, LEAF)
    car.moved_kwh = 0.07 * LEAF.capacity_kwh
    assert soc_known(car, LEAF)
    car.moved_kwh += 0.01
    assert not soc_known(car, LEAF)


def test_a_battery_without_capacity_has_no_percentage() -> None:
    assert soc_percent(unit(), replace(LEAF, soh_percent=0.0)) is None


def test_a_report_that_hangs_hides_no_empty_battery() -> None:
    """The same percentage again and again, while energy leaves."""
    car = unit(anchor_soc_percent=50.0)
    high = LEAF.capacity_kwh * 0.51
    car.power_w = 6000.0
    for step in range(200):
        count(car, LEAF, None, 60.0)
        say(car, 50.0, 60.0 * step)
    assert car.stored_kwh is not None
    assert car.stored_kwh < high - 15.0
    assert not soc_known(car, LEAF)


@pytest.mark.parametrize("sticks", [True, False])
def test_energy_from_nowhere_is_believed_only_of_a_report_that_lives(
    sticks: bool,
) -> None:
    car = unit()
    for step in range(30):
        say(car, 99.0 if sticks or step < 15 else 98.0, 10.0 * step)
    soc = soc_percent(car, LEAF)
    assert soc is not None
    assert (soc > 90.0) is not sticks
    assert soc_known(car, LEAF) is not sticks


def test_a_counter_that_jumps_or_begins_anew_is_not_believed() -> None:
    car = unit(device_charged_kwh=5000.0, device_discharged_kwh=4000.0, heard_s=START_S)
    for at_s, charged, discharged in (
        (1.0, 0.0, 0.0),
        (2.0, 5000.0, 4000.0),
        (3.0, 1e9, 4000.5),
    ):
        said = reading(
            charged_kwh=charged, discharged_kwh=discharged, time_s=START_S + at_s
        )
        count(car, LEAF, said, 1.0)
        car.heard_s = START_S + at_s
    assert car.charged_kwh == 0.0
    assert car.discharged_kwh == pytest.approx(0.5)


def test_what_happened_while_nobody_listened_is_told_by_the_next_report() -> None:
    """Home Assistant was away while the station charged the car."""
    car = unit(heard_s=START_S)
    back_s = 8 * 3600.0
    count(car, LEAF, reading(time_s=START_S + back_s), 0.0)
    assert not soc_known(car, LEAF)
    say(car, 80.0, back_s)
    assert soc_known(car, LEAF)
    assert soc_percent(car, LEAF) == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("silent_s", "dt_s", "believed"),
    [(1800.0, 1800.0, True), (300.0, 1.0, True), (1800.0, 1.0, False)],
    ids=["long steps", "a while", "silence"],
)
def test_long_steps_are_no_silence(
    silent_s: float, dt_s: float, believed: bool
) -> None:
    """A replay hears its unit every half an hour, and has to know its trips."""
    car = unit(heard_s=START_S - silent_s)
    count(car, LEAF, reading(), dt_s)
    assert (car.anchor_soc_percent is not None) is believed
