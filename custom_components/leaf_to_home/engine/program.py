"""The dynamic program: values and best options of a stretch of steps, backwards.

Each option is evaluated exactly under every quantile of the house's draw, with losses,
minimum power, limits, wear and starts inside; the worth of what is stored afterwards is
interpolated between the points of the state of charge. The state is what is stored, and
whether the unit runs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .model import IntentKind
from .options import columns
from .plan import Absence, Floats, Hazard, Stretch, Task

POINTS = 97
# What a kWh that a departure lacks costs, in kWh of cheap price.
SHORT_PENALTY = 30.0
# Where nobody announced the trip: what being short at all costs, and each kWh of it, in
# kWh of cheap price.
UNASKED_SHORT_KWH = 10.0
UNASKED_PENALTY = 4.0
# What a start costs besides its delay: relay and contactor wear, in kWh of cheap price.
START_KWH = 0.05
# Staying above this share of the capacity ages the cells; per kWh above it and hour, as
# a share of the cheap price.
DWELL_PERCENT = 80.0
DWELL_SHARE = 0.0004
# What a kWh below the reserve costs an hour, as a share of the cheap price.
RESERVE_SHARE = 0.03
CHEAP_QUANTILE = 0.3
# What a kWh costs an hour that is missing of what is kept for a soft limit, as a share
# of the cheap price; and how much of the room is kept at most.
KEEP_SHARE = 0.1
KEEP_MOST = 0.6
# So many days like the last one follow the horizon.
TAIL_DAYS = 2


@dataclass(frozen=True, slots=True)
class Solved:
    """Values at each step's begin (T+1 x K x run x P), and best options (from T)."""

    values: Floats
    best: NDArray[np.int64]


class Program:
    """One task, solved backwards: first the far stretch, then the near one."""

    def __init__(self, task: Task) -> None:
        self.task = task
        spec = task.spec
        capacity = spec.capacity_kwh
        asked = [absence.soc_percent for absence in task.absences]
        if task.near_hazard is not None:
            asked.append(task.near_hazard.soc_percent)
        percent = max(task.reserve_percent, spec.min_soc_percent)
        self.floor_kwh = capacity * (percent + spec.soc_step_percent) / 100.0
        self.ceiling_kwh = capacity * task.max_soc_percent / 100.0
        top = max(self.ceiling_kwh, capacity * max(asked, default=0.0) / 100.0)
        top = min(max(top, task.stored_kwh), capacity)
        self.points = np.linspace(0.0, top + 1e-9, POINTS)
        self.step_kwh = float(self.points[1] - self.points[0])
        prices = np.concatenate(
            [task.near.import_price.ravel(), task.far.import_price.ravel()]
        )
        self.cheap = max(float(np.quantile(prices, CHEAP_QUANTILE)), 0.01)
        self.standing = self._standing()
        self.near = Sweep(self, task.near, task.near_hazard)
        self.far = Sweep(self, task.far, task.far_hazard, coarse=True)

    def solve(self) -> tuple[Solved, Solved]:
        """Return the near and the far stretch, solved."""
        far = self.far.solve(self._end())
        # More prices become known where the far stretch begins: until then, the mean.
        between = far.values[0].mean(axis=0, keepdims=True)
        near = self.near.solve(between, beyond=far.values.mean(axis=1))
        return near, far

    def _standing(self) -> Floats:
        """Return the cost per hour of being at each point: ageing, no backup."""
        spec = self.task.spec
        full_kwh = spec.capacity_kwh * DWELL_PERCENT / 100.0
        dwell_kwh = np.maximum(0.0, self.points - full_kwh)
        missing_kwh = np.maximum(0.0, self.floor_kwh - self.points)
        return (dwell_kwh * DWELL_SHARE + missing_kwh * RESERVE_SHARE) * self.cheap

    def _end(self) -> Floats:
        """Return what is left at the end costs: minus its worth, futures x run x P.

        Without a given price the last day's own value, found from a rough guess and a
        few days like it: it does not depend on the hour at which the horizon ends.
        """
        shape = (len(self.task.far.import_price), 2, POINTS)
        if self.task.end_price is not None:
            return np.broadcast_to(-self.points * self.task.end_price, shape)
        spec, charge_w = self.task.spec, max(self.task.charge_w, 1.0)
        fill_w = spec.stored_w(-charge_w)
        rough = -self.points * self.cheap * (charge_w / fill_w if fill_w > 0.0 else 1.0)
        end = np.broadcast_to(rough, shape)
        starts_s = self.task.far.starts_s
        day = int(np.searchsorted(starts_s, starts_s[-1] - 86400.0 - 1.0))
        for _ in range(TAIL_DAYS):
            begin = self.far.solve(end, upto=day).values[day].mean(axis=0)
            end = np.broadcast_to(begin - begin.min(), shape)
        return end

    def slope(self, values: Floats, stored_kwh: float) -> float:
        """Return what one kWh more in the battery is worth at this point."""
        place = min(max(stored_kwh / self.step_kwh, 1.0), POINTS - 2.0)
        low = int(place) - 1
        high = min(low + 3, POINTS - 1)
        rise = values[low] - values[high]
        return float(max(0.0, rise / ((high - low) * self.step_kwh)))


