"""From what a home knows to the plans of its units: expectations, then programs.

`Planner` holds no clock and no thread: it is called with the engine's state, the inputs
of the moment and the home's own past, and returns one plan for each unit.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from .absences import absences_of
from .announced import announced
from .battery import UnitKind
from .control import target_export_w, target_import_w
from .forecast import SLOT_S, DrawHistory, Level, Moment
from .horizon import HOURS, STEP_S, Timeline, lay_out
from .limits import counted_w, free_level_w
from .model import Inputs, UnitInputs
from .plan import Absence, Floats, Plan, Stretch, Task
from .planner import follow
from .policy import usual_charge_w, usual_discharge_w
from .presence import PresenceHistory
from .price_futures import PriceMemory
from .soc import least_kwh
from .state import HomeState, UnitState
from .tariff import Tariff
from .vehicles import cars_of

# How much more is kept for a soft limit than was needed before: losses, and a margin.
KEEP_FACTOR = 1.15
# Units are planned in turn at most so often.
ROUNDS = 2


class Draws(Protocol):
    """Whoever knows what the house will take from the grid without its units."""

    def expect(
        self, tariff: Tariff, starts_s: Floats, level: Level | None
    ) -> tuple[Floats, Floats]:
        """Return steps x quantiles in W, and the weights of the quantiles."""
        ...


@dataclass(kw_only=True)
class OwnPast:
    """Expects what the home's own past tells."""

    history: DrawHistory = field(default_factory=DrawHistory)
    solar_forecast: SolarForecast | None = None

    def expect(
        self, tariff: Tariff, starts_s: Floats, level: Level | None
    ) -> tuple[Floats, Floats]:
        """Return steps x bins in W, and the shares of the bins."""
        moments = _moments(tariff, starts_s)
        solar = None
        if self.solar_forecast is not None:
            solar = self.solar_forecast.mean_w(starts_s)
        return self.history.bins(
            moments,
            level=level,
            ahead_h=(starts_s[:-1] - starts_s[0]) / 3600.0,
            solar_forecast_w=solar,
        )


class SolarForecast(Protocol):
    """The expected solar power of each step."""

    def mean_w(self, starts_s: Floats) -> Floats | None:
        """Return one mean for each step, None where there is no forecast."""
        ...


def _moments(tariff: Tariff, starts_s: Floats) -> list[Moment]:
    return [_moment(tariff, begin, end) for begin, end in pairwise(starts_s.tolist())]


def _moment(tariff: Tariff, begin_s: float, end_s: float) -> Moment:
    day, minute = tariff.day_minute(begin_s)
    return Moment(
        day=date.fromisoformat(day).toordinal(),
        slot=minute // 15,
        slots=max(1, round((end_s - begin_s) / SLOT_S)),
    )


