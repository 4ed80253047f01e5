"""The planner's own program against a linear program, where nothing is uncertain.

Each scenario is simplified until both solve the same problem: linear losses, no minimum
power, no standby, a state of charge without steps, every trip announced, all load, sun
and prices known. The plan is made once, over the whole run, and carried out as it
stands: what is missing of the saving is the program's own loss.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from types import ModuleType
from unittest.mock import patch

import numpy as np

from custom_components.leaf_to_home.engine import program, sweep
from custom_components.leaf_to_home.engine.accounts import END_QUANTILE, Books, account
from custom_components.leaf_to_home.engine.battery import LossCurve
from custom_components.leaf_to_home.engine.control import target_import_w
from custom_components.leaf_to_home.engine.forecast import SLOT_S
from custom_components.leaf_to_home.engine.plan import Absence, Floats, Stretch, Task
from custom_components.leaf_to_home.engine.planner import follow
from custom_components.leaf_to_home.engine.records import (
    Records,
    StepPrices,
    prices_of_steps,
)
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.replay_trips import Outing, outings
from custom_components.leaf_to_home.engine.tables import HouseRun

from .oracle import foresee
from .scenarios import Scenario

EFFICIENCY = 0.93
# A plan that loses more than this share of the saving has a fault of its own, %.
GOAL_PERCENT = 0.5
# What the books do not count: the wear of a start, ageing at a high state of charge,
# and the backup that is missing below the reserve.
PREFERENCES = (
    (sweep, "START_S"),
    (program, "DWELL_SHARE"),
    (program, "RESERVE_SHARE"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """What the plan loses, as % of the saving that the linear program makes.

    `bare_percent` is what it loses without costs that the books do not count.
    """

    scenario: str
    currency: str
    program_saving: float
    plan_saving: float
    percent: float
    bare_percent: float
    windows_over: int
    windows_unholdable: int
    departures_short: int
    plan_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    run: ReplayRun
    prices: StepPrices
    outings: Sequence[Outing]


def deterministic(scenario: Scenario) -> Gap:
    """Plan a scenario once with perfect data, and hold that against the optimum."""
    case = _case(scenario)
    run = case.run
    naive = run_replay(replace(run, policy=PolicyName.NONE)).books.total_cost
    optimum = foresee(run)
    with _without(PREFERENCES[:1]):
        begun_s = perf_counter()
        books = _plan(case)
        plan_ms = (perf_counter() - begun_s) * 1e3
    with _without(PREFERENCES):
        bare = _plan(case)
    saving = max(naive - optimum.total_cost, 1e-9)
    return Gap(
        scenario=scenario.name,
        currency=run.contract.site.tariff.currency,
        program_saving=saving,
        plan_saving=naive - books.total_cost,
        percent=100.0 * (books.total_cost - optimum.total_cost) / saving,
        bare_percent=100.0 * (bare.total_cost - optimum.total_cost) / saving,
        windows_over=books.limit_violations,
        windows_unholdable=optimum.windows_over,
        departures_short=books.departures_short,
        plan_ms=plan_ms,
    )


def table(gaps: Sequence[Gap]) -> str:
    """Return the gaps as lines of text."""
    lines = [
        "",
        "Plan with perfect data against the linear program, % of the saving",
        "bare: the plan leaves out what full cells and a missing reserve cost",
        f"{'':38}{'saving':>12}{'gap %':>8}{'bare %':>8}{'short':>7}{'over':>9}",
    ]
    for gap in gaps:
        mark = "" if gap.bare_percent <= GOAL_PERCENT else f"  above {GOAL_PERCENT:g} %"
        over = f"{gap.windows_over} of {gap.windows_unholdable}"
        lines.append(
            f"{gap.scenario:38}{gap.program_saving:8.2f} {gap.currency}"
            f"{gap.percent:8.2f}{gap.bare_percent:8.2f}{gap.departures_short:7d}"
            f"{over:>9}{mark}"
        )
    return "\n".join(lines)


@contextmanager
def _without(costs: Sequence[tuple[ModuleType, str]]) -> Iterator[None]:
    """Let the program leave out some of its costs."""
    with ExitStack() as stack:
        for module, name in costs:
            stack.enter_context(patch.object(module, name, 0.0))
        yield


def _case(scenario: Scenario) -> _Case:
    run = scenario.run
    house = _in_slots(run.house)
    spec = replace(
        run.spec,
        charge_loss=LossCurve(linear=1.0 - EFFICIENCY),
        discharge_loss=LossCurve(linear=1.0 / EFFICIENCY - 1.0),
        min_power_w=0.0,
        standby_w=0.0,
        start_delay_s=0.0,
        ramp_w_per_s=0.0,
        soc_step_percent=0.0,
    )
    run = replace(run, house=house, spec=spec, dead_time_s=0.0)
    return _Case(
        run=run,
        prices=prices_of_steps(run.contract.site.tariff, house, 1),
        outings=outings(run.trips, house, house.step_s, 1),
    )


def _in_slots(house: HouseRun) -> HouseRun:
    """Return the rows as means over a plan's steps, if they are shorter."""
    per_slot = round(SLOT_S / house.step_s)
    if per_slot <= 1:
        return replace(house, past=None)

    def means(values: Sequence[float]) -> list[float]:
        rows: list[float] = np.asarray(values).reshape(-1, per_slot).mean(1).tolist()
        return rows

    return replace(
        house,
        step_s=SLOT_S,
        times_s=house.times_s[::per_slot],
        load_w=means(house.load_w),
        solar_w=means(house.solar_w),
        solar_forecast_w=None,
        past=None,
    )


