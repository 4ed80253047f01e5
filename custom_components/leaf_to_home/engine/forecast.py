"""What the house will draw, as distributions from its own past; wide when it is short.

The past is kept as mean powers per local quarter-hour and day. A step's distribution is
made of the same time of day and its neighbours on the days before: recent days and days
of the same type weigh more. Load and solar of one past moment stay together, so that
their dependence is kept; with a solar forecast, the past gives its errors instead.

A distribution is handed on as the means of a few bins of it, so that its mean is exact
and its tails count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

SLOTS = 96
SLOT_S = 900.0
KEPT_DAYS = 35
USED_DAYS = 28
# A day's weight falls by this factor per day of age, and for the other type of day.
RECENCY = 0.93
OTHER_TYPE = 0.5
NEIGHBOUR = 0.4
# The bins that a distribution is made of: their shares, from the lowest draw up.
BINS = (0.15, 0.2, 0.25, 0.2, 0.13, 0.07)
# How far the present level of the load is carried on, and for how long.
LEVEL_SHARE = 0.6
LEVEL_FADE_S = 1.5 * 3600.0
LEVEL_MOST_W = 1500.0
# The same for the sky: how its ratio to the expected sun is carried on, and how far.
SKY_SHARE = 0.7
SKY_FADE_S = 3.0 * 3600.0
SKY_FROM_W = 150.0
SKY_LEAST, SKY_MOST = 0.1, 2.0
# So long a run of high draw a battery is kept ready for.
ABOVE_HOURS = 4.0
# Until this many days are known a prior takes part: a plain day, very wide.
ENOUGH_DAYS = 4
PRIOR_LOAD_W = 500.0
PRIOR_SHAPE = (
    *(0.6, 0.5, 0.5, 0.5, 0.5, 0.6, 0.9, 1.2, 1.1, 1.0, 0.9, 0.9),
    *(1.0, 1.0, 0.9, 0.9, 1.1, 1.5, 1.9, 2.0, 1.8, 1.5, 1.1, 0.8),
)
PRIOR_FACTORS = (0.35, 0.6, 0.85, 1.2, 1.7, 2.6)
# How near a past solar forecast has to be to count as alike: a share of the highest
# one, and W; and what a past moment weighs all the same.
LIKENESS_SHARE = 0.05
LIKENESS_W = 30.0
UNLIKE = 0.02
# A moment without a forecast weighs this at first, less with each day that has one.
UNTOLD = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A step on the local calendar: day, first quarter-hour, and how many of them."""

    day: int
    slot: int
    slots: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Load and solar power now, W; None where not known."""

    load_w: float | None
    solar_w: float | None


class DrawHistory:
    """Mean load and solar per local quarter-hour of the last `KEPT_DAYS` days.

    Days are ordinals (`date.toordinal`). A quarter-hour that was not measured is NaN.
    """

    def __init__(self) -> None:
        self._past: dict[str, dict[int, Floats]] = {
            "load": {},
            "solar": {},
            "forecast": {},
        }

    def add(
        self,
        day: int,
        slot: int,
        load_w: float,
        solar_w: float = 0.0,
        solar_forecast_w: float | None = None,
    ) -> None:
        """Remember the means of one quarter-hour, W; the oldest day falls out."""
        if day not in self._past["load"]:
            for past in self._past.values():
                past[day] = np.full(SLOTS, np.nan)
                for old in sorted(past)[:-KEPT_DAYS]:
                    del past[old]
        if day not in self._past["load"]:
            # Older than all that is kept.
            return
        values = (load_w, solar_w, solar_forecast_w)
        for past, value in zip(self._past.values(), values, strict=True):
            if value is not None:
                past[day][slot] = value

    def knows(self, day: int, slot: int) -> bool:
        """Return whether the load of a quarter-hour is known."""
        load = self._past["load"].get(day)
        return load is not None and not bool(np.isnan(load[slot]))

    @property
    def days(self) -> int:
        """Return how many days are known at least half."""
        return sum(
            int(np.count_nonzero(~np.isnan(load)) >= SLOTS // 2)
            for load in self._past["load"].values()
        )

    def to_dict(self) -> dict[str, dict[str, list[float | None]]]:
        """Return the history as JSON-ready plain data, in whole watts."""
        return {
            name: {
                str(day): [None if np.isnan(w) else round(float(w)) for w in values]
                for day, values in past.items()
            }
            for name, past in self._past.items()
        }

    @classmethod
    def from_dict(cls, data: Any) -> DrawHistory:
        """Read a stored history back; what does not fit is left out."""
        history = cls()
        if not isinstance(data, dict):
            return history
        for name, past in history._past.items():
            days = data.get(name)
            for day, values in days.items() if isinstance(days, dict) else ():
                if not isinstance(values, list) or len(values) != SLOTS:
                    continue
                past[int(day)] = np.array(
                    [np.nan if w is None else w for w in values], dtype=np.float64
                )
        for day in history._past["load"]:
            for name in ("solar", "forecast"):
                history._past[name].setdefault(day, np.full(SLOTS, np.nan))
        return history

    def bins(
        self,
        moments: Sequence[Moment],
        *,
        level: Level | None = None,
        ahead_h: Floats | None = None,
        solar_forecast_w: Floats | None = None,
    ) -> tuple[Floats, Floats]:
        """Return the draw (load less solar) of each moment as steps x bins, and shares.

        The next hours lean on `level`, what load and sun are now; `ahead_h` is how far
        ahead each moment is. `solar_forecast_w` is the expected solar power.
        """
        slots = np.array([moment.slot for moment in moments])
        today = moments[0].day
        days = [
            d for d in sorted(self._past["load"]) if today - USED_DAYS <= d <= today
        ]
        samples = _Samples(self._past, days, moments)
        load, weight = samples.load, samples.weight
        solar = samples.solar
        if solar_forecast_w is not None:
            weight = weight * _likeness(solar_forecast_w, samples.forecast)
        lack = max(0.0, 1.0 - self.days / ENOUGH_DAYS)
        load, solar, weight = _with_prior(
            load, solar, weight, slots, lack, solar_forecast_w
        )
        if level is not None and ahead_h is not None:
            load = _leaning(load, weight, level.load_w, ahead_h, lack)
            solar = _clouded(solar, weight, level.solar_w, ahead_h)
        return _bin_means(load - solar, weight), np.array(BINS)

    def sunny(self, moments: Sequence[Moment]) -> NDArray[np.bool_]:
        """Return in which moments the sun ever shone; in all while nothing is known."""
        days = list(self._past["solar"].values())
        if not days:
            return np.ones(len(moments), dtype=bool)
        most_w = np.nan_to_num(np.stack(days)).max(axis=0)
        inside = (
            [(moment.slot + k) % SLOTS for k in range(moment.slots)]
            for moment in moments
        )
        return np.array([bool((most_w[slots] > 0.0).any()) for slots in inside])

    def above_kwh(self, moments: Sequence[Moment], limit_w: float) -> Floats:
        """Return the most that the house ever drew above a limit from such a time on.

        In kWh over the `ABOVE_HOURS` that follow, for each moment: what a battery has
        to keep so that it could carry the house below the limit then.
        """
        result = np.zeros(len(moments))
        days = sorted(self._past["load"])
        if not days:
            return result
        draw = np.stack([self._past["load"][day] for day in days])
        draw = np.nan_to_num(draw) - np.nan_to_num(
            np.stack([self._past["solar"][day] for day in days])
        )
        over = np.maximum(0.0, draw - limit_w).ravel() * SLOT_S / 3.6e6
        sums = np.concatenate([[0.0], np.cumsum(over)])
        ahead = round(ABOVE_HOURS * 3600.0 / SLOT_S)
        begins = np.arange(len(over))
        ends = np.minimum(begins + ahead, len(over))
        most = (sums[ends] - sums[begins]).reshape(-1, SLOTS).max(axis=0)
        for i, moment in enumerate(moments):
            result[i] = most[moment.slot]
        return result


class _Samples:
    """What the days before say of each moment, steps x (days x 3)."""

    def __init__(
        self,
        past: dict[str, dict[int, Floats]],
        days: Sequence[int],
        moments: Sequence[Moment],
    ) -> None:
        count = len(moments)
        if not days:
            self.load = self.solar = self.weight = np.empty((count, 0))
            self.forecast = self.load
            return
        slots = np.array([moment.slot for moment in moments])
        widths = np.array([moment.slots for moment in moments])
        near = np.stack([slots - widths, slots, slots + widths]) % SLOTS
        load, known = _means(past["load"], days, near, widths)
        self.load = _flat(load)
        self.solar = _flat(_means(past["solar"], days, near, widths)[0])
        forecast, forecast_known = _means(past["forecast"], days, near, widths)
        self.forecast = _flat(np.where(forecast_known, forecast, np.nan))
        step_day = np.array([moment.day for moment in moments])
        age = step_day[None, :] - np.array(days)[:, None]
        weekend = np.array([is_weekend(day) for day in days])
        step_weekend = np.array([is_weekend(int(day)) for day in step_day])
        weight = RECENCY ** np.maximum(age, 0) * np.where(
            weekend[:, None] == step_weekend[None, :], 1.0, OTHER_TYPE
        )
        side = np.array([NEIGHBOUR, 1.0, NEIGHBOUR])
        weights = weight[:, None, :] * side[None, :, None]
        self.weight = _flat(np.where(known, weights, 0.0))


def _means(
    past: dict[int, Floats],
    days: Sequence[int],
    first: NDArray[np.int64],
    widths: NDArray[np.int64],
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return means over `widths` quarter-hours, days x 3 x steps, and where known."""
    table = np.stack([past[day] for day in days])
    known = ~np.isnan(table)
    # Sums from the day's begin; a step over midnight ends with the day.
    ends = np.minimum(first + widths, SLOTS)
    sums = np.zeros((len(days), SLOTS + 1))
    counts = np.zeros((len(days), SLOTS + 1))
    np.cumsum(np.nan_to_num(table), axis=1, out=sums[:, 1:])
    np.cumsum(known, axis=1, out=counts[:, 1:])
    number = counts[:, ends] - counts[:, first]
    mean = (sums[:, ends] - sums[:, first]) / np.maximum(number, 1.0)
    return mean, number > 0.0


