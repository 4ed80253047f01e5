"""Capacity and losses of a battery."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve
from tests.engine.loop import CURVE, LEAF
from tests.engine.parts import thorough

powers = st.floats(min_value=100.0, max_value=6000.0)
curves = st.builds(
    LossCurve,
    constant_w=st.floats(min_value=0.0, max_value=90.0),
    linear=st.floats(min_value=0.0, max_value=0.1),
    quadratic_per_kw=st.floats(min_value=0.0, max_value=0.01),
)


@pytest.mark.parametrize(
    ("power_w", "efficiency"), [(6000.0, 0.93), (500.0, 0.81), (300.0, 0.70)]
)
def test_the_measured_loss_curve(power_w: float, efficiency: float) -> None:
    assert 1.0 - CURVE.loss_w(power_w) / power_w == pytest.approx(efficiency, abs=0.006)


def test_an_idle_converter_loses_nothing_of_the_battery() -> None:
    assert CURVE.loss_w(0.0) == 0.0
    assert LEAF.stored_w(0.0) == 0.0


def test_capacity_shrinks_with_the_state_of_health() -> None:
    assert replace(LEAF, soh_percent=75.0).capacity_kwh == pytest.approx(27.0)


def test_stored_energy_pays_for_the_losses_both_ways() -> None:
    spec = replace(
        LEAF,
        charge_loss=LossCurve(linear=0.1),
        discharge_loss=LossCurve(linear=0.2),
    )
    assert spec.stored_w(-1000.0) == pytest.approx(900.0)
    assert spec.stored_w(1000.0) == pytest.approx(-1200.0)
    assert spec.round_trip(1000.0, 1000.0) == pytest.approx(0.9 / 1.2)


def test_charging_below_the_converters_own_loss_stores_nothing() -> None:
    assert LEAF.stored_w(-60.0) == 0.0
    assert LEAF.round_trip(60.0, 1000.0) == 0.0
    assert LEAF.round_trip(1000.0, 0.0) == 0.0


@thorough(60)
@given(curve=curves, power_w=powers)
def test_the_power_for_a_rate_is_found_back(curve: LossCurve, power_w: float) -> None:
    spec = replace(LEAF, charge_loss=curve, discharge_loss=curve)
    fill_w = spec.stored_w(-power_w)
    assert spec.charge_w_for(fill_w) == pytest.approx(power_w, rel=1e-6)
    drain_w = -spec.stored_w(power_w)
    assert spec.discharge_w_for(drain_w) == pytest.approx(power_w, rel=1e-6)


def test_a_drain_that_the_converter_alone_causes_gives_nothing() -> None:
    assert LEAF.discharge_w_for(79.0) == 0.0
    assert LEAF.discharge_w_for(0.0) == 0.0
    assert LEAF.charge_w_for(-5.0) == 0.0


def test_more_than_the_best_power_can_fill_is_asked_of_the_best_power() -> None:
    """Past the top of the parabola more power stores less."""
    steep = LossCurve(quadratic_per_kw=0.25)
    spec = replace(LEAF, charge_loss=steep)
    best_w = spec.charge_w_for(5000.0)
    assert best_w == pytest.approx(2000.0)
    assert spec.stored_w(-best_w) >= spec.stored_w(-best_w - 10.0)
    assert spec.stored_w(-best_w) >= spec.stored_w(-best_w + 10.0)