class Sweep:
    """One stretch of steps, backwards."""

    def __init__(
        self,
        program: Program,
        stretch: Stretch,
        hazard: Hazard | None,
        *,
        coarse: bool = False,
    ) -> None:
        task = program.task
        self.hazard = None if hazard is None else Leaving(program, stretch, hazard)
        self.program = program
        self.stretch = stretch
        self.columns = columns(task, stretch, coarse=coarse)
        self.hours = np.diff(stretch.starts_s) / 3600.0
        self.calendar = Calendar(task, program, stretch)
        change = self.columns.change_kwh
        self.inverse = np.divide(
            1.0, change, out=np.zeros_like(change), where=change != 0.0
        )
        self.jump = change / program.step_kwh
        keep_kwh = stretch.keep_kwh
        if keep_kwh is None:
            keep_kwh = np.zeros(len(change))
        room_kwh = program.ceiling_kwh - program.floor_kwh
        keep_kwh = np.minimum(keep_kwh, max(0.0, KEEP_MOST * room_kwh))
        floor_kwh = program.floor_kwh + np.where(
            self.columns.guards, 0.0, keep_kwh[:, None]
        )
        self.bound = np.where(
            change < 0.0, floor_kwh, self.calendar.ceiling_kwh[:, None]
        )
        missing_kwh = np.maximum(
            0.0, (program.floor_kwh + keep_kwh)[:, None] - program.points
        )
        self.kept_kwh = (
            None if stretch.keep_kwh is None else program.floor_kwh + keep_kwh
        )
        self.spends = np.array(
            [
                option.kind in (IntentKind.COVER, IntentKind.EXPORT)
                for option in self.columns.options
            ]
        )
        self.standing = program.standing + np.where(
            keep_kwh[:, None] > 0.0,
            missing_kwh * KEEP_SHARE * program.cheap,
            0.0,
        )
        # An idle unit's start costs where a column runs; what follows a column that
        # runs is the value of running.
        running = self.columns.runs
        self.after_run = np.where(running, POINTS, 0)[:, None, :]
        self.start_cost = (
            np.einsum("tc,tca->ta", running.astype(float), self.columns.mix)
            * START_KWH
            * program.cheap
        )

    def solve(
        self, end: Floats, *, upto: int = 0, beyond: Floats | None = None
    ) -> Solved:
        """Return values and best options of the steps from `upto` on.

        `beyond` are the values at the begins of the steps that follow.
        """
        steps = len(self.hours)
        futures = len(self.columns.extra)
        values = np.empty((steps + 1, futures, 2, POINTS))
        best = np.zeros((steps, futures, 2, POINTS), dtype=np.int64)
        values[steps] = end
        for index in range(steps - 1, upto - 1, -1):
            self._back(index, values, best, beyond)
        return Solved(values, best)

    def _back(
        self,
        index: int,
        values: Floats,
        best: NDArray[np.int64],
        beyond: Floats | None,
    ) -> None:
        """Fill in values and best options at the begin of step `index`."""
        program, after = self.program, values[index + 1]
        base = self.columns.nothing[:, index, None] + (
            self.standing[index] * self.hours[index]
        )
        if self.calendar.away[index]:
            values[index] = base[:, None] + after[:, :1]
        else:
            expected = self.expected(index, after, program.points)
            idle = expected + self.start_cost[index]
            best[index, :, 0] = idle.argmin(axis=2)
            best[index, :, 1] = expected.argmin(axis=2)
            values[index, :, 0] = base + idle.min(axis=2)
            values[index, :, 1] = base + expected.min(axis=2)
            if self.hazard is not None:
                self.hazard.mix(index, values, base, beyond)
        departure = self.calendar.departures.get(index)
        if departure is not None:
            values[index] = self._leave(values[index], departure)

    def expected(self, index: int, after: Floats, stored_kwh: Floats) -> Floats:
        """Return what each option costs beyond doing nothing, K x points x A."""
        made = self.columns
        points = stored_kwh[:, None]
        share = self.bound[index] - points
        share *= self.inverse[index]
        np.maximum(share, 0.0, out=share)
        np.minimum(share, 1.0, out=share)
        place = share * self.jump[index]
        place += points / self.program.step_kwh
        np.maximum(place, 0.0, out=place)
        np.minimum(place, POINTS - 1.000001, out=place)
        low = place.astype(np.int64)
        place -= low
        low += self.after_run[index]
        flat = after.reshape(len(after), -1)
        value = flat.take(low, axis=1)
        low += 1
        above = flat.take(low, axis=1)
        above -= value
        above *= place
        value += above
        value += share * made.extra[:, index, None]
        # Where following does not pay at the draw that comes, the loop holds.
        follows = value[:, :, made.follows]
        np.minimum(follows, value[:, :, made.holds], out=follows)
        result: Floats = value @ made.mix[index]
        if self.kept_kwh is not None:
            # What is kept for the limit is not spent on covering: holding carries the
            # house above the limit all the same.
            low_points = stored_kwh < self.kept_kwh[index]
            result[:, low_points[:, None] & self.spends] = np.inf
        return result

    def _leave(self, values: Floats, absence: Absence) -> Floats:
        """Return the values just before a departure with what it asks and takes."""
        program = self.program
        capacity = program.task.spec.capacity_kwh
        rows = values.reshape(-1, POINTS)
        moved = np.zeros_like(rows)
        for kwh, chance in zip(absence.energies_kwh, absence.chances, strict=True):
            left = np.maximum(program.points - kwh, 0.0)
            for row, into in zip(rows, moved, strict=True):
                into += chance * np.interp(left, program.points, row)
        short = np.maximum(0.0, capacity * absence.soc_percent / 100.0 - program.points)
        result: Floats = moved.reshape(values.shape) + (
            short * SHORT_PENALTY * program.cheap
        )
        return result


