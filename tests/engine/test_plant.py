"""The plant: what a station does between a command and its effect, and its books."""

from dataclasses import replace
import json
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.model import UnitStatus
from custom_components.leaf_to_home.engine.plant import Plant, PlantStep
from custom_components.leaf_to_home.engine.stored import StateError

LOSS = LossCurve(constant_w=80.0, linear=0.03, quadratic_per_kw=0.004)
IDEAL = UnitSpec(
    kind=UnitKind.VEHICLE,
    usable_kwh=36.0,
    max_charge_w=6000.0,
    max_discharge_w=6000.0,
    charge_loss=LOSS,
    discharge_loss=LOSS,
)
REAL = replace(
    IDEAL,
    min_power_w=200.0,
    min_import_w=50.0,
    standby_w=10.0,
    start_delay_s=30.0,
    ramp_w_per_s=500.0,
)


def status(plant: Plant) -> UnitStatus:
    return plant.status


def seconds(plant: Plant, count: int, load_w: float = 9000.0) -> list[float]:
    return [plant.advance(1.0, load_w).unit_w for _ in range(count)]


def recomputed_kwh(spec: UnitSpec, unit_w: float, dt_s: float) -> float:
    """The law of energy, as a reader of a trace would apply it."""
    if -spec.standby_w <= unit_w <= 0.0:
        return 0.0
    return spec.stored_w(unit_w) * dt_s / 3.6e6


def test_an_ideal_unit_obeys_at_once() -> None:
    plant = Plant(IDEAL)
    plant.command(3000.0, 0.0)
    step = plant.advance(900.0, 4000.0, 500.0)
    assert step == PlantStep(
        unit_w=3000.0,
        grid_w=500.0,
        stored_kwh=18.0 - (3000.0 + LOSS.loss_w(3000.0)) / 4000.0,
    )
    assert status(plant) is UnitStatus.DISCHARGING
    plant.command(-6000.0, 900.0)
    assert plant.advance(1.0, 0.0).unit_w == -6000.0
    assert status(plant) is UnitStatus.CHARGING


def test_dead_time_delays_every_command() -> None:
    plant = Plant(IDEAL, dead_time_s=5.0)
    plant.command(1000.0, 0.0)
    assert plant.commanded_w == 1000.0
    powers = seconds(plant, 3)
    plant.command(2000.0, 3.0)
    powers += seconds(plant, 7)
    assert powers == [0.0] * 5 + [1000.0] * 3 + [2000.0] * 2


def test_a_command_inside_a_long_step_counts_for_its_part() -> None:
    plant = Plant(IDEAL, dead_time_s=300.0)
    plant.command(4000.0, 0.0)
    assert plant.advance(900.0, 9000.0).unit_w == pytest.approx(4000.0 * 600.0 / 900.0)


def test_start_delay_then_ramp_with_standby_before() -> None:
    plant = Plant(REAL)
    plant.command(2000.0, 0.0)
    powers = seconds(plant, 36)
    assert powers[:30] == [-10.0] * 30
    assert powers[30:] == [250.0, 750.0, 1250.0, 1750.0, 2000.0, 2000.0]


def test_status_while_starting_and_idle_draw() -> None:
    plant = Plant(REAL)
    assert seconds(plant, 2) == [-10.0, -10.0]
    assert status(plant) is UnitStatus.IDLE
    plant.command(-2000.0, 2.0)
    seconds(plant, 3)
    assert status(plant) is UnitStatus.STARTING
    assert plant.power_w == -10.0
    assert plant.stored_kwh == 18.0


def test_a_command_taken_back_while_starting_starts_anew_later() -> None:
    plant = Plant(REAL)
    plant.command(2000.0, 0.0)
    seconds(plant, 20)
    plant.command(0.0, 20.0)
    seconds(plant, 5)
    assert status(plant) is UnitStatus.IDLE
    plant.command(2000.0, 25.0)
    assert seconds(plant, 30) == [-10.0] * 30
    assert plant.advance(1.0, 9000.0).unit_w > 0.0


def test_to_turn_round_it_ramps_down_and_starts_anew() -> None:
    plant = Plant(REAL)
    plant.command(1000.0, 0.0)
    seconds(plant, 40)
    plant.command(-1000.0, 40.0)
    powers = seconds(plant, 40)
    assert powers[:2] == [750.0, 250.0]
    assert powers[2:32] == [-10.0] * 30
    assert powers[32:35] == [-250.0, -750.0, -1000.0]


