"""The local wall clock of a zone, right on the days when it is changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60
_KEPT_DAYS = 40
_SCAN_S = 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalDay:
    """One local calendar day, from its first moment to the first of the next.

    `pieces` are (start_s, end_s, local_s): stretches in which the clock runs on evenly
    from `local_s` seconds after midnight. There is one, or two when the clock changes.
    """

    start_s: float
    end_s: float
    iso: str
    month: int
    weekday: int
    pieces: tuple[tuple[float, float, float], ...]

    def minute(self, time_s: float) -> int:
        """Return the minute that the clock shows at `time_s`, 0 to 1439."""
        for start_s, end_s, local_s in self.pieces:
            if time_s < end_s:
                return int((local_s + time_s - start_s) // 60.0)
        raise ValueError(f"{time_s} is not in {self.iso}")

    def moments(self, minute: int) -> list[float]:
        """Return when the clock comes to show `minute`, in rising order.

        A minute that is skipped stands for the moment of the skip; one that comes
        twice is there twice.
        """
        wanted_s = minute * 60.0
        found = []
        passed_s = 0.0
        for start_s, end_s, local_s in self.pieces:
            if local_s <= wanted_s < local_s + end_s - start_s:
                found.append(start_s + wanted_s - local_s)
            elif passed_s <= wanted_s < local_s:
                found.append(start_s)
            passed_s = local_s + end_s - start_s
        return found


class LocalClock:
    """Local days and times of one zone; questions about the current day are cheap."""

    __slots__ = ("_current", "_days", "zone")

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._days: dict[str, LocalDay] = {}
        self._current = self._load(0.0)

    def day(self, now_s: float) -> LocalDay:
        """Return the local day that `now_s` lies in."""
        current = self._current
        if not current.start_s <= now_s < current.end_s:
            current = self._current = self._load(now_s)
        return current

    def day_after(self, day: LocalDay) -> LocalDay:
        """Return the local day that follows `day`."""
        return self._load(day.end_s)

    def next_time(self, now_s: float, minute: int) -> float:
        """Return the next moment after `now_s` at which the clock shows `minute`.

        A time that is skipped rolls forward to the moment of the skip.
        """
        if not 0 <= minute < DAY_MINUTES:
            raise ValueError(f"expected a minute of the day, found {minute}")
        day = self.day(now_s)
        while True:
            for moment_s in day.moments(minute):
                if moment_s > now_s:
                    return moment_s
            day = self.day_after(day)

    def _load(self, now_s: float) -> LocalDay:
        date = datetime.fromtimestamp(now_s, self.zone).date()
        iso = date.isoformat()
        known = self._days.get(iso)
        if known is not None:
            return known
        # In a gap at midnight fold 0 gives the moment of the change, which is when the
        # day begins; of two midnights it gives the first.
        start_s = datetime(
            date.year, date.month, date.day, tzinfo=self.zone
        ).timestamp()
        after = date + timedelta(days=1)
        end_s = datetime(
            after.year, after.month, after.day, tzinfo=self.zone
        ).timestamp()
        day = LocalDay(
            start_s=start_s,
            end_s=end_s,
            iso=iso,
            month=date.month,
            weekday=date.weekday(),
            pieces=self._pieces(start_s, end_s),
        )
        if len(self._days) >= _KEPT_DAYS:
            self._days.clear()
        self._days[iso] = day
        return day

    def _pieces(
        self, start_s: float, end_s: float
    ) -> tuple[tuple[float, float, float], ...]:
        cuts = [start_s]
        if self._offset_s(start_s) != self._offset_s(end_s - 1.0):
            time_s = start_s
            while time_s < end_s - 1.0:
                next_s = min(time_s + _SCAN_S, end_s - 1.0)
                if self._offset_s(next_s) != self._offset_s(time_s):
                    cuts.append(self._change(time_s, next_s))
                time_s = next_s
        return tuple(
            (cut_s, until_s, self._local_s(cut_s))
            for cut_s, until_s in zip(cuts, [*cuts[1:], end_s], strict=True)
        )

    def _change(self, before_s: float, after_s: float) -> float:
        """Return the first whole second with the offset of `after_s`."""
        old = self._offset_s(before_s)
        while after_s - before_s > 1.0:
            middle_s = before_s + (after_s - before_s) // 2.0
            if self._offset_s(middle_s) == old:
                before_s = middle_s
            else:
                after_s = middle_s
        return after_s

    def _offset_s(self, time_s: float) -> float:
        offset = datetime.fromtimestamp(time_s, self.zone).utcoffset()
        assert offset is not None, "a zone always has an offset"
        return offset.total_seconds()

    def _local_s(self, time_s: float) -> float:
        at = datetime.fromtimestamp(time_s, self.zone)
        return at.hour * 3600.0 + at.minute * 60.0 + at.second
