"""What a plan was made for, and what ends that."""

from dataclasses import replace
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.basis import (
    Basis,
    Change,
    basis_of,
    change,
    planned_units,
)
from custom_components.leaf_to_home.engine.model import (
    Departure,
    HomeMode,
    Inputs,
    Site,
    UnitMode,
)
from custom_components.leaf_to_home.engine.state import HomeSettings, HomeState
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.tariff import PriceSlot
from tests.engine.loop import START_S
from tests.engine.parts import home, inputs, known, thorough, unit
from tests.engine.test_planning import NOW_S, day_ahead

HOUR_S = 3600.0


def automatic(**values: Any) -> HomeState:
    state = home(**values)
    state.settings = HomeSettings(mode=HomeMode.AUTOMATIC)
    return state


def of_unit(**settings: Any) -> HomeState:
    """Return a home whose LEAF has these settings."""
    leaf = unit()
    leaf.settings = replace(leaf.settings, **settings)
    return automatic(units={"leaf": leaf})


def basis(
    state: HomeState, known_now: Inputs | None = None, now_s: float = START_S
) -> Basis:
    return basis_of(state, known_now or inputs(), now_s, "contract")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Change.NONE),
        ({"reserve_percent": 31.0}, Change.SETTINGS),
        ({"max_soc_percent": 90.0}, Change.SETTINGS),
        ({"charge_limit_w": 3000.0}, Change.SETTINGS),
        ({"discharge_limit_w": 3000.0}, Change.SETTINGS),
        ({"ready_by": True}, Change.SETTINGS),
        ({"ready_by_soc_percent": 70.0}, Change.SETTINGS),
        # Nobody is to be ready then.
        ({"ready_by_minute": 100}, Change.NONE),
        # An outage is not planned for.
        ({"outage_floor_percent": 15.0}, Change.NONE),
        ({"mode": UnitMode.HOLD}, Change.VOID),
    ],
)
def test_settings_of_a_unit(settings: dict[str, Any], expected: Change) -> None:
    assert change(basis(of_unit()), basis(of_unit(**settings)), START_S) is expected


def test_a_changed_import_limit_is_a_setting() -> None:
    state = automatic()
    limited = automatic()
    limited.settings = replace(limited.settings, import_limit_w=3000.0)
    assert change(basis(state), basis(limited), START_S) is Change.SETTINGS


def test_a_draw_that_is_heard_for_the_first_time_is_news() -> None:
    hearing = basis(automatic())
    deaf = replace(hearing, level_known=False)
    assert change(deaf, hearing, START_S) is Change.NEWS
    # A meter that is gone for a while knows nothing better.
    assert change(hearing, deaf, START_S) is Change.NONE
    assert change(deaf, deaf, START_S) is Change.NONE


@pytest.mark.parametrize(
    ("connected", "expected"),
    [(True, Change.NONE), (None, Change.NONE), (False, Change.VOID)],
)
def test_a_unit_that_leaves(connected: bool | None, expected: Change) -> None:
    gone = automatic(units={"leaf": unit(connected=connected)})
    assert change(basis(automatic()), basis(gone), START_S) is expected


def test_another_car_at_the_plug() -> None:
    made = basis(automatic(units={"leaf": unit(vehicle="big")}))
    same = basis(automatic(units={"leaf": unit(vehicle="big")}))
    other = basis(automatic(units={"leaf": unit(vehicle="small")}))
    assert change(made, same, START_S) is Change.NONE
    assert change(made, other, START_S) is Change.VOID


def test_a_unit_that_is_added_and_another_contract() -> None:
    state = automatic(units={"leaf": unit(), "other": unit()})
    two = inputs(units={"leaf": known(), "other": known()})
    made = basis(automatic())
    assert change(made, basis(state, two), START_S) is Change.VOID
    other = replace(made, contract="other")
    assert change(made, other, START_S) is Change.VOID


