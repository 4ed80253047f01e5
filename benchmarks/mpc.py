"""The peer method: a rolling linear program on a mean forecast, followed live.

Every quarter-hour a linear program over the known prices (48 h at most) is solved on
the mean of the home's own past, the same past that the planner draws its distributions
from. What it does in the first step becomes an intent: what it discharges means
covering the load that really comes, what it charges from the sun means absorbing it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from custom_components.leaf_to_home.engine.absences import absences_of
from custom_components.leaf_to_home.engine.accounts import END_QUANTILE
from custom_components.leaf_to_home.engine.battery import UnitSpec
from custom_components.leaf_to_home.engine.forecast import Level
from custom_components.leaf_to_home.engine.horizon import Part, lay_out
from custom_components.leaf_to_home.engine.leaving import one_by_one
from custom_components.leaf_to_home.engine.limits import soft_limit_w
from custom_components.leaf_to_home.engine.model import (
    Inputs,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
    Site,
)
from custom_components.leaf_to_home.engine.plan import (
    Absence,
    Floats,
    Plan,
    PlannedStep,
)
from custom_components.leaf_to_home.engine.price_futures import PriceMemory
from custom_components.leaf_to_home.engine.replay_planner import HouseRow, ReplayPlanner
from custom_components.leaf_to_home.engine.replay_run import UNIT, ReplayRun
from custom_components.leaf_to_home.engine.state import HomeState

from .linear_program import LinearProgram

# How far ahead peers look, where prices are known; nearer to 0 than this is holding.
HOURS = 48.0
_SHORT_PENALTY = 20.0
_LIMIT_PENALTY = 5.0
_RESERVE_SHARE = 0.05
LEAST_W = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """What the program knows of the unit and the contract."""

    spec: UnitSpec
    site: Site
    stored_kwh: float
    reserve_percent: float
    max_soc_percent: float
    limit_w: float | None


class MeanForecastMpc:
    """Plans one unit with a linear program; the interface of a replay's planner."""

    def __init__(self, run: ReplayRun) -> None:
        self._past = ReplayPlanner(run.house, run.contract, unit=UNIT, trips=run.trips)
        self._step_s = max(900.0, run.house.step_s)
        self._prices = PriceMemory()

    def hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in whether the unit is there."""
        self._past.hear(state, inputs, now_s)

    def learn(self, now_s: float, step_s: float, row: HouseRow) -> None:
        """Remember what load and sun were."""
        self._past.learn(now_s, step_s, row)

    def plan(
        self, state: HomeState, inputs: Inputs, now_s: float
    ) -> Mapping[str, Plan]:
        """Return the first step's intent as a plan of one step."""
        ((key, known),) = inputs.units.items()
        unit = state.units[key]
        if unit.stored_kwh is None:
            return {}
        tariff = inputs.site.tariff
        absences = absences_of(
            unit, known, self._past.past.presence.get(unit.book(key)), tariff, now_s
        )
        slots = tariff.known(now_s, hours=HOURS)
        if not slots:
            return {}
        timeline = lay_out(
            tariff,
            now_s,
            self._prices,
            cuts_s=[at for a in absences for at in (a.departure_s, a.back_s)],
            step_s=self._step_s,
            hours=HOURS,
            last_s=self._past.end_s,
        )
        part = _until(timeline.near, timeline.far, slots[-1].end_s, self._past.end_s)
        level = Level(load_w=state.load_w, solar_w=state.solar_w)
        draw_w, weights = self._past.draws.expect(tariff, part.starts_s, level)
        mean_w = draw_w @ weights
        case = _Case(
            spec=known.spec,
            site=inputs.site,
            stored_kwh=unit.stored_kwh,
            reserve_percent=unit.settings.reserve_percent,
            max_soc_percent=unit.settings.max_soc_percent,
            limit_w=soft_limit_w(state, inputs.site, now_s),
        )
        power_w, stored_kwh = self._solve(case, part, mean_w, absences)
        step = PlannedStep(
            start_s=now_s,
            end_s=float(part.starts_s[1]),
            intent=live_intent(power_w, float(mean_w[0]), known.spec),
            soc_percent=stored_kwh / known.spec.capacity_kwh * 100.0,
            unit_w=power_w,
            grid_w=float(mean_w[0]) - power_w,
            import_price=float(part.import_price[0, 0]),
            cost=0.0,
        )
        return {
            key: Plan(made_s=now_s, steps=(step,), expected_cost=0.0, stored_value=0.0)
        }

    def _solve(
        self, case: _Case, part: Part, mean_w: Floats, absences: Sequence[Absence]
    ) -> tuple[float, float]:
        """Return the first step's power (into the home) and what is stored after it."""
        spec, site = case.spec, case.site
        program = LinearProgram()
        starts = part.starts_s[:-1]
        hours = (np.diff(part.starts_s) / 3600.0).tolist()
        capacity = spec.capacity_kwh
        percent = max(case.reserve_percent, spec.min_soc_percent)
        floor = capacity * (percent + spec.soc_step_percent) / 100.0
        top = max(capacity * case.max_soc_percent / 100.0, case.stored_kwh)
        charge_part = spec.stored_w(-spec.max_charge_w) / spec.max_charge_w
        usual_w = max(spec.max_discharge_w / 4.0, 1.0)
        drain_part = -spec.stored_w(usual_w) / usual_w
        cheap = float(np.quantile(part.import_price[0], END_QUANTILE))
        ends = part.starts_s[-1] >= self._past.end_s - 1.0
        end_price = self._past.end_price if ends else cheap / charge_part
        leaving = {
            int(np.searchsorted(starts, absence.departure_s - 30.0)): absence
            for absence in one_by_one(absences)
            if absence.departure_s >= starts[0] - 30.0
        }
        stored = program.variable(0.0, case.stored_kwh, case.stored_kwh)
        first = (stored, stored, stored)
        for index, length in enumerate(hours):
            begin_s, end_s = float(starts[index]), float(part.starts_s[index + 1])
            away = any(
                begin_s >= a.departure_s - 30.0 and end_s <= a.back_s + 30.0
                for a in absences
            )
            draw_kw = float(mean_w[index]) / 1e3
            most_kw = max(0.0, draw_kw - spec.min_import_w / 1e3)
            most_kw = min(
                most_kw + site.battery_export_limit_w / 1e3, spec.max_discharge_w / 1e3
            )
            charge = program.variable(
                0.0, 0.0, 0.0 if away else spec.max_charge_w / 1e3
            )
            discharge = program.variable(
                spec.wear_per_kwh * length, 0.0, 0.0 if away else most_kw
            )
            bought = program.variable(
                float(part.import_price[0, index]) * length, 0.0, np.inf
            )
            # Where selling earns more than buying costs a program would do both.
            price = min(part.export_price[0, index], part.import_price[0, index])
            sold = program.variable(-float(price) * length, 0.0, np.inf)
            last = index == len(hours) - 1
            after = program.variable(-end_price if last else 0.0, 0.0, top)
            program.row(
                [(bought, 1.0), (sold, -1.0), (charge, -1.0), (discharge, 1.0)],
                draw_kw,
                draw_kw,
            )
            trip = leaving.get(index)
            left_kwh = 0.0 if trip is None else trip.energy_kwh
            if trip is not None:
                short = program.variable(_SHORT_PENALTY, 0.0, np.inf)
                asked = capacity * trip.soc_percent / 100.0
                program.row([(stored, 1.0), (short, 1.0)], asked, np.inf)
            lack = program.variable(_SHORT_PENALTY, 0.0, np.inf)
            program.row(
                [
                    (after, 1.0),
                    (stored, -1.0),
                    (charge, -length * charge_part),
                    (discharge, length * drain_part),
                    (lack, -1.0),
                ],
                -left_kwh,
                -left_kwh,
            )
            missing = program.variable(_RESERVE_SHARE * cheap * length, 0.0, np.inf)
            program.row([(after, 1.0), (missing, 1.0)], floor, np.inf)
            if case.limit_w is not None:
                over = program.variable(_LIMIT_PENALTY * length, 0.0, np.inf)
                program.row([(bought, 1.0), (over, -1.0)], -np.inf, case.limit_w / 1e3)
            if index == 0:
                first = (charge, discharge, after)
            stored = after
        _, solution = program.solve()
        charged, discharged, kept = (float(solution[column]) for column in first)
        return (discharged - charged) * 1e3, kept