def _flat(values: Floats) -> Floats:
    return values.reshape(-1, values.shape[-1]).T


def _likeness(expected_w: Floats, forecast: Floats) -> Floats:
    """Return how alike each past moment was, by what the forecast said of it.

    What the sun did under such a forecast is what it may do again, whatever the
    forecast's own scale and bias.
    """
    scale_w = LIKENESS_SHARE * np.nanmax(forecast, initial=0.0) + LIKENESS_W
    with np.errstate(invalid="ignore"):
        away = np.abs(forecast - expected_w[:, None]) / scale_w
    # Each day is there with three quarter-hours.
    told = np.count_nonzero(~np.isnan(forecast), axis=1) / 3.0
    untold = np.maximum(UNLIKE, UNTOLD * (1.0 - told / ENOUGH_DAYS))[:, None]
    result: Floats = np.where(np.isnan(away), untold, np.exp(-away) + UNLIKE)
    return result


def _leaning(
    load: Floats, weight: Floats, level_w: float | None, ahead_h: Floats, lack: float
) -> Floats:
    """Return the loads moved towards the present one, fading.

    A home without a past (`lack` is 1) knows nothing better than what it draws now.
    """
    if level_w is None:
        return load
    expected_w = float(load[0] @ weight[0]) / float(weight[0].sum())
    fade = np.exp(-ahead_h * 3600.0 / LEVEL_FADE_S)
    share = LEVEL_SHARE + (1.0 - LEVEL_SHARE) * lack
    most_w = LEVEL_MOST_W * (1.0 + 2.0 * lack)
    away_w = min(max(level_w - expected_w, -most_w), most_w)
    result: Floats = np.maximum(0.0, load + (share * away_w * fade)[:, None])
    return result


