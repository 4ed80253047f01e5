"""How much of its power a battery gives, as full, cold, old and worn as it is."""

from dataclasses import replace

from hypothesis import given, strategies as st
import numpy as np
import pytest

from custom_components.leaf_to_home.engine.battery import Table, UnitKind
from custom_components.leaf_to_home.engine.derating import (
    charge_w_at,
    discharge_w_at,
    mean_share,
    measured_charge_w,
    measured_discharge_w,
    share_at,
    spread_mv,
    within_rate,
)
from custom_components.leaf_to_home.engine.formats import FormatError, parse_unit
from custom_components.leaf_to_home.engine.model import (
    Departure,
    HomeMode,
    IntentKind,
    UnitMode,
)
from custom_components.leaf_to_home.engine.plan import Absence
from custom_components.leaf_to_home.engine.planner import make_plan
from custom_components.leaf_to_home.engine.policy import (
    charge_ceiling_w,
    discharge_ceiling_w,
)
from custom_components.leaf_to_home.engine.state import first_settings
from tests.engine.loop import LEAF, START_S, Loop, dear_site
from tests.engine.parts import known, reading, thorough
from tests.engine.test_planner import CHEAP, DEAR, LINEAR, stretch, task_of

FULLER: Table = ((80.0, 1.0), (90.0, 0.25), (100.0, 0.1))
EMPTIER: Table = ((10.0, 0.2), (30.0, 1.0))
TAPERED = replace(LEAF, charge_taper=FULLER, discharge_taper=EMPTIER)
PACK = replace(LEAF, kind=UnitKind.STATIONARY)


def test_a_table_is_straight_between_and_level_beyond() -> None:
    assert share_at((), 50.0) == 1.0
    assert share_at(FULLER, 0.0) == 1.0
    assert share_at(FULLER, 85.0) == pytest.approx(0.625)
    assert share_at(FULLER, 90.0) == pytest.approx(0.25)
    assert share_at(FULLER, 110.0) == pytest.approx(0.1)


def test_power_tapers_near_full_and_near_empty() -> None:
    assert charge_w_at(TAPERED, 70.0) == 6000.0
    assert charge_w_at(TAPERED, 90.0) == pytest.approx(1500.0)
    assert discharge_w_at(TAPERED, 70.0) == 6000.0
    assert discharge_w_at(TAPERED, 20.0) == pytest.approx(3600.0)
    assert charge_w_at(LEAF, 99.0) == 6000.0


@thorough(60)
@given(
    begin=st.floats(min_value=0.0, max_value=99.0),
    width=st.floats(min_value=0.1, max_value=100.0),
)
def test_the_mean_share_takes_as_long_as_the_taper(begin: float, width: float) -> None:
    end = min(100.0, begin + width)
    edges = np.linspace(begin, end, 20_001)
    middles = (edges[1:] + edges[:-1]) / 2.0
    hours = float(np.mean(1.0 / np.interp(middles, [80, 90, 100], [1, 0.25, 0.1])))
    assert mean_share(FULLER, begin, end) == pytest.approx(1.0 / hours, rel=1e-4)


def test_nothing_to_charge_has_the_share_of_now() -> None:
    assert mean_share(FULLER, 90.0, 80.0) == pytest.approx(0.25)
    assert mean_share((), 10.0, 90.0) == 1.0


@pytest.mark.parametrize(
    ("celsius", "charge_w", "discharge_w"),
    [
        (-25.0, 0.0, 0.0),
        (-15.0, 0.0, 3000.0),
        (0.0, 0.0, 6000.0),
        (5.0, 3000.0, 6000.0),
        (25.0, 6000.0, 6000.0),
        (52.5, 3000.0, 4500.0),
        (65.0, 0.0, 0.0),
    ],
)
def test_a_pack_gives_and_takes_less_when_cold_or_hot(
    celsius: float, charge_w: float, discharge_w: float
) -> None:
    """The coldest and the hottest place count, whichever allows less."""
    for said in (
        reading(temperature_min_c=celsius, temperature_max_c=25.0),
        reading(temperature_min_c=25.0, temperature_max_c=celsius),
    ):
        pack = known(PACK, reading=said)
        settings = first_settings(PACK)
        assert charge_ceiling_w(pack, settings) == pytest.approx(charge_w)
        assert discharge_ceiling_w(pack, settings) == pytest.approx(discharge_w)


def test_a_weak_cell_lowers_both() -> None:
    apart = reading(cell_min_mv=3600.0, cell_max_mv=3712.5)
    assert spread_mv(apart) == pytest.approx(112.5)
    assert measured_charge_w(PACK, apart) == pytest.approx(3000.0)
    assert measured_discharge_w(PACK, apart) == pytest.approx(3000.0)
    assert measured_charge_w(PACK, reading(cell_min_mv=3600.0)) == 6000.0
    # Below the least power that the inverter can it is nothing.
    nearly = reading(cell_min_mv=3600.0, cell_max_mv=3748.0)
    assert measured_charge_w(PACK, nearly) == 0.0


def test_a_car_looks_after_its_own_cells() -> None:
    cold = reading(temperature_min_c=-5.0, cell_min_mv=3000.0, cell_max_mv=3200.0)
    assert measured_charge_w(LEAF, cold) == LEAF.max_charge_w
    assert measured_discharge_w(LEAF, cold) == LEAF.max_discharge_w
    assert measured_charge_w(PACK, None) == PACK.max_charge_w


def test_the_power_of_an_old_battery_shrinks_with_its_capacity() -> None:
    old = replace(LEAF, usable_kwh=24.0, soh_percent=50.0)
    assert within_rate(old, 0.25).max_charge_w == pytest.approx(3000.0)
    assert within_rate(old, 0.25).max_discharge_w == pytest.approx(3000.0)
    assert within_rate(old, 2.0).max_charge_w == 6000.0


