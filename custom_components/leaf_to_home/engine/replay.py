"""Runs the engine on a recorded house with a simulated unit, and judges it.

A run executes every row of the house, or every `execute_step_s` seconds of it, at a
constant load. At the start of an executed step the policy sees the load that begins,
the plant gets the set-point, and the means over the step go into the trace. When a day
is left out the run goes on with the next one: the battery keeps its charge, and trips
that would begin in the days left out don't take place.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
import json
from math import ceil, inf
from typing import Protocol

from .accounts import Books, account
from .battery import UnitSpec
from .formats import Contract, FormatError
from .model import (
    Capabilities,
    Departure,
    HomeMode,
    Inputs,
    IntentKind,
    IslandingStart,
    Outcome,
    OutcomeKind,
    Reading,
    Sample,
    UnitInputs,
)
from .outage_house import Bands, OutageHabits, Outlooks
from .outage_model import (
    LoadCommand,
    LoadInput,
    LoadOutlook,
    OutageDecision,
    OutagePhase,
    OutageSettings,
    UnitBackup,
)
from .outage_replay import OutageBooks, OutagePlay, PlayedOutage, Witness
from .outages import Outage
from .plan import Plan
from .plant import Plant, PlantStep
from .records import Records, prices_of_steps
from .replay_planner import ForecastName, HouseRow, PriceKnowledge, ReplayPlanner
from .state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
    from_dict,
    to_dict,
)
from .step import step
from .tables import HouseRun
from .trips import Trip

UNIT = "unit"
# What the baseline charges to.
BASELINE_PERCENT = 80.0
# From this step on a row is a mean; below, it is what a meter shows at that moment.
MEANS_FROM_S = 60.0
# A departure is short when it lacks more than this.
SHORT_KWH = 0.01
_PROGRESS_STEPS = 500
PLAN_EVERY_S = 900.0


class PolicyName(StrEnum):
    """Who decides in a replay; `none` is the baseline that savings are counted from.

    `smart` plans as `automatic` does, for a unit that can only be charged.
    """

    AUTOMATIC = "automatic"
    SMART = "smart"
    RULE = "rule"
    NONE = "none"


PLANNED = frozenset({PolicyName.AUTOMATIC, PolicyName.SMART})


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRun:
    """What a replay runs.

    Without `execute_step_s` the rows of the house are executed as they are. Trips are
    rounded to executed steps: departures down, returns up; those before the first row
    are what is known of the days before. With `habits` the unit can carry the house
    through the `outages`, which are then looked at more closely.
    """

    house: HouseRun
    contract: Contract
    spec: UnitSpec
    trips: Sequence[Trip] = ()
    policy: PolicyName = PolicyName.AUTOMATIC
    forecast: ForecastName = ForecastName.OWN
    price_knowledge: PriceKnowledge = PriceKnowledge.PUBLISHED
    dead_time_s: float = 0.0
    execute_step_s: float | None = None
    plan_every_s: float = PLAN_EVERY_S
    outages: Sequence[Outage] = ()
    habits: OutageHabits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What came of a run: its books, and one record for each executed step."""

    books: Books
    records: Records
    outage_books: OutageBooks | None = None
    played: Sequence[PlayedOutage] = ()


@dataclass(frozen=True, slots=True)
class Outing:
    """A trip in executed steps; `end` is the first step in which the unit is back."""

    begin: int
    end: int
    departure_s: float
    announced_s: float
    trip: Trip


class _Policy(Witness, Protocol):
    def learn(self, grid_w: float | None) -> None:
        """Hear the true mean grid power of the step before, None after a hole."""
        ...