def _clouded(
    solar: Floats, weight: Floats, level_w: float | None, ahead_h: Floats
) -> Floats:
    """Return the solar powers scaled towards the present sky, fading."""
    expected_w = float(solar[0] @ weight[0]) / float(weight[0].sum())
    if level_w is None or expected_w < SKY_FROM_W:
        return solar
    ratio = min(max(level_w / expected_w, SKY_LEAST), SKY_MOST)
    fade = np.exp(-ahead_h * 3600.0 / SKY_FADE_S)
    scale = 1.0 + SKY_SHARE * (ratio - 1.0) * fade
    # Towards the sky of now, the spread of what it may be shrinks as well.
    mean = (solar * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    kept = (1.0 - SKY_SHARE * fade)[:, None]
    result: Floats = np.maximum(
        0.0, (mean[:, None] + (solar - mean[:, None]) * np.sqrt(kept)) * scale[:, None]
    )
    return result


def _with_prior(
    load: Floats,
    solar: Floats,
    weight: Floats,
    slots: NDArray[np.int64],
    lack: float,
    forecast_w: Floats | None,
) -> tuple[Floats, Floats, Floats]:
    """Let the prior take part while days are lacking, or a step knows nothing."""
    known = weight.sum(axis=1)
    share = np.where(known > 0.0, lack * np.maximum(known, 0.1), 1.0)
    if not np.any(share > 0.0):
        return load, solar, weight
    base_w = PRIOR_LOAD_W * np.array(PRIOR_SHAPE)[slots // 4]
    prior = base_w[:, None] * np.array(PRIOR_FACTORS)[None, :]
    # Beyond the forecast's reach the prior knows no sun.
    sun_w = np.zeros(len(slots)) if forecast_w is None else np.nan_to_num(forecast_w)
    prior_weight = share[:, None] * np.array(BINS)[None, :]
    return (
        np.concatenate([load, prior], axis=1),
        np.concatenate([solar, np.repeat(sun_w[:, None], len(BINS), axis=1)], axis=1),
        np.concatenate([weight, prior_weight], axis=1),
    )


def is_weekend(day: int) -> bool:
    """Return whether a day ordinal is a Saturday or Sunday."""
    return date.fromordinal(day).weekday() >= 5


def _bin_means(values: Floats, weights: Floats) -> Floats:
    """Return the mean of each bin of each row's weighted samples, from low to high."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    weight = np.take_along_axis(weights, order, axis=1)
    weight = weight / weight.sum(axis=1, keepdims=True)
    upto = np.cumsum(weight, axis=1)
    below = upto - weight
    edges = np.concatenate([[0.0], np.cumsum(BINS)])
    # How much of each sample's weight lies in each bin: rows x samples x bins.
    part = np.minimum(upto[:, :, None], edges[1:]) - np.maximum(
        below[:, :, None], edges[:-1]
    )
    np.maximum(part, 0.0, out=part)
    result: Floats = np.einsum("ns,nsb->nb", ordered, part) / part.sum(axis=1)
    return result
