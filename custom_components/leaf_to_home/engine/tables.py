"""Houses, prices and trips from CSV lines; every wrong value is named with its line."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
import csv
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from math import isfinite
from zoneinfo import ZoneInfo

from .formats import FormatError, shown
from .local_clock import LocalClock, LocalDay
from .prices import HIGHEST_PRICE
from .tariff import PriceSeries
from .trips import Trip

SHORTEST_STEP_S = 1.0
LONGEST_STEP_S = 3600.0
# Missing values are interpolated up to this long.
LONGEST_GAP_S = 7200.0
# So many days before a run are what the home remembers at its begin.
PAST_DAYS = 28
# No house, and no meter of one: more is a slip of the keyboard or another unit.
HIGHEST_W = 1e6
HIGHEST_TRIP_KWH = 10_000.0
EARLIEST_KNOWN_HOURS = 1e5
# Inverters draw a little at night; below this it is a fault of the data.
LOWEST_SOLAR_W = -50.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseRun:
    """The rows of the local days that are run, each `step_s` long, without holes.

    Days (ISO dates) of the chosen span that lack more than can be interpolated are in
    `days_left_out`, with all their rows. `past` holds the whole days just before.
    """

    step_s: float
    times_s: Sequence[float]
    load_w: Sequence[float]
    solar_w: Sequence[float]
    days: tuple[str, ...]
    days_left_out: tuple[str, ...]
    solar_forecast_w: Sequence[float | None] | None = None
    past: HouseRun | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseTable:
    """A recorded house: means over `step_s` from each time on, in W.

    Gaps of up to two hours are interpolated; longer ones are (from_s, until_s) in
    `gaps`. The site's own solar forecast is None where it has none.
    """

    name: str
    step_s: float
    times_s: list[float]
    load_w: list[float]
    solar_w: list[float]
    solar_forecast_w: list[float | None] | None
    gaps: list[tuple[float, float]]

    def run(
        self, zone: ZoneInfo, *, start: date | None = None, days: int | None = None
    ) -> HouseRun:
        """Return the rows of `days` local days from `start` on, all by default.

        A day with a longer gap is left out whole. The first and the last day of the
        table may be incomplete. Raises `FormatError` when nothing is left.
        """
        clock = LocalClock(zone)
        wanted = f"{self.name}: expected days"
        first, last = (clock.day(self.times_s[i]).iso for i in (0, -1))
        day = clock.day(self.times_s[0])
        if start is not None:
            if not first <= start.isoformat() <= last:
                raise FormatError(
                    f"{wanted} from {first} to {last}, found a start on {start}"
                )
            while day.iso < start.isoformat():
                day = clock.day_after(day)
        begin_s = day.start_s
        run_days, left_out, spans = self._days(clock, day, last, days)
        if not spans:
            raise FormatError(f"{wanted} from {first} to {last}, found none")
        past_day = clock.day(begin_s - PAST_DAYS * 86400.0)
        past_last = clock.day(begin_s - 1.0).iso
        past_days, _, past_spans = self._days(clock, past_day, past_last, None)
        past = self._rows(past_spans, past_days, []) if past_spans else None
        return replace(self._rows(spans, run_days, left_out), past=past)

    def _days(
        self, clock: LocalClock, day: LocalDay, last: str, count: int | None
    ) -> tuple[list[str], list[str], list[range]]:
        """Return whole days from `day` to `last`, those left out, and the rows."""
        run_days: list[str] = []
        left_out: list[str] = []
        spans: list[range] = []
        while day.iso <= last and (
            count is None or len(run_days) + len(left_out) < count
        ):
            if any(a < day.end_s and b > day.start_s for a, b in self.gaps):
                left_out.append(day.iso)
            else:
                begin = bisect_left(self.times_s, day.start_s)
                rows = range(begin, bisect_left(self.times_s, day.end_s))
                if rows:
                    run_days.append(day.iso)
                    spans.append(rows)
            day = clock.day_after(day)
        return run_days, left_out, spans

    def _rows(
        self, spans: Sequence[range], days: Sequence[str], left_out: Sequence[str]
    ) -> HouseRun:
        rows = [i for span in spans for i in span]
        forecast = self.solar_forecast_w
        return HouseRun(
            step_s=self.step_s,
            times_s=[self.times_s[i] for i in rows],
            load_w=[self.load_w[i] for i in rows],
            solar_w=[self.solar_w[i] for i in rows],
            days=tuple(days),
            days_left_out=tuple(left_out),
            solar_forecast_w=(
                None if forecast is None else [forecast[i] for i in rows]
            ),
        )


def parse_house(lines: Iterable[str], name: str) -> HouseTable:
    """Read `time,load_w,solar_w` and optional `solar_forecast_w` of the file `name`.

    Times are ISO 8601 with offset in regular steps from 1 s to 60 min; an empty value
    or a missing row is a gap. Raises `FormatError`.
    """
    columns = ("time", "load_w", "solar_w", "solar_forecast_w")
    times_s: list[float] = []
    values: tuple[list[float | None], ...] = ([], [], [])
    numbers: list[int] = []
    has_forecast = False
    for line, row in _rows(lines, name, columns, required=3):
        times_s.append(_rising(row[0], (name, line, "time"), times_s))
        numbers.append(line)
        for i, lowest in ((1, 0.0), (2, LOWEST_SOLAR_W), (3, LOWEST_SOLAR_W)):
            text = row[i]
            value = None
            if text:
                value = _number(text, (name, line, columns[i]), lowest, HIGHEST_W)
                value = max(0.0, value)
            has_forecast |= i == 3 and value is not None
            values[i - 1].append(value)
    step_s = _step(times_s, numbers, name)
    load_w, solar_w, forecast_w = values
    return make_house(
        name, step_s, times_s, load_w, solar_w, forecast_w if has_forecast else None
    )


def make_house(
    name: str,
    step_s: float,
    times_s: list[float],
    load_w: list[float | None],
    solar_w: list[float | None],
    solar_forecast_w: list[float | None] | None = None,
) -> HouseTable:
    """Return the house of rows that stand `step_s` or a multiple of it apart.

    What is not known is None, or its row is missing; the lists are used up. Raises
    `FormatError` where nothing is known.
    """
    forecast_w = solar_forecast_w or [None] * len(times_s)
    values = (load_w, solar_w, forecast_w)
    _insert_rows(times_s, values, step_s)
    gaps: list[tuple[float, float]] = []
    for values_w, column in zip(values[:2], ("load_w", "solar_w"), strict=True):
        gaps += _interpolate(times_s, values_w, step_s, f"{name}: {column}")
    known = [
        i for i, pair in enumerate(zip(*values[:2], strict=True)) if None not in pair
    ]
    if not known:
        raise FormatError(f"{name}: expected rows with load_w and solar_w, found none")
    # Before the first and after the last complete row there is nothing to run.
    kept = [
        (times_s[i], row_load_w, row_solar_w, values[2][i])
        for i in range(known[0], known[-1] + 1)
        if (row_load_w := values[0][i]) is not None
        and (row_solar_w := values[1][i]) is not None
    ]
    return HouseTable(
        name=name,
        step_s=step_s,
        times_s=[row[0] for row in kept],
        load_w=[row[1] for row in kept],
        solar_w=[row[2] for row in kept],
        solar_forecast_w=[row[3] for row in kept] if solar_forecast_w else None,
        gaps=sorted(gaps),
    )


def parse_series(lines: Iterable[str], name: str) -> PriceSeries:
    """Read `time,price` of the file `name`; raises `FormatError`."""
    times_s: list[float] = []
    prices: list[float] = []
    for line, row in _rows(lines, name, ("time", "price"), required=2):
        times_s.append(_rising(row[0], (name, line, "time"), times_s))
        place = (name, line, "price")
        prices.append(_number(row[1], place, -HIGHEST_PRICE, HIGHEST_PRICE))
    if len(times_s) < 2:
        raise FormatError(f"{name}: expected at least two rows, found {len(times_s)}")
    return PriceSeries(times_s, prices)


def parse_trips(lines: Iterable[str], name: str) -> list[Trip]:
    """Read the trips of the file `name`, in rising order; raises `FormatError`.

    An empty `required_soc_percent` asks for nothing, an empty `known_hours_before`
    means that the trip is never announced.
    """
    columns = (
        "departure",
        "return",
        "energy_kwh",
        "required_soc_percent",
        "known_hours_before",
    )
    trips: list[Trip] = []
    for line, row in _rows(lines, name, columns, required=5):
        departure_s = _time(row[0], (name, line, "departure"))
        return_s = _time(row[1], (name, line, "return"))
        if trips and departure_s < trips[-1].return_s:
            raise _wrong(
                (name, line, "departure"), "a time after the return before", row[0]
            )
        if return_s <= departure_s:
            raise _wrong((name, line, "return"), "a time after the departure", row[1])
        percent, known = row[3], row[4]
        trips.append(
            Trip(
                departure_s=departure_s,
                return_s=return_s,
                energy_kwh=_number(
                    row[2], (name, line, "energy_kwh"), 0.0, HIGHEST_TRIP_KWH
                ),
                required_soc_percent=(
                    _number(percent, (name, line, columns[3]), 0.0, 100.0)
                    if percent
                    else 0.0
                ),
                known_hours_before=(
                    _number(known, (name, line, columns[4]), 0.0, EARLIEST_KNOWN_HOURS)
                    if known
                    else None
                ),
            )
        )
    return trips


def _rows(
    lines: Iterable[str], name: str, columns: Sequence[str], *, required: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the values of each row in the order of `columns`.

    The first `required` columns must be there; the others are "" where they are not.
    """
    reader = csv.reader(lines)
    wanted = ", ".join(columns[:required])
    try:
        header = [field.strip() for field in next(reader, [])]
        if not any(header):
            raise FormatError(f"{name}: expected the columns {wanted}; found nothing")
        for field in header:
            if field not in columns:
                raise _wrong((name, 1, "header"), f"the columns {wanted}", field)
            if header.count(field) > 1:
                raise FormatError(f"{name}, line 1: {field}: the column is there twice")
        for column in columns[:required]:
            if column not in header:
                raise FormatError(f"{name}, line 1: {column}: the column is missing")
        places = [header.index(c) if c in header else -1 for c in columns]
        for fields in reader:
            if not any(fields):
                continue
            if len(fields) != len(header):
                raise FormatError(
                    f"{name}, line {reader.line_num}: expected {len(header)} values, "
                    f"found {len(fields)}"
                )
            yield (
                reader.line_num,
                [fields[place].strip() if place >= 0 else "" for place in places],
            )
    except csv.Error as err:
        raise FormatError(
            f"{name}, line {reader.line_num}: expected CSV text, found: {err}"
        ) from err


