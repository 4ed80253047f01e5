"""When a unit leaves, for how long and with what: distributions from its own past.

Trips that nobody announces are a hazard: for each quarter-hour of the day the share of
the days, of the same type first, on which the unit left then. How long trips last and
what they take is what they lasted and took. Until enough is known a prior takes part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from .forecast import SLOT_S, is_weekend
from .plan import Absence, Floats, Hazard, TripKind
from .tariff import Tariff

KEPT_TRIPS = 90
KEPT_DAYS = 60
OTHER_TYPE = 0.15
# A departure smears over the neighbouring quarter-hours with these weights.
KERNEL = (0.15, 0.2, 0.3, 0.2, 0.15)
# So many days of experience the prior weighs.
PRIOR_DAYS = 2.0
# The prior: trips begin by day at this rate per quarter-hour, and none at night.
PRIOR_RATE = 0.02
PRIOR_FROM_MINUTE, PRIOR_UNTIL_MINUTE = 6 * 60, 19 * 60
PRIOR_HOURS = 6.0
PRIOR_NOTICE_H = 12.0
PRIOR_NEVER = 0.5
ANNOUNCING_DOUBT = 0.05
# Beside an announced trip no other begins.
NO_OTHER_TRIP_S = 4.0 * 3600.0
PRIOR_ENERGIES_PERCENT = (8.0, 15.0, 25.0)
# A departure this close to an announced one is that one.
ANNOUNCED_WITHIN_S = 5400.0
# So many samples stand for a distribution of trips.
SAMPLES = 4
_QUARTERS = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class PastTrip:
    """One absence: local day ordinal and minute of departure, and what became of it.

    `notice_h` is how long before it was announced, None where it never was.
    """

    day: int
    minute: int
    lasted_s: float
    energy_kwh: float
    notice_h: float | None = None


class PresenceHistory:
    """The trips of one unit, and the days on which it was watched."""

    def __init__(self) -> None:
        self._trips: list[PastTrip] = []
        self._days: list[int] = []
        self._left: tuple[float, float, int, int] | None = None
        self._notice: dict[float, float] = {}

    @property
    def trips(self) -> Sequence[PastTrip]:
        """Return the trips that are remembered, oldest first."""
        return self._trips

    def hear(
        self,
        tariff: Tariff,
        now_s: float,
        *,
        connected: bool | None,
        stored_kwh: float | None,
        announced_s: Iterable[float] = (),
    ) -> None:
        """Take in whether the unit is there; called at least every quarter-hour.

        `announced_s` are the departures that are announced now.
        """
        for departure_s in announced_s:
            if departure_s not in self._notice:
                self._notice[departure_s] = (departure_s - now_s) / 3600.0
        if connected is None:
            return
        iso, minute = tariff.day_minute(now_s)
        day = date.fromisoformat(iso).toordinal()
        if not self._days or self._days[-1] != day:
            self._days.append(day)
            del self._days[:-KEPT_DAYS]
        if not connected:
            if self._left is None and stored_kwh is not None:
                self._left = (now_s, stored_kwh, day, minute)
            return
        if self._left is None or stored_kwh is None:
            return
        left_s, had_kwh, left_day, left_minute = self._left
        self._left = None
        notices = [
            notice_h
            for departure_s, notice_h in self._notice.items()
            if abs(departure_s - left_s) <= ANNOUNCED_WITHIN_S
        ]
        self._notice = {at: h for at, h in self._notice.items() if at > now_s}
        self._trips.append(
            PastTrip(
                day=left_day,
                minute=left_minute,
                lasted_s=now_s - left_s,
                energy_kwh=max(0.0, had_kwh - stored_kwh),
                notice_h=max(notices, default=None),
            )
        )
        del self._trips[:-KEPT_TRIPS]

    def energies(
        self, tariff: Tariff, departure_s: float, capacity_kwh: float
    ) -> tuple[Floats, Floats]:
        """Return what a trip at that time takes: samples in kWh and their weights."""
        iso, _ = tariff.day_minute(departure_s)
        weekend = is_weekend(date.fromisoformat(iso).toordinal())
        kwh, _, weights = self._samples(weekend, capacity_kwh)
        return _spread(kwh, weights)

    def _samples(
        self, weekend: bool, capacity_kwh: float
    ) -> tuple[Floats, Floats, Floats]:
        """Return energies, durations and weights of trips on such days."""
        prior = np.array(PRIOR_ENERGIES_PERCENT) * capacity_kwh / 100.0
        kwh = np.array([*(trip.energy_kwh for trip in self._trips), *prior])
        lasted = [*(trip.lasted_s for trip in self._trips)]
        lasted += [PRIOR_HOURS * 3600.0] * len(prior)
        same = [
            1.0 if is_weekend(trip.day) == weekend else OTHER_TYPE
            for trip in self._trips
        ]
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
        rates = [self._rates(weekend) for weekend in (False, True)]
        hidden = [self._hidden(weekend) for weekend in (False, True)]
        count = len(starts_s) - 1
        leaving, unasked = np.zeros(count), np.zeros(count)
        kind = np.zeros(count, dtype=np.int64)
        for i, (begin_s, end_s) in enumerate(
            zip(starts_s[:-1].tolist(), starts_s[1:].tolist(), strict=True)
        ):
            iso, minute = tariff.day_minute(begin_s)
            weekend = int(is_weekend(date.fromisoformat(iso).toordinal()))
            kind[i] = weekend
            if any(
                absence.departure_s - NO_OTHER_TRIP_S
                <= begin_s
                < absence.back_s + NO_OTHER_TRIP_S
                for absence in absences
            ):
                continue
            quarters = (end_s - begin_s) / SLOT_S
            first = minute // 15
            slots = np.arange(first, first + max(1, round(quarters))) % _QUARTERS
            rate = 1.0 - float(np.prod(1.0 - rates[weekend][slots]))
            rate *= min(quarters, 1.0)
            notices, never = hidden[weekend]
            ahead_h = (begin_s - now_s) / 3600.0
            later = sum(share for notice_h, share in notices if notice_h < ahead_h)
            leaving[i] = rate * (never + later)
            unasked[i] = rate * never
        kinds = []
        for weekend in (False, True):
            kwh, lasted, weights = self._samples(weekend, capacity_kwh)
            energies, chances = _spread(kwh, weights)
            kinds.append(
                TripKind(
                    lasting_s=float(lasted @ weights),
                    energies_kwh=tuple(energies.tolist()),
                    chances=tuple(chances.tolist()),
                )
            )
        return Hazard(
            leaving=leaving,
            unasked=unasked,
            kind=kind,
            kinds=tuple(kinds),
            soc_percent=soc_percent,
        )

    def _hidden(self, weekend: bool) -> tuple[list[tuple[float, float]], float]:
        """Return the notices (h, share) that trips had, and the share without one."""
        notices = []
        never = total = 0.0
        for trip in self._trips:
            weight = 1.0 if is_weekend(trip.day) == weekend else OTHER_TYPE
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
        """Return the probability to leave in each quarter-hour of such a day."""
        same = [1.0 if is_weekend(day) == weekend else OTHER_TYPE for day in self._days]
        watched = max(sum(same) - 1.0, 0.0)
        counts = np.zeros(_QUARTERS)
        for trip in self._trips:
            weight = 1.0 if is_weekend(trip.day) == weekend else OTHER_TYPE
            slot = trip.minute // 15
            for offset, share in enumerate(KERNEL, -(len(KERNEL) // 2)):
                counts[(slot + offset) % _QUARTERS] += weight * share
        prior = np.zeros(_QUARTERS)
        prior[PRIOR_FROM_MINUTE // 15 : PRIOR_UNTIL_MINUTE // 15] = PRIOR_RATE
        rates: Floats = np.minimum(
            (counts + PRIOR_DAYS * prior) / (watched + PRIOR_DAYS), 0.9
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
            )
            for day, minute, lasted_s, kwh, notice_h in data.get("trips", ())
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
