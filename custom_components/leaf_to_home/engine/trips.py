"""When a car is away and what that takes: one trip, and a seeded commuter."""

from dataclasses import dataclass
from random import Random
from zoneinfo import ZoneInfo

from .local_clock import LocalClock, LocalDay

_KEPT_DAYS = 8
# No made-up trip empties more of the battery than this.
_MOST_OF_BATTERY = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Trip:
    """A car away from `departure_s` to `return_s`.

    `energy_kwh` leaves the battery at departure. `known_hours_before` None means that
    nobody announces it.
    """

    departure_s: float
    return_s: float
    energy_kwh: float
    required_soc_percent: float
    known_hours_before: float | None


class Commuter:
    """Trips of somebody who drives to work and now and then elsewhere.

    The same seed, zone and day always give the same trips, whatever was asked before.
    On workdays the way to work, known a day before; on two of three days at the weekend
    a trip, half of them announced to nobody. `shift_s` is added to every time.
    """

    __slots__ = ("_clock", "_days", "_most_kwh", "_seed", "_shift_s")

    def __init__(
        self, seed: int, zone: ZoneInfo, *, capacity_kwh: float, shift_s: float = 0.0
    ) -> None:
        self._seed = seed
        self._shift_s = shift_s
        self._most_kwh = _MOST_OF_BATTERY * capacity_kwh
        self._clock = LocalClock(zone)
        self._days: dict[str, Trip | None] = {}

    def between(self, from_s: float, until_s: float) -> list[Trip]:
        """Return the trips that begin from `from_s` on and before `until_s`."""
        trips = []
        day = self._clock.day(from_s - self._shift_s)
        while day.start_s + self._shift_s < until_s:
            trip = self._of_day(day)
            if trip is not None and from_s <= trip.departure_s < until_s:
                trips.append(trip)
            day = self._clock.day_after(day)
        return trips

    def away(self, time_s: float) -> Trip | None:
        """Return the trip that the car is on at `time_s`, if any."""
        trip = self._of_day(self._clock.day(time_s - self._shift_s))
        if trip is not None and trip.departure_s <= time_s < trip.return_s:
            return trip
        return None

    def _of_day(self, day: LocalDay) -> Trip | None:
        if day.iso not in self._days:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            self._days[day.iso] = self._make(day)
        return self._days[day.iso]

    def _make(self, day: LocalDay) -> Trip | None:
        random = Random(f"{self._seed}/{day.iso}/trips")
        known_hours: float | None = 24.0
        if day.weekday < 5:
            leave_minute = random.gauss(7 * 60 + 40, 12.0)
            hours = random.gauss(9.3, 0.3)
            energy_kwh = random.uniform(5.0, 9.0)
            required_percent = 50.0
        elif random.random() < 2.0 / 3.0:
            leave_minute = random.uniform(9 * 60, 14 * 60)
            hours = random.uniform(2.0, 7.0)
            energy_kwh = random.uniform(4.0, 16.0)
            required_percent = 70.0
            known_hours = 12.0 if random.random() < 0.5 else None
        else:
            return None
        minute = round(min(max(leave_minute, 6 * 60.0), 14 * 60.0))
        departure_s = day.moments(minute)[0] + self._shift_s
        return Trip(
            departure_s=departure_s,
            return_s=departure_s + round(min(max(hours, 1.0), 10.0) * 60.0) * 60.0,
            energy_kwh=round(min(energy_kwh, self._most_kwh), 3),
            required_soc_percent=required_percent,
            known_hours_before=known_hours,
        )
