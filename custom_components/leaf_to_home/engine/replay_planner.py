"""The planner as a replay runs it: what it may know of load, sun and prices."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from math import isnan

import numpy as np

from .accounts import END_QUANTILE
from .forecast import SLOT_S, Level
from .formats import Contract
from .model import Inputs
from .plan import Floats, Plan
from .planning import OwnPast, Past, Planner
from .presence import PastTrip, PresenceHistory
from .records import prices_of_steps
from .state import HomeState
from .tables import HouseRun
from .tariff import Tariff
from .trips import Trip


class ForecastName(StrEnum):
    """What a plan knows of load and sun: the home's own past, or the truth."""

    OWN = "own"
    PERFECT = "perfect"


class PriceKnowledge(StrEnum):
    """Which prices are known: those that were published by then, or all."""

    PUBLISHED = "published"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseRow:
    """Mean powers of one executed step, W."""

    load_w: float
    solar_w: float
    solar_forecast_w: float | None


class HouseMeans:
    """Exact means of a recorded column over any steps."""

    def __init__(self, house: HouseRun, values_w: Floats) -> None:
        self._begin_s = np.append(
            np.asarray(house.times_s), house.times_s[-1] + house.step_s
        )
        self._step_s = house.step_s
        self._times_s = np.asarray(house.times_s)
        self._sums = np.concatenate([[0.0], np.cumsum(values_w)])
        self._values = values_w

    def over(self, starts_s: Floats) -> Floats:
        """Return the mean of each step; days that were left out hold those before."""
        shifted = np.array([self._present(float(at)) for at in starts_s[:-1]])
        lengths = np.diff(starts_s)
        return (self._upto(shifted + lengths) - self._upto(shifted)) / (
            lengths / self._step_s
        )

    def _present(self, at_s: float) -> float:
        """Return `at_s`, or the same time on an earlier day where it is missing."""
        for _ in range(60):
            i = bisect_left(self._begin_s, at_s + 1e-6) - 1
            if (
                i >= 0
                and i < len(self._times_s)
                and (at_s < self._times_s[i] + self._step_s)
            ):
                return at_s
            at_s -= 86400.0
        return float(self._times_s[0])

    def _upto(self, at_s: Floats) -> Floats:
        """Return the sum of rows up to a time, rows in order without holes."""
        row = np.clip(
            np.searchsorted(self._times_s, at_s + 1e-6, side="right") - 1,
            0,
            len(self._times_s) - 1,
        )
        part = np.clip((at_s - self._times_s[row]) / self._step_s, 0.0, 1.0)
        result: Floats = self._sums[row] + part * self._values[row]
        return result


class TrueDraws:
    """Expects exactly what comes."""

    def __init__(self, house: HouseRun) -> None:
        draw = np.asarray(house.load_w) - np.asarray(house.solar_w)
        self._means = HouseMeans(house, draw)

    def expect(
        self, tariff: Tariff, starts_s: Floats, level: Level | None
    ) -> tuple[Floats, Floats]:
        """Return steps x 1 in W, and the weight 1."""
        return self._means.over(starts_s)[:, None], np.ones(1)


class SiteForecast:
    """The solar forecast that the recording brings."""

    def __init__(self, house: HouseRun) -> None:
        assert house.solar_forecast_w is not None
        values = np.array(
            [np.nan if w is None else w for w in house.solar_forecast_w], dtype=float
        )
        self._means = HouseMeans(house, np.nan_to_num(values))

    def mean_w(self, starts_s: Floats) -> Floats | None:
        """Return the expected solar power of each step."""
        return self._means.over(starts_s)