class _Baseline:
    """Charges at full power on arrival to 80 % and never discharges.

    In an outage its station carries the house as it is, and nobody sheds anything.
    """

    commands: tuple[LoadCommand, ...] = ()
    at_rest = True

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._spec = plant.spec
        self._full_kwh = plant.spec.capacity_kwh * plant.spec.max_soc_percent / 100.0

    def decide(
        self,
        now_s: float,
        load_w: float,
        solar_w: float,
        departures: tuple[Departure, ...],
    ) -> tuple[str, str]:
        plant = self._plant
        if not plant.connected:
            return IntentKind.HOLD, "disconnected"
        if plant.grid_lost:
            return IntentKind.HOLD, "outage"
        if plant.commanded_w == 0.0:
            plant.command(-self._spec.max_charge_w, now_s)
        if plant.stored_kwh < self._full_kwh - 1e-6:
            return IntentKind.CHARGE, "arrival"
        return IntentKind.HOLD, "full"

    def learn(self, grid_w: float | None) -> None:
        """Need nothing of it."""

    def look(self, loads: Mapping[str, LoadInput], interval_s: float) -> None:
        """Need nothing of it."""

    def save(self) -> None:
        """Have nothing to remember."""

    def restart(self) -> None:
        """Have nothing to lose."""


