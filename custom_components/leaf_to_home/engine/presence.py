"""When a unit leaves, for how long and with what: distributions from its own past.

Trips that nobody announces are a hazard: for each quarter-hour of the day the share of
the days, of the same type first, on which the unit left then. How long trips last and
what they take is what they lasted and took. Until enough is known a prior takes part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np

from .forecast import SLOT_S, is_weekend
from .model import Departure
from .plan import Absence, Floats, Hazard, TripKind
from .tariff import Tariff

KEPT_TRIPS = 90
KEPT_DAYS = 60
OTHER_TYPE = 0.15
# A day's weight falls by this factor per day of age, by half in 17 days: so habits
# that have changed are forgotten.
RECENCY = 0.96
# A departure smears over the neighbouring quarter-hours with these weights.
KERNEL = (0.15, 0.2, 0.3, 0.2, 0.15)
# So many days of experience the prior weighs.
PRIOR_DAYS = 2.0
# The prior: trips begin by day at this rate per quarter-hour, and none at night.
PRIOR_RATE = 0.02
PRIOR_FROM_MINUTE, PRIOR_UNTIL_MINUTE = 6 * 60, 19 * 60
PRIOR_HOURS = 6.0
# Nothing is so certain that it is not worth a thought.
MOST_RATE = 0.95
PRIOR_NOTICE_H = 12.0
PRIOR_NEVER = 0.5
ANNOUNCING_DOUBT = 0.05
# Beside an announced trip no other begins.
NO_OTHER_TRIP_S = 4.0 * 3600.0
PRIOR_ENERGIES_PERCENT = (8.0, 15.0, 25.0)
# A departure this close to an announced one is that one.
ANNOUNCED_WITHIN_S = 5400.0
# A unit that is away for longer than ever before may be back at any time.
OVERDUE_S = 3600.0
# So many samples stand for a distribution of trips.
SAMPLES = 4
_QUARTERS = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class PastTrip:
    """One absence: local day ordinal and minute of departure, and what became of it.

    `notice_h` is how long before it was announced, `asked_percent` the state of charge
    that was asked for; None where it never was.
    """

    day: int
    minute: int
    lasted_s: float
    energy_kwh: float
    notice_h: float | None = None
    asked_percent: float | None = None


@dataclass(frozen=True, slots=True)
class _Habit:
    """What a type of day is like.

    `stays` is the probability to stay in each quarter-hour; `notices` are hours of
    notice with their shares, `never` the share of trips without one.
    """

    stays: Floats
    notices: list[tuple[float, float]]
    never: float
    kind: TripKind

    def rate(self, first: int, quarters: float) -> float:
        """Return the probability to leave in `quarters` from quarter `first` on."""
        last = first + max(1, round(quarters))
        stays = self.stays[first:last]
        if last > _QUARTERS:
            stays = np.append(stays, self.stays[: last - _QUARTERS])
        return (1.0 - float(stays.prod())) * min(quarters, 1.0)


class PresenceHistory:
    """The trips of one unit, and the days on which it was watched."""

    def __init__(self) -> None:
        self._trips: list[PastTrip] = []
        self._days: list[int] = []
        self._left: tuple[float, float, int, int] | None = None
        self._notice: dict[float, tuple[float, float]] = {}
        self._habits: dict[tuple[bool, float, float], _Habit] = {}

    @property
    def trips(self) -> Sequence[PastTrip]:
        """Return the trips that are remembered, oldest first."""
        return self._trips

    @property
    def since_day(self) -> int | None:
        """Return the first day that is remembered."""
        return self._days[0] if self._days else None

    def hear(
        self,
        tariff: Tariff,
        now_s: float,
        *,
        connected: bool | None,
        stored_kwh: float | None,
        announced: Iterable[Departure] = (),
    ) -> None:
        """Take in whether the unit is there; called at least every quarter-hour.

        `announced` are the departures that are announced now.
        """
        if self._left is None:
            # Whoever did not leave then has left the announcement behind.
            for at_s in [at for at in self._notice if at < now_s - ANNOUNCED_WITHIN_S]:
                self._habits = {}
                del self._notice[at_s]
        for departure in announced:
            if departure.time_s not in self._notice:
                self._habits = {}
                self._notice[departure.time_s] = (
                    (departure.time_s - now_s) / 3600.0,
                    departure.soc_percent,
                )
        if connected is None:
            return
        iso, minute = tariff.day_minute(now_s)
        day = date.fromisoformat(iso).toordinal()
        if not self._days or self._days[-1] != day:
            self._days.append(day)
            self._habits = {}
            del self._days[:-KEPT_DAYS]
        if not connected:
            if self._left is None and stored_kwh is not None:
                self._left = (now_s, stored_kwh, day, minute)
            return
        if self._left is None or stored_kwh is None:
            return
        left_s, had_kwh, left_day, left_minute = self._left
        self._left = None
        notice_h, asked_percent = max(
            (
                notice
                for departure_s, notice in self._notice.items()
                if abs(departure_s - left_s) <= ANNOUNCED_WITHIN_S
            ),
            default=(None, None),
        )
        self._notice = {at: told for at, told in self._notice.items() if at > now_s}
        self._habits = {}
        self._trips.append(
            PastTrip(
                day=left_day,
                minute=left_minute,
                # A clock that was set back makes no trip that ends before it begins.
                lasted_s=max(0.0, now_s - left_s),
                energy_kwh=max(0.0, had_kwh - stored_kwh),
                notice_h=notice_h,
                asked_percent=asked_percent,
            )
        )
        del self._trips[:-KEPT_TRIPS]

    def look_back(self, days: Iterable[int], trips: Iterable[PastTrip]) -> None:
        """Take in days that were watched before, and the trips on them."""
        self._habits = {}
        self._days = sorted({*self._days, *days})[-KEPT_DAYS:]
        self._trips = sorted(
            [*self._trips, *trips], key=lambda trip: (trip.day, trip.minute)
        )[-KEPT_TRIPS:]

    def energies(
        self, tariff: Tariff, departure_s: float, capacity_kwh: float
    ) -> tuple[Floats, Floats]:
        """Return what a trip at that time takes: samples in kWh and their weights."""
        iso, _ = tariff.day_minute(departure_s)
        weekend = is_weekend(date.fromisoformat(iso).toordinal())
        kwh, _, weights = self._samples(weekend, capacity_kwh)
        return _spread(kwh, weights)

    def back_s(self, tariff: Tariff, now_s: float) -> float:
        """Return when a unit that is away is expected back, as nobody said when.

        Trips that were over by now say nothing of this one.
        """
        left_s = now_s if self._left is None else min(self._left[0], now_s)
        iso, _ = tariff.day_minute(left_s)
        _, lasted, weights = self._samples(
            is_weekend(date.fromisoformat(iso).toordinal()), 0.0
        )
        longer = lasted > now_s - left_s
        if not longer.any():
            return now_s + OVERDUE_S
        expected_s = np.average(lasted[longer], weights=weights[longer])
        return float(left_s + expected_s)

    def _samples(
        self, weekend: bool, capacity_kwh: float
    ) -> tuple[Floats, Floats, Floats]:
        """Return energies, durations and weights of trips on such days."""
        prior = np.array(PRIOR_ENERGIES_PERCENT) * capacity_kwh / 100.0
        kwh = np.array([*(trip.energy_kwh for trip in self._trips), *prior])
        lasted = [*(trip.lasted_s for trip in self._trips)]
        lasted += [PRIOR_HOURS * 3600.0] * len(prior)
        same = [weight for _, weight in self._weighted(weekend)]
        known = sum(same)
        share = PRIOR_DAYS / (PRIOR_DAYS + known**2) if known else 1.0
        weights = np.array([*same, *[share * PRIOR_DAYS / len(prior)] * len(prior)])
        return kwh, np.array(lasted), weights / weights.sum()

    def hazard(
        self,
        tariff: Tariff,
        starts_s: Floats,
        *,
        now_s: float,
        capacity_kwh: float,
        soc_percent: float,
        absences: Sequence[Absence] = (),
    ) -> Hazard:
        """Return the hazard of trips that are not announced now, in the given steps.

        Around an announced trip there is no other one.
        """
        habits = [
            self._habit(weekend, capacity_kwh, soc_percent) for weekend in (False, True)
        ]
        count = len(starts_s) - 1
        leaving, unasked = np.zeros(count), np.zeros(count)
        kind = np.zeros(count, dtype=np.int64)
        for i, (begin_s, end_s) in enumerate(pairwise(starts_s.tolist())):
            iso, minute = tariff.day_minute(begin_s)
            kind[i] = is_weekend(date.fromisoformat(iso).toordinal())
            if any(
                absence.departure_s - NO_OTHER_TRIP_S
                <= begin_s
                < absence.back_s + NO_OTHER_TRIP_S
                for absence in absences
            ):
                continue
            habit = habits[kind[i]]
            rate = habit.rate(minute // 15, (end_s - begin_s) / SLOT_S)
            ahead_h = (begin_s - now_s) / 3600.0
            later = sum(
                share for notice_h, share in habit.notices if notice_h < ahead_h
            )
            leaving[i] = rate * (habit.never + later)
            unasked[i] = rate * habit.never
        return Hazard(
            leaving=leaving,
            unasked=unasked,
            kind=kind,
            kinds=tuple(habit.kind for habit in habits),
            soc_percent=soc_percent,
        )

    def _habit(self, weekend: bool, capacity_kwh: float, soc_percent: float) -> _Habit:
        """Return what such days are like, worked out once until more is known."""
        key = weekend, capacity_kwh, soc_percent
        if key not in self._habits:
            kwh, lasted, weights = self._samples(weekend, capacity_kwh)
            energies, chances = _spread(kwh, weights)
            asked, notice_h = self._announcing(weekend, soc_percent)
            notices, never = self._hidden(weekend)
            self._habits[key] = _Habit(
                stays=1.0 - self._rates(weekend),
                notices=notices,
                never=never,
                kind=TripKind(
                    lasting_s=float(lasted @ weights),
                    energies_kwh=tuple(energies.tolist()),
                    chances=tuple(chances.tolist()),
                    asked_percent=asked,
                    notice_s=notice_h * 3600.0,
                ),
            )
        return self._habits[key]

    def _announcing(self, weekend: bool, soc_percent: float) -> tuple[float, float]:
        """Return what announced trips asked for and how long before, on the mean."""
        told = [
            (trip.asked_percent, trip.notice_h, weight)
            for trip, weight in self._weighted(weekend)
            if trip.asked_percent is not None and trip.notice_h is not None
        ]
        if not told:
            return soc_percent, PRIOR_NOTICE_H
        asked, notices, weights = (np.array(each) for each in zip(*told, strict=True))
        total = weights.sum()
        return float(asked @ weights / total), float(notices @ weights / total)

    def _weighted(self, weekend: bool) -> Iterator[tuple[PastTrip, float]]:
        """Yield the trips, with what each says of days of a type."""
        for trip in self._trips:
            yield trip, self._weight(trip.day, weekend)

    def _weight(self, day: int, weekend: bool) -> float:
        """Return what a day says of days of a type."""
        latest = self._days[-1] if self._days else day
        kind = 1.0 if is_weekend(day) == weekend else OTHER_TYPE
        return kind * RECENCY ** max(latest - day, 0)

    def _hidden(self, weekend: bool) -> tuple[list[tuple[float, float]], float]:
        """Return the notices (h, share) that trips had, and the share without one."""
        notices = []
        never = total = 0.0
        for trip, weight in self._weighted(weekend):
            total += weight
            if trip.notice_h is None:
                never += weight
            else:
                notices.append((trip.notice_h, weight))
        # One more trip of unknown habit; who announces one trip announces the others.
        announces = bool(self._notice) or bool(notices)
        doubt = ANNOUNCING_DOUBT if announces else PRIOR_NEVER
        total += 1.0
        never += doubt
        notices.append((PRIOR_NOTICE_H, 1.0 - doubt))
        return [(h, weight / total) for h, weight in notices], never / total

    def _rates(self, weekend: bool) -> Floats:
        """Return the probability that a unit that is home leaves, per quarter-hour.

        Of the days of this type on which it was still there, the share on which it left
        then; a day on which it had left already says nothing of later hours.
        """
        same = [self._weight(day, weekend) for day in self._days]
        there = np.full(_QUARTERS, max(sum(same) - 1.0, 0.0))
        counts = np.zeros(_QUARTERS)
        for trip, weight in self._weighted(weekend):
            slot = trip.minute // 15
            back = slot + int(trip.lasted_s // SLOT_S) + 1
            for offset, share in enumerate(KERNEL, -(len(KERNEL) // 2)):
                left = slot + offset
                counts[left % _QUARTERS] += weight * share
                # What is beyond midnight is another day's business.
                there[max(left + 1, 0) : max(min(back, _QUARTERS), 0)] -= weight * share
        prior = np.zeros(_QUARTERS)
        prior[PRIOR_FROM_MINUTE // 15 : PRIOR_UNTIL_MINUTE // 15] = PRIOR_RATE
        rates: Floats = np.minimum(
            (counts + PRIOR_DAYS * prior) / (np.maximum(there, counts) + PRIOR_DAYS),
            MOST_RATE,
        )
        return rates

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON-ready plain data."""
        return {
            "trips": [
                [
                    trip.day,
                    trip.minute,
                    round(trip.lasted_s),
                    round(trip.energy_kwh, 3),
                    trip.notice_h,
                    trip.asked_percent,
                ]
                for trip in self._trips
            ],
            "days": list(self._days),
            "left": None if self._left is None else list(self._left),
        }

    @classmethod
    def from_dict(cls, data: Any) -> PresenceHistory:
        """Read a stored history back; what does not fit is left out."""
        history = cls()
        if not isinstance(data, dict):
            return history
        history._trips = [
            PastTrip(
                day=int(day),
                minute=int(minute),
                lasted_s=float(lasted_s),
                energy_kwh=float(kwh),
                notice_h=None if notice_h is None else float(notice_h),
                asked_percent=None if asked is None else float(asked),
            )
            for day, minute, lasted_s, kwh, notice_h, asked in data.get("trips", ())
        ]
        history._days = [int(day) for day in data.get("days", ())]
        left = data.get("left")
        if left:
            history._left = (float(left[0]), float(left[1]), int(left[2]), int(left[3]))
        return history


def _spread(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the means of equally likely parts of a weighted distribution."""
    order = np.argsort(values)
    ordered, weight = values[order], weights[order] / weights.sum()
    upto = np.cumsum(weight)
    edges = np.linspace(0.0, 1.0, SAMPLES + 1)
    part = np.minimum(upto[:, None], edges[1:]) - np.maximum(
        (upto - weight)[:, None], edges[:-1]
    )
    np.maximum(part, 0.0, out=part)
    total = part.sum(axis=0)
    return ordered @ part / np.maximum(total, 1e-12), total / total.sum()