def _until(near: Part, far: Part, end_s: float, last_s: float) -> Part:
    """Return the steps whose prices are known, at most up to `end_s`."""
    starts = np.concatenate([near.starts_s, far.starts_s[1:]])
    imports = np.concatenate([near.import_price[0], far.import_price[0]])
    exports = np.concatenate([near.export_price[0], far.export_price[0]])
    limit_s = min(end_s, starts[0] + HOURS * 3600.0, last_s)
    count = max(int(np.searchsorted(starts, limit_s + 1.0)) - 1, 1)
    cut: Floats = starts[: count + 1]
    return Part(
        starts_s=cut,
        import_price=imports[None, :count],
        export_price=exports[None, :count],
        price_basis=(*near.price_basis, *far.price_basis)[:count],
    )


def live_intent(power_w: float, mean_w: float, spec: UnitSpec) -> Intent:
    """Turn the first step's power into what the loop follows live."""
    reason = Reason(code=ReasonCode.PLAN)
    if power_w > LEAST_W:
        return Intent(
            kind=IntentKind.COVER,
            power_w=spec.max_discharge_w,
            reason=reason,
            absorb_surplus=True,
        )
    if power_w < -LEAST_W:
        if mean_w < 0.0 and -power_w <= -mean_w + LEAST_W:
            return Intent(
                kind=IntentKind.ABSORB, power_w=spec.max_charge_w, reason=reason
            )
        return Intent(kind=IntentKind.CHARGE, power_w=-power_w, reason=reason)
    return Intent(kind=IntentKind.HOLD, power_w=0.0, reason=reason)