class PlanMaker(Protocol):
    """Whoever plans in a replay; asked every quarter-hour, or every longer step."""

    def plan(
        self, state: HomeState, inputs: Inputs, now_s: float
    ) -> Mapping[str, Plan]:
        """Return the plans of the units; without one the rule decides."""
        ...

    def hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in the state after each decision."""
        ...

    def learn(self, now_s: float, step_s: float, row: HouseRow) -> None:
        """Hear what load and sun were in the step from `now_s` on."""
        ...


class _Engine:
    """Runs the one pure `step` on what a home would measure."""

    def __init__(
        self,
        run: ReplayRun,
        plant: Plant,
        step_s: float,
        timer: Callable[[], float] | None,
        planner: PlanMaker | None,
    ) -> None:
        self.decision_s = array("d")
        self.plan_s = array("d")
        self._planner = planner
        self._plans: Mapping[str, Plan] = {}
        self._plan_at_s = -inf
        self._plan_every_s = run.plan_every_s
        self._plant = plant
        self._timer = timer
        self._spec = run.spec
        self._site = run.contract.site
        self._interval_s = step_s
        self._max_age_s = max(30.0, 3.0 * step_s)
        self._habits = run.habits
        self._outlooks = Outlooks(run.house) if run.habits else None
        self._outlook: LoadOutlook | None = None
        self._outlook_until_s = -inf
        self._backup = UnitBackup(limit_w=run.spec.max_discharge_w)
        self._loads: Mapping[str, LoadInput] = {}
        self._decided: OutageDecision | None = None
        self._has_solar = any(run.house.solar_w)
        self._capabilities = Capabilities(
            dead_time_s=run.dead_time_s,
            export=run.spec.min_import_w <= 0.0,
            islanding=(
                IslandingStart.BY_ITSELF if run.habits else IslandingStart.NEVER
            ),
        )
        self._grid_mean_w: float | None = None
        self._outcome: Outcome | None = None
        # The user asks for what the most demanding trip needs.
        wished = max((trip.required_soc_percent for trip in run.trips), default=0.0)
        self._state = HomeState(
            settings=HomeSettings(
                mode=HomeMode.AUTOMATIC, import_limit_w=run.contract.import_limit_w
            ),
            units={
                UNIT: UnitState(
                    settings=replace(
                        first_settings(run.spec),
                        ready_by_soc_percent=wished,
                        discharge_limit_w=(
                            0.0 if run.policy is PolicyName.SMART else None
                        ),
                    )
                )
            },
        )

    def decide(
        self,
        now_s: float,
        load_w: float,
        solar_w: float,
        departures: tuple[Departure, ...],
    ) -> tuple[str, str]:
        plant, max_age_s = self._plant, self._max_age_s
        plan = self._plans.get(UNIT)
        planned = None if plan is None else plan.at(now_s)
        lost = plant.grid_lost
        grid_w = load_w - solar_w - plant.power_w
        inputs = Inputs(
            site=self._site,
            units={
                UNIT: UnitInputs(
                    spec=self._spec,
                    capabilities=self._capabilities,
                    reading=self._reading(load_w),
                    outcome=self._outcome,
                    departures=departures,
                    plan=None if planned is None else planned.intent,
                    plan_level_w=None if plan is None else plan.import_level_w,
                    backup=self._backup,
                )
            },
            # The meter is fed by the grid.
            grid=(
                None
                if lost
                else Sample(value=grid_w, time_s=now_s, max_age_s=max_age_s)
            ),
            solar=(
                Sample(value=solar_w, time_s=now_s, max_age_s=max_age_s)
                if self._has_solar
                else None
            ),
            has_solar=self._has_solar,
            grid_mean_w=self._grid_mean_w,
            interval_s=self._interval_s,
            means=self._interval_s >= MEANS_FROM_S and not lost,
            mains_signs=(not lost,) if self._habits else (),
            outage=self._habits.settings if self._habits else OutageSettings(),
            loads=self._loads,
            load_outlook=self._outlook_at(now_s),
        )
        inputs = self._with_plan(inputs, now_s)
        if self._timer is None:
            self._state, decision = step(self._state, inputs, now_s)
        else:
            begun_s = self._timer()
            self._state, decision = step(self._state, inputs, now_s)
            self.decision_s.append(self._timer() - begun_s)
        if self._planner is not None:
            self._planner.hear(self._state, inputs, now_s)
        self._decided = decision.outage
        unit = decision.units[UNIT]
        if unit.send and unit.setpoint is not None:
            power_w = unit.setpoint.power_w
            if power_w != plant.commanded_w:
                plant.command(power_w, now_s)
                self._outcome = Outcome(
                    kind=OutcomeKind.APPLIED, time_s=now_s, power_w=power_w
                )
        return unit.intent, unit.reason.code

    def _with_plan(self, inputs: Inputs, now_s: float) -> Inputs:
        """Let the planner think again where it is time to; return its intents."""
        if self._planner is None or now_s < self._plan_at_s:
            return inputs
        if not self._plant.connected:
            return inputs
        every_s = self._plan_every_s
        self._plan_at_s = now_s - now_s % every_s + every_s
        # The state as of now: what has flowed since the last step is counted in.
        state, _ = step(self._state, inputs, now_s)
        begun_s = self._timer() if self._timer else 0.0
        self._plans = self._planner.plan(state, inputs, now_s)
        if self._timer:
            self.plan_s.append(self._timer() - begun_s)
        plan = self._plans.get(UNIT)
        planned = None if plan is None else plan.at(now_s)
        unit = replace(
            inputs.units[UNIT],
            plan=None if planned is None else planned.intent,
            plan_level_w=None if plan is None else plan.import_level_w,
        )
        return replace(inputs, units={UNIT: unit})

    def learn(self, grid_w: float | None) -> None:
        self._grid_mean_w = grid_w

    def look(self, loads: Mapping[str, LoadInput], interval_s: float) -> None:
        self._loads = loads
        self._interval_s = interval_s

    @property
    def commands(self) -> tuple[LoadCommand, ...]:
        return self._decided.commands if self._decided else ()

    @property
    def at_rest(self) -> bool:
        decided = self._decided
        return decided is None or (
            decided.phase is OutagePhase.NORMAL and not decided.tiers_shed
        )

    def save(self) -> None:
        self._saved = json.dumps(to_dict(self._state))

    def restart(self) -> None:
        self._state = from_dict(HomeState, json.loads(self._saved))
        self._plans = {}
        self._plan_at_s = -inf

    def remember(self, now_s: float, load_w: float) -> None:
        """Learn what the house takes at this time of the day."""
        if self._outlooks is not None:
            self._outlooks.learn(now_s, load_w)

    def _reading(self, load_w: float) -> Reading:
        """Return what the unit says; an overload is what the house draws of it."""
        reading = self._plant.reading(max_age_s=self._max_age_s)
        if self._plant.islanding:
            return replace(reading, power_w=load_w)
        return reading

    def _outlook_at(self, now_s: float) -> LoadOutlook | None:
        """Return the load to come in an outage, thought over every quarter-hour."""
        if self._outlooks is None or not self._plant.grid_lost:
            return None
        if now_s >= self._outlook_until_s:
            self._outlook = self._outlooks.at(now_s)
            self._outlook_until_s = now_s + PLAN_EVERY_S
        return self._outlook


def run_replay(
    run: ReplayRun,
    *,
    planner: PlanMaker | None = None,
    timer: Callable[[], float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Run `run` and account for it.

    `planner` plans instead of the integration's own; the rule asks nobody.
    `timer` returns seconds of any clock and measures the decisions; `progress` hears
    how many executed steps of how many are done. Raises `FormatError` when a price of
    the run is not known or the steps don't fit.
    """
    house = run.house
    step_s, per_row = _executed_step(run)
    count = len(house.times_s) * per_row
    prices = prices_of_steps(run.contract.site.tariff, house, per_row)
    spec = run.spec
    if run.policy is PolicyName.NONE:
        spec = replace(
            spec, max_soc_percent=min(BASELINE_PERCENT, spec.max_soc_percent)
        )
    plant = Plant(
        spec,
        time_s=house.times_s[0],
        dead_time_s=run.dead_time_s,
        islands=run.habits is not None,
    )
    engine = None
    policy: _Policy
    if run.policy is PolicyName.NONE:
        policy = _Baseline(plant)
    else:
        if planner is None and run.policy in PLANNED:
            planner = ReplayPlanner(
                run.house,
                run.contract,
                forecast=run.forecast,
                price_knowledge=run.price_knowledge,
                unit=UNIT,
                trips=run.trips,
            )
        policy = engine = _Engine(run, plant, step_s, timer, planner)

    play = None
    if run.habits is not None:
        ahead = [outage for outage in run.outages if outage.begin_s >= house.times_s[0]]
        play = OutagePlay(ahead, run.habits, Bands(house), plant, policy)
    records = Records.empty(house, per_row, plant.stored_kwh, prices)
    trips = outings(run.trips, house, step_s, per_row)
    board = _Board(trips)
    gone = 0
    back = count
    short_kwh: list[float] = []
    i = 0
    time_s = house.times_s[0]
    for row, row_s in enumerate(house.times_s):
        load_w, solar_w = house.load_w[row], house.solar_w[row]
        forecast_w = house.solar_forecast_w[row] if house.solar_forecast_w else None
        if row_s != time_s:
            plant.skip_to(row_s)
            policy.learn(None)
        for k in range(per_row):
            now_s = row_s + k * step_s
            if i == back:
                plant.plug_in()
            if gone < len(trips) and trips[gone].begin == i:
                outing = trips[gone]
                gone += 1
                back = outing.end
                short_kwh.append(_missing_kwh(plant, outing.trip))
                records.trip_kwh[i] = plant.unplug(outing.trip.energy_kwh)
                if play is not None:
                    play.leave(outing.trip.energy_kwh)
            result, intent, reason = _lived(
                plant, policy, play, records, i, board.at(now_s)
            )
            if engine is not None:
                engine.remember(now_s, load_w)
            if planner is not None:
                planner.learn(
                    now_s,
                    step_s,
                    HouseRow(
                        load_w=load_w, solar_w=solar_w, solar_forecast_w=forecast_w
                    ),
                )
            records.unit_w[i] = result.unit_w
            records.stored_kwh[i] = result.stored_kwh
            records.connected[i] = plant.connected
            records.intents.append(intent)
            records.reasons.append(reason)
            i += 1
            if progress is not None and i % _PROGRESS_STEPS == 0:
                progress(i, count)
        time_s = row_s + house.step_s
    if progress is not None:
        progress(count, count)
    books = account(
        records,
        run.contract,
        run.spec,
        days=house.days,
        days_left_out=house.days_left_out,
        short_kwh=[kwh for kwh in short_kwh if kwh > SHORT_KWH],
        departures=len(short_kwh),
        decision_s=engine.decision_s if engine else (),
        plan_s=engine.plan_s if engine else (),
    )
    return Replay(
        books=books,
        records=records,
        outage_books=play.books() if play else None,
        played=play.played if play else (),
    )