@pytest.mark.parametrize("target_w", [2000.0, -6000.0, 250.0])
@pytest.mark.parametrize("dead_time_s", [0.0, 7.0])
def test_long_steps_have_the_mean_of_short_ones(
    target_w: float, dead_time_s: float
) -> None:
    fine, coarse = (Plant(REAL, dead_time_s=dead_time_s) for _ in range(2))
    for plant in (fine, coarse):
        plant.command(target_w, 0.0)
    mean_w = sum(seconds(fine, 900)) / 900.0
    assert coarse.advance(900.0, 9000.0).unit_w == pytest.approx(mean_w)
    for plant in (fine, coarse):
        plant.command(0.0, 900.0)
    mean_w = sum(seconds(fine, 900)) / 900.0
    assert coarse.advance(900.0, 9000.0).unit_w == pytest.approx(mean_w)


def test_below_its_minimum_it_idles_and_above_its_maximum_it_gives_that() -> None:
    plant = Plant(replace(REAL, start_delay_s=0.0, ramp_w_per_s=0.0))
    plant.command(199.0, 0.0)
    assert plant.advance(1.0, 9000.0).unit_w == -10.0
    plant.command(9000.0, 1.0)
    assert plant.advance(1.0, 9000.0).unit_w == 6000.0
    plant.command(-9000.0, 2.0)
    assert plant.advance(1.0, 9000.0).unit_w == -6000.0


def test_it_always_buys_a_little_while_it_discharges() -> None:
    plant = Plant(replace(REAL, start_delay_s=0.0, ramp_w_per_s=0.0))
    plant.command(3000.0, 0.0)
    steps = [plant.advance(1.0, load_w) for load_w in (5000.0, 2000.0, 240.0, 2000.0)]
    assert [step.unit_w for step in steps] == [3000.0, 1950.0, -10.0, 1950.0]
    assert [step.grid_w for step in steps] == [2000.0, 50.0, 250.0, 50.0]
    # The relay stays closed at no load: it comes back without a start.
    assert plant.advance(1.0, 2000.0, 4000.0).unit_w == -10.0
    assert status(plant) is UnitStatus.DISCHARGING


def test_without_that_it_exports() -> None:
    plant = Plant(IDEAL)
    plant.command(3000.0, 0.0)
    assert plant.advance(1.0, 1000.0).grid_w == -2000.0


@pytest.mark.parametrize("dt_s", [1.0, 900.0, 3600.0])
def test_a_full_and_an_empty_battery_lower_the_mean(dt_s: float) -> None:
    full_kwh, empty_kwh = 36.0 * 0.95, 36.0 * 0.10
    plant = Plant(REAL, stored_kwh=full_kwh - 0.001)
    plant.command(-6000.0, 0.0)
    for _ in range(60):
        before = plant.stored_kwh
        step = plant.advance(dt_s, 500.0)
        assert step.stored_kwh - before == pytest.approx(
            recomputed_kwh(REAL, step.unit_w, dt_s), abs=1e-9
        )
    assert plant.stored_kwh == pytest.approx(full_kwh)
    assert status(plant) is UnitStatus.IDLE
    assert plant.advance(dt_s, 500.0).unit_w == -10.0

    plant = Plant(REAL, stored_kwh=empty_kwh + 0.2)
    plant.command(6000.0, 0.0)
    for _ in range(200):
        plant.advance(dt_s, 9000.0)
    assert plant.stored_kwh == pytest.approx(empty_kwh)
    assert plant.advance(dt_s, 9000.0).unit_w == -10.0


def test_no_room_but_for_less_than_the_standby_draw() -> None:
    spec = replace(
        IDEAL, standby_w=10.0, charge_loss=LossCurve(linear=0.1), max_soc_percent=100.0
    )
    plant = Plant(spec, stored_kwh=36.0 - 1e-6)
    plant.command(-6000.0, 0.0)
    step = plant.advance(3600.0, 0.0)
    assert (step.unit_w, step.stored_kwh) == (-10.0, 36.0 - 1e-6)


def test_forced_charge_at_plug_in_whatever_it_is_told() -> None:
    plant = Plant(IDEAL, forced_to_percent=20.0)
    assert plant.unplug(15.0) == 15.0
    assert status(plant) is UnitStatus.DISCONNECTED
    plant.command(3000.0, 0.0)
    plant.advance(60.0, 500.0)
    plant.plug_in()
    assert status(plant) is UnitStatus.FORCED_CHARGE
    plant.command(3000.0, 60.0)
    assert plant.advance(60.0, 500.0).unit_w == -6000.0
    while status(plant) is UnitStatus.FORCED_CHARGE:
        plant.advance(60.0, 500.0)
    assert plant.soc_percent == pytest.approx(20.0, abs=0.3)
    assert plant.advance(60.0, 3500.0).unit_w == 3000.0