def test_charging_slows_down_towards_full_and_ends_there() -> None:
    loop = Loop(site=dear_site(), spec=TAPERED, tick_s=10.0)
    loop.plant._state.stored_kwh = 0.78 * LEAF.capacity_kwh
    loop.change(mode=UnitMode.CHARGE)
    rows = loop.run(5 * 3600.0, lambda _: 500.0)
    charging = [row for row in rows if row.unit_w < -10.0]
    assert min(row.unit_w for row in charging if row.soc_percent < 79.0) < -5900.0
    for row in charging:
        # One reported step is what the engine does not see.
        assert -row.unit_w <= charge_w_at(TAPERED, row.soc_percent - 1.0) + 1.0
    assert max(row.soc_percent for row in rows) == pytest.approx(95.0, abs=1.0)


def test_discharging_slows_down_towards_empty() -> None:
    loop = Loop(site=dear_site(), spec=TAPERED, tick_s=10.0)
    loop.plant._state.stored_kwh = 0.31 * LEAF.capacity_kwh
    loop.change(reserve_percent=12.0)
    rows = loop.run(4 * 3600.0, lambda _: 5000.0)
    giving = [row for row in rows if row.unit_w > 10.0]
    assert giving
    for row in giving:
        assert row.unit_w <= discharge_w_at(TAPERED, row.soc_percent + 1.0) + 1.0
    assert max(row.unit_w for row in giving) > 4900.0
    assert giving[-1].unit_w < 2500.0


def test_a_departure_begins_earlier_where_the_top_is_slow() -> None:
    def begin_s(spec: object) -> float:
        loop = Loop(
            site=dear_site(),
            spec=spec,  # type: ignore[arg-type]
            mode=HomeMode.SELF_CONSUMPTION,
            tick_s=30.0,
        )
        leaves_s = START_S + 6 * 3600.0
        departure = Departure(time_s=leaves_s, soc_percent=93.0)

        def adjust(inputs: object) -> object:
            unit = inputs.units["leaf"]  # type: ignore[attr-defined]
            told = replace(unit, departures=(departure,))
            return replace(inputs, units={"leaf": told})  # type: ignore[type-var]

        loop.adjust = adjust  # type: ignore[assignment]
        rows = loop.run(6 * 3600.0, lambda _: 400.0)
        assert rows[-1].soc_percent >= 93.0
        return next(row.time_s for row in rows if row.unit_w < -10.0)

    assert begin_s(TAPERED) < begin_s(LEAF) - 1200.0


def test_a_plan_charges_earlier_where_the_top_is_slow() -> None:
    tapered = replace(LINEAR, charge_taper=((60.0, 1.0), (80.0, 0.2)))
    prices = [DEAR * 0.5] * 4 + [CHEAP] * 3 + [DEAR] * 3
    trip = Absence(departure_s=7 * 3600.0, back_s=9 * 3600.0, soc_percent=90.0)
    plain, slow = (
        make_plan(
            task_of(stretch(prices, [300.0] * 10), spec, 20.0, absences=(trip,)), 0.0
        )
        for spec in (LINEAR, tapered)
    )

    def charged_kwh(steps: object) -> float:
        return sum(-min(0.0, each.unit_w) for each in steps) / 1e3  # type: ignore[attr-defined]

    assert charged_kwh(plain.steps[:4]) == pytest.approx(0.0, abs=0.1)
    assert charged_kwh(slow.steps[:4]) > 3.0
    for before, after in zip(slow.steps, slow.steps[1:], strict=False):
        allowed_w = charge_w_at(tapered, before.soc_percent)
        assert after.unit_w >= -allowed_w - 100.0
    assert any(each.intent.kind is IntentKind.CHARGE for each in slow.steps)


def test_a_plan_covers_less_where_the_bottom_is_weak() -> None:
    weak = replace(LINEAR, discharge_taper=((40.0, 0.2), (60.0, 0.2)))
    near = stretch([DEAR] * 4 + [CHEAP] * 4, [3000.0] * 8)
    plain = make_plan(task_of(near, LINEAR, 18.0), 0.0)
    tapered = make_plan(task_of(near, weak, 18.0), 0.0)
    assert plain.steps[0].unit_w == pytest.approx(3000.0, rel=0.05)
    assert tapered.steps[0].unit_w == pytest.approx(1200.0, rel=0.05)


UNIT = {
    "kind": "stationary",
    "usable_kwh": 24,
    "soh_percent": 65,
    "min_soc_percent": 10,
    "max_soc_percent": 95,
    "reserve_percent": 30,
    "max_charge_w": 6000,
    "max_discharge_w": 6000,
    "efficiency": {"charge": 0.95, "discharge": 0.95},
}


def test_tapers_and_the_rate_of_a_unit_file() -> None:
    spec = parse_unit(
        {**UNIT, "charge_taper": [[80, 1], [95, 0.2]], "max_c_rate": 0.2}, "unit"
    )
    assert spec.charge_taper == ((80.0, 1.0), (95.0, 0.2))
    assert spec.discharge_taper == ()
    assert spec.max_charge_w == pytest.approx(24 * 0.65 * 0.2 * 1000.0)


@pytest.mark.parametrize(
    "taper", [[], [[80]], [[80, 1], [70, 0.5]], [[80, 0]], [[80, 1.5]], "80", [80, 1]]
)
def test_a_taper_that_is_none_is_named(taper: object) -> None:
    with pytest.raises(FormatError, match="discharge_taper"):
        parse_unit({**UNIT, "discharge_taper": taper}, "unit")