def _lived(
    plant: Plant,
    policy: _Policy,
    play: OutagePlay | None,
    records: Records,
    i: int,
    departures: tuple[Departure, ...],
) -> tuple[PlantStep, str, str]:
    """Live through the executed step `i`; return its means, and the policy's words.

    What was not carried in an outage was not taken either.
    """
    now_s, step_s = float(records.times_s[i]), records.step_s
    load_w, solar_w = float(records.load_w[i]), float(records.solar_w[i])
    if play is None or not play.concerns(now_s + step_s):
        if play is not None:
            play.calm(load_w, step_s)
        intent, reason = policy.decide(now_s, load_w, solar_w, departures)
        result = plant.advance(step_s, load_w, solar_w)
        policy.learn(result.grid_w)
        return result, intent, reason
    policy.learn(None)
    result, taken_w, sun_w, (intent, reason) = play.live(
        now_s, step_s, load_w, solar_w, departures
    )
    records.load_w[i], records.solar_w[i] = taken_w, sun_w
    records.outage[i] = True
    return result, intent, reason


def _executed_step(run: ReplayRun) -> tuple[float, int]:
    """Return the executed step and how many of them make one row."""
    step_s = run.house.step_s
    if run.execute_step_s is None:
        return step_s, 1
    per_row = round(step_s / run.execute_step_s) if run.execute_step_s > 0.0 else 0
    if per_row < 1 or abs(per_row * run.execute_step_s - step_s) > 1e-6:
        raise FormatError(
            f"execute-step: expected a part of the step of {step_s:g} s, "
            f"found {run.execute_step_s:g}"
        )
    return step_s / per_row, per_row


