"""Where plans are made: always in the executor, since numpy comes with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .const import LOGGER
from .engine.battery import UnitKind
from .engine.forecast import DrawHistory
from .engine.forecast_error import ForecastBook, ForecastErrors
from .engine.model import Inputs
from .engine.outage_model import LoadOutlook
from .engine.past_power import PastPower
from .engine.past_presence import past_presence
from .engine.plan import Plan
from .engine.planning import OwnPast, Past, Planner
from .engine.presence import PresenceHistory
from .engine.quarters import QUARTER_S
from .engine.recall import Question, Recalled, fill, local_slot, question
from .engine.solar_outlook import Energies, SolarOutlook
from .engine.state import HomeState
from .engine.stored import StateError, from_dict, to_dict
from .engine.tariff import Tariff
from .engine.vehicles import cars_of
from .hearing import Heard

if TYPE_CHECKING:
    from .recorder_presence import RecordedUnit

# Whoever waits for the past longer than this goes without it.
WAIT_S: Final = 2.0
DIGITS: Final = 4
STORED_S: Final = 24 * 3600.0
DAY_QUARTERS: Final = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be made: plans for `units`, on what is known at `now_s`.

    `load_w` and `solar_w` are their level of late; with `keep` the past is handed out
    for storing. `sun` is what the solar forecasts say.
    """

    state: HomeState
    inputs: Inputs
    now_s: float
    units: Sequence[str]
    load_w: float | None
    solar_w: float | None
    keep: bool = False
    sun: Sequence[Energies] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What came of an order; `stored` is the same as plain data, and short."""

    plans: dict[str, Plan]
    stored: dict[str, Any]
    past: dict[str, Any] | None
    errors: ForecastErrors
    size: dict[str, Any]
    took_s: float
    outlook: LoadOutlook | None = None


class Workshop:
    """A home's past and its planner; one job at a time."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._past = _read(stored)
        self._recalled = _recalled(stored.get("recalled"))
        self._book = _readable(ForecastBook, stored.get("book"))
        self._sun = SolarOutlook()
        self._draws = OwnPast(history=self._past.draw, solar_forecast=self._sun)
        self._planner = Planner()
        self._tariff: Tariff | None = None
        self._own: Tariff | None = None
        self._lock = threading.Lock()

    def work(self, heard: Heard, order: Order) -> Made:
        """Take in what was heard, and make the plans."""
        with self._lock:
            inputs = self._apart(order.inputs)
            self._look_at_sun(order.sun)
            self._learn(heard, inputs)
            tariff = inputs.site.tariff
            self._book.expect(
                order.now_s, lambda starts_s: self._draws.expect(tariff, starts_s, None)
            )
            self._past.hear(order.state, inputs, order.now_s)
            self._forget_gone(order.state, inputs)
            begun_s = perf_counter()
            plans = self._plan(order, inputs) if order.units else {}
            for plan in plans.values():
                _check(plan)
            took_s = perf_counter() - begun_s
            return Made(
                plans=plans,
                stored={key: _stored(plan) for key, plan in plans.items()},
                past=self._kept() if order.keep else None,
                errors=self._book.errors(order.now_s),
                size=self._size(),
                took_s=took_s,
                outlook=self._outlook(inputs, order.now_s),
            )

    def _outlook(self, inputs: Inputs, now_s: float) -> LoadOutlook | None:
        """Return the load of the day to come, as it is distributed.

        The past knows the draw, which is the load only where no sun shines into it: in
        an outage the panels may be dead, and the battery would not last as long.
        """
        if inputs.has_solar or not self._past.draw.days:
            return None
        begin_s = now_s - now_s % QUARTER_S
        starts_s = np.array([begin_s + QUARTER_S * n for n in range(DAY_QUARTERS + 1)])
        draws_w, shares = self._draws.expect(inputs.site.tariff, starts_s, None)
        if draws_w.shape[0] != DAY_QUARTERS or not np.isfinite(draws_w).all():
            return None
        upto = np.cumsum(shares)
        places = [int(np.searchsorted(upto, part)) for part in (0.1, 0.5, 0.9)]
        low, likely, high = (
            np.maximum(0.0, draws_w[:, min(place, len(upto) - 1)]) for place in places
        )
        return LoadOutlook(
            start_s=begin_s,
            step_s=QUARTER_S,
            low_w=tuple(low.tolist()),
            likely_w=tuple(likely.tolist()),
            high_w=tuple(high.tolist()),
        )

    def question(self, measured: str, inputs: Inputs, now_s: float) -> Question | None:
        """Return what the recorder is to be asked, for a home `measured` like that."""
        with self._lock:
            tariff = self._apart(inputs).site.tariff
            return question(self._recalled, self._past.draw, tariff, measured, now_s)

    def recall(self, asked: Question, past: PastPower, inputs: Inputs) -> int:
        """Take in what the recorder knew; return how many quarter-hours that were."""
        with self._lock:
            tariff = self._apart(inputs).site.tariff
            return fill(self._recalled, self._past.draw, tariff, asked, past)

    def strangers(self, inputs: Inputs, now_s: float) -> list[str]:
        """Return the cars that nobody watched before today.

        Where a station tells cars apart, the recorder does not know which one it was.
        """
        with self._lock:
            today, _ = local_slot(self._apart(inputs).site.tariff, now_s)
            found = []
            for key, known in inputs.units.items():
                presence = self._past.presence.get(key)
                since = presence.since_day if presence else None
                if (
                    known.spec.kind is UnitKind.VEHICLE
                    and not known.vehicles
                    and (since is None or since >= today)
                ):
                    found.append(key)
            return found

    def recall_trips(
        self, key: str, recorded: RecordedUnit, inputs: Inputs, now_s: float
    ) -> None:
        """Take in when a unit was there on the days before today."""
        with self._lock:
            tariff = self._apart(inputs).site.tariff
            today, _ = local_slot(tariff, now_s)
            past = past_presence(
                tariff,
                recorded.connected,
                recorded.soc_percent,
                capacity_kwh=inputs.units[key].spec.capacity_kwh,
                end_s=now_s,
            )
            self._past.presence.setdefault(key, PresenceHistory()).look_back(
                (day for day in past.days if day < today),
                (trip for trip in past.trips if trip.day < today),
            )

    def keep(self, heard: Heard) -> dict[str, Any] | None:
        """Return the past for storing, None while a job goes on and on."""
        if not self._lock.acquire(timeout=WAIT_S):
            return None
        try:
            if heard.inputs is not None:
                self._learn(heard, self._apart(heard.inputs))
            return self._kept()
        finally:
            self._lock.release()

    def _look_at_sun(self, forecasts: Sequence[Energies]) -> None:
        if forecasts is not self._sun.forecasts:
            self._sun = SolarOutlook(forecasts=forecasts)
            self._draws.solar_forecast = self._sun

    def _forget_gone(self, state: HomeState, inputs: Inputs) -> None:
        """Drop the past of units, and of their cars, that are no longer there."""
        books = {
            car.book
            for key, known in inputs.units.items()
            for car in cars_of(key, state.units[key], known)
        }
        for book in self._past.presence.keys() - books:
            del self._past.presence[book]

    def _plan(self, order: Order, inputs: Inputs) -> dict[str, Plan]:
        state = order.state.copy()
        # A single moment is a kettle.
        state.load_w, state.solar_w = order.load_w, order.solar_w
        units = {key: inputs.units[key] for key in order.units}
        return self._planner.plan(
            state, replace(inputs, units=units), self._past, self._draws, order.now_s
        )

    def _apart(self, inputs: Inputs) -> Inputs:
        """Return the inputs with a tariff that no other thread uses."""
        tariff = inputs.site.tariff
        if self._own is None or tariff is not self._tariff:
            self._tariff, self._own = tariff, tariff.apart()
        return replace(inputs, site=replace(inputs.site, tariff=self._own))

    def _learn(self, heard: Heard, inputs: Inputs) -> None:
        tariff = inputs.site.tariff
        for quarter in heard.quarters:
            day, slot = local_slot(tariff, quarter.begin_s)
            self._past.draw.add(
                day,
                slot,
                quarter.load_w,
                quarter.solar_w,
                self._expected_sun(quarter.begin_s),
            )
            self._book.measure(quarter.begin_s, quarter.load_w - quarter.solar_w)
        for state, known, at_s in heard.moments:
            self._past.hear(state, replace(known, site=inputs.site), at_s)

    def _expected_sun(self, begin_s: float) -> float | None:
        """Return what the forecast says of a quarter-hour."""
        means_w = self._sun.mean_w(np.array([begin_s, begin_s + QUARTER_S]))
        if means_w is None or not isfinite(means_w[0]):
            return None
        return float(means_w[0])

    def _kept(self) -> dict[str, Any]:
        return {
            "draw": self._past.draw.to_dict(),
            "book": self._book.to_dict(),
            "recalled": to_dict(self._recalled),
            "presence": {
                key: _rounded(presence.to_dict())
                for key, presence in self._past.presence.items()
            },
        }

    def _size(self) -> dict[str, Any]:
        return {
            "days": self._past.draw.days,
            "trips": {
                key: len(presence.trips)
                for key, presence in self._past.presence.items()
            },
        }