def test_a_trip_takes_its_energy_and_ends_every_command() -> None:
    plant = Plant(REAL)
    plant.command(-6000.0, 0.0)
    seconds(plant, 60)
    before = plant.stored_kwh
    assert plant.unplug(5.0) == 5.0
    assert plant.stored_kwh == before - 5.0
    step = plant.advance(3600.0, 700.0)
    assert (step.unit_w, step.grid_w) == (0.0, 700.0)
    reading = plant.reading()
    assert reading.connected is False
    assert reading.soc_percent is None
    plant.plug_in()
    assert plant.commanded_w == 0.0
    assert plant.advance(1.0, 700.0).unit_w == -10.0
    assert status(Plant(REAL, connected=False)) is UnitStatus.DISCONNECTED
    # A trip that is longer than the battery charges on its way.
    left = plant.stored_kwh
    assert plant.unplug(99.0) == left
    assert plant.stored_kwh == 0.0


def test_the_reading_is_in_whole_steps_with_counters() -> None:
    plant = Plant(replace(IDEAL, soc_step_percent=1.0), stored_kwh=36.0 * 0.4999)
    assert plant.reported_soc_percent == 49.0
    plant = Plant(IDEAL)
    assert plant.reported_soc_percent == 50.0
    plant.command(2000.0, 0.0)
    plant.advance(1800.0, 3000.0)
    plant.command(-4000.0, 1800.0)
    plant.advance(900.0, 3000.0)
    reading = plant.reading(max_age_s=5.0)
    assert reading.time_s == 2700.0
    assert reading.max_age_s == 5.0
    assert reading.discharged_kwh == pytest.approx(1.0)
    assert reading.charged_kwh == pytest.approx(1.0)
    assert reading.power_w == -4000.0
    assert reading.islanding is False
    assert Plant(replace(IDEAL, soc_step_percent=0.0)).reading().soc_percent == 50.0


def test_without_the_grid_it_carries_the_house_after_a_start() -> None:
    plant = Plant(REAL)
    plant.command(-6000.0, 0.0)
    seconds(plant, 60)
    plant.lose_grid()
    assert plant.grid_lost
    assert seconds(plant, 29, 1500.0) == [0.0] * 29
    assert not plant.islanding
    assert seconds(plant, 1, 1500.0) == [0.0]
    before = plant.stored_kwh
    step = plant.advance(60.0, 1500.0, 3000.0)
    assert (step.unit_w, step.grid_w) == (1500.0, 0.0)
    assert step.stored_kwh == pytest.approx(before + REAL.stored_w(1500.0) / 60e3)
    assert status(plant) is UnitStatus.ISLANDING
    assert plant.reading().islanding is True
    # Below its minimum power and without any import it still carries on.
    assert plant.advance(1.0, 60.0).unit_w == 60.0
    assert plant.advance(1.0, 9000.0).unit_w == 6000.0
    plant.restore_grid()
    assert status(plant) is UnitStatus.IDLE
    assert plant.advance(1.0, 800.0) == PlantStep(
        unit_w=-10.0, grid_w=810.0, stored_kwh=plant.stored_kwh
    )


def test_to_idle_an_islanding_unit_takes_the_light_away() -> None:
    plant = Plant(replace(REAL, start_delay_s=0.0))
    plant.lose_grid()
    assert seconds(plant, 2, 500.0) == [500.0, 500.0]
    plant.command(3000.0, 2.0)
    assert seconds(plant, 1, 500.0) == [500.0]
    plant.command(0.0, 3.0)
    assert seconds(plant, 60, 500.0) == [0.0] * 60


def test_an_island_ends_when_the_battery_is_empty_or_the_car_leaves() -> None:
    spec = replace(REAL, start_delay_s=0.0)
    plant = Plant(spec, stored_kwh=3.6 + 0.01)
    plant.lose_grid()
    seconds(plant, 60, 2000.0)
    assert plant.stored_kwh == pytest.approx(3.6)
    assert plant.advance(1.0, 2000.0).unit_w == 0.0
    plant = Plant(spec)
    plant.lose_grid()
    plant.unplug(1.0)
    assert seconds(plant, 2, 500.0) == [0.0, 0.0]
    plant = Plant(spec, islands=False)
    plant.lose_grid()
    assert seconds(plant, 2, 500.0) == [0.0, 0.0]


def test_a_person_starts_the_island_of_a_unit_that_does_not_by_itself() -> None:
    plant = Plant(REAL, stored_kwh=20.0, islands=False)
    # While the grid is there the button does nothing.
    plant.start_island()
    plant.lose_grid()
    assert plant.advance(600.0, 800.0).unit_w == 0.0
    plant.start_island()
    plant.advance(60.0, 800.0)
    assert plant.islanding
    assert plant.power_w == 800.0


def test_time_must_go_on() -> None:
    plant = Plant(IDEAL, time_s=100.0)
    with pytest.raises(ValueError, match="above 0 s"):
        plant.advance(0.0, 500.0)
    plant.skip_to(500.0)
    assert plant.time_s == 500.0


