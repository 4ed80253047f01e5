"""One stretch of the dynamic program, backwards: values and best options of each step.

What each option leads to from each point does not depend on what that is worth, so it
is worked out for all steps at once; the way back then only looks values up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .battery import Table
from .leaving import Calendar, Leaving
from .model import IntentKind
from .options import columns
from .plan import Absence, Floats, Hazard, Stretch, Task

POINTS = 97
# What a start costs in wear of relay and contactor: so long at the highest power, at
# the cheap price; or as long as the unit takes to start, where that is longer.
START_S = 30.0
# What a kWh costs an hour that is missing of what is kept for a soft limit, as a share
# of the cheap price; and how much of the room is kept at most.
KEEP_SHARE = 0.1
KEEP_MOST = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The points of stored energy (kWh, P) and what holds for all steps of a task.

    `cheap` is a cheap price per kWh, `charge_share` what of a bought kWh arrives,
    `standing` the cost per hour of being at each point. `over_price` is what a kWh
    above a soft limit costs, `short_price` one that a departure lacks.
    """

    task: Task
    points: Floats
    step_kwh: float
    floor_kwh: float
    ceiling_kwh: float
    cheap: float
    charge_share: float
    standing: Floats
    over_price: float
    short_price: float


@dataclass(frozen=True, slots=True)
class Solved:
    """Values at each step's begin (T+1 x K x run x P).

    `best` are the best options in the future in the middle (T x run x P).
    """

    values: Floats
    best: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Ways:
    """Where each column leads from each point, T x C x P.

    `low` is the point below (of the values idle, then running, in one row), `part` how
    far it is to the next, `share` how much of the column fits the bounds.
    """

    low: NDArray[np.intp]
    part: Floats
    share: Floats