def outings(
    trips: Sequence[Trip], house: HouseRun, step_s: float, per_row: int
) -> list[Outing]:
    """Lay the trips that begin in the rows of the house on executed steps."""
    times_s = house.times_s
    count = len(times_s) * per_row
    result: list[Outing] = []
    for trip in trips:
        row = bisect_right(times_s, trip.departure_s) - 1
        if row < 0 or trip.departure_s >= times_s[row] + house.step_s:
            continue
        part = int((trip.departure_s - times_s[row]) // step_s)
        begin = row * per_row + part
        last = bisect_left(times_s, trip.return_s) - 1
        end = min(
            (last + 1) * per_row,
            last * per_row + ceil((trip.return_s - times_s[last]) / step_s),
        )
        if result and begin < result[-1].end:
            begin = result[-1].end
        if begin >= count:
            break
        departure_s = times_s[begin // per_row] + begin % per_row * step_s
        known = trip.known_hours_before
        result.append(
            Outing(
                begin,
                max(end, begin + 1),
                departure_s,
                inf if known is None else departure_s - known * 3600.0,
                trip,
            )
        )
    return result


class _Board:
    """Which departures are announced, looked up again only when that changes."""

    def __init__(self, outings: Sequence[Outing]) -> None:
        self._announced = [o for o in outings if o.announced_s < inf]
        self._shown: tuple[Departure, ...] = ()
        self._until_s = -inf

    def at(self, now_s: float) -> tuple[Departure, ...]:
        if now_s >= self._until_s:
            ahead = [o for o in self._announced if o.departure_s > now_s]
            self._announced = ahead
            self._shown = tuple(
                Departure(
                    time_s=o.departure_s,
                    soc_percent=o.trip.required_soc_percent,
                    back_s=o.trip.return_s,
                )
                for o in ahead
                if o.announced_s <= now_s
            )
            self._until_s = min(
                (
                    o.announced_s if o.announced_s > now_s else o.departure_s
                    for o in ahead
                ),
                default=inf,
            )
        return self._shown


def _missing_kwh(plant: Plant, trip: Trip) -> float:
    """Return what the battery lacks at departure, for the trip or what was asked."""
    asked_kwh = plant.spec.capacity_kwh * trip.required_soc_percent / 100.0
    return max(0.0, max(asked_kwh, trip.energy_kwh) - plant.stored_kwh)