def test_its_memory_survives_as_json() -> None:
    plant = Plant(REAL, time_s=1000.0, dead_time_s=5.0)
    plant.command(2000.0, 1000.0)
    seconds(plant, 33)
    plant.command(2500.0, 1033.0)
    again = Plant.from_dict(
        REAL, json.loads(json.dumps(plant.to_dict())), dead_time_s=5.0
    )
    assert again.commanded_w == 2500.0
    assert seconds(again, 20) == seconds(plant, 20)
    assert again.to_dict() == plant.to_dict()
    with pytest.raises(StateError, match=r"plant\.stored_kwh"):
        Plant.from_dict(REAL, {"stored_kwh": "much"})


specs = st.builds(
    UnitSpec,
    kind=st.just(UnitKind.VEHICLE),
    usable_kwh=st.floats(0.5, 80.0),
    soh_percent=st.floats(50.0, 100.0),
    min_soc_percent=st.floats(0.0, 20.0),
    max_soc_percent=st.floats(60.0, 100.0),
    max_charge_w=st.floats(500.0, 11000.0),
    max_discharge_w=st.floats(500.0, 11000.0),
    min_power_w=st.floats(0.0, 400.0),
    min_import_w=st.sampled_from((0.0, 50.0)),
    standby_w=st.floats(0.0, 50.0),
    start_delay_s=st.floats(0.0, 90.0),
    ramp_w_per_s=st.sampled_from((0.0, 50.0, 500.0)),
    charge_loss=st.sampled_from((LOSS, LossCurve(linear=0.07))),
    discharge_loss=st.sampled_from((LOSS, LossCurve(linear=0.07))),
)
actions = st.lists(
    st.tuples(
        st.sampled_from(
            ("command", "command", "command", "trip", "home", "cut", "back")
        ),
        st.floats(-12000.0, 12000.0),
        st.sampled_from((1.0, 10.0, 300.0, 900.0, 3600.0)),
        st.floats(0.0, 8000.0),
        st.floats(0.0, 5000.0),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(spec=specs, dead_time_s=st.sampled_from((0.0, 5.0, 20.0)), todo=actions)
def test_energy_always_balances(
    spec: UnitSpec, dead_time_s: float, todo: list[tuple[Any, ...]]
) -> None:
    """Whatever happens, stored energy follows the law and stays within its bounds."""
    plant = Plant(spec, dead_time_s=dead_time_s)
    charged = discharged = trips = 0.0
    first = plant.stored_kwh
    for what, power_w, dt_s, load_w, solar_w in todo:
        if what == "command":
            plant.command(power_w, plant.time_s)
        elif what == "trip" and plant.connected:
            trips += plant.unplug(abs(power_w) / 1000.0)
        elif what == "home" and not plant.connected:
            plant.plug_in()
        elif what == "cut":
            plant.lose_grid()
        elif what == "back":
            plant.restore_grid()
        before = plant.stored_kwh
        step = plant.advance(dt_s, load_w, solar_w)
        assert step.stored_kwh - before == pytest.approx(
            recomputed_kwh(spec, step.unit_w, dt_s), abs=1e-6
        )
        assert 0.0 <= step.stored_kwh <= spec.capacity_kwh + 1e-9
        assert -spec.max_charge_w - 50.0 <= step.unit_w <= spec.max_discharge_w + 1e-9
        if plant.grid_lost:
            assert step.grid_w == 0.0
            assert 0.0 <= step.unit_w <= load_w + 1e-9
        else:
            assert step.grid_w == pytest.approx(load_w - solar_w - step.unit_w)
            if spec.min_import_w and step.unit_w > 0.0:
                assert step.grid_w >= spec.min_import_w - 1e-6
        if not plant.connected:
            assert step.unit_w == 0.0
        charged += max(0.0, -step.unit_w) * dt_s / 3.6e6
        discharged += max(0.0, step.unit_w) * dt_s / 3.6e6
    lost = charged - discharged - trips - (plant.stored_kwh - first)
    assert lost >= -1e-6
    reading = plant.reading()
    assert reading.charged_kwh == pytest.approx(charged, abs=1e-9)
    assert reading.discharged_kwh == pytest.approx(discharged, abs=1e-9)


def test_what_is_left_below_the_curves_own_loss_stays_in_the_battery() -> None:
    """So little is left that running the station alone would take more than it."""
    spec = replace(IDEAL, standby_w=10.0)
    floor_kwh = spec.capacity_kwh * 0.1
    plant = Plant(spec, stored_kwh=floor_kwh + 0.01)
    plant.command(3000.0, 0.0)
    step = plant.advance(3600.0, 5000.0)
    assert step.unit_w == -10.0
    assert step.stored_kwh == floor_kwh + 0.01