def _read(stored: Mapping[str, Any]) -> Past:
    """Return the past that was stored; what cannot be read is learnt anew."""
    presence = stored.get("presence")
    histories = {
        key: _readable(PresenceHistory, data)
        for key, data in (presence.items() if isinstance(presence, dict) else ())
    }
    return Past(
        draw=_readable(DrawHistory, stored.get("draw")),
        presence=histories,
    )


def _readable[HistoryT: (DrawHistory, ForecastBook, PresenceHistory)](
    history: type[HistoryT], data: Any
) -> HistoryT:
    try:
        return history.from_dict(data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as err:
        LOGGER.warning("A stored past cannot be read and is learnt anew: %r", err)
        return history()


def _recalled(data: Any) -> Recalled:
    try:
        return from_dict(Recalled, data or {})
    except StateError as err:
        LOGGER.warning("The recorder is asked for the whole past again: %s", err)
        return Recalled()


def _check(plan: Plan) -> None:
    """Raise ValueError for a plan with numbers that are none: nobody may follow it."""
    numbers = [plan.stored_value, plan.expected_cost]
    for step in plan.steps:
        numbers += (step.intent.power_w, step.soc_percent, step.unit_w)
        numbers += (step.grid_w, step.import_price, step.cost)
        numbers += step.intent.reason.values.values()
        numbers.append(step.intent.stored_value or 0.0)
    if not all(map(isfinite, numbers)):
        raise ValueError("a plan with numbers that are none")


def _stored(plan: Plan) -> dict[str, Any]:
    """Return as much of a plan as anybody could want after a restart."""
    soon = tuple(s for s in plan.steps if s.start_s < plan.made_s + STORED_S)
    stored: dict[str, Any] = _rounded(replace(plan, steps=soon).to_dict())
    return stored


def _rounded(data: Any) -> Any:
    """Return plain data with no more digits than anybody needs."""
    if isinstance(data, float):
        return round(data, DIGITS)
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_rounded(value) for value in data]
    return data