class Sweep:
    """One stretch of steps, backwards."""

    def __init__(
        self,
        grid: Grid,
        stretch: Stretch,
        hazard: Hazard | None,
        *,
        coarse: bool = False,
    ) -> None:
        task = grid.task
        self.grid = grid
        self.stretch = stretch
        self.columns = columns(task, stretch, grid.over_price, coarse=coarse)
        self.hours = np.diff(stretch.starts_s) / 3600.0
        self.turns = dict(stretch.turns)
        self.calendar = Calendar(task, grid.ceiling_kwh, stretch)
        self.hazard = None
        if hazard is not None:
            self.hazard = Leaving(task, grid.points, grid.cheap, stretch, hazard)
            self.hazard.offer(grid.charge_share)
        change = self.columns.change_kwh
        self.inverse = np.divide(
            1.0, change, out=np.zeros_like(change), where=change != 0.0
        )
        self.jump = change / grid.step_kwh
        # What follows a column that runs is the value of running.
        self.after_run = np.where(self.columns.runs, POINTS, 0)
        start_s = max(START_S, task.spec.start_delay_s)
        self.start_cost = (
            np.einsum("tc,tca->ta", self.columns.runs.astype(float), self.columns.mix)
            * (task.spec.max_discharge_w * start_s / 3.6e6)
            * grid.cheap
        )
        self.tapered = bool(task.spec.charge_taper or task.spec.discharge_taper)
        self._keep(stretch.keep_kwh)
        self._ways = self._lead(grid.points, slice(None))

    def _keep(self, keep_kwh: Floats | None) -> None:
        """Set the bounds of each column, and what being at each point costs."""
        grid, change = self.grid, self.columns.change_kwh
        kept_kwh = np.zeros(len(change))
        if keep_kwh is not None:
            room_kwh = grid.ceiling_kwh - grid.floor_kwh
            kept_kwh = np.minimum(keep_kwh, max(0.0, KEEP_MOST * room_kwh))
        floor_kwh = grid.floor_kwh + np.where(
            self.columns.guards, 0.0, kept_kwh[:, None]
        )
        self.bound = np.where(
            change < 0.0, floor_kwh, self.calendar.ceiling_kwh[:, None]
        )
        missing_kwh = np.maximum(
            0.0, (grid.floor_kwh + kept_kwh)[:, None] - grid.points
        )
        self.standing = grid.standing + np.where(
            kept_kwh[:, None] > 0.0, missing_kwh * KEEP_SHARE * grid.cheap, 0.0
        )
        self.kept_kwh = None if keep_kwh is None else grid.floor_kwh + kept_kwh
        self.spends = np.array(
            [
                option.kind in (IntentKind.COVER, IntentKind.EXPORT)
                for option in self.columns.options
            ]
        )

    def borne(self, points: Floats, steps: slice) -> Floats:
        """Return how much of each column the battery bears from `points`, T x C x P."""
        spec = self.grid.task.spec
        unit_w = self.columns.unit_w[steps]
        soc_percent = points / spec.capacity_kwh * 100.0
        charge_w = spec.max_charge_w * _shares(spec.charge_taper, soc_percent)
        discharge_w = spec.max_discharge_w * _shares(spec.discharge_taper, soc_percent)
        most_w = np.where(unit_w[:, :, None] < 0.0, charge_w, discharge_w)
        result: Floats = most_w / np.maximum(np.abs(unit_w), 1.0)[:, :, None]
        return result

    def _lead(self, points: Floats, steps: slice) -> _Ways:
        """Return where the columns of `steps` lead from `points`."""
        share = self.bound[steps, :, None] - points
        share *= self.inverse[steps, :, None]
        np.maximum(share, 0.0, out=share)
        np.minimum(share, 1.0, out=share)
        if self.tapered:
            np.minimum(share, self.borne(points, steps), out=share)
        place = share * self.jump[steps, :, None]
        place += points / self.grid.step_kwh
        np.maximum(place, 0.0, out=place)
        np.minimum(place, POINTS - 1.000001, out=place)
        low = place.astype(np.intp)
        place -= low
        low += self.after_run[steps, :, None]
        return _Ways(low, place, share)

    def solve(
        self, end: Floats, *, upto: int = 0, beyond: Floats | None = None
    ) -> Solved:
        """Return values and best options of the steps from `upto` on.

        `beyond` are the values at the begins of the steps that follow.
        """
        steps = len(self.hours)
        futures = len(self.columns.extra)
        values = np.empty((steps + 1, futures, 2, POINTS))
        best = np.zeros((steps, 2, POINTS), dtype=np.intp)
        values[steps] = end
        for index in range(steps - 1, upto - 1, -1):
            self._back(index, values, best, beyond)
            if index in self.turns:
                # Only from here on it is known which future it is.
                values[index] = np.tensordot(self.turns[index], values[index], axes=1)
        return Solved(values, best)

    def _back(
        self,
        index: int,
        values: Floats,
        best: NDArray[np.intp],
        beyond: Floats | None,
    ) -> None:
        """Fill in values and best options at the begin of step `index`."""
        after = values[index + 1]
        base = self.columns.nothing[:, index, None] + (
            self.standing[index] * self.hours[index]
        )
        if self.calendar.away[index]:
            values[index] = base[:, None] + after[:, :1]
        else:
            ways = self._ways
            expected = self._expected(
                index,
                after,
                ways.low[index],
                ways.part[index],
                ways.share[index],
            )
            self._spare(index, self.grid.points, expected)
            middle = expected[len(expected) // 2]
            middle.argmin(axis=0, out=best[index, 1])
            expected.min(axis=1, out=values[index, :, 1])
            expected += self.start_cost[index, :, None]
            middle.argmin(axis=0, out=best[index, 0])
            expected.min(axis=1, out=values[index, :, 0])
            values[index] += base[:, None]
            if self.hazard is not None:
                self.hazard.mix(index, values, beyond)
        departure = self.calendar.departures.get(index)
        if departure is not None:
            values[index] = self._leave(values[index], departure)

    def costs_at(self, index: int, after: Floats, stored_kwh: float) -> Floats:
        """Return what each option costs beyond doing nothing, from what is stored (A).

        `after` are the values at the end of the step, of one future (run x P).
        """
        points = np.array([stored_kwh])
        ways = self._lead(points, slice(index, index + 1))
        costs = self._expected(
            index, after[None], ways.low[0], ways.part[0], ways.share[0]
        )
        self._spare(index, points, costs)
        result: Floats = costs[0, :, 0]
        return result

    def _expected(
        self,
        index: int,
        after: Floats,
        low: NDArray[np.intp],
        part: Floats,
        share: Floats,
    ) -> Floats:
        """Return what each option costs beyond doing nothing, K x A x points."""
        made = self.columns
        flat = after.reshape(len(after), -1)
        rise = np.zeros_like(flat)
        np.subtract(flat[:, 1:], flat[:, :-1], out=rise[:, :-1])
        value = rise.take(low, axis=1)
        value *= part
        value += flat.take(low, axis=1)
        value += share * made.extra[:, index, :, None]
        # Where following does not pay at the draw that comes, the loop holds.
        follows = value[:, made.follows]
        np.minimum(follows, value[:, made.holds], out=follows)
        result: Floats = made.mix[index].T @ value
        return result

    def _spare(self, index: int, points: Floats, costs: Floats) -> None:
        """Forbid spending what is kept for the limit on covering.

        Holding carries the house above the limit all the same.
        """
        if self.kept_kwh is not None:
            low_points = points < self.kept_kwh[index]
            costs[:, self.spends[:, None] & low_points] = np.inf

    def _leave(self, values: Floats, absence: Absence) -> Floats:
        """Return the values just before a departure with what it asks and takes."""
        grid = self.grid
        capacity = grid.task.spec.capacity_kwh
        rows = values.reshape(-1, POINTS)
        moved = np.zeros_like(rows)
        for kwh, chance in zip(absence.energies_kwh, absence.chances, strict=True):
            left = np.maximum(grid.points - kwh, 0.0)
            for row, into in zip(rows, moved, strict=True):
                into += chance * np.interp(left, grid.points, row)
        short = np.maximum(0.0, capacity * absence.soc_percent / 100.0 - grid.points)
        result: Floats = moved.reshape(values.shape) + short * grid.short_price
        return result


def _shares(table: Table, soc_percent: Floats) -> Floats:
    """Return the shares of a table at many states of charge."""
    if not table:
        return np.ones_like(soc_percent)
    at, share = zip(*table, strict=True)
    result: Floats = np.interp(soc_percent, at, share)
    return result
