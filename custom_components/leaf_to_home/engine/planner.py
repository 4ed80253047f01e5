"""The plan: a stochastic dynamic program, followed forwards from what is stored now.

There is always a plan: what cannot be met costs dearly in the program and is flagged,
but never makes it fail. A step's intent is the one with the least expected cost from
there on, and its reason says which numbers made it so.
"""

import numpy as np

from .model import Intent, IntentKind, Reason, ReasonCode
from .options import Option
from .plan import Absence, Floats, Plan, PlannedStep, Task
from .program import POINTS, Program, Solved, Sweep

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
    return follow(task, now_s)[0]


def follow(task: Task, now_s: float) -> tuple[Plan, tuple[Floats, Floats]]:
    """Return the plan, and the unit's power in W under each draw (near and far)."""
    program = Program(task)
    near, far = program.solve()
    walker = _Walker(program)
    steps = walker.walk(program.near, near) + walker.walk(program.far, far)
    plan = Plan(
        made_s=now_s,
        steps=tuple(steps),
        expected_cost=walker.cost,
        stored_value=program.slope(near.values[0, 0, 0], task.stored_kwh),
        problems=walker.problems(),
    )
    powers = walker.powers
    count = len(program.near.hours)
    return plan, (np.array(powers[:count]), np.array(powers[count:]))