class Leaving:
    """What it is worth to leave unannounced in a step, mixed into staying."""

    def __init__(self, program: Program, stretch: Stretch, hazard: Hazard) -> None:
        self.hazard = hazard
        points, capacity = program.points, program.task.spec.capacity_kwh
        short = np.maximum(0.0, capacity * hazard.soc_percent / 100.0 - points)
        # A car that is not as full as wished can leave all the same.
        self.penalty = (
            short * UNASKED_PENALTY + (short > 0.0) * UNASKED_SHORT_KWH
        ) * program.cheap
        # What a trip takes, as a map from the values at its end to those at its begin.
        self.maps = []
        for kind in hazard.kinds:
            map_ = np.zeros((POINTS, POINTS))
            for kwh, chance in zip(kind.energies_kwh, kind.chances, strict=True):
                place = np.maximum(points - kwh, 0.0) / program.step_kwh
                low = np.minimum(place.astype(np.int64), POINTS - 2)
                map_[low, np.arange(POINTS)] += chance * (1.0 - (place - low))
                map_[low + 1, np.arange(POINTS)] += chance * (place - low)
            self.maps.append(map_)
        begins = stretch.starts_s[:-1]
        lasting = np.array([kind.lasting_s for kind in hazard.kinds])[hazard.kind]
        self.back = np.searchsorted(stretch.starts_s, begins + lasting)
        # The house's own cost goes on while the unit is away.
        self.count = len(begins)
        self.far_s = stretch.starts_s[-1]
        self.over_s = begins + lasting - self.far_s
        far = program.task.far.starts_s
        self.beyond = np.clip(np.searchsorted(far, begins + lasting), 0, len(far) - 1)
        self.nothing: Floats | None = None

    def mix(
        self, index: int, values: Floats, base: Floats, beyond: Floats | None
    ) -> None:
        """Mix leaving into the values at the begin of step `index`."""
        leaving = float(self.hazard.leaving[index])
        if leaving <= 0.0:
            return
        back = int(self.back[index])
        if back <= self.count:
            home = values[back, :, 0]
        elif beyond is not None:
            home = beyond[self.beyond[index], None, 0]
        else:
            home = values[self.count, :, 0]
        away = home @ self.maps[self.hazard.kind[index]]
        # Only differences between points matter: what the house costs meanwhile is the
        # same for all of them, and is taken from holding.
        full = POINTS - 1
        away = away + (values[index, :, 0, full:] - home[:, full:])
        unasked = float(self.hazard.unasked[index])
        for run in (0, 1):
            values[index, :, run] += leaving * (away - values[index, :, run])
            values[index, :, run] += unasked * self.penalty


class Calendar:
    """When the unit is away, and what it has to bring to each departure."""

    def __init__(self, task: Task, program: Program, stretch: Stretch) -> None:
        starts, ends = stretch.starts_s[:-1], stretch.starts_s[1:]
        self.away = np.zeros(len(starts), dtype=bool)
        self.departures: dict[int, Absence] = {}
        self.ceiling_kwh = np.full(len(starts), program.ceiling_kwh)
        capacity = task.spec.capacity_kwh
        for absence in task.absences:
            # A step that is mostly at home counts as at home.
            self.away |= (starts >= absence.departure_s - 30.0) & (
                ends <= absence.back_s + 30.0
            )
            if absence.departure_s < starts[0] - 30.0:
                continue
            index = int(np.searchsorted(starts, absence.departure_s - 30.0))
            asked_kwh = capacity * absence.soc_percent / 100.0
            self.ceiling_kwh[:index] = np.maximum(self.ceiling_kwh[:index], asked_kwh)
            if index < len(starts):
                self.departures[index] = absence
