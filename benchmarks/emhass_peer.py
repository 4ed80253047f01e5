"""EMHASS as a peer: its own optimiser, asked the way its users ask it.

The real package runs in its own Python beside this one, since its dependencies are not
ours: `EMHASS_PYTHON` names that Python, and `scripts/bench --peer emhass` provides it.
At every plan it gets what the other peers get (the mean of the home's own past, the
prices that are known, what is stored) and solves its naive MPC with its default
settings. Its battery power for the first step is carried out as a set-point until the
next plan, or, as some users do, only its sign is: discharging then means covering the
load that really comes.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
import json
from math import inf
import os
from pathlib import Path
import subprocess
from tempfile import TemporaryFile
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import numpy as np

from custom_components.leaf_to_home.engine.battery import UnitSpec
from custom_components.leaf_to_home.engine.forecast import Level
from custom_components.leaf_to_home.engine.limits import soft_limit_w
from custom_components.leaf_to_home.engine.model import (
    Inputs,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
)
from custom_components.leaf_to_home.engine.plan import Floats, Plan, PlannedStep
from custom_components.leaf_to_home.engine.replay_planner import HouseRow, ReplayPlanner
from custom_components.leaf_to_home.engine.replay_run import UNIT, ReplayRun
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.tariff import PriceSlot

from .mpc import HOURS, LEAST_W, live_intent

WORKER = Path(__file__).with_name("emhass_worker.py")
PYTHON = "EMHASS_PYTHON"
SET_POINTS, LIVE = "emhass", "emhass live"
# What is compared, and what is about trips and nothing else.
ABOUT_TRIPS = ("commuter", "commuter-unannounced")
PEER_CASES = (
    "emhass-bands",
    "emhass-dynamic",
    "home1-bands",
    "home1-dynamic",
    "home4-bands",
    "home4-dynamic",
    "portable",
    *ABOUT_TRIPS,
)
NOTES = """\
emhass: asked every 30 minutes; its battery power for the step is a set-point
emhass live: only its sign counts, and the loop covers or absorbs what really comes
–: its battery cannot leave, so no trip can be expressed; in all scenarios but the
   commuter's the car is at home all the time
It cannot express losses as a function of power, standby, minimum power and starts."""
# EMHASS's own default for its time step; it is asked once in each.
STEP_S = 1800.0
# EMHASS wants at least so many steps.
FEWEST_STEPS = 5
# No limit at the connection: a number that no house reaches.
NO_LIMIT_W = 1_000_000


class PeerError(RuntimeError):
    """The peer is not there, or could not answer."""


class Worker:
    """EMHASS in its own process; answers one question at a time."""

    def __init__(self, command: Sequence[str], config: Mapping[str, object]) -> None:
        """Start it; raises `PeerError` where it does not answer."""
        self._said = TemporaryFile()  # noqa: SIM115 closed with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
        )
        try:
            self.version = str(self.ask({"config": dict(config)})["version"])
        except BaseException:
            self.close()
            raise

    def ask(self, question: Mapping[str, object]) -> Mapping[str, Any]:
        """Return the answer; raises `PeerError` where there is none."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerError(
                f"EMHASS ended with code {process.wait()}: {self._last_words()}"
            )
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(f"EMHASS: {answer['error']}")
        return answer

    def close(self) -> None:
        """Let the process end."""
        # Its input may hold a question that it never took.
        with suppress(BrokenPipeError), self._process:
            pass
        self._said.close()

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "no word why")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Horizon:
    """Steps of equal length from now on, with what is known of them."""

    starts_s: Floats
    import_price: Floats
    export_price: Floats


