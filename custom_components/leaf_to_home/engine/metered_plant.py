"""A portable unit on a plug that behaves like a real one, for replay, demo and tests.

Its only lever is its AC input. It charges at its own power, tapers, stops when full and
begins again a little below; its appliances run from the mains or from the battery, as
its kind of pass-through has it; empty, it drops them until it has been charged a bit.
"""

from dataclasses import dataclass
from math import floor
from typing import Any, Self

from .metered_model import Facts, PassThrough
from .model import Reading, UnitStatus
from .plant import WS_PER_KWH, PlantStep
from .stored import from_dict, to_dict

# Above this share the charge tapers, down to the least share of its power when full.
TAPER_FROM: float = 0.95
LEAST_TAPER: float = 0.1
# A full unit begins to charge again below this share; an empty one gives again above.
REFILL_BELOW: float = 0.97
REVIVES_AT: float = 0.03
RESTING_W: float = 2.0


@dataclass(kw_only=True, slots=True)
class MeteredPlantState:
    """All that the unit remembers; `input_w` and `output_w` are means of the last step.

    `alive`: it gives power to its appliances, or would.
    """

    time_s: float = 0.0
    stored_kwh: float = 0.0
    on: bool = False
    full: bool = False
    alive: bool = True
    input_w: float = 0.0
    output_w: float = 0.0
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0


