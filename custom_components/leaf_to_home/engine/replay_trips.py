"""The trips of a replay, laid on its executed steps, and when they are announced."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from .model import Departure
from .tables import HouseRun
from .trips import Trip


@dataclass(frozen=True, slots=True)
class Outing:
    """A trip in executed steps; `end` is the first step in which the unit is back."""

    begin: int
    end: int
    departure_s: float
    announced_s: float
    trip: Trip


def outings(
    trips: Sequence[Trip], house: HouseRun, step_s: float, per_row: int
) -> list[Outing]:
    """Lay the trips that begin in the rows of the house on executed steps."""
    times_s = house.times_s
    count = len(times_s) * per_row
    result: list[Outing] = []
    for trip in trips:
        row = bisect_right(times_s, trip.departure_s) - 1
        if row < 0 or trip.departure_s >= times_s[row] + house.step_s:
            continue
        part = int((trip.departure_s - times_s[row]) // step_s)
        begin = row * per_row + part
        last = bisect_left(times_s, trip.return_s) - 1
        end = min(
            (last + 1) * per_row,
            last * per_row + ceil((trip.return_s - times_s[last]) / step_s),
        )
        if result and begin < result[-1].end:
            begin = result[-1].end
        if begin >= count:
            break
        departure_s = times_s[begin // per_row] + begin % per_row * step_s
        known = trip.known_hours_before
        result.append(
            Outing(
                begin,
                max(end, begin + 1),
                departure_s,
                inf if known is None else departure_s - known * 3600.0,
                trip,
            )
        )
    return result


class Board:
    """Which departures are announced, looked up again only when that changes."""

    def __init__(self, outings: Sequence[Outing]) -> None:
        self._announced = [o for o in outings if o.announced_s < inf]
        self._shown: tuple[Departure, ...] = ()
        self._until_s = -inf

    def at(self, now_s: float) -> tuple[Departure, ...]:
        """Return the departures ahead that are announced by now."""
        if now_s >= self._until_s:
            ahead = [o for o in self._announced if o.departure_s > now_s]
            self._announced = ahead
            self._shown = tuple(
                Departure(
                    time_s=o.departure_s,
                    soc_percent=o.trip.required_soc_percent,
                    back_s=o.trip.return_s,
                )
                for o in ahead
                if o.announced_s <= now_s
            )
            self._until_s = min(
                (
                    o.announced_s if o.announced_s > now_s else o.departure_s
                    for o in ahead
                ),
                default=inf,
            )
        return self._shown
