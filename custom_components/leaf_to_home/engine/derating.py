"""How much of its power a battery gives and takes, as full, cold, old and worn it is.

All of it only lowers what the hardware could do. Shares are 0 to 1 of the highest
power; a table holds (at, share) in rising order, straight between and level beyond its
ends.
"""

from dataclasses import replace
from itertools import pairwise
from math import log

from .battery import Table, UnitKind, UnitSpec
from .model import Reading

# The guideline of JEITA and BAJ for lithium-ion cells (2007): no charging below 0 °C
# and above 60 °C, with full current between 10 and 45 °C. The straight lines between
# are ours.
CHARGE_BY_TEMPERATURE: Table = ((0.0, 0.0), (10.0, 1.0), (45.0, 1.0), (60.0, 0.0))
# The makers of the portable unit of LEAF modules allow -20 to 60 °C; the last 10 K on
# both sides, where it gives less and less, are ours.
DISCHARGE_BY_TEMPERATURE: Table = (
    (-20.0, 0.0),
    (-10.0, 1.0),
    (50.0, 1.0),
    (60.0, 0.0),
)
# Battery-Emulator takes a LEAF pack for faulty when its cells differ by 150 mV. A weak
# cell shows under load, so less load is what helps; that it begins at half is ours.
BY_SPREAD_MV: Table = ((75.0, 1.0), (150.0, 0.0))


def share_at(table: Table, at: float) -> float:
    """Return the share of a table; all of it where there is no table."""
    if not table:
        return 1.0
    before_at, before = table[0]
    if at <= before_at:
        return before
    for next_at, share in table[1:]:
        if at <= next_at:
            return before + (share - before) * (at - before_at) / (next_at - before_at)
        before_at, before = next_at, share
    return before


def charge_w_at(spec: UnitSpec, soc_percent: float) -> float:
    """Return the highest charging power at a state of charge, W."""
    return spec.max_charge_w * share_at(spec.charge_taper, soc_percent)


def discharge_w_at(spec: UnitSpec, soc_percent: float) -> float:
    """Return the highest discharging power at a state of charge, W."""
    return spec.max_discharge_w * share_at(spec.discharge_taper, soc_percent)


def mean_share(table: Table, from_percent: float, to_percent: float) -> float:
    """Return the constant share that takes as long from one charge to the other.

    The time is the integral of 1/share, which is exact for each straight piece.
    """
    if not table or to_percent <= from_percent:
        return share_at(table, from_percent)
    ends = [from_percent]
    ends += [at for at, _ in table if from_percent < at < to_percent]
    ends.append(to_percent)
    hours = 0.0
    for begin, end in pairwise(ends):
        first, last = share_at(table, begin), share_at(table, end)
        if abs(last - first) < 1e-9:
            hours += (end - begin) / first
        else:
            hours += (end - begin) * log(last / first) / (last - first)
    return (to_percent - from_percent) / hours


def within_rate(spec: UnitSpec, max_c_rate: float) -> UnitSpec:
    """Return the unit with powers that its battery bears, kW per kWh that is left.

    The current per remaining ampere-hour stays what it was when new, so the limit
    shrinks with the state of health.
    """
    most_w = max_c_rate * spec.capacity_kwh * 1000.0
    return replace(
        spec,
        max_charge_w=min(spec.max_charge_w, most_w),
        max_discharge_w=min(spec.max_discharge_w, most_w),
    )


def measured_charge_w(spec: UnitSpec, reading: Reading | None) -> float:
    """Return the charging power that cells and temperature bear now, W."""
    return _measured(spec, spec.max_charge_w, CHARGE_BY_TEMPERATURE, reading)


def measured_discharge_w(spec: UnitSpec, reading: Reading | None) -> float:
    """Return the discharging power that cells and temperature bear now, W."""
    return _measured(spec, spec.max_discharge_w, DISCHARGE_BY_TEMPERATURE, reading)


def spread_mv(reading: Reading) -> float | None:
    """Return how far the cells are apart, None where they are not told."""
    if reading.cell_min_mv is None or reading.cell_max_mv is None:
        return None
    return reading.cell_max_mv - reading.cell_min_mv


def _measured(
    spec: UnitSpec, most_w: float, by_temperature: Table, reading: Reading | None
) -> float:
    if reading is None or spec.kind is UnitKind.VEHICLE:
        # A car looks after its own cells, and tells its charger what they bear.
        return most_w
    shares = [
        share_at(by_temperature, celsius)
        for celsius in (reading.temperature_min_c, reading.temperature_max_c)
        if celsius is not None
    ]
    if (spread := spread_mv(reading)) is not None:
        shares.append(share_at(BY_SPREAD_MV, spread))
    power_w = most_w * min(shares, default=1.0)
    return power_w if power_w >= spec.min_power_w else 0.0
