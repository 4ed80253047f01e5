"""What was paid, and what the same days would have cost otherwise."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind
from custom_components.leaf_to_home.engine.rule import Outlook, decide
from custom_components.leaf_to_home.engine.savings import (
    RETHINK_S,
    new_day,
    rethink,
    savings,
    settle,
)
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.tariff import PriceSlot
from tests.engine.loop import EVENING_PEAK, LEAF, START_S
from tests.engine.parts import home, known, unit

PRICE = PriceSlot(
    start_s=START_S, end_s=START_S + 9e9, import_price=0.4, export_price=0.1
)
HOUR_S = 3600.0


def book(
    state: HomeState,
    draw_w: float | None,
    grid_w: float | None,
    *,
    discharged_kwh: float = 0.0,
    dt_s: float = HOUR_S,
    slot: PriceSlot | None = PRICE,
    **values: Any,
) -> None:
    """Book an hour with one LEAF."""
    units = {"leaf": known(**values)}
    settle(state, units, slot, draw_w, grid_w, {"leaf": discharged_kwh}, dt_s)


def full(percent: float = 80.0) -> HomeState:
    return home(units={"leaf": unit(stored_kwh=LEAF.capacity_kwh * percent / 100.0)})


def test_import_export_and_wear_are_paid() -> None:
    state = full()
    book(state, 2000.0, 500.0, discharged_kwh=1.5)
    assert state.ledger.actual == pytest.approx(0.5 * 0.4 + 1.5 * 0.02)
    assert state.ledger.on_arrival == state.ledger.smart == pytest.approx(0.8)
    book(state, -1000.0, -1000.0)
    assert state.ledger.actual == pytest.approx(0.23 - 0.1)
    assert state.ledger.on_arrival == pytest.approx(0.8 - 0.1)


@pytest.mark.parametrize(
    "values",
    [
        {"slot": None},
        {"slot": replace(PRICE, import_price=None)},
        {"draw_w": None},
        {"grid_w": None},
        {"dt_s": 0.0},
    ],
    ids=["no slot", "no price", "no draw", "no grid", "no time"],
)
def test_what_is_not_known_is_on_no_line(values: dict[str, Any]) -> None:
    state = full()
    book(state, **{"draw_w": 2000.0, "grid_w": 500.0} | values)
    assert state.ledger.actual == state.ledger.on_arrival == state.ledger.smart == 0.0


def test_an_export_without_a_price_earns_nothing() -> None:
    state = full()
    book(state, -1000.0, -1000.0, slot=replace(PRICE, export_price=None))
    assert state.ledger.actual == 0.0


def test_the_car_that_charges_on_arrival_does_so_to_eighty_percent() -> None:
    state = full(60.0)
    book(state, 1000.0, 1000.0)
    filled = LEAF.stored_w(-6000.0) / 1e3
    assert state.ledger.on_arrival_kwh["leaf"] == pytest.approx(21.6 + filled)
    assert state.ledger.on_arrival == pytest.approx(7.0 * 0.4)
    assert state.ledger.smart == pytest.approx(0.4), "the smart one waits"
    book(state, 1000.0, 1000.0)
    assert state.ledger.on_arrival_kwh["leaf"] == pytest.approx(28.8)
    rest = 6.0 * (28.8 - 21.6 - filled) / filled
    assert state.ledger.on_arrival == pytest.approx(7.0 * 0.4 + (1.0 + rest) * 0.4)
    book(state, 1000.0, 1000.0)
    assert state.ledger.on_arrival_kwh["leaf"] == pytest.approx(28.8)


def test_the_smart_car_charges_in_its_hours() -> None:
    state = full(60.0)
    state.ledger.smart_charging["leaf"] = True
    book(state, 0.0, 0.0)
    assert state.ledger.smart == pytest.approx(6.0 * 0.4)


def test_a_unit_that_cannot_charge_costs_nothing() -> None:
    state = full(60.0)
    book(state, 0.0, 0.0, spec=replace(LEAF, max_charge_w=0.0))
    assert state.ledger.on_arrival == 0.0


@pytest.mark.parametrize(
    ("spec", "car"),
    [
        (replace(LEAF, kind=UnitKind.STATIONARY), unit()),
        (LEAF, unit(stored_kwh=None)),
        (LEAF, unit(connected=False)),
    ],
    ids=["stationary", "unknown", "away"],
)
def test_what_is_no_car_at_home_charges_on_no_line(spec: Any, car: Any) -> None:
    state = home(units={"leaf": car})
    book(state, 0.0, 0.0, spec=spec)
    assert state.ledger.on_arrival == 0.0


def test_a_trip_takes_its_energy_from_every_car() -> None:
    state = full(80.0)
    book(state, 0.0, 0.0)
    car = state.units["leaf"]
    car.connected = False
    book(state, 0.0, 0.0)
    car.connected = True
    # It is there again, and has not said yet how full it is.
    car.stored_kwh = car.anchor_soc_percent = None
    book(state, 0.0, 0.0)
    assert state.ledger.left_kwh == {"leaf": pytest.approx(28.8)}
    car.stored_kwh, car.anchor_soc_percent = 20.0, 55.0
    book(state, 0.0, 0.0, dt_s=1e-6)
    assert state.ledger.left_kwh == {}
    for line in (state.ledger.on_arrival_kwh, state.ledger.smart_kwh):
        assert line["leaf"] == pytest.approx(20.0)
    assert car.driven_kwh == pytest.approx(8.8)


def test_a_car_that_was_never_seen_has_no_line_to_take_from() -> None:
    state = home(units={"leaf": unit(connected=False)})
    book(state, None, None)
    state.units["leaf"].connected = True
    book(state, None, None)
    assert state.ledger.on_arrival_kwh == {}


def outlook(since_s: float, percent: float = 40.0) -> Outlook:
    now_s = START_S + since_s
    return Outlook(
        now_s=now_s,
        slots=EVENING_PEAK.known(now_s),
        spec=LEAF,
        stored_kwh=LEAF.capacity_kwh * percent / 100.0,
        reserve_percent=30.0,
        max_soc_percent=95.0,
        charge_w=6000.0,
        discharge_w=6000.0,
        draw_w=0.0,
    )


def think(state: HomeState, seen: Outlook) -> bool:
    """Let the smart car think; return whether it charges now."""
    rethink(state, "leaf", seen.now_s, lambda: seen, valued=True)
    return state.ledger.smart_charging["leaf"]


def test_the_smart_car_thinks_again_every_quarter_of_an_hour() -> None:
    state = full(40.0)
    assert think(state, outlook(0.0)) is False
    assert state.ledger.smart_until_s["leaf"] == START_S + RETHINK_S
    state.ledger.smart_charging["leaf"] = True
    assert think(state, outlook(RETHINK_S - 1.0)) is True, "not yet"
    assert think(state, outlook(RETHINK_S)) is False


def test_the_smart_car_thinks_again_at_a_new_price_and_when_the_clock_was_set() -> None:
    state = full(40.0)
    five_hours = 5.0 * HOUR_S
    think(state, outlook(five_hours - 60.0))
    assert state.ledger.smart_until_s["leaf"] == START_S + five_hours
    assert think(state, outlook(five_hours)) is True
    assert think(state, outlook(0.0)) is False


def test_the_smart_car_goes_by_its_own_charge() -> None:
    state = full(40.0)
    state.ledger.smart_kwh["leaf"] = 0.8 * LEAF.capacity_kwh
    assert think(state, outlook(6.0 * HOUR_S)) is False


def test_without_prices_the_smart_car_waits() -> None:
    state = full(40.0)
    assert think(state, replace(outlook(0.0), slots=())) is False
    assert state.ledger.smart_until_s["leaf"] == START_S + RETHINK_S


def test_savings_count_what_is_stored_more_at_its_worth() -> None:
    state = full(50.0)
    ledger = state.ledger
    ledger.actual, ledger.on_arrival, ledger.smart = 10.0, 15.0, 12.0
    ledger.value_per_kwh = 0.2
    ledger.on_arrival_kwh = {"leaf": 28.0, "gone": 5.0}
    ledger.smart_kwh = {"leaf": 16.0}
    new_day(state, "2026-11-23")
    shown = savings(state)
    assert shown.against_arrival == pytest.approx(5.0 - 10.0 * 0.2)
    assert shown.against_smart == pytest.approx(2.0 + 2.0 * 0.2)
    assert shown.against_arrival_today == shown.against_smart_today == 0.0
    ledger.actual = 9.0
    new_day(state, "2026-11-23")
    assert savings(state).against_arrival_today == pytest.approx(1.0)
    new_day(state, "2026-11-24")
    assert savings(state).against_arrival_today == 0.0
    state.units["leaf"].stored_kwh = None
    assert savings(state).against_arrival == pytest.approx(6.0)


def test_where_the_rule_does_not_decide_a_stored_kwh_is_worth_its_refill() -> None:
    """A plan says what it is worth at this moment, which is another matter."""
    state, seen = full(40.0), outlook(0.0)
    state.ledger.value_per_kwh = 0.7
    rethink(state, "leaf", seen.now_s, lambda: seen, valued=True)
    assert state.ledger.value_per_kwh == 0.7
    later = outlook(RETHINK_S)
    rethink(state, "leaf", later.now_s, lambda: later, valued=False)
    intent, _ = decide(later)
    assert intent.stored_value is not None
    assert state.ledger.value_per_kwh == pytest.approx(intent.stored_value)
    cheap = min(slot.import_price or 0.0 for slot in later.slots)
    assert cheap < state.ledger.value_per_kwh < 1.3 * cheap


def test_where_nothing_is_known_the_worth_stays() -> None:
    state, seen = full(40.0), replace(outlook(0.0), slots=())
    state.ledger.value_per_kwh = 0.2
    rethink(state, "leaf", seen.now_s, lambda: seen, valued=False)
    assert state.ledger.value_per_kwh == 0.2


def test_what_is_paid_at_the_grid_is_counted_by_the_day() -> None:
    state = full()
    new_day(state, "2026-11-22")
    book(state, 2000.0, 500.0, discharged_kwh=1.5)
    book(state, -1000.0, -1000.0)
    assert state.ledger.paid == pytest.approx(0.5 * 0.4 - 0.1)
    assert state.ledger.paid_day == 0.0
    new_day(state, "2026-11-23")
    book(state, 1000.0, 1000.0)
    assert state.ledger.paid - state.ledger.paid_day == pytest.approx(0.4)