# File, line and column of a value.
type _Place = tuple[str, int, str]


def _wrong(place: _Place, expected: str, found: str) -> FormatError:
    name, line, column = place
    return FormatError(
        f"{name}, line {line}: {column}: expected {expected}, found {shown(found)}"
    )


def _time(text: str, place: _Place) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong(
            place, "ISO 8601 with an offset such as 2026-11-22T10:00:00+01:00", text
        )
    return moment.timestamp()


def _rising(text: str, place: _Place, before_s: Sequence[float]) -> float:
    time_s = _time(text, place)
    if before_s and time_s <= before_s[-1]:
        raise _wrong(place, "a time after that of the row before", text)
    return time_s


def _number(text: str, place: _Place, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _wrong(place, "a number", text) from None
    if not isfinite(value):
        raise _wrong(place, "a finite number", text)
    if value < low:
        raise _wrong(place, f"at least {low:g}", text)
    if value > high:
        raise _wrong(place, f"at most {high:g}", text)
    return value


def _step(times_s: Sequence[float], numbers: Sequence[int], name: str) -> float:
    """Return the regular step, and check that every row keeps it."""
    if len(times_s) < 2:
        raise FormatError(f"{name}: expected at least two rows, found {len(times_s)}")
    counts = Counter(b - a for a, b in pairwise(times_s))
    step_s = min(counts, key=lambda step: (-counts[step], step))
    if not SHORTEST_STEP_S <= step_s <= LONGEST_STEP_S:
        raise FormatError(
            f"{name}: expected a step from 1 s to 60 min, found {step_s:g} s"
        )
    for time_s, line in zip(times_s, numbers, strict=True):
        if (time_s - times_s[0]) % step_s != 0.0:
            raise FormatError(
                f"{name}, line {line}: time: expected a regular step of {step_s:g} s "
                "from the first row on"
            )
    return step_s


def _insert_rows(
    times_s: list[float], values: Sequence[list[float | None]], step_s: float
) -> None:
    """Put empty rows where some are missing, as far as they can be interpolated."""
    if all(b - a == step_s for a, b in pairwise(times_s)):
        return
    places: list[tuple[float, int | None]] = [(times_s[0], 0)]
    for i, (before_s, time_s) in enumerate(pairwise(times_s), 1):
        missing = round((time_s - before_s) / step_s) - 1
        if missing * step_s <= LONGEST_GAP_S:
            places += [(before_s + k * step_s, None) for k in range(1, missing + 1)]
        places.append((time_s, i))
    times_s[:] = [time_s for time_s, _ in places]
    for column in values:
        column[:] = [None if i is None else column[i] for _, i in places]


def _interpolate(
    times_s: Sequence[float], values: list[float | None], step_s: float, path: str
) -> list[tuple[float, float]]:
    """Fill short gaps in place; return the long ones as (from_s, until_s)."""
    gaps: list[tuple[float, float]] = []
    last = -1
    for i, value in enumerate(values):
        if value is None:
            continue
        before = values[last] if last >= 0 else None
        if before is not None and times_s[i] - times_s[last] > step_s:
            span_s = times_s[i] - times_s[last]
            if span_s - step_s > LONGEST_GAP_S:
                gaps.append((times_s[last] + step_s, times_s[i]))
            else:
                for k in range(last + 1, i):
                    part = (times_s[k] - times_s[last]) / span_s
                    values[k] = before + (value - before) * part
        last = i
    if last < 0:
        raise FormatError(f"{path}: expected numbers, found none")
    return gaps
