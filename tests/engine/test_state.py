"""What is remembered, how it begins, and what a clock that was set does to it."""

from dataclasses import fields, replace
import json

from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.engine.state import (
    HomeState,
    LedgerState,
    UnitState,
    WindowState,
    first_settings,
)
from custom_components.leaf_to_home.engine.stored import to_dict
from tests.engine.loop import LEAF
from tests.engine.parts import home, unit


def test_a_copy_changes_on_its_own() -> None:
    state = home(
        load_peaks_w=[(1, 2.0)],
        phase_peaks_w=[(1, 1.0)],
        window=WindowState(peaks_w={"2026-11": [1.0]}),
        ledger=LedgerState(smart_kwh={"leaf": 1.0}),
    )
    state.units["leaf"].reversals_s.append(1.0)
    before = json.dumps(to_dict(state))
    copy = state.copy()
    assert json.dumps(to_dict(copy)) == before
    copy.units["leaf"].reversals_s.append(2.0)
    copy.units["leaf"].command_w = 3.0
    copy.units["new"] = unit()
    copy.load_peaks_w.append((2, 3.0))
    copy.phase_peaks_w.append((2, 3.0))
    copy.window.peaks_w["2026-11"].append(0.5)
    copy.window.energy_kwh = 1.0
    for name in ("on_arrival_kwh", "smart_kwh", "left_kwh", "smart_until_s"):
        getattr(copy.ledger, name)["leaf"] = 9.0
    copy.ledger.smart_charging["leaf"] = True
    assert json.dumps(to_dict(state)) == before


def test_a_new_unit_begins_with_what_its_hardware_asks_for() -> None:
    settings = first_settings(LEAF)
    assert settings.mode is UnitMode.AUTOMATIC
    assert settings.reserve_percent == 30.0
    assert settings.max_soc_percent == 95.0
    assert settings.outage_floor_percent == 10.0
    low = replace(LEAF, reserve_percent=5.0, min_soc_percent=0.0)
    assert first_settings(low).outage_floor_percent == 5.0
    high = replace(LEAF, min_soc_percent=20.0)
    assert first_settings(high).outage_floor_percent == 20.0


def test_a_new_home_only_observes() -> None:
    assert HomeState().settings.mode is HomeMode.OBSERVE


def test_after_the_clock_was_set_back_nothing_lies_in_the_future() -> None:
    late, now_s = 5000.0, 1000.0
    state = home(
        guard_since_s=late,
        grid_seen_s=late,
        lost_s=late,
        mains_bad_s=late,
        load_s=500.0,
    )
    car = state.units["leaf"]
    car.started_s = car.command_s = car.settled_s = car.heard_s = late
    car.reversals_s = [200.0, late]
    car.departure_latch_s = late
    state.set_back(now_s)
    assert state.lost_s == state.grid_seen_s == state.mains_bad_s == now_s
    assert state.load_s == 500.0
    assert car.started_s == car.command_s == car.settled_s == car.heard_s == now_s
    assert car.reversals_s == [200.0, now_s]
    assert car.departure_latch_s == late, "that one is in the future"


def test_every_moment_that_is_remembered_can_be_set_back() -> None:
    """A new `…_s` field of the past belongs to the list, or to the exceptions here."""
    ahead = {"time_s", "departure_latch_s", "reversals_s", "watch_s"}
    for state in (HomeState(), UnitState()):
        names = {
            each.name for each in fields(state) if each.name.endswith("_s")
        } - ahead
        for name in names:
            setattr(state, name, 5000.0)
        state.set_back(1000.0)
        assert {getattr(state, name) for name in names} == {1000.0}
