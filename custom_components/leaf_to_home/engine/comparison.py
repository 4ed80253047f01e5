"""What a unit would have saved: the same recorded days in three ways.

Charging at full power on arrival, planned charging without discharging, and the full
plan share the house, the prices, the unit, its trips, its first state of charge and
what is stored at the end is worth. Neither plan knows the days to come.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import override
from zoneinfo import ZoneInfo

import numpy as np

from .accounts import END_QUANTILE, Books, capacity_costs, demand_windows
from .battery import UnitKind, UnitSpec
from .formats import Contract
from .local_clock import LocalClock
from .past_power import PastPower
from .plan import Floats
from .quarters import QUARTER_S
from .records import WS_PER_KWH, Records
from .replay import run_replay
from .replay_planner import HouseRow, ReplayPlanner
from .replay_run import UNIT, PolicyName, ReplayRun
from .tables import PAST_DAYS, HouseRun, HouseTable, make_house
from .tariff import Tariff
from .trips import Commuter, Trip

# A plan for each hour is nearly as good as one for each quarter, in a fourth of the
# time; prices may change with every quarter all the same.
PLAN_EVERY_S = 3600.0
# Fewer days say nothing about a home: no two of them are alike.
LEAST_DAYS = 7


class LineName(StrEnum):
    """The three lines, so that nobody counts as discharging what charging saves."""

    ON_ARRIVAL = "on_arrival"
    SMART_CHARGING = "smart_charging"
    WITH_DISCHARGE = "with_discharge"


_POLICIES = {
    LineName.ON_ARRIVAL: PolicyName.NONE,
    LineName.SMART_CHARGING: PolicyName.SMART,
    LineName.WITH_DISCHARGE: PolicyName.AUTOMATIC,
}


class TooLittleHistory(ValueError):
    """Too few whole days with everything that is needed; tells how many there are."""

    def __init__(self, days: int, days_left_out: Sequence[str]) -> None:
        super().__init__(f"{days} days")
        self.days = days
        self.days_left_out = tuple(days_left_out)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Which days, under which contract, with which unit and trips."""

    house: HouseRun
    contract: Contract
    spec: UnitSpec
    trips: Sequence[Trip] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthCosts:
    """What each line cost in the days of one local month ("2026-11"); sums to all."""

    month: str
    days: int
    costs: Mapping[LineName, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The books of the three lines over the same days, and their costs by month."""

    lines: Mapping[LineName, Books]
    months: tuple[MonthCosts, ...]

    def saved(self, against: LineName) -> float:
        """Return what discharging saves against another line, in money."""
        with_discharge = self.lines[LineName.WITH_DISCHARGE]
        return self.lines[against].total_cost - with_discharge.total_cost


def span_s(
    zone: ZoneInfo, now_s: float, days: int, *, past_days: int = PAST_DAYS
) -> tuple[float, float]:
    """Return the time of the last `days` whole local days, and of those before."""
    clock = LocalClock(zone)
    end_s = clock.day(now_s).start_s
    first = clock.day(end_s - (days + past_days) * 86400.0 + 43200.0)
    return first.start_s, end_s


def house_powers(past: PastPower) -> tuple[Floats, Floats]:
    """Return load and solar power of a home's past, W; NaN where not known.

    What other batteries gave or took is the house's own: they go on as they do. What
    they gave beyond the load was a surplus, like the sun's.
    """
    others_w = past.load_w - past.other_w
    return (
        np.maximum(others_w, 0.0),
        np.maximum(past.solar_w, 0.0) + np.maximum(-others_w, 0.0),
    )


def recorded_house(past: PastPower) -> HouseTable:
    """Return a home's past; raises `FormatError` where nothing of it is known."""
    load_w, solar_w = (_or_none(values) for values in house_powers(past))
    times_s = past.span.starts_s.tolist()
    return make_house("history", QUARTER_S, times_s, load_w, solar_w)


def _or_none(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def choose_days(table: HouseTable, tariff: Tariff, days: int) -> HouseRun:
    """Return the last `days` whole local days, without those that lack data or prices.

    Raises `TooLittleHistory` when fewer than a week is left.
    """
    clock = LocalClock(tariff.zone)
    first = clock.day(table.times_s[0])
    if first.start_s < table.times_s[0]:
        first = clock.day_after(first)
    whole = []
    day = first
    while day.end_s <= table.times_s[-1] + table.step_s:
        whole.append(day)
        day = clock.day_after(day)
    whole = whole[-days:]
    if not whole:
        raise TooLittleHistory(0, ())
    # The past before the chosen days needs no prices: it only tells habits.
    unpriced = [
        (each.start_s, each.end_s)
        for each in whole
        if any(
            slot.import_price is None or slot.export_price is None
            for slot in tariff.day_slots(each.start_s)
        )
    ]
    table = replace(table, gaps=sorted([*table.gaps, *unpriced]))
    left_out = [
        each.iso
        for each in whole
        if any(a < each.end_s and b > each.start_s for a, b in table.gaps)
    ]
    usable = len(whole) - len(left_out)
    if usable < min(days, LEAST_DAYS):
        raise TooLittleHistory(usable, left_out)
    return table.run(
        tariff.zone, start=date.fromisoformat(whole[0].iso), days=len(whole)
    )


def commuter_trips(spec: UnitSpec, house: HouseRun, zone: ZoneInfo) -> list[Trip]:
    """Return the trips of a made-up commuter, also those of the days before.

    A unit that is no car makes none.
    """
    if spec.kind is not UnitKind.VEHICLE:
        return []
    commuter = Commuter(0, zone, capacity_kwh=spec.capacity_kwh)
    begin_s = (house.past or house).times_s[0]
    return commuter.between(begin_s, house.times_s[-1] + house.step_s)


def compare(question: Question, *, watch: Callable[[float], None]) -> Comparison:
    """Run the three lines.

    `watch` hears how much is done, 0 to 1, after every hour of a planned line; what it
    raises ends the work. Raises `FormatError` where a price is not known.
    """
    books: dict[LineName, Books] = {}
    months: dict[LineName, dict[str, float]] = {}
    planned = sum(policy is not PolicyName.NONE for policy in _POLICIES.values())
    begun = 0
    days: Counter[str] = Counter(day[:7] for day in question.house.days)
    for name, policy in _POLICIES.items():
        run = ReplayRun(
            house=question.house,
            contract=question.contract,
            spec=question.spec,
            trips=question.trips,
            policy=policy,
            plan_every_s=PLAN_EVERY_S,
        )
        planner = None
        if policy is not PolicyName.NONE:
            planner = _WatchedPlanner(run, watch, begun / planned, 1.0 / planned)
            begun += 1
        replay = run_replay(run, planner=planner)
        books[name] = replay.books
        months[name] = _costs_by_month(replay.records, run)
    return Comparison(
        lines=books,
        months=tuple(
            MonthCosts(
                month=month,
                days=count,
                costs={name: months[name][month] for name in LineName},
            )
            for month, count in sorted(days.items())
        ),
    )


class _WatchedPlanner(ReplayPlanner):
    """The planner of a replay, which tells how far it is."""

    def __init__(
        self,
        run: ReplayRun,
        watch: Callable[[float], None],
        begin: float,
        share: float,
    ) -> None:
        # The days before are learnt in the constructor, and are no progress.
        self._watch: Callable[[float], None] | None = None
        super().__init__(run.house, run.contract, unit=UNIT, trips=run.trips)
        self._watch = watch
        self._begin = begin
        self._each = share / len(run.house.times_s)
        self._rows = 0

    @override
    def learn(self, now_s: float, step_s: float, row: HouseRow) -> None:
        super().learn(now_s, step_s, row)
        if self._watch is None:
            return
        self._rows += 1
        if (now_s + step_s) % PLAN_EVERY_S == 0.0:
            self._watch(self._begin + self._rows * self._each)


def _costs_by_month(records: Records, run: ReplayRun) -> dict[str, float]:
    """Return the total cost of each local month, as the books count it."""
    tariff = run.contract.site.tariff
    hours_kw = records.step_s / WS_PER_KWH
    prices = records.prices
    unit_w = np.asarray(records.unit_w)
    grid_w = records.grid_w()
    stored_kwh = np.concatenate(
        [[records.first_stored_kwh], np.asarray(records.stored_kwh)]
    )
    cost: Floats = (
        np.where(grid_w > 0.0, prices.import_price, prices.export_price)
        * grid_w
        * hours_kw
    )
    cost += np.maximum(unit_w, 0.0) * hours_kw * run.spec.wear_per_kwh
    cost -= np.diff(stored_kwh) * float(np.quantile(prices.import_price, END_QUANTILE))
    months: dict[str, float] = {}
    for at_s, each in zip(records.times_s.tolist(), cost.tolist(), strict=True):
        month = tariff.month(at_s)
        months[month] = months.get(month, 0.0) + each
    windows_s, windows_w = demand_windows(records, run.contract)
    for month, each in capacity_costs(windows_s, windows_w, run.contract).items():
        months[month] = months.get(month, 0.0) + each
    return months
