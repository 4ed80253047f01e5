"""What is stored is what is remembered."""

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
)
from custom_components.leaf_to_home.engine.stored import StateError, from_dict, to_dict
from tests.engine.parts import thorough

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
