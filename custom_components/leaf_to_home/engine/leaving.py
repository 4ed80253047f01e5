"""When a unit is away in the program: announced trips, and those that may come."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .plan import Absence, Floats, Hazard, Stretch, Task

# Where nobody announced the trip: what being short at all costs, and each kWh of it, in
# kWh of cheap price.
UNASKED_SHORT_KWH = 10.0
UNASKED_PENALTY = 4.0
# No step is shorter: whoever leaves or returns this close to a step's begin does so
# there, and what a departure asks for is there before.
BESIDE_S = 60.0


class Leaving:
    """What it is worth to leave in a step, mixed into staying.

    A trip that will be announced leaves with what it asks for, bought at the best price
    that its notice leaves; one that nobody announces leaves with what there is.
    """

    def __init__(
        self,
        task: Task,
        points: Floats,
        cheap: float,
        stretch: Stretch,
        hazard: Hazard,
    ) -> None:
        self._task = task
        self._stretch = stretch
        self._hazard = hazard
        self._points = points
        self._step_kwh = step_kwh = float(points[1] - points[0])
        count = len(points)
        capacity = task.spec.capacity_kwh
        short = np.maximum(0.0, capacity * hazard.soc_percent / 100.0 - points)
        # A car that is not as full as wished can leave all the same.
        self._penalty = (
            short * UNASKED_PENALTY + (short > 0.0) * UNASKED_SHORT_KWH
        ) * cheap
        # What a trip takes, as a map from the values at its end to those at its begin.
        self._maps = []
        for kind in hazard.kinds:
            map_ = np.zeros((count, count))
            for kwh, chance in zip(kind.energies_kwh, kind.chances, strict=True):
                place = np.maximum(points - kwh, 0.0) / step_kwh
                low = np.minimum(place.astype(np.int64), count - 2)
                map_[low, np.arange(count)] += chance * (1.0 - (place - low))
                map_[low + 1, np.arange(count)] += chance * (place - low)
            self._maps.append(map_)
        begins = stretch.starts_s[:-1]
        lasting = np.array([kind.lasting_s for kind in hazard.kinds])[hazard.kind]
        self._count = len(begins)
        self._back = np.searchsorted(stretch.starts_s, begins + lasting)
        far_s = task.far.starts_s
        self._beyond = np.clip(
            np.searchsorted(far_s, begins + lasting), 0, len(far_s) - 1
        )
        self._asked_kwh = [
            min(capacity * kind.asked_percent / 100.0, float(points[-1]))
            for kind in hazard.kinds
        ]
        self._catch_up = np.empty((0, 0))

    def offer(self, charge_share: float) -> None:
        """Work out what a kWh in the battery costs at best within a trip's notice."""
        hazard, near = self._hazard, self._task.near
        begins = self._stretch.starts_s[:-1]
        notice = np.array([kind.notice_s for kind in hazard.kinds])[hazard.kind]
        price = self._stretch.import_price
        starts_s, prices = begins, price
        if self._stretch is not near:
            before = near.import_price.mean(axis=0)
            before = np.broadcast_to(before, (len(price), len(before)))
            starts_s = np.concatenate([near.starts_s[:-1], starts_s])
            prices = np.concatenate([before, price], axis=1)
        inside = (starts_s >= (begins - notice)[:, None]) & (starts_s < begins[:, None])
        least = np.where(inside, prices[:, None, :], np.inf).min(axis=2)
        self._catch_up = np.where(np.isfinite(least), least, price) / charge_share

    def mix(self, index: int, values: Floats, beyond: Floats | None) -> None:
        """Mix leaving into the values at the begin of step `index`."""
        leaving = float(self._hazard.leaving[index])
        if leaving <= 0.0:
            return
        back = int(self._back[index])
        if back <= self._count:
            home = values[back, :, 0]
        elif beyond is not None:
            home = beyond[self._beyond[index], None, 0]
        else:
            home = values[self._count, :, 0]
        away = home @ self._maps[self._hazard.kind[index]]
        # Only differences between points matter: what the house costs meanwhile is the
        # same for all of them, and is taken from holding.
        away += values[index, :, 0, -1:] - home[:, -1:]
        unasked = float(self._hazard.unasked[index])
        gone = (leaving - unasked) * self._filled(away, index) + unasked * (
            away + self._penalty
        )
        values[index] *= 1.0 - leaving
        values[index] += gone[:, None]

    def _filled(self, away: Floats, index: int) -> Floats:
        """Return the values of leaving with what an announcement asked for."""
        asked_kwh = self._asked_kwh[self._hazard.kind[index]]
        missing = np.maximum(0.0, asked_kwh - self._points)
        place = min(asked_kwh / self._step_kwh, len(self._points) - 1.000001)
        low = int(place)
        full = away[:, low] + (place - low) * (away[:, low + 1] - away[:, low])
        bought = full[:, None] + missing * self._catch_up[:, index, None]
        result: Floats = np.where(missing > 0.0, bought, away)
        return result


class Calendar:
    """When the unit is away, and what it has to bring to each departure."""

    def __init__(self, task: Task, ceiling_kwh: float, stretch: Stretch) -> None:
        starts, ends = stretch.starts_s[:-1], stretch.starts_s[1:]
        self.away = np.zeros(len(starts), dtype=bool)
        self.departures: dict[int, Absence] = {}
        self.ceiling_kwh = np.full(len(starts), ceiling_kwh)
        capacity = task.spec.capacity_kwh
        for absence in task.absences:
            # A step that is mostly at home counts as at home.
            self.away |= (starts > absence.departure_s - BESIDE_S) & (
                ends < absence.back_s + BESIDE_S
            )
            if absence.departure_s <= starts[0] - BESIDE_S:
                continue
            index = int(
                np.searchsorted(starts, absence.departure_s - BESIDE_S, side="right")
            )
            asked_kwh = capacity * absence.soc_percent / 100.0
            self.ceiling_kwh[:index] = np.maximum(self.ceiling_kwh[:index], asked_kwh)
            if index < len(starts):
                other = self.departures.get(index)
                self.departures[index] = _both(other, absence) if other else absence


def one_by_one(absences: Iterable[Absence]) -> list[Absence]:
    """Return absences in the order of their departures, those of one moment as one."""
    result: list[Absence] = []
    for absence in sorted(absences, key=lambda each: each.departure_s):
        if result and absence.departure_s < result[-1].departure_s + BESIDE_S:
            result[-1] = _both(result[-1], absence)
        else:
            result.append(absence)
    return result


def _both(first: Absence, second: Absence) -> Absence:
    """Return two of one moment as one: the higher ask, the trip that takes more."""
    taker = max(second, first, key=lambda absence: absence.energy_kwh)
    return replace(
        taker,
        departure_s=min(first.departure_s, second.departure_s),
        soc_percent=max(first.soc_percent, second.soc_percent),
    )
