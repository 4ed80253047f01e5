"""The figures of outages: a play changes none, and none ever falls."""

from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.engine.outage_figures import charging_share
from custom_components.leaf_to_home.engine.outage_model import (
    OutageDecision,
    OutagePhase,
    OutageRecord,
    OutageSettings,
)
from tests.engine.outages import SETTINGS, House


def house(**values: object) -> House:
    it = House(settings=OutageSettings())
    for name, value in values.items():
        setattr(it, name, value)
    it.run(3.0)
    return it


def outage(it: House) -> OutageDecision:
    assert it.decision is not None
    assert it.decision.outage is not None
    return it.decision.outage


def cut(it: House, seconds: float) -> OutageRecord:
    """Let the grid be gone for so long, and wait until all is well."""
    it.set_grid(there=False)
    it.run(seconds, 5.0)
    it.set_grid(there=True)
    it.run(300.0, 5.0)
    assert outage(it).phase is OutagePhase.NORMAL
    record = outage(it).record
    assert record is not None
    assert record.ended_s is not None
    return record


def play(it: House) -> None:
    """Play an outage to its end."""
    it.test = True
    it.run(30.0)
    assert outage(it).test
    it.test = False
    it.run(200.0, 5.0)
    assert outage(it).phase is OutagePhase.NORMAL


def test_a_play_leaves_the_figures_of_the_last_outage() -> None:
    it = house()
    real = cut(it, 600.0)
    before = outage(it)
    it.test = True
    for _ in range(40):
        it.tick()
        assert outage(it).record == real
        assert outage(it).lasted_min == before.lasted_min
    assert outage(it).test
    it.test = False
    it.run(200.0, 5.0)
    it.restart()
    it.tick()
    assert outage(it).record == real
    play(it)
    assert outage(it).record == real, "however often it is played"
    assert outage(it).outages_this_year == 1
    assert outage(it).minutes_this_year == before.minutes_this_year


def test_a_play_is_no_outage_where_there_was_none() -> None:
    it = house()
    play(it)
    assert outage(it).record is None
    assert outage(it).lasted_min is None


def test_a_play_that_comes_true_and_was_a_flicker_loses_nothing() -> None:
    it = house()
    real = cut(it, 60.0)
    it.test = True
    it.run(10.0)
    it.set_grid(there=False)
    it.tick()
    it.test = False
    it.set_grid(there=True)
    it.run(200.0, 5.0)
    assert outage(it).phase is OutagePhase.NORMAL
    assert outage(it).record == real


def test_the_end_of_a_play_is_told_with_its_own_figures() -> None:
    it = house(settings=replace(SETTINGS, test_sheds=True))
    cut(it, 60.0)
    it.test = True
    it.run(30.0)
    it.test = False
    ended: list[OutageRecord] = []
    for _ in range(150):
        told = it.tick().outage
        assert told is not None
        if told.ended is not None:
            ended.append(told.ended)
    assert [record.test for record in ended] == [True]
    assert ended[0].shed


def test_what_has_lasted_grows_and_never_falls() -> None:
    """Until the grid is stable again nobody knows whether it is over."""
    it = house()
    it.set_grid(there=False)
    seen_min: list[float] = []
    for there, seconds in ((False, 300), (True, 90), (False, 60), (True, 200)):
        it.set_grid(there=there)
        for _ in range(0, seconds, 5):
            it.tick(5.0)
            lasted_min = outage(it).lasted_min
            if lasted_min is not None:
                seen_min.append(lasted_min)
                assert lasted_min == pytest.approx(outage(it).minutes_this_year)
    assert outage(it).phase is OutagePhase.NORMAL
    assert seen_min == sorted(seen_min)
    assert seen_min[-1] == pytest.approx(7.5, abs=0.2)


def test_until_when_it_lasts_stands_while_nothing_changes() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(900.0, 5.0)
    first_s = outage(it).lasts_until_s
    assert first_s is not None
    runtime = outage(it).runtime
    assert runtime is not None
    assert runtime.likely_h is not None
    assert first_s == pytest.approx(it.now_s + runtime.likely_h * 3600.0, abs=10.0)
    it.run(600.0, 5.0)
    until_s = outage(it).lasts_until_s
    assert until_s is not None
    assert until_s == pytest.approx(first_s, rel=0.0, abs=0.05 * (first_s - it.now_s))


def test_a_play_touches_no_unit_not_even_at_its_end() -> None:
    it = house(settings=SETTINGS, soc_percent=30.0)
    it.state.settings = replace(it.state.settings, mode=HomeMode.BACKUP_READY)
    it.run(60.0)
    assert it.power_w < -5000.0
    it.test = True
    it.run(30.0)
    it.test = False
    for _ in range(200):
        it.tick()
        assert charging_share(it.state.outage, it.now_s) == 1.0
        assert it.power_w < -5000.0


def test_a_play_soon_after_an_outage_makes_no_new_peak_either() -> None:
    it = house()
    cut(it, 300.0)
    assert charging_share(it.state.outage, it.now_s) < 1.0
    it.test = True
    it.run(10.0)
    assert outage(it).test
    assert charging_share(it.state.outage, it.now_s) < 1.0
