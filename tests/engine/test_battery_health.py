"""What a battery has left, measured while it is used."""

from dataclasses import replace
from random import Random

import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.battery_health import (
    END_PERCENT,
    YEAR_S,
    HealthReport,
    end_of_life,
    measured_capacity,
    report,
    round_trip,
    usable_capacity,
    wear_per_kwh,
)
from custom_components.leaf_to_home.engine.battery_record import (
    MOST_POINTS,
    BatteryRecord,
    HealthPoint,
    Swing,
)
from custom_components.leaf_to_home.engine.formats import FormatError, parse_unit
from custom_components.leaf_to_home.engine.model import HomeMode, Reading, UnitMode
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from tests.engine.loop import CURVE, LEAF, START_S, Loop, dear_site
from tests.engine.test_derating import UNIT

PACK = replace(LEAF, kind=UnitKind.STATIONARY, usable_kwh=10.0, min_import_w=0.0)


def swings(
    truth: UnitSpec, spec: UnitSpec, *, cycles: int = 4, soh: float | None = None
) -> tuple[BatteryRecord, Loop]:
    """Return the record of a pack that is charged and discharged by hand for days."""

    def said(reading: Reading) -> Reading:
        return replace(reading, soh_percent=soh)

    loop = Loop(
        site=dear_site(battery_export_limit_w=6000.0),
        spec=spec,
        truth=truth,
        mode=HomeMode.SELF_CONSUMPTION,
        tick_s=20.0,
        reading=said,
    )
    for _ in range(cycles):
        for mode, hours in ((UnitMode.CHARGE, 3), (UnitMode.DISCHARGE, 4)):
            loop.change(mode=mode, until_s=None, reserve_percent=10.0)
            loop.run(hours * 3600.0, lambda _: 3000.0)
    return loop.state.batteries["leaf"], loop


def test_the_capacity_is_measured_within_its_own_range() -> None:
    truth = replace(PACK, soh_percent=70.0)
    record, _ = swings(truth, PACK)
    found = measured_capacity(record, PACK)
    assert found is not None
    assert found.low < 7.0 < found.high
    assert found.value == pytest.approx(7.0, rel=0.04)
    assert found.high - found.low < 1.5


def test_a_wrong_loss_curve_cancels_out() -> None:
    """Half of the real loss is assumed: too much goes in, too little comes out."""
    truth = replace(PACK, soh_percent=70.0)
    half = LossCurve(constant_w=40.0, linear=0.015, quadratic_per_kw=0.002)
    record, _ = swings(truth, replace(PACK, charge_loss=half, discharge_loss=half))
    found = measured_capacity(record, PACK)
    assert found is not None
    assert found.value == pytest.approx(7.0, rel=0.05)
    share = round_trip(record)
    assert share is not None
    assert share == pytest.approx(truth.round_trip(6000.0, 3000.0), abs=0.05)


def test_cycles_and_throughput_are_counted() -> None:
    record, loop = swings(PACK, PACK, cycles=2)
    told = report(record, PACK, loop.plant.time_s)
    moved = loop.leaf.charged_kwh + loop.leaf.discharged_kwh
    assert told.throughput_kwh == pytest.approx(moved, rel=0.02)
    assert told.cycles == pytest.approx(2 * 0.85, rel=0.15)


def test_before_anything_has_moved_there_is_only_what_was_entered() -> None:
    record = BatteryRecord(since_s=START_S)
    spec = replace(PACK, soh_percent=65.0)
    told = report(record, spec, START_S)
    assert told.measured is None
    assert told.round_trip is None
    assert told.capacity.value == pytest.approx(6.5)
    assert told.capacity.low < 6.5 - 1.0
    assert told.capacity.high > 6.5 + 1.0
    assert told.cycles == 0.0
    assert told.points == ()


def test_what_is_measured_outweighs_what_is_reported_and_that_what_was_entered() -> (
    None
):
    spec = replace(PACK, soh_percent=100.0)
    entered = usable_capacity(BatteryRecord(since_s=START_S), spec)
    reported = usable_capacity(BatteryRecord(since_s=START_S, soh_percent=80.0), spec)
    swing = Swing(ac_kwh=20.0, dc_kwh=18.0, soc_percent=300.0, runs=5.0)
    measured = usable_capacity(
        BatteryRecord(since_s=START_S, soh_percent=80.0, rising=swing, falling=swing),
        spec,
    )
    assert entered.value == pytest.approx(10.0)
    assert reported.value == pytest.approx(8.0)
    assert 6.0 < measured.value < 6.6
    widths = [each.high - each.low for each in (measured, reported, entered)]
    assert widths == sorted(widths)


def test_a_report_that_jumps_and_a_turn_measure_nothing() -> None:
    """An hour of a car's trip, a glitch, a new balance: no energy, many points."""
    _, loop = swings(PACK, PACK, cycles=1)
    loop.change(mode=UnitMode.CHARGE, until_s=None)
    loop.run(3600.0, lambda _: 500.0)
    loop.change(mode=UnitMode.HOLD, until_s=None)
    loop.run(120.0, lambda _: 500.0)
    record = loop.state.batteries["leaf"]
    before = record.rising.soc_percent + record.falling.soc_percent
    loop.plant.unplug(3.0)
    loop.run(600.0, lambda _: 500.0)
    loop.plant.plug_in()
    loop.run(600.0, lambda _: 500.0)
    after = loop.state.batteries["leaf"]
    assert after.rising.soc_percent + after.falling.soc_percent == before