class MeteredPlant:
    """One portable unit; `load_w` is what the appliances behind it ask for.

    `loss_factor` and `idle_factor` make it another one than its facts say.
    """

    __slots__ = ("_state", "facts", "idle_factor", "load_w", "loss_factor")

    def __init__(
        self,
        facts: Facts,
        *,
        time_s: float = 0.0,
        load_w: float = 0.0,
        stored_kwh: float | None = None,
        on: bool = False,
        loss_factor: float = 1.0,
        idle_factor: float = 1.0,
    ) -> None:
        self.facts = facts
        self.load_w = load_w
        self.loss_factor = loss_factor
        self.idle_factor = idle_factor
        unit = facts.unit
        if stored_kwh is None:
            stored_kwh = unit.capacity_kwh * unit.initial_soc_percent / 100.0
        self._state = MeteredPlantState(time_s=time_s, stored_kwh=stored_kwh, on=on)

    @property
    def time_s(self) -> float:
        """Return up to when it has run."""
        return self._state.time_s

    @property
    def stored_kwh(self) -> float:
        """Return the true stored energy."""
        return self._state.stored_kwh

    @property
    def soc_percent(self) -> float:
        """Return the true state of charge, which it tells nobody."""
        return 100.0 * self._state.stored_kwh / self.facts.unit.capacity_kwh

    @property
    def on(self) -> bool:
        """Return whether its input is switched on."""
        return self._state.on

    @property
    def alive(self) -> bool:
        """Return whether its output has power."""
        return self._state.alive

    @property
    def input_w(self) -> float:
        """Return what the plug at the input saw last, W."""
        return self._state.input_w

    @property
    def output_w(self) -> float:
        """Return what a meter at the output saw last, W."""
        return self._state.output_w

    @property
    def connected(self) -> bool:
        """Return True: it stays where its plug is."""
        return True

    @property
    def power_w(self) -> float:
        """Return what it gives to the home less what it takes, W."""
        return self._state.output_w - self._state.input_w

    @property
    def commanded_w(self) -> float:
        """Return the command that stands: what it takes, or what it carries."""
        if self._state.on:
            return -self.facts.unit.max_charge_w
        return self.load_w if self.feeds_through else 0.0

    @property
    def feeds_through(self) -> bool:
        """Return whether appliances have power with the mains on, too."""
        return self.facts.pass_through is not PassThrough.NONE

    def switch(self, on: bool) -> None:
        """Switch the plug at its input."""
        self._state.on = on

    def command(self, power_w: float, now_s: float) -> None:
        """Switch the plug as a set-point means it: below 0 is on."""
        del now_s
        self._state.on = power_w < 0.0

    def plug_in(self) -> None:
        """Stay where it is: it makes no trips."""

    def unplug(self, energy_kwh: float = 0.0) -> float:
        """Raise `ValueError`: nobody drives with it."""
        raise ValueError(f"a portable unit makes no trips of {energy_kwh} kWh")

    def skip_to(self, time_s: float) -> None:
        """Let the time pass up to `time_s` without anything happening."""
        self._state.time_s = time_s

    def reading(self, *, max_age_s: float = 60.0) -> Reading:
        """Return what its driver would say if it counted without any error."""
        state, unit = self._state, self.facts.unit
        power_w = self.power_w
        status = UnitStatus.IDLE
        if abs(power_w) >= RESTING_W:
            status = UnitStatus.DISCHARGING if power_w > 0.0 else UnitStatus.CHARGING
        step = unit.soc_step_percent
        soc = self.soc_percent
        return Reading(
            time_s=state.time_s,
            max_age_s=max_age_s,
            soc_percent=floor(soc / step + 1e-6) * step if step > 0.0 else soc,
            power_w=power_w,
            status=status,
            islanding=False,
            charged_kwh=state.charged_kwh,
            discharged_kwh=state.discharged_kwh,
            max_charge_w=unit.max_charge_w,
            max_discharge_w=self.load_w if self.feeds_through else 0.0,
            carried_w=state.output_w,
        )

    def advance(self, dt_s: float, load_w: float, solar_w: float = 0.0) -> PlantStep:
        """Run for `dt_s` seconds in a house of this load and solar power, both W.

        What is plugged in behind the unit is part of the house's load.
        """
        state, facts, unit = self._state, self.facts, self.facts.unit
        capacity, hours = unit.capacity_kwh, dt_s / WS_PER_KWH
        passes = state.on and facts.pass_through is PassThrough.BYPASS
        feeds = passes or not (state.on and facts.pass_through is PassThrough.NONE)
        output_w = min(self.load_w, unit.max_discharge_w) if feeds else 0.0
        if not (state.alive or passes):
            output_w = 0.0
        mains_w = min(output_w, facts.max_input_w) if passes else 0.0
        given_w = output_w - mains_w
        charge_w = 0.0
        if state.on:
            charge_w = min(self._charge_w(), facts.max_input_w - mains_w)
        own_w = 0.0
        if state.alive and not (state.on and facts.pass_through is not _INVERTER):
            own_w = facts.idle_w * self.idle_factor
        leak_w = (
            facts.self_discharge_percent_month / 100.0 * capacity * 1e3 / (30 * 24.0)
        )
        fill_w = charge_w - self._loss_w(charge_w, unit.charge_loss.loss_w(charge_w))
        drain_w = given_w + self._loss_w(given_w, unit.discharge_loss.loss_w(given_w))
        rate_w = max(0.0, fill_w) - drain_w - own_w - leak_w
        room_kwh = capacity - state.stored_kwh
        change_kwh = min(rate_w * hours, room_kwh)
        if change_kwh < -state.stored_kwh:
            # It gives out in the middle; the rest of the step is dark.
            share = state.stored_kwh / -change_kwh
            output_w, given_w = output_w * share, given_w * share
            change_kwh = -state.stored_kwh
            state.alive = False
        state.stored_kwh += change_kwh
        state.full = state.stored_kwh >= capacity - 1e-9 or (
            state.full and state.stored_kwh >= REFILL_BELOW * capacity
        )
        if not state.alive and state.on:
            state.alive = state.stored_kwh >= REVIVES_AT * capacity
        resting_w = RESTING_W if state.on else 0.0
        state.input_w = mains_w + max(charge_w, resting_w)
        state.output_w = output_w
        state.charged_kwh += charge_w * hours
        state.discharged_kwh += given_w * hours
        state.time_s += dt_s
        return PlantStep(
            unit_w=self.power_w,
            grid_w=load_w - solar_w - self.power_w,
            stored_kwh=state.stored_kwh,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what it remembers as JSON-ready plain data."""
        result: dict[str, Any] = to_dict(self._state)
        return result

    @classmethod
    def from_dict(cls, facts: Facts, data: Any, **settings: Any) -> Self:
        """Make a unit with the keyword `settings` of `__init__` and a stored memory.

        Raises `StateError` when the memory cannot be read.
        """
        plant = cls(facts, **settings)
        plant._state = from_dict(MeteredPlantState, data, "plant")
        return plant

    def _charge_w(self) -> float:
        """Return the power that its charger takes now."""
        state, unit = self._state, self.facts.unit
        if state.full:
            return 0.0
        share = state.stored_kwh / unit.capacity_kwh
        left = max(0.0, (1.0 - share) / (1.0 - TAPER_FROM))
        return unit.max_charge_w * min(1.0, max(LEAST_TAPER, left))

    def _loss_w(self, power_w: float, loss_w: float) -> float:
        return min(power_w, loss_w * self.loss_factor) if power_w > 0.0 else 0.0


_INVERTER = PassThrough.INVERTER