class ReplayPlanner:
    """Plans for a replay, from the days before or from the truth."""

    def __init__(
        self,
        house: HouseRun,
        contract: Contract,
        *,
        forecast: ForecastName = ForecastName.OWN,
        price_knowledge: PriceKnowledge = PriceKnowledge.PUBLISHED,
        unit: str,
        trips: Sequence[Trip] = (),
    ) -> None:
        prices = prices_of_steps(contract.site.tariff, house, 1).import_price
        self.end_s = house.times_s[-1] + house.step_s
        self.end_price = float(np.quantile(prices, END_QUANTILE))
        self._planner = Planner(
            step_s=max(SLOT_S, house.step_s),
            end_s=self.end_s,
            end_price=self.end_price,
            # Who knows load and sun knows where the car never leaves, too.
            hazards=bool(trips) or forecast is ForecastName.OWN,
        )
        self.past = Past()
        self._past = OwnPast(history=self.past.draw)
        if house.solar_forecast_w is not None:
            self._past.solar_forecast = SiteForecast(house)
        self.draws: OwnPast | TrueDraws = self._past
        if forecast is ForecastName.PERFECT:
            self.draws = TrueDraws(house)
        self._tariff = contract.site.tariff
        self._foreseen: Tariff | None = None
        if price_knowledge is PriceKnowledge.ALL:
            self._foreseen = self._tariff.foreseen()
        self._sum = _Quarter()
        if house.past is not None:
            self._remember(house.past)
            self.past.presence[unit] = self._presence(house.past, trips)

    def _remember(self, past: HouseRun) -> None:
        """Take in the days before the run, as a home's recorder has them."""
        forecast = past.solar_forecast_w
        for i, at_s in enumerate(past.times_s):
            row = HouseRow(
                load_w=past.load_w[i],
                solar_w=past.solar_w[i],
                solar_forecast_w=forecast[i] if forecast else None,
            )
            self.learn(at_s, past.step_s, row)

    def _presence(self, past: HouseRun, trips: Sequence[Trip]) -> PresenceHistory:
        """Return what the unit did on the days before the run."""
        presence = PresenceHistory()
        until_s = past.times_s[-1] + past.step_s
        before = [t for t in trips if past.times_s[0] <= t.departure_s < until_s]
        presence.look_back(
            (
                date.fromisoformat(day).toordinal()
                for day in {self._tariff.day_minute(at_s)[0] for at_s in past.times_s}
            ),
            (self._past_trip(trip) for trip in before),
        )
        return presence

    def _past_trip(self, trip: Trip) -> PastTrip:
        day, minute = self._tariff.day_minute(trip.departure_s)
        return PastTrip(
            day=date.fromisoformat(day).toordinal(),
            minute=minute,
            lasted_s=trip.return_s - trip.departure_s,
            energy_kwh=trip.energy_kwh,
            notice_h=trip.known_hours_before,
            asked_percent=(
                None if trip.known_hours_before is None else trip.required_soc_percent
            ),
        )

    def plan(
        self, state: HomeState, inputs: Inputs, now_s: float
    ) -> Mapping[str, Plan]:
        """Return the plans of the units."""
        if self._foreseen is not None:
            inputs = replace(inputs, site=replace(inputs.site, tariff=self._foreseen))
        return self._planner.plan(state, inputs, self.past, self.draws, now_s)

    def hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in whether the unit is there."""
        self.past.hear(state, inputs, now_s)

    def learn(self, now_s: float, step_s: float, row: HouseRow) -> None:
        """Remember what load and sun were in the step from `now_s` on."""
        at_s = now_s
        while at_s < now_s + step_s:
            end_s = min(now_s + step_s, at_s - at_s % SLOT_S + SLOT_S)
            done = self._sum.add(at_s, end_s, row)
            if done is not None:
                begin_s, load_w, solar_w, forecast_w = done
                day, minute = self._tariff.day_minute(begin_s)
                self._past.history.add(
                    date.fromisoformat(day).toordinal(),
                    minute // 15,
                    load_w,
                    solar_w,
                    forecast_w,
                )
            at_s = end_s


class _Quarter:
    """The means of the quarter-hour that runs."""

    def __init__(self) -> None:
        self._begin_s = 0.0
        self._spent_s = 0.0
        self._load = self._solar = self._forecast = 0.0

    def add(
        self, begin_s: float, end_s: float, row: HouseRow
    ) -> tuple[float, float, float, float | None] | None:
        """Add a piece; return the quarter-hour's begin and means once it is whole."""
        if begin_s - begin_s % SLOT_S != self._begin_s:
            self._begin_s = begin_s - begin_s % SLOT_S
            self._spent_s = self._load = self._solar = self._forecast = 0.0
        length_s = end_s - begin_s
        self._spent_s += length_s
        self._load += row.load_w * length_s
        self._solar += row.solar_w * length_s
        if row.solar_forecast_w is None:
            self._forecast = float("nan")
        else:
            self._forecast += row.solar_forecast_w * length_s
        if end_s % SLOT_S > 0.0:
            return None
        spent_s = self._spent_s
        forecast_w = self._forecast / spent_s
        return (
            self._begin_s,
            self._load / spent_s,
            self._solar / spent_s,
            None if isnan(forecast_w) else forecast_w,
        )