def test_the_far_past_fades() -> None:
    old = Swing(ac_kwh=200.0, dc_kwh=180.0, soc_percent=2999.5, runs=30.0)
    record, loop = swings(PACK, PACK, cycles=1)
    loop.state.batteries["leaf"] = replace(record, rising=old)
    loop.change(mode=UnitMode.CHARGE, until_s=None)
    loop.run(2 * 3600.0, lambda _: 500.0)
    rising = loop.state.batteries["leaf"].rising
    assert 1500.0 < rising.soc_percent < 1700.0
    assert rising.dc_kwh < 120.0


def test_points_are_monthly_and_bounded() -> None:
    record = BatteryRecord(since_s=START_S)
    for month in range(MOST_POINTS + 30):
        for _ in range(3):
            year, rest = divmod(month, 12)
            record.put(HealthPoint(month=f"{2026 + year}-{rest + 1:02}"))
    assert len(record.points) == MOST_POINTS
    months = [point.month for point in record.points]
    assert months == sorted(set(months))


def fading(per_year: float, months: int, noise: float = 0.3) -> BatteryRecord:
    random = Random(1)
    record = BatteryRecord(since_s=START_S - months / 12.0 * YEAR_S)
    for month in range(months):
        soh = 90.0 - per_year * month / 12.0 + random.gauss(0.0, noise)
        year, rest = divmod(month, 12)
        record.put(HealthPoint(month=f"{2024 + year}-{rest + 1:02}", soh_percent=soh))
        record.soh_percent = soh
    return record


def test_the_end_is_a_range_that_narrows_with_what_is_seen() -> None:
    spec = LEAF
    new_early, new_late = end_of_life(fading(3.0, 1), spec, START_S)
    early, late = end_of_life(fading(3.0, 36), spec, START_S)
    # About 81 % are left after three years: seven more to 60 %.
    assert START_S + 4.0 * YEAR_S < early < START_S + 7.0 * YEAR_S
    assert START_S + 7.0 * YEAR_S < late < START_S + 13.0 * YEAR_S
    assert late - early < new_late - new_early


def test_a_battery_that_fades_fast_ends_sooner() -> None:
    slow = end_of_life(fading(2.0, 36), LEAF, START_S)
    fast = end_of_life(fading(9.0, 36), LEAF, START_S)
    assert fast[0] < slow[0]
    assert fast[1] < slow[1]
    used = replace(fading(3.0, 1), drained_kwh=36.0 * 100.0)
    used.since_s = START_S - 0.5 * YEAR_S
    idle = replace(used, drained_kwh=0.0)
    assert end_of_life(used, LEAF, START_S)[1] < end_of_life(idle, LEAF, START_S)[1]


def test_a_battery_that_is_past_its_end_ends_now() -> None:
    worn = replace(LEAF, soh_percent=40.0)
    told: HealthReport = report(BatteryRecord(since_s=START_S), worn, START_S)
    assert told.end_earliest_s == told.end_latest_s == START_S
    assert told.end_percent == END_PERCENT[UnitKind.VEHICLE]


def test_wear_from_price_and_cycles() -> None:
    """6.5 kWh now and 5 at the end are 5.75 kWh a cycle."""
    spec = replace(PACK, soh_percent=65.0)
    assert wear_per_kwh(spec, 1150.0, 2000.0) == pytest.approx(0.10)
    assert wear_per_kwh(replace(PACK, soh_percent=40.0), 800.0, 1000.0) == (
        pytest.approx(0.20)
    )
    read = parse_unit(
        {**UNIT, "wear_per_kwh": 9, "purchase_price": 0, "remaining_cycles": 500}, "u"
    )
    assert read.wear_per_kwh == 0.0
    with pytest.raises(FormatError, match="remaining_cycles"):
        parse_unit({**UNIT, "purchase_price": 100}, "u")


def test_the_record_is_stored_and_read_back() -> None:
    record, loop = swings(PACK, PACK, cycles=1, soh=71.0)
    assert record.soh_percent == 71.0
    assert [point.month for point in record.points] == ["2026-11"]
    assert record.points[0].soh_percent == 71.0
    again = from_dict(HomeState, to_dict(loop.state))
    assert again.batteries == loop.state.batteries
    assert to_dict(again) == to_dict(loop.state)


def test_a_home_that_is_off_measures_too() -> None:
    loop = Loop(site=dear_site(), spec=PACK, mode=HomeMode.OFF, tick_s=20.0)
    loop.run(600.0, lambda _: 500.0)
    assert loop.state.batteries.keys() == {"leaf"}
    assert loop.state.batteries["leaf"].charged_kwh == 0.0
    assert CURVE is PACK.charge_loss
