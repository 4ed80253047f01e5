"""What a battery has left and how long it lasts, measured while it is used.

Nothing of this changes a command: it is counted, remembered month by month, and shown.
"""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from .battery import UnitKind, UnitSpec
from .battery_record import BatteryRecord, HealthPoint, Swing
from .model import Inputs
from .state import HomeState, UnitState
from .vehicles import nobodys

# A pause longer than this was slept through: what moved meanwhile has no known power.
ASLEEP_H: Final = 0.1
# A report that jumps further than this, or by more steps, is no measurement.
JUMP_PERCENT: Final = 3.0
JUMP_STEPS: Final = 2.5
# Of what moved between two reports, no more may have gone the other way.
MINOR_SHARE: Final = 0.1
# What a report may imply of the capacity, as a share of what is known of it.
IMPLIED: Final = (0.3, 2.0)
# So many points of charge say something; older ones fade once there are this many.
LEAST_SWING_PERCENT: Final = 30.0
MOST_SWING_PERCENT: Final = 3000.0

# How well a capacity is known, one standard deviation, as a share of the new one. A
# battery management system can be wrong for years: 30 kWh LEAFs showed 9.9 % a year
# where 24 kWh ones lost 3.1 % (Myall et al. 2018), until new software told otherwise.
REPORTED_SHARE: Final = 0.05
ENTERED_SHARE: Final = 0.1
MEASURED_SHARE: Final = 0.02
# With one direction only, the loss curve is believed to this share.
ONE_WAY_SHARE: Final = 0.05
# How exactly a step of the report tells when it is passed, in steps.
EDGE_STEPS: Final = 0.4
# 90 % lie within so many standard deviations.
SIGMAS: Final = 1.64

# Where a use ends, percent of the new capacity. Packs leave cars at 60 to 67 % (San
# Diego State University, more than 100 first-generation LEAF packs); modules are sold
# for a second life down to 50 %.
END_PERCENT: Final = {
    UnitKind.VEHICLE: 60.0,
    UnitKind.STATIONARY: 50.0,
    UnitKind.PORTABLE: 50.0,
}
# 24 kWh LEAFs lost 2.9 to 3.3 points a year (Myall et al. 2018); climates differ by a
# factor of 0.8 to 1.5, which is the doubt.
FADE_PER_YEAR: Final = 3.1
FADE_DOUBT: Final = 1.0
LEAST_FADE_PER_YEAR: Final = 0.5
# The community's model for the LEAF: 1.5 points for about 150 full cycles.
FADE_PER_CYCLE: Final = 0.01
# So many months of points make a slope.
LEAST_MONTHS: Final = 6
LONGEST_YEARS: Final = 25.0
YEAR_S: Final = 365.25 * 86400.0
# Cycles of a year are known after this long.
LEAST_RECORD_S: Final = 30 * 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A value, and the range in which it lies nine times out of ten."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthReport:
    """What is known of a battery; None where nothing is.

    `end_earliest_s` and `end_latest_s` bound when it has come down to `end_percent`.
    """

    capacity: Estimate
    measured: Estimate | None
    soh_percent: float | None
    cycles: float
    throughput_kwh: float
    round_trip: float | None
    end_percent: float
    end_earliest_s: float
    end_latest_s: float
    points: tuple[HealthPoint, ...]


def observe(before: HomeState, state: HomeState, inputs: Inputs, now_s: float) -> None:
    """Take one step into the records of all batteries."""
    if before.time_s is None:
        return
    hours = (now_s - before.time_s) / 3600.0
    if hours <= 0.0:
        return
    new_hour = now_s // 3600.0 != before.time_s // 3600.0
    for key, known in inputs.units.items():
        unit, was = state.units[key], before.units.get(key)
        if was is None or nobodys(unit, known) or unit.vehicle != was.vehicle:
            continue
        book = unit.book(key)
        if book not in state.batteries:
            state.batteries[book] = BatteryRecord(since_s=now_s)
        record, spec = state.batteries[book], known.spec
        _count(record, unit, was, spec, hours)
        _measure(record, unit, spec, asleep=hours > ASLEEP_H)
        reading = known.reading
        if reading is not None and reading.soh_percent is not None:
            record.soh_percent = reading.soh_percent
        if new_hour or not record.points:
            month = inputs.site.tariff.month(now_s)
            record.put(_point(record, spec, month))


def report(record: BatteryRecord, spec: UnitSpec, now_s: float) -> HealthReport:
    """Return what is known of a battery."""
    capacity = usable_capacity(record, spec)
    earliest_s, latest_s = end_of_life(record, spec, now_s)
    return HealthReport(
        capacity=capacity,
        measured=measured_capacity(record, spec),
        soh_percent=record.soh_percent,
        cycles=full_cycles(record, spec),
        throughput_kwh=record.charged_kwh + record.discharged_kwh,
        round_trip=round_trip(record),
        end_percent=END_PERCENT[spec.kind],
        end_earliest_s=earliest_s,
        end_latest_s=latest_s,
        points=tuple(record.points),
    )


