"""What a trip asks for, and who said so: the words in which trips are kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .battery import UnitSpec

# A car that is still plugged in this long after its departure does not leave.
LATE_S: Final = 5400.0
# A trip without a return is taken to last this long.
UNKNOWN_RETURN_S: Final = 9 * 3600.0
# What is further away is nothing to plan or buy for yet.
SOON_S: Final = 48 * 3600.0
# Departures of one car this close to each other are those of one trip.
SAME_TRIP_S: Final = 3600.0
KM_PER_MILE: Final = 1.609344


class TripSource(StrEnum):
    """Who told of a trip, the most specific first."""

    ACTION = "action"
    CALENDAR = "calendar"
    PATTERN = "pattern"
    READY_BY = "ready_by"
    UNIT = "unit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What a trip needs: one of three numbers, or as much as usual.

    `energy_kwh` and `distance_km` are what the whole trip takes.
    """

    soc_percent: float | None = None
    energy_kwh: float | None = None
    distance_km: float | None = None

    def kwh(self, kwh_per_100_km: float) -> float | None:
        """Return what the trip takes, None where that is not what was said."""
        if self.distance_km is not None:
            return self.distance_km * kwh_per_100_km / 100.0
        return self.energy_kwh


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A trip that somebody told us of, as it is stored.

    A trip without a time is over. `vehicle` None: whichever car is at the plug.
    """

    departure_s: float = 0.0
    back_s: float | None = None
    ask: Ask = Ask()
    source: TripSource = TripSource.ACTION
    id: str = ""
    name: str | None = None
    vehicle: str | None = None

    @property
    def expires_s(self) -> float:
        """Return when the trip is over, whether or not it was made."""
        return expires_s(self.departure_s, self.back_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeekdayTrip:
    """A trip of every such weekday, in minutes of the local day.

    It needs `soc_percent`, or as much as usual; a return that is not after the
    departure is on the next day.
    """

    minute: int
    soc_percent: float | None = None
    back_minute: int | None = None


# By weekday, Monday is 0.
type Pattern = Mapping[int, WeekdayTrip]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trip:
    """A trip that is ahead or under way, with what it asks for in percent.

    With `stays` nobody has said that the unit leaves: it only has to be ready.
    """

    departure_s: float
    back_s: float | None
    soc_percent: float
    sources: tuple[TripSource, ...]
    stays: bool = False
    id: str = ""
    name: str | None = None
    vehicle: str | None = None

    @property
    def expires_s(self) -> float:
        """Return when the trip is over, whether or not it was made."""
        return expires_s(self.departure_s, self.back_s)


def away_until_s(departure_s: float, back_s: float | None) -> float:
    """Return when who leaves is expected back, also where nobody said so."""
    return departure_s + UNKNOWN_RETURN_S if back_s is None else back_s


def expires_s(departure_s: float, back_s: float | None) -> float:
    """Return when a trip is over at the latest."""
    return max(departure_s + LATE_S, away_until_s(departure_s, back_s))


def asked_percent(
    ask: Ask,
    spec: UnitSpec,
    *,
    usual_percent: float,
    reserve_percent: float,
    kwh_per_100_km: float,
) -> float:
    """Return the state of charge to leave with, no more than the battery takes.

    What a trip takes comes on top of the reserve; who said nothing gets the usual.
    """
    percent = usual_percent if ask.soc_percent is None else ask.soc_percent
    kwh = ask.kwh(kwh_per_100_km)
    if ask.soc_percent is None and kwh is not None:
        percent = reserve_percent + 100.0 * kwh / spec.capacity_kwh
    return min(percent, spec.max_soc_percent)


def merged(trips: Iterable[Trip]) -> tuple[Trip, ...]:
    """Return the trips in order, with those that are one trip made one: the strictest.

    That leaves at the earliest time with the most charge. A return that somebody knows
    counts more than one that nobody knows.
    """
    result: list[Trip] = []
    for trip in sorted(trips, key=lambda trip: trip.departure_s):
        if result and _same(result[-1], trip):
            result[-1] = _strictest(result[-1], trip)
        else:
            result.append(trip)
    return tuple(result)


def _same(first: Trip, second: Trip) -> bool:
    """Return whether the second tells of the first, which leaves no later."""
    back_s = first.back_s
    returned = back_s is not None and first.departure_s < back_s <= second.departure_s
    return second.departure_s - first.departure_s <= SAME_TRIP_S and not returned


def _strictest(first: Trip, second: Trip) -> Trip:
    backs = [
        trip.back_s
        for trip in (first, second)
        if trip.back_s is not None and not trip.stays
    ]
    sources = tuple(s for s in TripSource if s in {*first.sources, *second.sources})
    return replace(
        first,
        back_s=max(backs, default=None),
        soc_percent=max(first.soc_percent, second.soc_percent),
        sources=sources,
        stays=first.stays and second.stays,
        name=first.name or second.name,
    )
