"""The powers of a home's past: from rows of statistics to quarter-hours.

Every zone is off UTC by whole quarter-hours, so those of UTC are the local ones as
well. What is not known is NaN: a mean over too little, the energy of a counter over a
gap, a sum with a part missing.
"""

from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .quarters import MEASURED_SHARE, QUARTER_S

type Floats = NDArray[np.float64]
type Flags = NDArray[np.bool_]

WH_PER_KWH = 1e3
# No home's connection bears more; a counter that was replaced seems to.
MOST_W = 1e5
# A house gives nothing. So little below zero is two meters that don't agree, more is
# a wrong sign or a missing sensor.
DISAGREEMENT_W = 200.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """So many quarter-hours from `begin_s` on, which is the begin of one."""

    begin_s: float
    count: int

    @classmethod
    def between(cls, start_s: float, end_s: float) -> Self:
        """Return the whole quarter-hours in that time, none where it is too short."""
        first, last = -(-start_s // QUARTER_S), end_s // QUARTER_S
        return cls(begin_s=first * QUARTER_S, count=max(0, int(last - first)))

    @property
    def end_s(self) -> float:
        """Return when the last quarter-hour is over."""
        return self.begin_s + self.count * QUARTER_S

    @property
    def starts_s(self) -> Floats:
        """Return when each quarter-hour begins."""
        return self.begin_s + QUARTER_S * np.arange(self.count, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What is known of one sensor in periods of one length, in rising order.

    `values` are mean powers in W, or with `counter` what a meter stood at in kWh at the
    end of each period, without its resets.
    """

    starts_s: Floats
    values: Floats
    length_s: float
    counter: bool = False

    def powers(self) -> Rows:
        """Return mean powers; a counter tells them where it was read just before."""
        values = self.values
        if self.counter:
            values = np.full(len(values), np.nan)
            # A gap's energy is known and its shape is not.
            follows = np.diff(self.starts_s) == self.length_s
            hours = self.length_s / 3600.0
            used_w = np.diff(self.values) * WH_PER_KWH / hours
            values[1:] = np.where(follows & (used_w >= 0.0), used_w, np.nan)
        with np.errstate(invalid="ignore"):
            values = np.where(np.abs(values) <= MOST_W, values, np.nan)
        return Rows(starts_s=self.starts_s, values=values, length_s=self.length_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A sensor that counts with `sign`."""

    sensor: str
    sign: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """One quantity of a home, in one or more ways to know it: the better one first.

    Each way is a sum. An `optional` quantity is 0 where no sensor ever knew it, one
    that is `asleep` by night is 0 then, and one that is `new` is 0 before.
    """

    ways: Sequence[Sequence[Term]]
    asleep: bool = False
    optional: bool = False
    new_s: float | None = None

    @property
    def sensors(self) -> set[str]:
        """Return all sensors that it can be known by."""
        return {term.sensor for way in self.ways for term in way}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a home measures: None where it has no such thing."""

    grid: Quantity
    solar: Quantity | None = None
    other: Quantity | None = None
    units: Sequence[Quantity] = ()

    @property
    def quantities(self) -> list[Quantity]:
        """Return all of them."""
        both = [each for each in (self.solar, self.other) if each is not None]
        return [self.grid, *both, *self.units]

    @property
    def sensors(self) -> set[str]:
        """Return all sensors that are needed."""
        return set[str]().union(*(each.sensors for each in self.quantities))


@dataclass(frozen=True, kw_only=True, slots=True)
class PastPower:
    """Mean powers of a home per quarter-hour, W; NaN where not known.

    Signs are the engine's: the grid importing, units and other batteries into the home.
    `silent` are the sensors that are missing for what is measured and not known.
    """

    span: Span
    grid_w: Floats
    solar_w: Floats
    other_w: Floats
    units_w: Floats
    load_w: Floats
    silent: tuple[str, ...] = ()

    @property
    def known(self) -> Flags:
        """Return in which quarter-hours the load is known."""
        return ~np.isnan(self.load_w)

    @property
    def days(self) -> float:
        """Return how many days' worth of the load is known."""
        return float(np.count_nonzero(self.known)) * QUARTER_S / 86400.0


def past_power(
    span: Span,
    measured: Measured,
    rows: Mapping[str, Sequence[Rows]],
    dark: Callable[[Floats], Flags],
) -> PastPower:
    """Return the home's powers; `rows` of each sensor, the shorter periods first.

    `dark` tells in which of the quarter-hours that begin then the sun is down.
    """
    powers = {sensor: _powers(span, each) for sensor, each in rows.items()}

    def quantity(what: Quantity | None) -> Floats:
        if what is None:
            return np.zeros(span.count)
        return _quantity(span, what, powers, dark)

    grid_w, solar_w = quantity(measured.grid), quantity(measured.solar)
    other_w = quantity(measured.other)
    units_w = sum((quantity(unit) for unit in measured.units), np.zeros(span.count))
    load_w = grid_w + solar_w + other_w + units_w
    with np.errstate(invalid="ignore"):
        load_w = np.where(load_w < -DISAGREEMENT_W, np.nan, np.maximum(load_w, 0.0))
    return PastPower(
        span=span,
        grid_w=grid_w,
        solar_w=solar_w,
        other_w=other_w,
        units_w=units_w,
        load_w=load_w,
        silent=_silent(span, measured, rows.keys()),
    )


def quarter_means(span: Span, rows: Rows) -> Floats:
    """Return the means over the quarter-hours of `span`.

    Longer periods count for each quarter-hour in them.
    """
    starts_s, values, length_s = rows.starts_s, rows.values, rows.length_s
    if length_s > QUARTER_S:
        parts = round(length_s / QUARTER_S)
        starts_s = (starts_s[:, None] + QUARTER_S * np.arange(parts)).ravel()
        values, length_s = np.repeat(values, parts), QUARTER_S
    index = np.floor((starts_s - span.begin_s) / QUARTER_S).astype(np.int64)
    counts = ~np.isnan(values) & (index >= 0) & (index < span.count)
    index, values = index[counts], values[counts]
    number = np.bincount(index, minlength=span.count)
    sums = np.bincount(index, weights=values, minlength=span.count)
    enough = number * length_s >= MEASURED_SHARE * QUARTER_S
    return np.where(enough, sums / np.maximum(number, 1), np.nan)


def _silent(span: Span, measured: Measured, known: AbstractSet[str]) -> tuple[str, ...]:
    """Return what lacks of the best way to know each quantity that no way tells."""
    return tuple(
        sensor
        for what in measured.quantities
        if not what.optional and (what.new_s is None or what.new_s < span.end_s)
        if what.ways and not any(_sensors(way) <= known for way in what.ways)
        for sensor in sorted(_sensors(what.ways[0]) - known)
    )


def _sensors(way: Sequence[Term]) -> set[str]:
    return {term.sensor for term in way}


def _powers(span: Span, rows: Sequence[Rows]) -> Floats:
    """Return what one sensor tells, each quarter-hour by its finest rows."""
    result = np.full(span.count, np.nan)
    for each in rows:
        result = _filled(result, quarter_means(span, each.powers()))
    return result


def _quantity(
    span: Span,
    what: Quantity,
    powers: Mapping[str, Floats],
    dark: Callable[[Floats], Flags],
) -> Floats:
    if what.optional and not what.sensors & powers.keys():
        return np.zeros(span.count)
    result = np.full(span.count, np.nan)
    unknown = result.copy()
    starts_s = span.starts_s
    for way in what.ways:
        total = np.zeros(span.count)
        for term in way:
            part = powers.get(term.sensor, unknown)
            if what.asleep and np.isnan(part).any():
                part = np.where(np.isnan(part) & dark(starts_s), 0.0, part)
            total = total + term.sign * part
        result = _filled(result, total)
    if what.new_s is not None:
        before = starts_s + QUARTER_S <= what.new_s
        result = np.where(np.isnan(result) & before, 0.0, result)
    return result


def _filled(values: Floats, others: Floats) -> Floats:
    return np.where(np.isnan(values), others, values)
