"""Outages that a replay plays: from a file, or random with a heavy tail."""

from collections.abc import Iterable
import csv
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, log
from random import Random

from .formats import FormatError, shown

HOUR_S = 3600.0
YEAR_S = 365.0 * 24.0 * HOUR_S
# Storms and quakes: an outage of this kind lasts from the first to the second, log-
# uniformly. Half of all interrupted hours are theirs.
TAIL_H = (12.0, 72.0)
TAIL_SHARE_OF_HOURS = 0.5
SHORTEST_S = 60.0
RANDOM = "random:"
_COLUMNS = ("start", "end")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """The grid is away from `begin_s` to before `end_s`."""

    begin_s: float
    end_s: float

    @property
    def hours(self) -> float:
        """Return how long it lasts."""
        return (self.end_s - self.begin_s) / HOUR_S


def parse_outages(lines: Iterable[str], name: str) -> list[Outage]:
    """Read `start,end` of the file `name`, ISO 8601 with offset; raises `FormatError`.

    Outages are in order and don't overlap.
    """
    rows = csv.reader(lines)
    head = tuple(cell.strip() for cell in next(rows, []))
    if head != _COLUMNS:
        raise FormatError(
            f"{name}, line 1: expected start,end, found {shown(','.join(head))}"
        )
    result: list[Outage] = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{name}, line {rows.line_num}"
        if len(row) != len(_COLUMNS):
            raise FormatError(f"{where}: expected 2 values, found {len(row)}")
        begin_s, end_s = (
            _moment(cell, f"{where}: {column}")
            for cell, column in zip(row, _COLUMNS, strict=True)
        )
        if end_s <= begin_s:
            raise FormatError(f"{where}: end: expected a time after the start")
        if result and begin_s < result[-1].end_s:
            raise FormatError(
                f"{where}: start: expected a time after the outage before has ended"
            )
        result.append(Outage(begin_s=begin_s, end_s=end_s))
    return result


def _moment(text: str, where: str) -> float:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise FormatError(
            f"{where}: expected a time like 2026-01-31T18:00+09:00, found {shown(text)}"
        )
    return at.timestamp()


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomOutages:
    """How often the grid goes in a year, and for how many hours in the mean."""

    a_year: float
    mean_h: float
    seed: int

    @classmethod
    def parse(cls, text: str) -> RandomOutages:
        """Read `random:SAIFI,CAIDI,SEED`; raises `FormatError`."""
        parts = text.removeprefix(RANDOM).split(",")
        try:
            a_year, mean_h = (float(part) for part in parts[:2])
            (seed,) = (int(part) for part in parts[2:])
        except ValueError:
            a_year = mean_h = -1.0
            seed = 0
        if not (
            isfinite(a_year) and 0.0 < a_year <= 1000.0 and 0.0 < mean_h <= TAIL_H[0]
        ):
            raise FormatError(
                "outages: expected random:SAIFI,CAIDI,SEED with up to 1000 outages a "
                f"year of up to {TAIL_H[0]:g} h in the mean, found {shown(text)}"
            )
        return cls(a_year=a_year, mean_h=mean_h, seed=seed)

    def between(self, from_s: float, until_s: float) -> list[Outage]:
        """Return the outages that begin in a span; the same for the same seed.

        They come at any time, exponentially apart. Half of the interrupted hours are
        those of few outages of 12 to 72 h, log-uniform; the others last exponentially
        long, a minute at least.
        """
        random = Random(f"{self.seed}/outages")
        low_h, high_h = TAIL_H
        tail_mean_h = (high_h - low_h) / log(high_h / low_h)
        tail = TAIL_SHARE_OF_HOURS * self.mean_h / tail_mean_h
        short_mean_h = (1.0 - TAIL_SHARE_OF_HOURS) * self.mean_h / (1.0 - tail)
        gap_s = YEAR_S / self.a_year
        result: list[Outage] = []
        at_s = from_s + random.expovariate(1.0 / gap_s)
        while at_s < until_s:
            if random.random() < tail:
                hours = low_h * (high_h / low_h) ** random.random()
            else:
                hours = random.expovariate(1.0 / short_mean_h)
            begin_s = float(round(at_s))
            end_s = begin_s + max(SHORTEST_S, round(hours * HOUR_S))
            result.append(Outage(begin_s=begin_s, end_s=end_s))
            at_s = end_s + random.expovariate(1.0 / gap_s)
        return result
