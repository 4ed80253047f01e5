"""What perfect foresight would cost: a linear program over the whole run.

In each step a unit may idle or run at any power that the plant could; each power moves
money and stored energy. The program mixes such points: the lower convex hull of what
one step can do, which is never above what the plant does, so that no policy can beat
it. It shares the run's horizon, the value of what is stored at the end, the reserve
that the safety rules keep and the departures with every policy.

Only a trip that brings the car home below the reserve needs whole numbers: until the
battery is above the reserve again it may be charged but not used, from then on it stays
above. The block of steps in which it passes is left free.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from custom_components.leaf_to_home.engine.accounts import END_QUANTILE
from custom_components.leaf_to_home.engine.limits import window_minutes
from custom_components.leaf_to_home.engine.records import prices_of_steps
from custom_components.leaf_to_home.engine.replay_run import ReplayRun
from custom_components.leaf_to_home.engine.replay_trips import outings

from .linear_program import Floats, LinearProgram

# Money per kWh that a departure lacks, and per kWh above a soft limit.
SHORT_PENALTY = 50.0
LIMIT_PENALTY = 20.0
# How long one choice between below and above the reserve holds, s; with shorter steps
# than these it holds until the next trip, or solving would take too long.
BLOCK_S = 3600.0
SHORT_STEP_S = 900.0
# How finely the powers of a step are tried before the hull is taken, W.
POWER_STEP_W = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Foresight:
    """The least cost of a run; `windows_over` demand windows cannot be held."""

    total_cost: float
    short_kwh: float
    windows_over: int


@dataclass(frozen=True, slots=True)
class _Points:
    """What one step can do beyond idling: money, kWh stored and kWh imported."""

    cost: Floats
    stored_kwh: Floats
    import_kwh: Floats


def foresee(run: ReplayRun, *, discharge: bool = True) -> Foresight:
    """Return what `run` costs with perfect foresight, in steps of the house's rows.

    Without `discharge` it only charges.
    """
    return _Foresee(run, discharge=discharge).solve()


class _Foresee:
    def __init__(self, run: ReplayRun, *, discharge: bool) -> None:
        self.run = run
        self.spec = run.spec
        self.discharge = discharge
        house = run.house
        self.times_s = np.asarray(house.times_s)
        self.hours = house.step_s / 3600.0
        self.draw_w = np.asarray(house.load_w) - np.asarray(house.solar_w)
        prices = prices_of_steps(run.contract.site.tariff, house, 1)
        self.import_price = prices.import_price
        self.export_price = prices.export_price
        self.end_price = float(np.quantile(self.import_price, END_QUANTILE))
        self.program = LinearProgram()
        self.capacity = run.contract.site.capacity
        self.limit_w = run.contract.import_limit_w
        self.constant = 0.0
        self.after: list[int] = []

    def solve(self) -> Foresight:
        spec, program = self.spec, self.program
        count = len(self.times_s)
        capacity_kwh = spec.capacity_kwh
        first_kwh = capacity_kwh * spec.initial_soc_percent / 100.0
        top_kwh = capacity_kwh * spec.max_soc_percent / 100.0
        floor_kwh = min(
            first_kwh,
            capacity_kwh
            * (max(spec.reserve_percent, spec.min_soc_percent) + spec.soc_step_percent)
            / 100.0,
        )
        away, leaving = self._trips(count)
        windows = self._windows()
        over: dict[int, int] = {}
        month_peak: dict[str, int] = {}
        imports: dict[int, list[tuple[int, float]]] = {}
        import_base: dict[int, float] = {}
        shorts: list[int] = []

        before = program.variable(0.0, first_kwh, first_kwh)
        low: _Low | None = None
        for index in range(count):
            trip_kwh = 0.0
            if index in leaving:
                asked_kwh, trip_kwh = leaving[index]
                short = program.variable(SHORT_PENALTY, 0.0, np.inf)
                shorts.append(short)
                program.row([(before, 1.0), (short, 1.0)], asked_kwh, np.inf)
            is_last = index == count - 1
            after = program.variable(
                -self.end_price if is_last else 0.0,
                0.0 if away[index] or low is not None else floor_kwh,
                max(top_kwh, first_kwh),
            )
            self.after.append(after)
            terms = [(after, 1.0), (before, -1.0)]
            base_kwh = self.draw_w[index] * self.hours / 1e3
            if away[index]:
                self.constant += self._money(index, base_kwh)
                self._count_import(index, windows, imports, import_base, base_kwh, [])
            else:
                idle_kwh = base_kwh + spec.standby_w * self.hours / 1e3
                idle_cost = self._money(index, idle_kwh)
                self.constant += idle_cost
                points = self._points(index, idle_cost)
                mixed = [
                    program.variable(cost, 0.0, 1.0) for cost in points.cost.tolist()
                ]
                terms += [
                    (column, -kwh)
                    for column, kwh in zip(
                        mixed, points.stored_kwh.tolist(), strict=True
                    )
                ]
                if len(mixed) > 1:
                    program.row([(column, 1.0) for column in mixed], -np.inf, 1.0)
                self._count_import(
                    index,
                    windows,
                    imports,
                    import_base,
                    idle_kwh,
                    list(
                        zip(
                            mixed,
                            (points.import_kwh - max(0.0, idle_kwh)).tolist(),
                            strict=True,
                        )
                    ),
                )
            if trip_kwh > 0.0:
                # What the battery does not have is charged on the way.
                lack = program.variable(SHORT_PENALTY, 0.0, np.inf)
                terms.append((lack, -1.0))
            program.row(terms, -trip_kwh, -trip_kwh)
            if index in leaving:
                low = None
                if leaving[index][0] - trip_kwh < floor_kwh:
                    fine = self.run.house.step_s >= SHORT_STEP_S
                    low = _Low(
                        program,
                        after,
                        floor_kwh,
                        top_kwh,
                        block_s=BLOCK_S if fine else np.inf,
                    )
            elif low is not None and not away[index]:
                low.hold(before, after, float(self.times_s[index]))
            before = after
        for window, terms in imports.items():
            hours = self._window_hours()
            base = import_base[window]
            month = self.run.contract.site.tariff.month(float(window))
            if self.capacity is not None:
                if month not in month_peak:
                    month_peak[month] = program.variable(
                        self.capacity.price_per_kw_month,
                        self.capacity.free_kw,
                        np.inf,
                    )
                    self.constant -= (
                        self.capacity.price_per_kw_month * self.capacity.free_kw
                    )
                peak = month_peak[month]
                program.row([*terms, (peak, -hours)], -np.inf, -base)
            if self.limit_w is not None:
                slack = program.variable(LIMIT_PENALTY, 0.0, np.inf)
                over[window] = slack
                room = self.limit_w / 1e3 * hours - base
                program.row([*terms, (slack, -1.0)], -np.inf, room)
        cost, solution = program.solve()
        penalty = sum(program.cost[i] * solution[i] for i in [*shorts, *over.values()])
        return Foresight(
            total_cost=cost - penalty + self.constant + self.end_price * first_kwh,
            short_kwh=float(sum(solution[i] for i in shorts)),
            windows_over=sum(bool(solution[i] > 1e-4) for i in over.values()),
        )

    def _trips(
        self, count: int
    ) -> tuple[NDArray[np.bool_], dict[int, tuple[float, float]]]:
        """Return when the unit is away, and what each departing step asks and takes."""
        away = np.zeros(count, dtype=bool)
        leaving: dict[int, tuple[float, float]] = {}
        for outing in outings(self.run.trips, self.run.house, self.run.house.step_s, 1):
            away[outing.begin : outing.end] = True
            trip = outing.trip
            percent = trip.required_soc_percent
            if trip.known_hours_before is not None:
                # The safety rules have a step more for whoever announces a trip.
                percent = min(100.0, percent + self.spec.soc_step_percent)
            asked_kwh = self.spec.capacity_kwh * percent / 100.0
            leaving[outing.begin] = max(asked_kwh, trip.energy_kwh), trip.energy_kwh
        return away, leaving

    def _money(self, index: int, kwh: float) -> float:
        price = self.import_price if kwh > 0.0 else self.export_price
        return float(kwh * price[index])

    def _points(self, index: int, idle_cost: float) -> _Points:
        """Return the corners of what a step can do beyond idling."""
        spec, hours = self.spec, self.hours
        draw_w = float(self.draw_w[index])
        export_w = self.run.contract.site.battery_export_limit_w
        most_w = min(
            spec.max_discharge_w, max(draw_w, 0.0) + export_w - spec.min_import_w
        )
        powers = [
            *-np.arange(
                spec.max_charge_w, max(spec.min_power_w, 1.0) - 1e-9, -POWER_STEP_W
            )
        ]
        if -draw_w >= max(spec.min_power_w, 1.0):
            powers.append(max(draw_w, -spec.max_charge_w))
        if self.discharge and most_w >= max(spec.min_power_w, 1.0):
            powers += [*np.arange(most_w, max(spec.min_power_w, 1.0), -POWER_STEP_W)]
        if self.limit_w is not None:
            at_limit_w = draw_w - self.limit_w
            if -spec.max_charge_w < at_limit_w < most_w:
                powers.append(at_limit_w)
        unit_w = np.array(powers)
        grid_kwh = (draw_w - unit_w) * hours / 1e3
        price = np.where(
            grid_kwh > 0.0, self.import_price[index], self.export_price[index]
        )
        cost = grid_kwh * price - idle_cost
        cost += np.maximum(unit_w, 0.0) * hours / 1e3 * spec.wear_per_kwh
        stored = np.array([spec.stored_w(w) for w in powers]) * hours / 1e3
        points = _Points(cost, stored, np.maximum(grid_kwh, 0.0))
        if self.limit_w is not None or self.capacity is not None:
            keep = np.unique(
                np.concatenate(
                    [
                        _hull(stored, cost),
                        np.linspace(0, len(powers) - 1, 8).astype(int),
                        [len(powers) - 1],
                    ]
                )
            )
        else:
            keep = _hull(stored, cost)
        return _Points(cost[keep], stored[keep], points.import_kwh[keep])

    def _windows(self) -> Floats | None:
        if self.capacity is None and self.limit_w is None:
            return None
        site = self.run.contract.site
        length_s = window_minutes(site) * 60.0
        into_s = np.array(
            [
                (site.tariff.day_minute(float(at))[1] * 60.0 + at % 60.0) % length_s
                for at in self.times_s
            ]
        )
        starts: Floats = self.times_s - into_s
        return starts

    def _window_hours(self) -> float:
        return window_minutes(self.run.contract.site) / 60.0

    @staticmethod
    def _count_import(
        index: int,
        windows: Floats | None,
        imports: dict[int, list[tuple[int, float]]],
        import_base: dict[int, float],
        base_kwh: float,
        terms: list[tuple[int, float]],
    ) -> None:
        """Add what a step imports to its window; negative base imports nothing."""
        if windows is None:
            return
        window = int(windows[index])
        imports.setdefault(window, []).extend(terms)
        import_base[window] = import_base.get(window, 0.0) + max(0.0, base_kwh)


class _Low:
    """A return that may be below the reserve: first only charged, then kept above.

    For the return and for the end of each block there is a choice, 1 where what is
    stored is below the reserve.
    """

    def __init__(
        self,
        program: LinearProgram,
        home: int,
        floor_kwh: float,
        top_kwh: float,
        *,
        block_s: float,
    ) -> None:
        self._program = program
        self._home = home
        self._floor_kwh = floor_kwh
        self._top_kwh = top_kwh
        self._block_s = block_s
        self._block: float | None = None
        self._came = self._was = self._is = self._choice()

    def _choice(self) -> int:
        choice = self._program.variable(0.0, 0.0, 1.0)
        self._program.whole.append(choice)
        return choice

    def hold(self, before: int, after: int, begin_s: float) -> None:
        """Bound a step at home that begins at `begin_s`."""
        program, top_kwh = self._program, self._top_kwh
        block = begin_s // self._block_s
        if block != self._block:
            self._block = block
            self._was, self._is = self._is, self._choice()
            program.row([(self._was, 1.0), (self._is, -1.0)], 0.0, np.inf)
            self._above_unless(self._was, before)
        # Once above, it stays above; below, it is not used; never below the return.
        self._above_unless(self._was, after)
        for other, low in ((before, self._is), (self._home, self._came)):
            program.row(
                [(after, 1.0), (other, -1.0), (low, -top_kwh)], -top_kwh, np.inf
            )

    def _above_unless(self, low: int, stored: int) -> None:
        floor_kwh = self._floor_kwh
        self._program.row([(stored, 1.0), (low, floor_kwh)], floor_kwh, np.inf)


def _hull(stored: Floats, cost: Floats) -> NDArray[np.int64]:
    """Return the indices of the lower convex hull of (stored, cost) with (0, 0)."""
    x = np.append(stored, 0.0)
    y = np.append(cost, 0.0)
    order = np.lexsort((y, x))
    hull: list[int] = []
    for i in order.tolist():
        if hull and x[i] - x[hull[-1]] <= 1e-12:
            continue
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) >= (y[i] - y[a]) * (x[b] - x[a]):
                hull.pop()
            else:
                break
        hull.append(i)
    return np.array([i for i in hull if i < len(stored)], dtype=np.int64)
