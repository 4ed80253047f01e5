"""The plan: a stochastic dynamic program, followed forwards from what is stored now.

There is always a plan: what cannot be met costs dearly in the program and is flagged,
but never makes it fail. A step's intent is the one with the least expected cost from
there on, and its reason says which numbers made it so.
"""

from dataclasses import dataclass, replace

import numpy as np

from .leaving import one_by_one
from .model import Intent, IntentKind, Reason, ReasonCode
from .options import Option
from .peak_level import at_best_level
from .plan import Absence, Floats, Plan, PlannedStep, PriceBasis, Task
from .program import Program
from .sweep import POINTS, Solved, Sweep

# A departure is called short from this on, as a share of the capacity.
SHORT_SHARE = 0.01
# So many steps follow the program exactly, the others from its nearest point.
EXACT_STEPS = 4
# Nearer than this a limit or a bound is what decides, W and kWh.
AT_LIMIT_W = 1.0
AT_BOUND_KWH = 0.05
_AWAY = Option(IntentKind.HOLD, 0.0)


def make_plan(task: Task, now_s: float) -> Plan:
    """Return the plan of least expected cost; there is always one."""
    return follow(task, now_s).plan


class Followed:
    """A plan, and what the unit does in it under each draw."""

    def __init__(self, plan: Plan, paths: tuple[_Path, _Path]) -> None:
        self.plan = plan
        self._paths = paths

    def powers(self) -> tuple[Floats, Floats]:
        """Return the unit's power in W, steps x quantiles, near and far."""
        near, far = self._paths
        return near.powers(), far.powers()


def follow(task: Task, now_s: float) -> Followed:
    """Return the plan of least expected cost, with what it does.

    A departure goes before a soft limit; of a month's peak it raises the level first.
    """
    paid_w = task.soft_limit_w
    task = at_best_level(task)
    followed = _follow(task, paid_w, now_s)
    if paid_w is not None and ReasonCode.DEPARTURE in followed.plan.problems:
        followed = _follow(replace(task, exceeds=True), paid_w, now_s)
    return followed


def _follow(task: Task, paid_w: float | None, now_s: float) -> Followed:
    program = Program(task)
    near, far = program.solve()
    walker = _Walker(program)
    paths = walker.walk(program.near, near), walker.walk(program.far, far)
    plan = Plan(
        made_s=now_s,
        steps=tuple(step for path in paths for step in walker.steps(path)),
        expected_cost=sum(float(path.cost.sum()) for path in paths),
        stored_value=program.slope(near.values[0, 0, 0], task.stored_kwh),
        problems=walker.problems(),
        import_level_w=None if task.soft_limit_w == paid_w else task.soft_limit_w,
    )
    return Followed(plan, paths)


@dataclass(frozen=True, slots=True)
class _Path:
    """What is done over a stretch, in expectation.

    `chosen` are options, `taken` how much of each column is carried out (T x C),
    `stored_kwh` and `value` (of a stored kWh) hold at each step's begin, `left_kwh` is
    what is stored at its end, before a trip takes of it.
    """

    sweep: Sweep
    chosen: list[int]
    taken: Floats
    stored_kwh: list[float]
    value: list[float]
    left_kwh: list[float]

    @property
    def unit_w(self) -> Floats:
        """Return the expected power of each step."""
        result: Floats = (self.sweep.columns.unit_w * self.taken).sum(axis=1)
        return result

    @property
    def cost(self) -> Floats:
        """Return what each step is weighed at: wear and missed limits cost, too."""
        made = self.sweep.columns
        extra = np.einsum("ktc,tc->t", made.extra, self.taken) / len(made.extra)
        result: Floats = made.nothing.mean(axis=0) + extra
        return result

    @property
    def bill(self) -> Floats:
        """Return what the home pays for each step at the grid."""
        sweep, power = self.sweep, self.powers()
        stretch, standby_w = sweep.stretch, sweep.grid.task.spec.standby_w
        grid_w = stretch.draw_w - power + np.where(power == 0.0, standby_w, 0.0)
        kwh = grid_w * sweep.hours[:, None] / 1e3
        price = np.where(
            kwh > 0.0,
            stretch.import_price.mean(axis=0)[:, None],
            stretch.export_price.mean(axis=0)[:, None],
        )
        result: Floats = kwh * price @ stretch.weights
        return result

    def powers(self) -> Floats:
        """Return the power of each step under each quantile of the draw."""
        made = self.sweep.columns
        chosen = np.array(self.chosen)
        chosen[self.sweep.calendar.away] = -1
        power = np.zeros_like(self.sweep.stretch.draw_w)
        for option in set(self.chosen):
            steps = np.flatnonzero(chosen == option)
            power[steps] = made.by_quantile(steps, option, self.taken[steps])
        return power