@dataclass(kw_only=True)
class Past:
    """What a home remembers for its plans: its draw, and the trips of its units."""

    draw: DrawHistory = field(default_factory=DrawHistory)
    presence: dict[str, PresenceHistory] = field(default_factory=dict)

    def hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in which units are there; called at least every quarter-hour.

        Where cars are told apart, each has trips of its own.
        """
        for key, known in inputs.units.items():
            unit = state.units[key]
            book = unit.book(key)
            if book not in self.presence and key in self.presence:
                self.presence[book] = self.presence.pop(key)
            for car in cars_of(key, unit, known):
                here = car.book == book
                self.presence.setdefault(car.book, PresenceHistory()).hear(
                    inputs.site.tariff,
                    now_s,
                    connected=car.connected,
                    stored_kwh=car.stored_kwh,
                    announced=(
                        announced(unit, known, inputs.site.tariff, now_s)
                        if here
                        else ()
                    ),
                )


class Planner:
    """Plans for all units of a home.

    A run that ends at `end_s` with stored energy worth `end_price` per kWh tells so;
    without `hazards` there are only the trips that are announced.
    """

    def __init__(
        self,
        *,
        step_s: float = STEP_S,
        hours: float = HOURS,
        end_s: float | None = None,
        end_price: float | None = None,
        hazards: bool = True,
    ) -> None:
        self._step_s = step_s
        self._hours = hours
        self._end_s = end_s
        self._end_price = end_price
        self._hazards = hazards
        self._prices = PriceMemory()

    def plan(
        self, state: HomeState, inputs: Inputs, past: Past, draws: Draws, now_s: float
    ) -> dict[str, Plan]:
        """Return a plan for each unit whose stored energy is known."""
        tariff = inputs.site.tariff
        trips = {
            key: absences_of(
                state.units[key],
                known,
                past.presence.get(state.units[key].book(key)),
                tariff,
                now_s,
            )
            for key, known in inputs.units.items()
        }
        timeline = lay_out(
            tariff,
            now_s,
            self._prices,
            cuts_s=[
                at_s
                for absences in trips.values()
                for absence in absences
                for at_s in (absence.departure_s, absence.back_s)
            ],
            step_s=self._step_s,
            hours=self._hours,
            last_s=self._end_s,
        )
        ends = self._end_s is not None and timeline.far.starts_s[-1] >= self._end_s
        level = Level(load_w=state.load_w, solar_w=state.solar_w)
        near = self._stretch(timeline, draws, tariff, level, near=True)
        far = self._stretch(timeline, draws, tariff, level, near=False)
        limit_w = state.settings.import_limit_w
        if inputs.site.capacity is not None:
            # A month's peak costs money, which the program weighs.
            free_w = free_level_w(state, inputs.site, now_s)
            limit_w = free_w if limit_w is None else min(limit_w, free_w)
        elif limit_w is not None:
            # A limit is to be kept.
            near, far = (
                replace(part, keep_kwh=_kept_kwh(past, tariff, part, limit_w))
                for part in (near, far)
            )
        if inputs.site.export_only_without_solar:
            near, far = (
                replace(part, sunny=past.draw.sunny(_moments(tariff, part.starts_s)))
                for part in (near, far)
            )
        tasks = {}
        for key, known in inputs.units.items():
            unit = state.units[key]
            if unit.stored_kwh is None:
                continue
            task = _task(inputs, unit, known, near, far, trips[key], limit_w)
            if task.peak_price is not None:
                task = replace(
                    task,
                    peaks_w=counted_w(state, inputs.site, now_s),
                    peak_share=self._peak_share(tariff, far, now_s),
                    most_level_w=state.settings.import_limit_w,
                )
            if self._hazards and known.spec.kind is UnitKind.VEHICLE:
                task = _with_hazard(task, unit, past, key, tariff, now_s)
            tasks[key] = replace(task, end_price=self._end_price if ends else None)
        return plan_together(tasks, now_s)

    def _peak_share(self, tariff: Tariff, far: Stretch, now_s: float) -> float:
        """Return how much of what is left of the month the plan covers."""
        iso, minute = tariff.day_minute(now_s)
        today = date.fromisoformat(iso)
        days = monthrange(today.year, today.month)[1] - today.day + 1
        left_s = days * 86400.0 - minute * 60.0
        if self._end_s is not None:
            left_s = min(left_s, self._end_s - now_s)
        return min(1.0, (float(far.starts_s[-1]) - now_s) / max(left_s, 1.0))

    @staticmethod
    def _stretch(
        timeline: Timeline,
        draws: Draws,
        tariff: Tariff,
        level: Level | None,
        *,
        near: bool,
    ) -> Stretch:
        part = timeline.near if near else timeline.far
        draw_w, weights = draws.expect(tariff, part.starts_s, level if near else None)
        return Stretch(
            starts_s=part.starts_s,
            import_price=part.import_price,
            export_price=part.export_price,
            draw_w=draw_w,
            weights=weights,
            turns=part.turns,
            price_basis=part.price_basis,
        )


def _kept_kwh(past: Past, tariff: Tariff, part: Stretch, limit_w: float) -> Floats:
    """Return what carrying the house below a limit took before, losses included."""
    above_kwh = past.draw.above_kwh(_moments(tariff, part.starts_s), limit_w)
    return KEEP_FACTOR * above_kwh


def plan_together(tasks: Mapping[str, Task], now_s: float) -> dict[str, Plan]:
    """Plan units one after the other, each on what the others leave, until they agree.

    Coordinate descent: the largest unit first; a round in which no intent changes is
    the last. A month's peak that one means to pay for is there for the others.
    """
    order = sorted(tasks, key=lambda key: -tasks[key].spec.capacity_kwh)
    powers: dict[str, tuple[Floats, Floats]] = {}
    plans: dict[str, Plan] = {}
    for round_ in range(ROUNDS if len(order) > 1 else 1):
        settled = round_ > 0
        for key in order:
            others = [
                powers[other] for other in order if other != key and other in powers
            ]
            task = _beside(tasks[key], others)
            levels = [
                plan.import_level_w
                for other, plan in plans.items()
                if other != key and plan.import_level_w is not None
            ]
            if task.soft_limit_w is not None and levels:
                task = replace(task, soft_limit_w=max(task.soft_limit_w, *levels))
            followed = follow(task, now_s)
            before = plans.get(key)
            settled &= before is not None and _same_intents(before, followed.plan)
            plans[key] = followed.plan
            if len(order) > 1:
                powers[key] = followed.powers()
        if settled:
            break
    return plans


def _beside(task: Task, others: Sequence[tuple[Floats, Floats]]) -> Task:
    """Return the task with what the other units give and take in the draw."""
    if not others:
        return task
    return replace(
        task,
        near=_left(task.near, [near for near, _ in others]),
        far=_left(task.far, [far for _, far in others]),
    )


def _left(stretch: Stretch, powers_w: Sequence[Floats]) -> Stretch:
    """Return what units with these powers leave of a stretch."""
    powers = np.stack(powers_w)
    given_w: Floats = np.maximum(powers, 0.0).sum(axis=0)
    charged_w: Floats = np.maximum(-powers, 0.0).sum(axis=0)
    house_w = np.maximum(stretch.draw_w, 0.0)
    return replace(
        stretch,
        draw_w=stretch.draw_w - given_w + charged_w,
        charged_w=charged_w,
        exported_w=np.maximum(given_w - house_w, 0.0),
    )


def _same_intents(one: Plan, other: Plan) -> bool:
    return all(
        a.intent.kind is b.intent.kind and a.intent.power_w == b.intent.power_w
        for a, b in zip(one.steps, other.steps, strict=True)
    )


def _with_hazard(
    task: Task, unit: UnitState, past: Past, key: str, tariff: Tariff, now_s: float
) -> Task:
    presence = past.presence.get(unit.book(key)) or PresenceHistory()
    near, far = (
        presence.hazard(
            tariff,
            stretch.starts_s,
            now_s=now_s,
            capacity_kwh=task.spec.capacity_kwh,
            soc_percent=unit.settings.ready_by_soc_percent,
            absences=task.absences,
        )
        for stretch in (task.near, task.far)
    )
    return replace(task, near_hazard=near, far_hazard=far)


def _task(
    inputs: Inputs,
    unit: UnitState,
    known: UnitInputs,
    near: Stretch,
    far: Stretch,
    absences: tuple[Absence, ...],
    limit_w: float | None,
) -> Task:
    settings, site = unit.settings, inputs.site
    able = known.capabilities
    charge_w = usual_charge_w(unit, known)
    error = (known.reading.soc_error_percent if known.reading else None) or 0.0
    peak_price = None
    if site.capacity is not None:
        peak_price = site.capacity.price_per_kw_month / site.capacity.peaks_averaged
    return Task(
        spec=known.spec,
        near=near,
        far=far,
        stored_kwh=least_kwh(unit),
        running=bool(unit.command_w),
        # What a report may be out by is kept as well.
        reserve_percent=min(unit.reserve_percent + error, settings.max_soc_percent),
        max_soc_percent=settings.max_soc_percent,
        charge_w=charge_w,
        discharge_w=usual_discharge_w(unit, known),
        export_w=site.battery_export_limit_w,
        aim_import_w=target_import_w(
            known.spec, site.battery_export_limit_w, means=inputs.means
        ),
        aim_export_w=target_export_w(means=inputs.means),
        soft_limit_w=limit_w,
        peak_price=peak_price,
        main_limit_w=site.main_limit_w,
        switched=able.switched,
        idle_charge_w=charge_w if able.switched and able.feeds_through else 0.0,
        absences=absences,
    )


def stored_plans(plans: Mapping[str, Plan]) -> dict[str, Any]:
    """Return plans as JSON-ready plain data."""
    return {key: plan.to_dict() for key, plan in plans.items()}
