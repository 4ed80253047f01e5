"""The books of a replay, from the true means of its executed steps.

total_cost = energy_cost + capacity_cost + wear_cost - end_value, where energy_cost is
what import costs less what export earns, and end_value is what the battery stores more
than at the start, at the 30 % quantile of the run's import prices.
losses_kwh = charged - discharged - trips - what is stored more; standby is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .battery import UnitSpec
from .formats import Contract
from .limits import MEASURED_SHARE, window_minutes
from .records import WS_PER_KWH, Floats, Records

_QUARTER_S = 900.0
END_QUANTILE = 0.3
# Nothing in a house lasts longer than this.
_MOST_HOURS = 24.0 * 365.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """What a run came to: money in the tariff's currency, energy in kWh.

    `peak_w` is the highest mean import of an executed step, `peak_window_w` of a demand
    window on the local clock. `starts` counts running steps after one that did not run,
    `reversals` changes between charging and discharging, with or without a pause.
    `backup_hours_*`: how long what is stored above the lowest state of charge carries
    the load that follows, at each hour. None where nothing was measured.
    """

    total_cost: float
    energy_cost: float
    capacity_cost: float
    wear_cost: float
    end_value: float
    import_kwh: float
    export_kwh: float
    charged_kwh: float
    discharged_kwh: float
    trip_kwh: float
    stored_change_kwh: float
    losses_kwh: float
    peak_w: float
    peak_window_w: float
    limit_violations: int
    main_limit_violations: int
    starts: int
    reversals: int
    departures: int
    departures_short: int
    short_kwh: float
    backup_hours_median: float
    backup_hours_p5: float
    reserve_violations: int
    days: int
    days_left_out: tuple[str, ...]
    decision_us_median: float | None
    plan_ms_median: float | None = None
    plan_ms_p95: float | None = None


def account(
    records: Records,
    contract: Contract,
    spec: UnitSpec,
    *,
    days: Sequence[str],
    days_left_out: Sequence[str],
    departures: int,
    short_kwh: Sequence[float],
    decision_s: Sequence[float] = (),
    plan_s: Sequence[float] = (),
) -> Books:
    """Return the books of a run; `short_kwh` are the departures that were short."""
    hours_kw = records.step_s / WS_PER_KWH
    unit_w = np.asarray(records.unit_w)
    stored_kwh = np.asarray(records.stored_kwh)
    grid_w = records.grid_w()
    import_w, export_w = np.maximum(grid_w, 0.0), np.maximum(-grid_w, 0.0)
    prices = records.prices
    energy_cost = float(
        (import_w @ prices.import_price - export_w @ prices.export_price) * hours_kw
    )
    charged_kwh = float(np.maximum(-unit_w, 0.0).sum() * hours_kw)
    discharged_kwh = float(np.maximum(unit_w, 0.0).sum() * hours_kw)
    trip_kwh = float(np.asarray(records.trip_kwh).sum())
    change_kwh = float(stored_kwh[-1]) - records.first_stored_kwh
    end_value = change_kwh * float(np.quantile(prices.import_price, END_QUANTILE))
    wear_cost = discharged_kwh * spec.wear_per_kwh
    windows_s, windows_w = demand_windows(records, contract)
    capacity_cost = sum(capacity_costs(windows_s, windows_w, contract).values())
    limit_w = contract.import_limit_w
    main_limit_w = contract.site.main_limit_w
    backup_hours = _backup_hours(records, spec)
    lowest_kwh = (
        spec.capacity_kwh * (spec.reserve_percent - spec.soc_step_percent) / 100.0
    )
    direction = np.sign(unit_w) * ((unit_w > 0.0) | (unit_w < -spec.standby_w))
    moving = direction[direction != 0.0]
    return Books(
        total_cost=energy_cost + capacity_cost + wear_cost - end_value,
        energy_cost=energy_cost,
        capacity_cost=capacity_cost,
        wear_cost=wear_cost,
        end_value=end_value,
        import_kwh=float(import_w.sum() * hours_kw),
        export_kwh=float(export_w.sum() * hours_kw),
        charged_kwh=charged_kwh,
        discharged_kwh=discharged_kwh,
        trip_kwh=trip_kwh,
        stored_change_kwh=change_kwh,
        losses_kwh=charged_kwh - discharged_kwh - trip_kwh - change_kwh,
        peak_w=float(import_w.max()),
        peak_window_w=float(windows_w.max(initial=0.0)),
        limit_violations=0 if limit_w is None else int((windows_w > limit_w).sum()),
        main_limit_violations=(
            0 if main_limit_w is None else int((import_w > main_limit_w).sum())
        ),
        starts=int(((direction != 0.0) & (np.roll(direction, 1) == 0.0))[1:].sum())
        + int(direction[0] != 0.0),
        reversals=int((moving[1:] != moving[:-1]).sum()),
        departures=departures,
        departures_short=len(short_kwh),
        short_kwh=sum(short_kwh),
        backup_hours_median=float(np.median(backup_hours)),
        backup_hours_p5=float(np.quantile(backup_hours, 0.05)),
        reserve_violations=int(
            (
                (unit_w > 0.0)
                & (stored_kwh < lowest_kwh - 1e-9)
                & (np.frombuffer(records.outage, dtype=np.uint8) == 0)
            ).sum()
        ),
        days=len(days),
        days_left_out=tuple(days_left_out),
        decision_us_median=(
            float(np.median(np.asarray(decision_s))) * 1e6 if len(decision_s) else None
        ),
        plan_ms_median=_quantile_ms(plan_s, 0.5),
        plan_ms_p95=_quantile_ms(plan_s, 0.95),
    )


def _quantile_ms(times_s: Sequence[float], quantile: float) -> float | None:
    if not len(times_s):
        return None
    return float(np.quantile(np.asarray(times_s), quantile)) * 1e3


def demand_windows(records: Records, contract: Contract) -> tuple[Floats, Floats]:
    """Return start (s) and mean import (W) of each demand window of the local clock.

    Export does not make up for import. A window counts when nearly all of it was run.
    """
    site = contract.site
    length_s = window_minutes(site) * 60.0
    step_s, times_s = records.step_s, records.times_s
    import_w = np.maximum(records.grid_w(), 0.0)
    breaks = np.flatnonzero(np.diff(times_s) > 1.5 * step_s) + 1
    starts, energy_ws, measured_s = [], [], []
    for begin, end in zip([0, *breaks], [*breaks, len(times_s)], strict=True):
        edges_s = np.append(times_s[begin:end], times_s[end - 1] + step_s)
        sums_ws = np.concatenate(([0.0], np.cumsum(import_w[begin:end] * step_s)))
        quarters = np.arange(
            edges_s[0] // _QUARTER_S, -(-edges_s[-1] // _QUARTER_S) + 1
        )
        bounds_s = quarters * _QUARTER_S
        starts.append(bounds_s[:-1])
        energy_ws.append(np.diff(np.interp(bounds_s, edges_s, sums_ws)))
        measured_s.append(np.diff(np.clip(bounds_s, edges_s[0], edges_s[-1])))
    quarter_s = np.concatenate(starts)
    into_s = np.array(
        [site.tariff.day_minute(float(at))[1] * 60.0 % length_s for at in quarter_s]
    )
    window_s, which = np.unique(quarter_s - into_s, return_inverse=True)
    energy = np.bincount(which, np.concatenate(energy_ws))
    measured = np.bincount(which, np.concatenate(measured_s))
    whole = measured >= MEASURED_SHARE * length_s
    return window_s[whole], energy[whole] / measured[whole]


def capacity_costs(
    windows_s: Floats, windows_w: Floats, contract: Contract
) -> dict[str, float]:
    """Return what the highest windows cost, each month that was touched in full."""
    capacity = contract.site.capacity
    if capacity is None:
        return {}
    months: dict[str, list[float]] = {}
    for start_s, power_w in zip(windows_s.tolist(), windows_w.tolist(), strict=True):
        month = contract.site.tariff.month(start_s)
        months.setdefault(month, []).append(power_w / 1000.0)
    costs = {}
    for month, powers_kw in months.items():
        highest = sorted(powers_kw, reverse=True)[: capacity.peaks_averaged]
        paid_kw = max(0.0, sum(highest) / len(highest) - capacity.free_kw)
        costs[month] = paid_kw * capacity.price_per_kw_month
    return costs


def _backup_hours(records: Records, spec: UnitSpec) -> Floats:
    """Return for each hour how long the unit could carry the load that follows.

    A unit that is away carries nothing; after the run its mean load goes on.
    """
    served_w = np.minimum(records.load_w, spec.max_discharge_w)
    loss = spec.discharge_loss
    drain_w = served_w + np.where(
        served_w > 0.0,
        loss.constant_w
        + loss.linear * served_w
        + loss.quadratic_per_kw * served_w * served_w / 1000.0,
        0.0,
    )
    drained_kwh = np.concatenate(
        ([0.0], np.cumsum(drain_w) * records.step_s / WS_PER_KWH)
    )
    hour = records.times_s // 3600.0
    begin = np.flatnonzero(np.diff(hour, prepend=hour[0] - 1.0))
    stored_kwh = np.concatenate(
        ([records.first_stored_kwh], np.asarray(records.stored_kwh)[:-1])
    )[begin]
    above_kwh = np.maximum(
        0.0, stored_kwh - spec.capacity_kwh * spec.min_soc_percent / 100.0
    )
    above_kwh *= np.frombuffer(records.connected, dtype=np.uint8)[begin]
    target_kwh = drained_kwh[begin] + above_kwh
    steps = np.interp(target_kwh, drained_kwh, np.arange(len(drained_kwh)))
    mean_kwh = max(float(drained_kwh[-1]) / len(drain_w), 1e-12)
    steps += np.maximum(0.0, target_kwh - drained_kwh[-1]) / mean_kwh
    hours: Floats = np.minimum((steps - begin) * records.step_s / 3600.0, _MOST_HOURS)
    return hours
