"""The dynamic program of one task: a grid of stored energy, and two sweeps over it.

Each option is evaluated exactly under every quantile of the house's draw, with losses,
minimum power, limits, wear and starts inside; the worth of what is stored afterwards is
interpolated between the points of the state of charge. The state is what is stored, and
whether the unit runs.
"""

import numpy as np

from .plan import Floats, Stretch, Task
from .sweep import POINTS, Grid, Solved, Sweep

# Staying above this share of the capacity ages the cells; per kWh above it and hour, as
# a share of the cheap price.
DWELL_PERCENT = 80.0
DWELL_SHARE = 0.0004
# What a kWh below the reserve costs an hour, as a share of the cheap price.
RESERVE_SHARE = 0.004
CHEAP_QUANTILE = 0.3
# What a kWh above a soft limit costs where no capacity tariff says so, in kWh of cheap
# price: an amount of money would be much in one currency and nothing in another. Where
# much is nearly free it is so many kWh of the dearest price.
LIMIT_PENALTY = 30.0
LIMIT_DEAREST = 2.0
# A departure goes before a soft limit: a kWh that it lacks costs so many times more,
# and more than raising a month's peak for so short a charge.
DEPARTURE_FIRST = 2.0
SHORT_CHARGE_H = 0.25
# So many days like the last one follow the horizon.
TAIL_DAYS = 2


class Program:
    """One task, solved backwards: first the far stretch, then the near one."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.grid = _grid(task)
        self.near = Sweep(self.grid, task.near, task.near_hazard)
        self.far = Sweep(self.grid, task.far, task.far_hazard, coarse=True)

    def solve(self) -> tuple[Solved, Solved]:
        """Return the near and the far stretch, solved."""
        far = self.far.solve(self._end())
        # More prices become known where the far stretch begins: until then, the mean.
        between = far.values[0].mean(axis=0, keepdims=True)
        near = self.near.solve(between, beyond=far.values.mean(axis=1))
        return near, far

    def _end(self) -> Floats:
        """Return what is left at the end costs: minus its worth, futures x run x P.

        Without a given price the last day's own value, found from a rough guess and a
        few days like it: it does not depend on the hour at which the horizon ends.
        """
        grid, far = self.grid, self.task.far
        shape = (len(far.import_price), 2, POINTS)
        if self.task.end_price is not None:
            return np.broadcast_to(-grid.points * self.task.end_price, shape)
        rough = -grid.points * grid.cheap / grid.charge_share
        end = np.broadcast_to(rough, shape)
        day = int(np.searchsorted(far.starts_s, far.starts_s[-1] - 86400.0 - 1.0))
        for _ in range(TAIL_DAYS):
            begin = self.far.solve(end, upto=day).values[day].mean(axis=0)
            end = np.broadcast_to(begin - begin.min(), shape)
        return end

    def worth(self, near: Solved) -> float:
        """Return what everything from now on costs, from what is stored now."""
        values = near.values[0, 0, int(self.task.running)]
        return float(np.interp(self.task.stored_kwh, self.grid.points, values))

    def slope(self, values: Floats, stored_kwh: float) -> float:
        """Return what one kWh more in the battery is worth at this point."""
        step_kwh = self.grid.step_kwh
        place = min(max(stored_kwh / step_kwh, 1.0), POINTS - 2.0)
        low = int(place) - 1
        high = min(low + 3, POINTS - 1)
        rise = values[low] - values[high]
        return float(max(0.0, rise / ((high - low) * step_kwh)))


def _grid(task: Task) -> Grid:
    spec = task.spec
    capacity = spec.capacity_kwh
    asked = [absence.soc_percent for absence in task.absences]
    if task.near_hazard is not None:
        asked.append(task.near_hazard.soc_percent)
        asked += [kind.asked_percent for kind in task.near_hazard.kinds]
    percent = max(task.reserve_percent, spec.min_soc_percent)
    floor_kwh = capacity * (percent + spec.soc_step_percent) / 100.0
    ceiling_kwh = capacity * task.max_soc_percent / 100.0
    top = max(ceiling_kwh, capacity * max(asked, default=0.0) / 100.0)
    points = np.linspace(0.0, min(max(top, task.stored_kwh), capacity) + 1e-9, POINTS)
    prices = _prices(task.near, task.far)
    cheap = max(float(np.quantile(prices, CHEAP_QUANTILE)), 0.01)
    stretches = task.near, task.far
    earned = max(float(stretch.export_price.max()) for stretch in stretches)
    dearest = max(float(prices.max()), earned)
    over_price = max(LIMIT_PENALTY * cheap, LIMIT_DEAREST * dearest)
    # Being there costs: cells age when full, and below the reserve there is no backup.
    dwell_kwh = np.maximum(0.0, points - capacity * DWELL_PERCENT / 100.0)
    missing_kwh = np.maximum(0.0, floor_kwh - points)
    charge_w = max(task.charge_w, 1.0)
    charge_share = max(spec.stored_w(-charge_w) / charge_w, 0.1)
    peak_price = (task.peak_price or 0.0) / SHORT_CHARGE_H
    return Grid(
        task=task,
        points=points,
        step_kwh=float(points[1] - points[0]),
        floor_kwh=floor_kwh,
        ceiling_kwh=ceiling_kwh,
        cheap=cheap,
        charge_share=charge_share,
        standing=(dwell_kwh * DWELL_SHARE + missing_kwh * RESERVE_SHARE) * cheap,
        over_price=over_price,
        short_price=DEPARTURE_FIRST * max(over_price, peak_price) / charge_share,
    )


def _prices(near: Stretch, far: Stretch) -> Floats:
    return np.concatenate([near.import_price.ravel(), far.import_price.ravel()])