class _Walker:
    """Follows the best options from what is stored now, in expectation."""

    def __init__(self, program: Program) -> None:
        task = program.task
        self.program = program
        self.grid = program.grid
        self.stored_kwh = task.stored_kwh
        self.run = int(task.running)
        self._absences = one_by_one(task.absences)
        self._filled_s: list[float] = []
        self._short = False
        self._over_limit = False

    def problems(self) -> tuple[ReasonCode, ...]:
        """Return what the plan cannot meet."""
        found = []
        if self._short:
            found.append(ReasonCode.DEPARTURE)
        if self._over_limit:
            found.append(ReasonCode.IMPORT_LIMIT)
        task = self.program.task
        # The step that discharging leaves above the reserve is not asked of anybody.
        reserve_kwh = task.spec.capacity_kwh * task.reserve_percent / 100.0
        if max(task.stored_kwh, self.stored_kwh) < reserve_kwh - AT_BOUND_KWH:
            found.append(ReasonCode.RESERVE)
        return tuple(found)

    def walk(self, sweep: Sweep, solved: Solved) -> _Path:
        """Return what is done over one stretch."""
        made, values = sweep.columns, solved.values.mean(axis=1)
        exact = EXACT_STEPS if sweep is self.program.near else 0
        path = _Path(sweep, [], np.zeros_like(made.unit_w), [], [], [])
        for index, away in enumerate(sweep.calendar.away.tolist()):
            departure = sweep.calendar.departures.get(index)
            if departure is not None:
                self._leave(departure)
            after = values[index + 1]
            path.stored_kwh.append(self.stored_kwh)
            path.value.append(self.program.slope(after[self.run], self.stored_kwh))
            if away:
                path.chosen.append(0)
                path.left_kwh.append(self.stored_kwh)
                continue
            if index < exact:
                costs = sweep.costs_at(index, after, self.stored_kwh)
                if not self.run:
                    costs += sweep.start_cost[index]
                chosen = int(costs.argmin())
            else:
                place = round(self.stored_kwh / self.grid.step_kwh)
                point = min(max(place, 0), POINTS - 1)
                chosen = int(solved.best[index, self.run, point])
            mix = made.mix[index, :, chosen]
            share = (sweep.bound[index] - self.stored_kwh) * sweep.inverse[index]
            share = np.minimum(np.maximum(share, 0.0), 1.0)
            if sweep.tapered:
                here = np.array([self.stored_kwh])
                borne = sweep.borne(here, slice(index, index + 1))
                share = np.minimum(share, borne[0, :, 0])
            taken = mix * share
            path.taken[index] = taken
            path.chosen.append(chosen)
            change_kwh = float(made.change_kwh[index] @ taken)
            if change_kwh > 0.0:
                self._filled_s.append(float(sweep.stretch.starts_s[index]))
            self.stored_kwh += change_kwh
            self.run = int(float(mix @ made.runs[index]) > 0.5)
            path.left_kwh.append(self.stored_kwh)
        return path

    def steps(self, path: _Path) -> list[PlannedStep]:
        """Return a path as the steps of a plan."""
        sweep = path.sweep
        stretch = sweep.stretch
        capacity = self.program.task.spec.capacity_kwh
        unit_w = path.unit_w
        grid_w = stretch.draw_w @ stretch.weights - unit_w
        limit_w = self.program.task.soft_limit_w
        if limit_w is not None:
            self._over_limit |= bool((grid_w > limit_w + AT_LIMIT_W).any())
        steps = []
        for index, row in enumerate(
            zip(
                stretch.starts_s[:-1].tolist(),
                stretch.starts_s[1:].tolist(),
                path.left_kwh,
                unit_w.tolist(),
                grid_w.tolist(),
                stretch.import_price.mean(axis=0).tolist(),
                path.bill.tolist(),
                stretch.price_basis or [PriceBasis.KNOWN] * len(path.chosen),
                strict=True,
            )
        ):
            start_s, end_s, kwh, power_w, net_w, price, cost, basis = row
            steps.append(
                PlannedStep(
                    start_s=start_s,
                    end_s=end_s,
                    intent=self._intent(path, index, price),
                    soc_percent=kwh / capacity * 100.0,
                    unit_w=power_w,
                    grid_w=net_w,
                    import_price=price,
                    cost=cost,
                    home=not sweep.calendar.away[index],
                    price_basis=basis,
                )
            )
        return steps

    def _leave(self, departure: Absence) -> None:
        capacity = self.program.task.spec.capacity_kwh
        asked_kwh = capacity * departure.soc_percent / 100.0
        # The step on top of what is asked is the safety rules' own.
        slack_kwh = capacity * (
            SHORT_SHARE + self.program.task.spec.soc_step_percent / 100.0
        )
        self._short |= self.stored_kwh < asked_kwh - slack_kwh
        self.stored_kwh = max(0.0, self.stored_kwh - departure.energy_kwh)

    def _intent(self, path: _Path, index: int, price: float) -> Intent:
        home = not path.sweep.calendar.away[index]
        option = path.sweep.columns.options[path.chosen[index]] if home else _AWAY
        stored_kwh, value = path.stored_kwh[index], path.value[index]
        code = ReasonCode.DISCONNECTED
        if home:
            code = self._why(path.sweep, index, option, stored_kwh)
        values = {
            "price": price,
            "value": value,
            "soc_percent": stored_kwh / self.program.task.spec.capacity_kwh * 100.0,
        }
        if option.kind is IntentKind.EXPORT:
            earned = path.sweep.stretch.export_price[:, index]
            values["export_price"] = float(earned.mean())
        return Intent(
            kind=option.kind,
            power_w=option.power_w,
            reason=Reason(code=code, values=values),
            absorb_surplus=option.absorb,
            stored_value=value if option.kind is IntentKind.COVER else None,
        )

    def _why(
        self, sweep: Sweep, index: int, option: Option, stored_kwh: float
    ) -> ReasonCode:
        """Return what decides the step, beside price and value."""
        task, stretch = self.program.task, sweep.stretch
        begin_s = float(stretch.starts_s[index])
        ahead = (a for a in self._absences if a.departure_s > begin_s)
        trip = next(ahead, None)
        asked_kwh = 0.0
        if trip is not None:
            asked_kwh = task.spec.capacity_kwh * trip.soc_percent / 100.0
        if option.kind is IntentKind.CHARGE:
            if stored_kwh < self.grid.floor_kwh - AT_BOUND_KWH:
                return ReasonCode.RESERVE
            if stored_kwh < asked_kwh:
                return ReasonCode.DEPARTURE
            return ReasonCode.CHEAP_PRICE
        limit_w = task.soft_limit_w
        if limit_w is not None and stretch.draw_w[index].max() > limit_w:
            return ReasonCode.IMPORT_LIMIT
        if option.kind is IntentKind.ABSORB:
            return ReasonCode.SOLAR_SURPLUS
        if option.kind is IntentKind.HOLD:
            if stored_kwh <= self.grid.floor_kwh + AT_BOUND_KWH:
                return ReasonCode.RESERVE
            if trip is not None and stored_kwh <= asked_kwh + AT_BOUND_KWH:
                leaves_s = trip.departure_s
                if not any(begin_s < at_s < leaves_s for at_s in self._filled_s):
                    # What is given now will not be there again by then.
                    return ReasonCode.DEPARTURE
            kept_kwh = sweep.kept_kwh
            if kept_kwh is not None and stored_kwh < kept_kwh[index] - AT_BOUND_KWH:
                return ReasonCode.IMPORT_LIMIT
            if stored_kwh >= self.grid.ceiling_kwh - AT_BOUND_KWH:
                return ReasonCode.FULL
            return ReasonCode.PRICE_BETWEEN
        return ReasonCode.DEAR_PRICE
