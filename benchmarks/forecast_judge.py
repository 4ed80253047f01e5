"""How good the home's own forecast is, against yesterday and against the last week.

The pinball loss is that of the draw (load less sun) over the next day, asked for every
six hours, as the mean over quantiles. Yesterday's quarter-hours and the means of the
last seven days are the same for each quantile: they know no spread. The quantiles of
those seven days do, and are shown beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from custom_components.leaf_to_home.engine.forecast import SLOT_S, SLOTS, Level
from custom_components.leaf_to_home.engine.forecast_error import QUANTILES
from custom_components.leaf_to_home.engine.plan import Floats
from custom_components.leaf_to_home.engine.replay_planner import HouseRow, ReplayPlanner
from custom_components.leaf_to_home.engine.tables import HouseRun

from .scenarios import Scenario

EVERY = SLOTS // 4
WEEK = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastLoss:
    """Mean pinball losses of one scenario, W."""

    title: str
    own_w: float
    yesterday_w: float
    week_w: float
    week_quantiles_w: float
    stands_in: bool

    @property
    def better_percent(self) -> float:
        """Return by how much the own forecast is better than the better other one."""
        return 100.0 * (1.0 - self.own_w / min(self.yesterday_w, self.week_w))


def forecast_loss(scenario: Scenario) -> ForecastLoss:
    """Judge the forecast of one scenario's house."""
    house, contract = scenario.run.house, scenario.run.contract
    planner = ReplayPlanner(house, contract, unit="unit")
    before = _by_time(house)
    own, yesterday, week, spread = [], [], [], []
    for i, at_s in enumerate(house.times_s):
        if i % EVERY == 0 and _whole_day(house, i):
            starts_s = at_s + SLOT_S * np.arange(SLOTS + 1, dtype=np.float64)
            came = _draw(house)[i : i + SLOTS]
            bins, shares = planner.draws.expect(
                contract.site.tariff, starts_s, _level(house, i)
            )
            own.append(_pinball(came, _quantiles(bins, shares)))
            days = [before.get(at_s - day * 86400.0) for day in range(1, WEEK + 1)]
            known = [day for day in days if day is not None]
            if days[0] is not None and known:
                yesterday.append(_pinball(came, _repeated(days[0])))
                week.append(_pinball(came, _repeated(np.mean(known, axis=0))))
                spread.append(_pinball(came, np.quantile(known, QUANTILES, axis=0).T))
        planner.learn(at_s, house.step_s, _row(house, i))
    return ForecastLoss(
        title=scenario.name,
        own_w=fmean(own),
        yesterday_w=fmean(yesterday),
        week_w=fmean(week),
        week_quantiles_w=fmean(spread),
        stands_in=scenario.stands_in,
    )


def table(losses: Sequence[ForecastLoss]) -> str:
    """Return the figures as lines of text."""
    names = f"{'own':>10}{'yesterday':>12}{'week':>10}{'its quantiles':>15}"
    lines = [
        "Pinball loss of the draw over the next day, W",
        f"{'':38}{names}{'better by':>12}",
    ]
    for loss in losses:
        title = loss.title + (" *" if loss.stands_in else "")
        lines.append(
            f"{title:38}{loss.own_w:10.1f}{loss.yesterday_w:12.1f}"
            f"{loss.week_w:10.1f}{loss.week_quantiles_w:15.1f}"
            f"{loss.better_percent:10.1f} %"
        )
    lines.append(
        "  (better than the better one of yesterday and week by at least 10 %)"
    )
    return "\n".join(lines)


def _by_time(house: HouseRun) -> dict[float, Floats]:
    """Return the draw of the day that begins at each time."""
    found: dict[float, Floats] = {}
    for part in (house.past, house) if house.past else (house,):
        draw = _draw(part)
        for i, at_s in enumerate(part.times_s):
            if _whole_day(part, i):
                found[at_s] = draw[i : i + SLOTS]
    return found


def _whole_day(house: HouseRun, i: int) -> bool:
    last = i + SLOTS - 1
    times_s = house.times_s
    return last < len(times_s) and times_s[last] - times_s[i] == (SLOTS - 1) * SLOT_S


def _draw(house: HouseRun) -> Floats:
    draw: Floats = np.array(house.load_w, float) - np.array(house.solar_w, float)
    return draw


def _level(house: HouseRun, i: int) -> Level:
    if not i:
        return Level(load_w=None, solar_w=None)
    return Level(load_w=house.load_w[i - 1], solar_w=house.solar_w[i - 1])


def _row(house: HouseRun, i: int) -> HouseRow:
    forecast = house.solar_forecast_w
    return HouseRow(
        load_w=house.load_w[i],
        solar_w=house.solar_w[i],
        solar_forecast_w=forecast[i] if forecast else None,
    )


def _quantiles(bins: Floats, shares: Floats) -> Floats:
    middles = (np.cumsum(shares) - shares / 2.0) / shares.sum()
    result: Floats = np.stack([np.interp(QUANTILES, middles, row) for row in bins])
    return result


def _repeated(values: Floats) -> Floats:
    result: Floats = np.repeat(values[:, None], len(QUANTILES), axis=1)
    return result


def _pinball(came_w: Floats, quantiles_w: Floats) -> float:
    missed_w = came_w[:, None] - quantiles_w
    shares = np.array(QUANTILES)
    return float(np.maximum(shares * missed_w, (shares - 1.0) * missed_w).mean())
