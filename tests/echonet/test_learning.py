"""What a discharge command means, and how long it takes."""

from collections.abc import Sequence

import pytest

from custom_components.leaf_to_home.engine.model import DischargeSemantics
from custom_components.leaf_to_home.units.echonet_lite.learning import (
    FIRST_DEAD_TIME_S,
    Learner,
)


def watch(
    learner: Learner,
    powers: Sequence[tuple[float, float | None]],
    start_s: float = 60.0,
) -> None:
    for number, (power_w, grid_w) in enumerate(powers):
        learner.see(power_w, grid_w, start_s + 5.0 * number)


def test_nothing_is_known_at_first() -> None:
    learner = Learner()
    watch(learner, [(1000.0, 60.0)] * 10)
    assert learner.meaning is None
    assert not learner.load_limited


def test_follows_the_load() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(800.0 + 50.0 * number, 55.0) for number in range(5)])
    assert learner.meaning is DischargeSemantics.FOLLOWS
    assert learner.load_limited


def test_gives_what_is_designated() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(2980.0, -900.0)] * 5)
    assert learner.meaning is DischargeSemantics.DESIGNATED
    assert not learner.load_limited


def test_load_above_the_command_says_nothing() -> None:
    learner = Learner()
    learner.command(1000.0, 0.0, 0.0)
    watch(learner, [(990.0, 700.0)] * 20)
    assert learner.meaning is None


def test_a_weak_battery_says_nothing() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(1500.0, 1200.0)] * 20)
    assert learner.meaning is None
    assert not learner.load_limited


def test_follows_without_a_meter() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(800.0, None), (1400.0, None)] * 5)
    assert learner.meaning is DischargeSemantics.FOLLOWS


def test_constant_power_without_a_meter_says_nothing() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(2990.0, None)] * 10 + [(800.0, None)] * 10)
    assert learner.meaning is None


def test_not_before_it_has_settled() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(800.0, 55.0)] * 5, start_s=2.0)
    assert learner.meaning is None


def test_changes_its_mind() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(800.0, 55.0)] * 5)
    watch(learner, [(3000.0, -900.0)] * 12, start_s=200.0)
    assert learner.meaning is DischargeSemantics.DESIGNATED


def test_limit_ends_with_the_discharge() -> None:
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    watch(learner, [(800.0, 55.0)])
    assert learner.load_limited
    learner.command(0.0, 800.0, 100.0)
    assert not learner.load_limited


def test_dead_time() -> None:
    learner = Learner()
    assert learner.dead_time_s == FIRST_DEAD_TIME_S
    now_s = 0.0
    power_w = 0.0
    for number in range(20):
        command_w = 3000.0 if number % 2 == 0 else -2000.0
        learner.command(command_w, power_w, now_s)
        learner.command(command_w, power_w, now_s)
        learner.see(power_w, None, now_s + 2.0)
        power_w = command_w
        learner.see(power_w, None, now_s + 4.0)
        now_s += 60.0
    assert learner.dead_time_s == pytest.approx(4.0, abs=0.1)


def test_small_change_says_nothing_of_dead_time() -> None:
    learner = Learner()
    learner.command(200.0, 0.0, 0.0)
    learner.see(200.0, None, 2.0)
    assert learner.dead_time_s == FIRST_DEAD_TIME_S
    # A measurement from before the command, and one seen twice.
    learner.command(3000.0, 200.0, 10.0)
    learner.see(3000.0, None, 9.0)
    learner.see(200.0, None, 11.0)
    learner.see(3000.0, None, 11.0)
    assert learner.dead_time_s == FIRST_DEAD_TIME_S


def test_following_by_itself_says_nothing() -> None:
    """Neither of what a command means nor of how long it takes."""
    learner = Learner()
    learner.command(3000.0, 0.0, 0.0)
    learner.follow()
    watch(learner, [(800.0 + 50.0 * number, 55.0) for number in range(20)])
    assert learner.meaning is None
    assert not learner.load_limited
    assert learner.dead_time_s == FIRST_DEAD_TIME_S
    # And the same command as before is a new one.
    learner.command(3000.0, 900.0, 1000.0)
    watch(learner, [(800.0 + 50.0 * number, 55.0) for number in range(5)], 1060.0)
    assert learner.meaning is DischargeSemantics.FOLLOWS
