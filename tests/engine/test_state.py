"""What is stored is what is remembered."""

from dataclasses import fields, replace
import json
import math
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind
from custom_components.leaf_to_home.engine.model import Guard, HomeMode, UnitMode
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    LedgerState,
    UnitSettings,
    UnitState,
    WindowState,
    first_settings,
)
from custom_components.leaf_to_home.engine.stored import StateError, from_dict, to_dict
from tests.engine.loop import LEAF
from tests.engine.parts import home, thorough, unit

states = st.builds(
    HomeState,
    settings=st.from_type(HomeSettings),
    units=st.dictionaries(st.text(max_size=3), st.from_type(UnitState), max_size=2),
    load_peaks_w=st.lists(
        st.tuples(st.integers(), st.floats(allow_nan=False)), max_size=3
    ),
    window=st.from_type(WindowState),
    ledger=st.from_type(LedgerState),
    guard=st.sampled_from(Guard),
)


def same(one: Any, other: Any) -> bool:
    """Compare plain data; nothing is equal to NaN but NaN."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            same(one[key], other[key]) for key in one
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other, strict=True))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


@thorough(60)
@given(state=states)
def test_a_state_comes_back_from_json_as_it_was(state: HomeState) -> None:
    stored = json.loads(json.dumps(to_dict(state)))
    assert same(to_dict(from_dict(HomeState, stored)), to_dict(state))


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


def test_what_is_missing_keeps_its_default_and_what_is_unknown_is_left_out() -> None:
    state = from_dict(HomeState, {"units": {"a": {"stored_kwh": 3}}, "later": 1})
    assert state.units["a"].stored_kwh == 3.0
    assert isinstance(state.units["a"].stored_kwh, float)
    assert state.guard is Guard.CLEAR
    assert from_dict(HomeState, {"time_s": None}).time_s is None


def test_a_number_that_went_wrong_costs_only_itself() -> None:
    """JSON has no NaN: what was one is null there."""
    state = from_dict(
        HomeState,
        {
            "settings": {"mode": "automatic"},
            "import_kwh": 7.0,
            "ledger": {"actual": None, "smart": 3.0, "left_kwh": {"a": None, "b": 1}},
            "units": {"a": {"moved_kwh": None, "settings": {"reserve_percent": None}}},
            "window": {"peaks_w": {"2026-11": [None, 4000]}},
        },
    )
    assert state.settings.mode is HomeMode.AUTOMATIC
    assert state.import_kwh == 7.0
    assert (state.ledger.actual, state.ledger.smart) == (0.0, 3.0)
    assert state.ledger.left_kwh == {"b": 1.0}
    assert state.units["a"] == UnitState()
    assert state.window.peaks_w == {"2026-11": [4000.0]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"state: expected an object"),
        ({"units": []}, r"state\.units: expected an object"),
        ({"units": {"a": 1}}, r"state\.units\.a: expected an object"),
        ({"units": {"a": {"moved_kwh": "x"}}}, r"units\.a\.moved_kwh: expected float"),
        ({"units": {"a": {"moved_kwh": True}}}, r"moved_kwh: expected float"),
        ({"units": {"a": {"direction": None}}}, r"direction: expected int"),
        ({"load_peaks_w": [[1, None]]}, r"load_peaks_w\[0\]\[1\]: expected float"),
        ({"units": {"a": {"direction": 1.5}}}, r"direction: expected int"),
        ({"units": {"a": {"parked": 1}}}, r"parked: expected bool"),
        ({"units": {"a": {"reversals_s": 1}}}, r"reversals_s: expected a list"),
        ({"units": {"a": {"reversals_s": ["x"]}}}, r"reversals_s\[0\]: expected float"),
        ({"load_peaks_w": [[1, "x"]]}, r"load_peaks_w\[0\]\[1\]: expected float"),
        ({"load_peaks_w": [[1]]}, r"load_peaks_w\[0\]: expected 2 items"),
        ({"load_peaks_w": [7]}, r"load_peaks_w\[0\]: expected a list"),
        ({"guard": "asleep"}, r"state\.guard: 'asleep' is not one of"),
        ({"window": {"peaks_w": {"2026-11": 4}}}, r"peaks_w\.2026-11: expected a list"),
        ({"ledger": {"day": 7}}, r"ledger\.day: expected str"),
    ],
)
def test_an_unreadable_state_names_the_field(data: Any, message: str) -> None:
    with pytest.raises(StateError, match=message):
        from_dict(HomeState, data)


def test_settings_are_stored_like_anything_else() -> None:
    settings = UnitSettings(mode=UnitMode.CHARGE, until_kwh=3.0)
    assert from_dict(UnitSettings, to_dict(settings)) == settings
    assert to_dict([UnitKind.VEHICLE, (1, None)]) == ["vehicle", [1, None]]


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
