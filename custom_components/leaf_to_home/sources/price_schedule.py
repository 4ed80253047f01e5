"""When prices are looked for again."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from ..engine.local_clock import LocalClock, LocalDay

RETRY_S: Final = 30.0
RETRY_MAX_S: Final = 1800.0
# Tomorrow's prices are late now and then; after some hours nobody is in a hurry.
WAIT_S: Final = 300.0
WAIT_LONG_S: Final = 1800.0
HURRY_S: Final = 3 * 3600.0
# Clocks differ a little; nothing is known of the new day before it has begun.
AFTER_MIDNIGHT_S: Final = 5.0
# A source without a time of publication should be this far ahead.
AHEAD_S: Final = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSchedule:
    """The days of a source, and when tomorrow's prices come (minute of its clock)."""

    clock: LocalClock
    published_minute: int | None

    def _published_s(self, day: LocalDay) -> float | None:
        """Return when on `day` the prices of the day after come."""
        if self.published_minute is None:
            return None
        return day.moments(self.published_minute)[0]

    def days(self, from_s: float, now_s: float) -> list[LocalDay]:
        """Return the days from `from_s` on of which prices should be there."""
        days = [self.clock.day(from_s)]
        while days[-1].end_s <= now_s:
            days.append(self.clock.day_after(days[-1]))
        published_s = self._published_s(days[-1])
        if published_s is None or now_s >= published_s:
            days.append(self.clock.day_after(days[-1]))
        return days

    def dates(self, from_s: float, now_s: float) -> list[date]:
        """Return the same days as dates."""
        return [date.fromisoformat(day.iso) for day in self.days(from_s, now_s)]

    def next_look(
        self, now_s: float, known_until_s: float | None, failures: int
    ) -> float:
        """Return when to look again, after so many failures one after the other."""
        today = self.clock.day(now_s)
        midnight_s = today.end_s + AFTER_MIDNIGHT_S
        if failures:
            wait_s = RETRY_S * 2.0 ** min(failures - 1, 10)
            return min(now_s + min(wait_s, RETRY_MAX_S), midnight_s)
        known_s = known_until_s or 0.0
        published_s = self._published_s(today)
        if published_s is None:
            late = known_s < now_s + AHEAD_S
            return min(now_s + WAIT_LONG_S if late else midnight_s, midnight_s)
        if now_s < published_s:
            if known_s < today.end_s:
                return min(now_s + WAIT_S, published_s)
            return published_s
        if known_s >= self.clock.day_after(today).end_s:
            return midnight_s
        in_hurry = now_s - published_s < HURRY_S
        return min(now_s + (WAIT_S if in_hurry else WAIT_LONG_S), midnight_s)