def usable_capacity(record: BatteryRecord, spec: UnitSpec) -> Estimate:
    """Return the capacity that is left, from all that is known of it.

    What was entered, what the battery reports and what was measured are weighed by how
    exact they are: inverse variances.
    """
    new_kwh = spec.usable_kwh
    known = [(spec.capacity_kwh, ENTERED_SHARE * new_kwh)]
    if record.soh_percent is not None:
        known = [(new_kwh * record.soh_percent / 100.0, REPORTED_SHARE * new_kwh)]
    measured = measured_capacity(record, spec)
    if measured is not None:
        known.append((measured.value, (measured.high - measured.low) / 2.0 / SIGMAS))
    total = sum(1.0 / sigma**2 for _, sigma in known)
    value = sum(kwh / sigma**2 for kwh, sigma in known) / total
    return _estimate(value, sqrt(1.0 / total))


def measured_capacity(record: BatteryRecord, spec: UnitSpec) -> Estimate | None:
    """Return the capacity that moved energy and reported charge make.

    A loss curve that is wrong makes what went in too large by as much as what came out
    too small, so that the mean of both directions is right.
    """
    found = [swing for swing in (record.rising, record.falling) if _speaks(swing)]
    if not found:
        return None
    each = [100.0 * swing.dc_kwh / swing.soc_percent for swing in found]
    value = sum(each) / len(each)
    doubt = ONE_WAY_SHARE * value
    if len(each) > 1:
        doubt = abs(each[0] - each[1]) / 2.0
    runs = sum(swing.runs for swing in found)
    passed = sum(swing.soc_percent for swing in found)
    edges = EDGE_STEPS * max(spec.soc_step_percent, 0.1) * sqrt(runs) / passed * value
    base = MEASURED_SHARE * spec.usable_kwh
    return _estimate(value, sqrt(doubt**2 + edges**2 + base**2))


def round_trip(record: BatteryRecord) -> float | None:
    """Return the measured AC round-trip efficiency, 0 to 1, None while it is unknown.

    What a point of charge gives back, over what it took: the capacity cancels out.
    """
    rising, falling = record.rising, record.falling
    if not (_speaks(rising) and _speaks(falling)) or rising.ac_kwh <= 0.0:
        return None
    share = (falling.ac_kwh / falling.soc_percent) / (
        rising.ac_kwh / rising.soc_percent
    )
    return share if share <= 1.0 else None


def full_cycles(record: BatteryRecord, spec: UnitSpec) -> float:
    """Return how many times the battery's capacity has been drawn from it here."""
    return record.drained_kwh / spec.capacity_kwh


def end_of_life(
    record: BatteryRecord, spec: UnitSpec, now_s: float
) -> tuple[float, float]:
    """Return the earliest and the latest time at which this use of it ends."""
    capacity = usable_capacity(record, spec)
    to_percent = 100.0 / spec.usable_kwh
    end_percent = END_PERCENT[spec.kind]
    fade, doubt = _fade(record, spec, now_s)
    fastest = fade + SIGMAS * doubt
    slowest = max(LEAST_FADE_PER_YEAR, fade - SIGMAS * doubt)
    earliest = (capacity.low * to_percent - end_percent) / fastest
    latest = (capacity.high * to_percent - end_percent) / slowest
    return (
        now_s + YEAR_S * min(max(earliest, 0.0), LONGEST_YEARS),
        now_s + YEAR_S * min(max(latest, 0.0), LONGEST_YEARS),
    )


def wear_per_kwh(
    spec: UnitSpec, purchase_price: float, remaining_cycles: float
) -> float:
    """Return what a kWh drawn costs of a battery that lasts so many full cycles more.

    Its price over all that it will still give: on the mean, what is between its
    capacity now and that at its end.
    """
    end_kwh = spec.usable_kwh * END_PERCENT[spec.kind] / 100.0
    mean_kwh = (spec.capacity_kwh + min(spec.capacity_kwh, end_kwh)) / 2.0
    return purchase_price / (remaining_cycles * mean_kwh)


def _count(
    record: BatteryRecord, unit: UnitState, was: UnitState, spec: UnitSpec, hours: float
) -> None:
    """Count what went through the battery."""
    in_kwh = unit.into_kwh - was.into_kwh
    out_kwh = unit.discharged_kwh - was.discharged_kwh
    if in_kwh > 0.0:
        record.charged_kwh += in_kwh
        record.in_ac_kwh += in_kwh
        record.in_dc_kwh += spec.stored_w(-in_kwh / hours * 1e3) * hours / 1e3
    if out_kwh > 0.0:
        drained_kwh = -spec.stored_w(out_kwh / hours * 1e3) * hours / 1e3
        record.discharged_kwh += out_kwh
        record.drained_kwh += drained_kwh
        record.out_ac_kwh += out_kwh
        record.out_dc_kwh += drained_kwh


