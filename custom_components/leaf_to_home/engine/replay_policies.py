"""Who decides in a replay: the engine, or the baseline that savings count from."""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
import json
from math import inf
from typing import Protocol

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
from .outage_house import Outlooks
from .outage_model import (
    LoadCommand,
    LoadInput,
    LoadOutlook,
    OutageDecision,
    OutagePhase,
    OutageSettings,
    UnitBackup,
)
from .outage_replay import Witness
from .plan import Plan
from .plant import Plant
from .replay_planner import HouseRow
from .replay_run import PLAN_EVERY_S, UNIT, PolicyName, ReplayRun
from .state import HomeSettings, HomeState, UnitState, first_settings
from .step import step
from .stored import from_dict, to_dict

# What the baseline charges to.
BASELINE_PERCENT = 80.0
# From this step on a row is a mean; below, it is what a meter shows at that moment.
MEANS_FROM_S = 60.0


class Policy(Witness, Protocol):
    """Whoever decides in a replay."""

    def learn(self, grid_w: float | None) -> None:
        """Hear the true mean grid power of the step before, None after a hole."""
        ...


class Baseline:
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
        """Charge as long as it is at home and not full."""
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


class Engine:
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
        """Let `step` decide on what is measured now, and carry it out."""
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
        """Take the mean for what the meter of the house has shown."""
        self._grid_mean_w = grid_w

    def look(self, loads: Mapping[str, LoadInput], interval_s: float) -> None:
        """See the loads of the tiers, and decide at this interval from now on."""
        self._loads = loads
        self._interval_s = interval_s

    @property
    def commands(self) -> tuple[LoadCommand, ...]:
        """Return what the loads are told."""
        return self._decided.commands if self._decided else ()

    @property
    def at_rest(self) -> bool:
        """Return whether the outage is over, with every tier back."""
        decided = self._decided
        return decided is None or (
            decided.phase is OutagePhase.NORMAL and not decided.tiers_shed
        )

    def save(self) -> None:
        """Write the state as it would be on disk."""
        self._saved = json.dumps(to_dict(self._state))

    def restart(self) -> None:
        """Begin again with what was saved last."""
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