def test_only_units_that_a_plan_can_move_are_planned_for() -> None:
    units = {
        "leaf": unit(),
        "by hand": unit(),
        "dark": unit(stored_kwh=None),
        "off": unit(),
    }
    for key, mode in (("by hand", UnitMode.CHARGE), ("off", UnitMode.OFF)):
        units[key].settings = replace(units[key].settings, mode=mode)
    state = automatic(units=units)
    all_of_them = inputs(units={key: known() for key in units})
    assert planned_units(state, all_of_them) == ["leaf"]
    for home_mode in HomeMode:
        state.settings = HomeSettings(mode=home_mode)
        planned = home_mode in (HomeMode.AUTOMATIC, HomeMode.OBSERVE)
        assert planned_units(state, all_of_them) == (["leaf"] if planned else [])


def test_a_departure_counts_until_it_is_over() -> None:
    trip = Departure(time_s=START_S + HOUR_S, soc_percent=80.0)
    with_trip = inputs(units={"leaf": known(departures=(trip,))})
    made = basis(automatic(), with_trip)
    without = basis(automatic())
    assert change(made, without, START_S) is Change.SETTINGS
    assert change(without, made, START_S) is Change.SETTINGS
    assert change(made, without, START_S + 2 * HOUR_S) is Change.NONE


def test_prices_that_become_known_are_news() -> None:
    state, tariff = automatic(), day_ahead()
    priced = inputs(site=Site(tariff=tariff))
    # 10:07 in Madrid: the day after is published at 13:00.
    made = basis(state, priced, NOW_S)
    noon_s = NOW_S + 110 * 60.0
    assert change(made, basis(state, priced, noon_s), noon_s) is Change.NONE
    after_s = NOW_S + 174 * 60.0
    assert change(made, basis(state, priced, after_s), after_s) is Change.NEWS
    again = basis(state, priced, after_s)
    later_s = after_s + HOUR_S
    assert change(again, basis(state, priced, later_s), later_s) is Change.NONE


slots = st.lists(
    st.tuples(
        st.sampled_from([0.5, 1.0, 2.5]),
        st.none() | st.sampled_from([0.1, 0.2, 0.3]),
        st.none() | st.sampled_from([0.0, 0.05]),
    ),
    min_size=1,
    max_size=8,
)


def priced(parts: list[tuple[float, float | None, float | None]]) -> list[PriceSlot]:
    result, at_s = [], START_S
    for hours, import_price, export_price in parts:
        result.append(
            PriceSlot(
                start_s=at_s,
                end_s=at_s + hours * HOUR_S,
                import_price=import_price,
                export_price=export_price,
            )
        )
        at_s += hours * HOUR_S
    return result


@given(parts=slots, passed=st.floats(0.0, 1.0), data=st.data())
@thorough(200)
def test_time_that_passes_changes_no_price_and_a_changed_one_counts(
    parts: list[Any], passed: float, data: st.DataObject
) -> None:
    whole = priced(parts)
    end_s = whole[-1].end_s
    now_s = START_S + passed * (end_s - START_S - 60.0)
    rest = [
        replace(slot, start_s=max(slot.start_s, now_s))
        for slot in whole
        if slot.end_s > now_s
    ]
    made = replace(basis(automatic()), prices=whole)
    assert change(made, replace(made, prices=rest), now_s) is Change.NONE
    index = data.draw(st.integers(0, len(rest) - 1))
    dearer = list(rest)
    dearer[index] = replace(dearer[index], import_price=9.0)
    assert change(made, replace(made, prices=dearer), now_s) is Change.PRICES
    longer = [*rest, replace(rest[-1], start_s=end_s, end_s=end_s + 1e6)]
    assert change(made, replace(made, prices=longer), now_s) is Change.NEWS
    assert change(made, replace(made, prices=[]), now_s) is Change.NONE


def test_a_basis_comes_back_from_json() -> None:
    trip = Departure(time_s=START_S, soc_percent=80.0)
    made = basis(
        of_unit(ready_by=True), inputs(units={"leaf": known(departures=(trip,))})
    )
    assert from_dict(Basis, to_dict(made), "basis") == made