def _measure(
    record: BatteryRecord, unit: UnitState, spec: UnitSpec, *, asleep: bool
) -> None:
    """Compare what moved between two new reports with what they say."""
    soc = unit.anchor_soc_percent
    if soc is None or unit.connected is False or asleep:
        record.begin_edge(None)
        return
    if record.edge_percent is None:
        record.begin_edge(soc)
        return
    change = soc - record.edge_percent
    if change == 0.0:
        return
    direction = 1 if change > 0.0 else -1
    moved = (record.in_ac_kwh, record.in_dc_kwh), (record.out_ac_kwh, record.out_dc_kwh)
    (ac_kwh, dc_kwh), (_, other_kwh) = moved if direction > 0 else moved[::-1]
    implied_kwh = 100.0 * dc_kwh / abs(change)
    low, high = (share * spec.capacity_kwh for share in IMPLIED)
    # A turn does not say how far it went beyond the report before.
    if (
        direction == record.direction
        and abs(change) <= max(JUMP_PERCENT, JUMP_STEPS * spec.soc_step_percent)
        and other_kwh <= MINOR_SHARE * dc_kwh
        and low <= implied_kwh <= high
    ):
        swing = record.rising if direction > 0 else record.falling
        swing = _faded(
            Swing(
                ac_kwh=swing.ac_kwh + ac_kwh,
                dc_kwh=swing.dc_kwh + dc_kwh,
                soc_percent=swing.soc_percent + abs(change),
                runs=swing.runs,
            )
        )
        if direction > 0:
            record.rising = swing
        else:
            record.falling = swing
    elif direction > 0:
        record.rising = replace(record.rising, runs=record.rising.runs + 1.0)
    else:
        record.falling = replace(record.falling, runs=record.falling.runs + 1.0)
    record.begin_edge(soc, direction)


def _faded(swing: Swing) -> Swing:
    """Return the swing with less of what is long ago."""
    if swing.soc_percent <= MOST_SWING_PERCENT:
        return swing
    return Swing(
        ac_kwh=swing.ac_kwh / 2.0,
        dc_kwh=swing.dc_kwh / 2.0,
        soc_percent=swing.soc_percent / 2.0,
        runs=swing.runs / 2.0,
    )


def _speaks(swing: Swing) -> bool:
    return swing.soc_percent >= LEAST_SWING_PERCENT


def _point(record: BatteryRecord, spec: UnitSpec, month: str) -> HealthPoint:
    measured = measured_capacity(record, spec)
    return HealthPoint(
        month=month,
        soh_percent=record.soh_percent,
        capacity_kwh=None if measured is None else round(measured.value, 3),
        charged_kwh=round(record.charged_kwh, 3),
        discharged_kwh=round(record.discharged_kwh, 3),
        cycles=round(full_cycles(record, spec), 3),
    )


def _estimate(value: float, sigma: float) -> Estimate:
    return Estimate(
        value=value, low=max(0.0, value - SIGMAS * sigma), high=value + SIGMAS * sigma
    )


def _fade(record: BatteryRecord, spec: UnitSpec, now_s: float) -> tuple[float, float]:
    """Return how many points of health a year takes, and the doubt about it."""
    fade, doubt = FADE_PER_YEAR, FADE_DOUBT
    for_s = now_s - record.since_s
    if for_s >= LEAST_RECORD_S:
        fade += FADE_PER_CYCLE * full_cycles(record, spec) * YEAR_S / for_s
    slope = _slope(record, spec)
    if slope is None:
        return fade, doubt
    seen, error = slope
    weight, prior = 1.0 / error**2, 1.0 / doubt**2
    mean = (seen * weight + fade * prior) / (weight + prior)
    return max(LEAST_FADE_PER_YEAR, mean), sqrt(1.0 / (weight + prior))


def _slope(record: BatteryRecord, spec: UnitSpec) -> tuple[float, float] | None:
    """Return the points of health that months have shown to go a year, and its error.

    A straight line of least squares, through what was measured or else reported.
    """
    points: list[tuple[float, float]] = []
    for point in record.points:
        health = point.soh_percent
        if point.capacity_kwh is not None:
            health = 100.0 * point.capacity_kwh / spec.usable_kwh
        if health is not None:
            year, month = point.month.split("-")
            points.append((int(year) + int(month) / 12.0, health))
    if len(points) < LEAST_MONTHS:
        return None
    mean_at = sum(at for at, _ in points) / len(points)
    mean = sum(health for _, health in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    slope = sum((at - mean_at) * (health - mean) for at, health in points) / spread
    rest = sum((health - mean - slope * (at - mean_at)) ** 2 for at, health in points)
    # Reports come in steps: a line through equal ones is not exact.
    sigma = max(1.0, sqrt(rest / (len(points) - 2)))
    return -slope, sigma / sqrt(spread)