class _Walker:
    """Follows the best options from what is stored now, in expectation."""

    def __init__(self, program: Program) -> None:
        task = program.task
        self.program = program
        self.stored_kwh = task.stored_kwh
        self.run = int(task.running)
        self.cost = 0.0
        self.powers: list[Floats] = []
        self._absences = sorted(task.absences, key=lambda absence: absence.departure_s)
        self._short = False
        self._over_limit = False

    def problems(self) -> tuple[ReasonCode, ...]:
        """Return what the plan cannot meet."""
        found = []
        if self._short:
            found.append(ReasonCode.DEPARTURE)
        if self._over_limit:
            found.append(ReasonCode.IMPORT_LIMIT)
        if self.program.task.stored_kwh < self.program.floor_kwh and (
            self.stored_kwh < self.program.floor_kwh
        ):
            found.append(ReasonCode.RESERVE)
        return tuple(found)

    def walk(self, sweep: Sweep, solved: Solved) -> list[PlannedStep]:
        """Return the steps of one stretch."""
        values = solved.values.mean(axis=1)
        prices = sweep.stretch.import_price.mean(axis=0).tolist()
        nothing = sweep.columns.nothing.mean(axis=0).tolist()
        extra = sweep.columns.extra.mean(axis=0)
        return [
            self._step(
                sweep, solved, index, values[index + 1], extra[index], price, idle_cost
            )
            for index, (price, idle_cost) in enumerate(
                zip(prices, nothing, strict=True)
            )
        ]

    def _step(
        self,
        sweep: Sweep,
        solved: Solved,
        index: int,
        after: Floats,
        extra: Floats,
        price: float,
        idle_cost: float,
    ) -> PlannedStep:
        program, stretch, made = self.program, sweep.stretch, sweep.columns
        capacity = program.task.spec.capacity_kwh
        departure = sweep.calendar.departures.get(index)
        if departure is not None:
            self._leave(departure)
        home = not sweep.calendar.away[index]
        chosen = self._choose(sweep, solved, index, after) if home else 0
        option = made.options[chosen] if home else _AWAY
        value = program.slope(after[self.run], self.stored_kwh)
        intent = self._intent(sweep, index, option, price, value, home=home)
        unit_w = 0.0
        power = np.zeros(len(stretch.weights))
        if home:
            mix = made.mix[index, :, chosen]
            share = (sweep.bound[index] - self.stored_kwh) * sweep.inverse[index]
            taken = mix * np.minimum(np.maximum(share, 0.0), 1.0)
            unit_w = float(made.unit_w[index] @ taken)
            idle_cost += float(extra @ taken)
            self.stored_kwh += float(made.change_kwh[index] @ taken)
            self.run = int(float(mix @ made.runs[index]) > 0.5)
            power = made.by_quantile(index, chosen, taken)
        self.powers.append(power)
        self.cost += idle_cost
        grid_w = float(stretch.draw_w[index] @ stretch.weights) - unit_w
        limit_w = program.task.soft_limit_w
        self._over_limit |= limit_w is not None and grid_w > limit_w + AT_LIMIT_W
        return PlannedStep(
            start_s=float(stretch.starts_s[index]),
            end_s=float(stretch.starts_s[index + 1]),
            intent=intent,
            soc_percent=self.stored_kwh / capacity * 100.0,
            unit_w=unit_w,
            grid_w=grid_w,
            import_price=price,
            cost=idle_cost,
            home=home,
        )

    def _leave(self, departure: Absence) -> None:
        capacity = self.program.task.spec.capacity_kwh
        asked_kwh = capacity * departure.soc_percent / 100.0
        # The step on top of what is asked is the safety rules' own.
        slack_kwh = capacity * (
            SHORT_SHARE + self.program.task.spec.soc_step_percent / 100.0
        )
        self._short |= self.stored_kwh < asked_kwh - slack_kwh
        self.stored_kwh = max(0.0, self.stored_kwh - departure.energy_kwh)

    def _choose(self, sweep: Sweep, solved: Solved, index: int, after: Floats) -> int:
        """Return the best option: exact where it is soon carried out."""
        if sweep is not self.program.near or index >= EXACT_STEPS:
            place = round(self.stored_kwh / self.program.step_kwh)
            point = min(max(place, 0), POINTS - 1)
            return int(solved.best[index, 0, self.run, point])
        costs = sweep.expected(index, after[None], np.array([self.stored_kwh]))[0, 0]
        if not self.run:
            costs = costs + sweep.start_cost[index]
        return int(costs.argmin())

    def _intent(
        self,
        sweep: Sweep,
        index: int,
        option: Option,
        price: float,
        value: float,
        *,
        home: bool,
    ) -> Intent:
        code = self._why(sweep, index, option) if home else ReasonCode.DISCONNECTED
        values = {
            "price": price,
            "value": value,
            "soc_percent": self.stored_kwh
            / self.program.task.spec.capacity_kwh
            * 100.0,
        }
        return Intent(
            kind=option.kind,
            power_w=option.power_w,
            reason=Reason(code=code, values=values),
            absorb_surplus=option.absorb,
            stored_value=value if option.kind is IntentKind.COVER else None,
        )

    def _why(self, sweep: Sweep, index: int, option: Option) -> ReasonCode:
        """Return what decides the step, beside price and value."""
        program, stretch = self.program, sweep.stretch
        limit_w = program.task.soft_limit_w
        if limit_w is not None and stretch.draw_w[index, -1] > limit_w:
            return ReasonCode.IMPORT_LIMIT
        if option.kind is IntentKind.CHARGE:
            if self.stored_kwh < program.floor_kwh - AT_BOUND_KWH:
                return ReasonCode.RESERVE
            begin_s = float(stretch.starts_s[index])
            ahead = (a for a in self._absences if a.departure_s > begin_s)
            trip = next(ahead, None)
            capacity = program.task.spec.capacity_kwh
            if trip is not None and (
                self.stored_kwh < capacity * trip.soc_percent / 100.0
            ):
                return ReasonCode.DEPARTURE
            return ReasonCode.CHEAP_PRICE
        if option.kind is IntentKind.ABSORB:
            return ReasonCode.SOLAR_SURPLUS
        if option.kind is IntentKind.HOLD:
            if self.stored_kwh <= program.floor_kwh + AT_BOUND_KWH:
                return ReasonCode.RESERVE
            if self.stored_kwh >= program.ceiling_kwh - AT_BOUND_KWH:
                return ReasonCode.FULL
            return ReasonCode.PRICE_BETWEEN
        return ReasonCode.DEAR_PRICE