def _task(case: _Case) -> Task:
    """Return the whole run as one task; days that are left out take no time."""
    run, prices = case.run, case.prices
    spec, site, house = run.spec, run.contract.site, run.house
    count = len(house.times_s)
    starts_s = house.times_s[0] + house.step_s * np.arange(count + 1, dtype=np.float64)
    draw_w = (np.asarray(house.load_w) - np.asarray(house.solar_w))[:, None]

    def stretch(begin: int, end: int) -> Stretch:
        return Stretch(
            starts_s=starts_s[begin : end + 1],
            import_price=prices.import_price[None, begin:end],
            export_price=prices.export_price[None, begin:end],
            draw_w=draw_w[begin:end],
            weights=np.ones(1),
        )

    limit_w, peak_price = run.contract.import_limit_w, None
    if site.capacity is not None:
        limit_w = site.capacity.free_kw * 1e3
        peak_price = site.capacity.price_per_kw_month / site.capacity.peaks_averaged
    return Task(
        spec=spec,
        near=stretch(0, count - 1),
        far=stretch(count - 1, count),
        end_price=float(np.quantile(prices.import_price, END_QUANTILE)),
        stored_kwh=spec.capacity_kwh * spec.initial_soc_percent / 100.0,
        running=False,
        reserve_percent=spec.reserve_percent,
        max_soc_percent=spec.max_soc_percent,
        charge_w=spec.max_charge_w,
        discharge_w=spec.max_discharge_w,
        export_w=site.battery_export_limit_w,
        aim_import_w=target_import_w(spec, site.battery_export_limit_w, means=True),
        soft_limit_w=limit_w,
        peak_price=peak_price,
        main_limit_w=site.main_limit_w,
        absences=[
            Absence(
                departure_s=float(starts_s[outing.begin]),
                back_s=float(starts_s[min(outing.end, count)]),
                soc_percent=max(
                    outing.trip.required_soc_percent,
                    outing.trip.energy_kwh / spec.capacity_kwh * 100.0,
                ),
                energies_kwh=(outing.trip.energy_kwh,),
            )
            for outing in case.outings
        ],
    )


def _plan(case: _Case) -> Books:
    """Plan once, and account for the powers of the plan as if they had been run."""
    run = case.run
    task = _task(case)
    followed = follow(task, run.house.times_s[0])
    powers_w = np.concatenate(followed.powers())[:, 0]
    records, short_kwh = _carry_out(case, powers_w)
    planned_kwh = followed.plan.steps[-1].soc_percent / 100.0 * run.spec.capacity_kwh
    if abs(planned_kwh - records.stored_kwh[-1]) > 1e-6:
        raise RuntimeError("the plan's stored energy is not what its powers store")
    return account(
        records,
        run.contract,
        run.spec,
        days=run.house.days,
        days_left_out=run.house.days_left_out,
        departures=len(case.outings),
        short_kwh=short_kwh,
    )


def _carry_out(case: _Case, unit_w: Floats) -> tuple[Records, list[float]]:
    """Return the records of these powers, and what departures lacked."""
    run = case.run
    spec, house = run.spec, run.house
    stored_kwh = spec.capacity_kwh * spec.initial_soc_percent / 100.0
    records = Records.empty(house, 1, stored_kwh, case.prices)
    leaving = {outing.begin: outing for outing in case.outings}
    away = {step for o in case.outings for step in range(o.begin, o.end)}
    short_kwh = []
    for index, power_w in enumerate(unit_w.tolist()):
        outing = leaving.get(index)
        if outing is not None:
            trip = outing.trip
            asked_kwh = spec.capacity_kwh * trip.required_soc_percent / 100.0
            lack_kwh = max(asked_kwh, trip.energy_kwh) - stored_kwh
            if lack_kwh > 0.01:
                short_kwh.append(lack_kwh)
            taken_kwh = min(trip.energy_kwh, stored_kwh)
            records.trip_kwh[index] = taken_kwh
            stored_kwh -= taken_kwh
        stored_kwh += spec.stored_w(power_w) * house.step_s / 3.6e6
        records.unit_w[index] = power_w
        records.stored_kwh[index] = stored_kwh
        records.connected[index] = index not in away
    return records, short_kwh
