"""What a home hears between two plans, kept short whatever happens."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from homeassistant.core import callback

from .engine.announced import told_departures
from .engine.model import Inputs, UnitInputs
from .engine.quarters import Quarter, Quarters
from .engine.state import HomeState, UnitState

# So much is remembered while nothing can be learnt from it.
QUARTERS_KEPT: Final = 7 * 96
MOMENTS_KEPT: Final = 64
# What is stored jumps by this much from one step to the next only when it is corrected.
JUMP_PERCENT: Final = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """Whole quarter-hours, comings and goings, and the latest inputs."""

    quarters: Sequence[Quarter]
    moments: Sequence[tuple[HomeState, Inputs, float]]
    inputs: Inputs | None


class Hearing:
    """Whole quarter-hours, comings and goings, and what is worth a new plan."""

    def __init__(self) -> None:
        self.level = Quarters()
        self._quarters: deque[Quarter] = deque(maxlen=QUARTERS_KEPT)
        self._moments: deque[tuple[HomeState, Inputs, float]] = deque(
            maxlen=MOMENTS_KEPT
        )
        self._inputs: Inputs | None = None
        self._there: object = None
        self._stored_kwh: dict[str, float | None] = {}

    @callback
    def async_hear(self, state: HomeState, inputs: Inputs, now_s: float) -> bool:
        """Take in a step; return whether a unit's charge was corrected."""
        self._inputs = inputs
        quarter = self.level.see(state, now_s)
        if quarter is not None:
            self._quarters.append(quarter)
        there = [
            _presence(key, state.units[key], known, now_s)
            for key, known in inputs.units.items()
        ]
        if there != self._there:
            self._there = there
            self._moments.append((state, inputs, now_s))
        return self._jumped(state, inputs)

    @callback
    def async_take(self) -> Heard:
        """Return what was heard since the last time."""
        heard = Heard(
            quarters=tuple(self._quarters),
            moments=tuple(self._moments),
            inputs=self._inputs,
        )
        self._quarters.clear()
        self._moments.clear()
        return heard

    def _jumped(self, state: HomeState, inputs: Inputs) -> bool:
        jumped = False
        for key, known in inputs.units.items():
            after_kwh = state.units[key].stored_kwh
            before_kwh = self._stored_kwh.get(key)
            self._stored_kwh[key] = after_kwh
            if before_kwh is not None and after_kwh is not None:
                moved_percent = (
                    abs(after_kwh - before_kwh) / known.spec.capacity_kwh * 100.0
                )
                jumped |= moved_percent >= JUMP_PERCENT
        return jumped


def _presence(key: str, unit: UnitState, known: UnitInputs, now_s: float) -> object:
    """Return what makes a moment worth remembering when it changes."""
    departures = told_departures(unit, known, now_s)
    return key, unit.connected, unit.vehicle, unit.vehicle_here, departures
