"""A unit's trips out of what a recorder kept: its connection and state of charge."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from .presence import PastTrip
from .tariff import Tariff

# Values as they changed, in rising order of time (s); None where not known.
type Changes[ValueT] = Sequence[tuple[float, ValueT | None]]

# A car is asked for its charge some time after it is plugged in.
ASKED_AFTER_S = 600.0
HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PastPresence:
    """The local days on which a unit was watched, and the trips on them."""

    days: Sequence[int]
    trips: Sequence[PastTrip]


def past_presence(
    tariff: Tariff,
    connected: Changes[bool],
    soc_percent: Changes[float],
    *,
    capacity_kwh: float,
    end_s: float,
) -> PastPresence:
    """Return what the recorder's changes until `end_s` tell of a unit.

    A trip whose charge before or after is not known is left out.
    """
    charges = [(at_s, soc) for at_s, soc in soc_percent if soc is not None]
    times_s = [at_s for at_s, _ in charges]

    def soc_at(at_s: float) -> float | None:
        index = bisect_right(times_s, at_s)
        return charges[index - 1][1] if index else None

    days: set[int] = set()
    trips: list[PastTrip] = []
    left_s: float | None = None
    for (at_s, there), (until_s, _) in pairwise([*connected, (end_s, None)]):
        if there is None:
            continue
        days |= _days(tariff, at_s, until_s)
        if not there:
            left_s = at_s if left_s is None else left_s
        elif left_s is not None:
            before, after = soc_at(left_s), soc_at(at_s + ASKED_AFTER_S)
            if before is not None and after is not None:
                day, minute = tariff.day_minute(left_s)
                trips.append(
                    PastTrip(
                        day=date.fromisoformat(day).toordinal(),
                        minute=minute,
                        lasted_s=at_s - left_s,
                        energy_kwh=max(0.0, before - after) / 100.0 * capacity_kwh,
                    )
                )
            left_s = None
    return PastPresence(days=sorted(days), trips=trips)


def _days(tariff: Tariff, begin_s: float, end_s: float) -> set[int]:
    """Return the local days that this time touches."""
    days = set()
    at_s = begin_s
    while at_s < end_s:
        days.add(date.fromisoformat(tariff.day_minute(at_s)[0]).toordinal())
        at_s += HOUR_S
    return days
