"""How good the home's own forecast is: what was expected a day before, and what came.

The error is that of the draw, load less sun, over single quarter-hours. Only what was
expected so long before counts, so that a start is not judged by an easy hour.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .quarters import QUARTER_S

type Floats = NDArray[np.float64]
# Steps x bins of the draw between these times, and the shares of the bins.
type Expect = Callable[[Floats], tuple[Floats, Floats]]

DAY_S = 86400.0
WEEK_S = 7 * DAY_S
# Without a plan for longer than this there is a gap in what was expected.
WITHIN_S = 3600.0
# Of a time of which less is known nothing is said.
KNOWN_SHARE = 0.5
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastError:
    """Errors over a time, W: of the mean, its sign (more was drawn), of quantiles."""

    absolute_w: float
    bias_w: float
    pinball_w: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastErrors:
    """The errors of the last day and week, None where too little is known."""

    day: ForecastError | None = None
    week: ForecastError | None = None


class ForecastBook:
    """What was expected of quarter-hours to come, and the errors of past ones."""

    def __init__(self) -> None:
        self._expected: dict[float, tuple[Floats, Floats]] = {}
        self._errors: dict[float, tuple[float, float]] = {}

    def expect(self, now_s: float, expect: Expect) -> None:
        """Write down what is expected a day from now, once for each quarter-hour."""
        last_s = now_s // QUARTER_S * QUARTER_S + DAY_S
        if max(self._expected, default=0.0) > last_s:
            # The clock was set back.
            self._expected.clear()
        # A meter that has failed measures none of it.
        self._forget_expected(now_s - DAY_S)
        first_s = max(last_s - WITHIN_S, max(self._expected, default=0.0) + QUARTER_S)
        count = round((last_s - first_s) / QUARTER_S) + 1
        if count < 1:
            return
        starts_s = first_s + QUARTER_S * np.arange(count + 1, dtype=np.float64)
        draw_w, shares = expect(starts_s)
        for start_s, row in zip(starts_s.tolist(), draw_w, strict=False):
            self._expected[start_s] = row, shares

    def measure(self, begin_s: float, draw_w: float) -> None:
        """Take in what was drawn in a quarter-hour."""
        self._forget_expected(begin_s)
        expected = self._expected.pop(begin_s, None)
        if expected is not None:
            row, shares = expected
            error_w = draw_w - float(row @ shares / shares.sum())
            self._errors[begin_s] = error_w, pinball_w(row, shares, draw_w)
        for old_s in [at_s for at_s in self._errors if at_s <= begin_s - WEEK_S]:
            del self._errors[old_s]

    def _forget_expected(self, before_s: float) -> None:
        for gone_s in [at_s for at_s in self._expected if at_s < before_s]:
            del self._expected[gone_s]

    def errors(self, now_s: float) -> ForecastErrors:
        """Return how good the forecast was lately."""
        return ForecastErrors(
            day=self._over(now_s - DAY_S, now_s), week=self._over(now_s - WEEK_S, now_s)
        )

    def _over(self, begin_s: float, end_s: float) -> ForecastError | None:
        known = [
            error for at_s, error in self._errors.items() if begin_s <= at_s < end_s
        ]
        if len(known) * QUARTER_S < KNOWN_SHARE * (end_s - begin_s):
            return None
        errors_w, pinballs_w = np.array(known).T
        return ForecastError(
            absolute_w=float(np.abs(errors_w).mean()),
            bias_w=float(errors_w.mean()),
            pinball_w=float(pinballs_w.mean()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the book as JSON-ready plain data, in whole watts."""
        return {
            "expected": [
                [at_s, [round(w) for w in row.tolist()], shares.tolist()]
                for at_s, (row, shares) in self._expected.items()
            ],
            "errors": [
                [at_s, round(error_w), round(pinball, 1)]
                for at_s, (error_w, pinball) in self._errors.items()
            ],
        }

    @classmethod
    def from_dict(cls, data: Any) -> ForecastBook:
        """Read a stored book back; what does not fit raises."""
        book = cls()
        if not isinstance(data, dict):
            return book
        for at_s, row, shares in data.get("expected", ()):
            if len(row) != len(shares):
                raise ValueError("a distribution whose shares are those of another")
            book._expected[float(at_s)] = _floats(row), _floats(shares)
        for at_s, error_w, pinball in data.get("errors", ()):
            book._errors[float(at_s)] = float(error_w), float(pinball)
        return book


def pinball_w(bins_w: Floats, shares: Floats, drawn_w: float) -> float:
    """Return the mean pinball loss of a distribution's quantiles."""
    upto = np.cumsum(shares) / shares.sum()
    middles = upto - shares / shares.sum() / 2.0
    quantiles = np.array(QUANTILES)
    missed_w = drawn_w - np.interp(quantiles, middles, bins_w)
    return float(np.maximum(quantiles * missed_w, (quantiles - 1.0) * missed_w).mean())


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)