class EmhassPeer:
    """Plans one unit with EMHASS; the interface of a replay's planner."""

    def __init__(
        self, run: ReplayRun, *, live: bool, command: Sequence[str] | None = None
    ) -> None:
        """Start it; raises `PeerError` where it is not to be had."""
        problem = cannot_express(run)
        if problem is not None:
            raise PeerError(problem)
        self._past = ReplayPlanner(run.house, run.contract, unit=UNIT)
        self._step_s = plan_step_s(run)
        self._live = live
        self._planned: Mapping[str, Plan] = {}
        self._planned_s = -inf
        self.solve_s: list[float] = []
        self._worker = Worker(command or _command(), _config(run, self._step_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.close()

    def hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in whether the unit is there."""
        self._past.hear(state, inputs, now_s)

    def learn(self, now_s: float, step_s: float, row: HouseRow) -> None:
        """Remember what load and sun were."""
        self._past.learn(now_s, step_s, row)

    def plan(
        self, state: HomeState, inputs: Inputs, now_s: float
    ) -> Mapping[str, Plan]:
        """Return the present step's intent as a plan of one step."""
        begin_s = now_s - now_s % self._step_s
        if begin_s != self._planned_s:
            self._planned_s = begin_s
            begun_s = perf_counter()
            self._planned = self._plan(state, inputs, now_s)
            self.solve_s.append(perf_counter() - begun_s)
        return self._planned

    def _plan(
        self, state: HomeState, inputs: Inputs, now_s: float
    ) -> Mapping[str, Plan]:
        ((key, known),) = inputs.units.items()
        unit = state.units[key]
        if unit.stored_kwh is None:
            return {}
        tariff = inputs.site.tariff
        slots = tariff.known(now_s, hours=HOURS)
        if not slots:
            return {}
        horizon = _horizon(slots, now_s, self._step_s, self._past.end_s)
        level = Level(load_w=state.load_w, solar_w=state.solar_w)
        draw_w, weights = self._past.draws.expect(tariff, horizon.starts_s, level)
        mean_w = draw_w @ weights
        capacity_kwh = known.spec.capacity_kwh
        answer = self._worker.ask(
            {
                # Only the difference matters to it: sun has no cost and no limit here.
                "load_w": np.maximum(mean_w, 0.0).tolist(),
                "solar_w": np.maximum(-mean_w, 0.0).tolist(),
                "import_price": horizon.import_price.tolist(),
                "export_price": horizon.export_price.tolist(),
                "soc": unit.stored_kwh / capacity_kwh,
                "soc_final": _floor_percent(known.spec) / 100.0,
                # Below what the month has cost already, or gets free, a peak is free.
                "peak_w": soft_limit_w(state, inputs.site, now_s) or 0.0,
            }
        )
        power_w = 0.0
        if str(answer["status"]).startswith("Optimal"):
            power_w = float(answer["power_w"][0])
        spec = known.spec
        intent = (
            live_intent(power_w, float(mean_w[0]), spec)
            if self._live
            else set_point(power_w)
        )
        step = PlannedStep(
            start_s=now_s,
            end_s=float(horizon.starts_s[1]),
            intent=intent,
            soc_percent=unit.stored_kwh / capacity_kwh * 100.0,
            unit_w=power_w,
            grid_w=float(mean_w[0]) - power_w,
            import_price=float(horizon.import_price[0]),
            cost=0.0,
        )
        return {
            key: Plan(made_s=now_s, steps=(step,), expected_cost=0.0, stored_value=0.0)
        }


def set_point(power_w: float) -> Intent:
    """Return the intent that runs at a fixed power, as far as nothing is exported."""
    reason = Reason(code=ReasonCode.PLAN)
    if power_w > LEAST_W:
        return Intent(kind=IntentKind.COVER, power_w=power_w, reason=reason)
    if power_w < -LEAST_W:
        return Intent(kind=IntentKind.CHARGE, power_w=-power_w, reason=reason)
    return Intent(kind=IntentKind.HOLD, power_w=0.0, reason=reason)


def cannot_express(run: ReplayRun) -> str | None:
    """Return why EMHASS cannot be asked for this run, None where it can."""
    if run.trips:
        return "a battery of EMHASS is always at home"
    return None


def plan_step_s(run: ReplayRun) -> float:
    """Return EMHASS's time step, which is how often it is asked, too."""
    return max(STEP_S, run.house.step_s)


def _command() -> Sequence[str]:
    python = os.environ.get(PYTHON)
    if not python:
        raise PeerError(
            f"EMHASS is not installed: {PYTHON} names no Python that has it"
        )
    # -P: what lies beside the worker is not for EMHASS to import.
    return [python, "-P", str(WORKER)]


def _floor_percent(spec: UnitSpec) -> float:
    return max(spec.reserve_percent, spec.min_soc_percent) + spec.soc_step_percent


def _config(run: ReplayRun, step_s: float) -> Mapping[str, object]:
    """Return the house and its battery in EMHASS's own settings.

    Its efficiencies are constants: as with the other peer those at full charging power
    and at a quarter of the discharging power. Its power limits are on the battery's
    side.
    """
    spec, site = run.spec, run.contract.site
    peak_price = 0.0
    if site.capacity is not None:
        peak_price = site.capacity.price_per_kw_month / site.capacity.peaks_averaged
    usual_w = max(spec.max_discharge_w / 4.0, 1.0)
    charging = spec.stored_w(-spec.max_charge_w) / spec.max_charge_w
    discharging = -usual_w / spec.stored_w(usual_w)
    return {
        "optimization_time_step": round(step_s / 60.0),
        "number_of_deferrable_loads": 0,
        "nominal_power_of_deferrable_loads": [],
        "set_use_pv": True,
        "set_use_battery": True,
        "battery_nominal_energy_capacity": spec.capacity_kwh * 1e3,
        "battery_minimum_state_of_charge": _floor_percent(spec) / 100.0,
        "battery_maximum_state_of_charge": spec.max_soc_percent / 100.0,
        "battery_charge_power_max": spec.max_charge_w * charging,
        "battery_discharge_power_max": spec.max_discharge_w / discharging,
        "battery_charge_efficiency": charging,
        "battery_discharge_efficiency": discharging,
        "weight_battery_discharge": spec.wear_per_kwh,
        "set_nodischarge_to_grid": True,
        "maximum_power_from_grid": run.contract.import_limit_w or NO_LIMIT_W,
        "capacity_cost_per_kw": peak_price,
        "maximum_power_to_grid": NO_LIMIT_W,
        "num_threads": 1,
    }


def _horizon(
    slots: Sequence[PriceSlot], now_s: float, step_s: float, last_s: float
) -> _Horizon:
    """Return the steps whose prices are known; at the end of a run the last goes on."""
    begin_s = now_s - now_s % step_s
    end_s = min(slots[-1].end_s, last_s)
    count = max(FEWEST_STEPS, int((end_s - begin_s) / step_s + 1e-6))
    starts_s: Floats = begin_s + step_s * np.arange(count + 1, dtype=np.float64)
    edges = np.array([slot.start_s for slot in slots])
    which = np.searchsorted(edges, starts_s[:-1] + 1e-6, side="right") - 1
    prices = np.array(
        [[slot.import_price or 0.0, slot.export_price or 0.0] for slot in slots]
    )[np.maximum(which, 0)]
    return _Horizon(
        starts_s=starts_s, import_price=prices[:, 0], export_price=prices[:, 1]
    )
